"""Read the parts of requests quickly, and put together what is known of their entities.

A reader (`compiler.request_reader_codegen`) is generated for a target when a valid request for it has come in. It
has the parts read by readers of their types, which all targets share, and sees that they have what its rules
read; `gather` (`gathering.py`) puts together what is known of all entities.
"""

from __future__ import annotations

from typing import Any, Final

from policyengine.intake.build import carrying, with_references
from policyengine.intake.gathering import Gathering, Read
from policyengine.intake.objects import Objects
from policyengine.intake.part_checks import PartCheck
from policyengine.model.entities import Entity
from policyengine.model.limits import Limits
from policyengine.model.needs import Needs
from policyengine.model.records import Record
from policyengine.model.types import EntityType, RecordType, Schema, SetType, TargetKey, Type
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.program import Program

_MOST_TARGETS: Final = 4_096
_MOST_COMPARED: Final = 64
"""Readers of the same types that are compared with what a target needs: what many call is near the processor."""
_MOST_ATTRIBUTES: Final = 1_000
"""Of requests with more attributes, those in records included, no reader is made: it takes seconds."""


class Readers:
    """The readers of the targets of a policy set, of its entities and contexts, and of objects.

    They know no store, so engines of one set that differ in their stores share them.
    """

    def __init__(self, program: Program, limits: Limits) -> None:
        self.by_target: dict[TargetKey, Function] = {}
        self._by_types: dict[tuple[str, str], list[tuple[object, Function]]] = {}
        self._of_stored: dict[TargetKey, Function] = {}
        self.objects = Objects(program.schema, limits, program.needs)
        self._program = program
        self._limits = limits
        self._gathering = Gathering(program.schema.entities, limits)
        self._context_readers: dict[RecordType, Read] = {}
        self._checks: dict[EntityType | RecordType, list[PartCheck]] = {}
        self._readers_by_action: dict[str, Read] = {}

    def open(self, target: TargetKey) -> bool:
        """Make the reader for *target*, unless it is too large; whether there is one."""
        if target not in self.by_target:
            if len(self.by_target) >= _MOST_TARGETS or self._size(target) > _MOST_ATTRIBUTES:
                return False
            self.by_target[target] = self._shared_reader(target)
        return True

    def open_like(self, others: Readers) -> None:
        """Make the readers that *others* have, of another set perhaps; those that would be the same are shared."""
        schema, other = self._program.schema, others._program.schema
        is_same = schema.entities == other.entities and self._limits == others._limits
        for target, reader in list(others.by_target.items()):
            if not schema.has(target):
                continue
            if is_same and self._reads(target) == others._reads(target):
                self.by_target.setdefault(target, reader)
            else:
                self.open(target)

    def _reads(self, target: TargetKey) -> tuple[object, ...]:
        """Return all that a reader depends on, beside the types of entities and limits."""
        program = self._program
        context, compiled = program.schema.actions[target[0]].context, program.compiled(target)
        return context, program.needs(target), compiled.follows, compiled.lined, compiled.timed

    def _size(self, target: TargetKey) -> int:
        """Return how many attributes there are to read in a request for *target*."""
        schema, (action, subject, resource) = self._program.schema, target
        context = schema.actions[action].context
        given = (schema.entities[subject], schema.entities[resource], context)
        return sum(
            _attributes_in(attribute.type) for type_ in given for attribute in type_.attributes
        )

    def _shared_reader(self, target: TargetKey) -> Function:
        """Return the reader for *target*, which others share of which the same is read."""
        made, reads = self._by_types.setdefault(target[1:], []), self._reads(target)
        for known, reader in made[:_MOST_COMPARED]:
            if known == reads:
                return reader
        reader = self._reader(target)  # another thread may make an equal one
        made.append((reads, reader))
        return reader

    def _reader(self, target: TargetKey) -> Function:
        from policyengine.compiler.request_reader_codegen import request_reader

        schema, (action, subject, resource) = self._program.schema, target
        entity = self._gathering.entity_reader
        readers = entity(subject), entity(resource), self._context_reader(action)
        apart = subject not in _around(schema, resource) and resource not in _around(
            schema, subject
        )
        compiled, needs = self._program.compiled(target), self._program.needs(target)
        checks = [
            self._check(schema.entities[subject], needs.subject),
            self._check(schema.entities[resource], needs.resource),
            self._check(schema.actions[action].context, needs.context),
        ]
        return request_reader(
            schema, target, needs, self._limits, readers, [(one.number, one.passes, one.carries) for one in checks],
            self._gathering.gather, self._gathering.gather_given, self._gathering.gather_built, apart=apart, follows=compiled.follows, lined=compiled.lined, timed=compiled.timed,
        )  # fmt: skip

    def of_stored(self, target: TargetKey) -> Function:
        """Return the reader of requests for *target* whose subject is one of a store's."""
        from policyengine.compiler.request_reader_codegen import stored_reader

        found = self._of_stored.get(target)
        if found is None:
            program = self._program
            found = self._of_stored[target] = stored_reader(
                program.schema, target, program.needs(target), self._limits,
                self._context_reader(target[0]), timed=program.compiled(target).timed,
            )  # fmt: skip
        return found

    def _check(self, type_: EntityType | RecordType, needs: Needs) -> PartCheck:
        """Return the check of parts of that type; targets whose rules read the same of it share one."""
        found = self._checks.setdefault(type_, [])
        for one in found:
            if one.needs == needs:
                return one
        found.append(PartCheck(self._program.schema, type_, needs, self._limits, self._gathering))
        return found[-1]

    # ---- building -----------------------------------------------------------------------

    def entity(self, raw: dict[str, Any]) -> Entity | None:
        """Return the entity that a dict says, with those it carries along; None if in doubt."""
        try:
            read = self._gathering.entity_reader(raw["type"])
            entity: Entity | None
            try:
                entity = read(raw, True)
            except Exception:  # noqa: BLE001 - references may be given as entities
                entity = None
            if entity is not None:
                if entity.parents_ and (entity.type, entity.id) in entity.parents_:
                    return None
                return entity
            properties = raw.get("properties")
            if type(properties) is not dict:
                return None
            carried: list[Entity] = []
            entity = read({**raw, "properties": with_references(properties, carried)}, True)
            if entity is None or not carried:
                return entity
            known = self._gathering.gather(entity, carried[0], None, carried[1:])
        except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
            return None
        built = known.pop((entity.type, entity.id))
        return carrying(built, known) if known else built

    def context(self, action: str, raw: Any) -> Record | None:
        """Return the context of *action* that a dict says; None if in doubt."""
        try:
            if type(action) is not str:  # it may lie about what it equals
                action = str.__str__(action)
            read = self._readers_by_action.get(action) or self._context_reader(action)
            found: Record | None = read(raw)
        except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
            return None
        return found

    def _context_reader(self, action: str) -> Read:
        """Return the reader of contexts of *action*; actions with equal contexts share it."""
        from policyengine.compiler.reader_codegen import context_reader

        type_ = self._program.schema.actions[action].context
        found = self._context_readers.get(type_)  # which looks at all of the type
        if found is None:
            found = self._context_readers[type_] = context_reader(type_, self._limits)
        self._readers_by_action[action] = found
        return found


def _attributes_in(type_: Type) -> int:
    match type_:
        case RecordType(attributes):
            return 1 + sum(_attributes_in(attribute.type) for attribute in attributes)
        case SetType(element):
            return _attributes_in(element)
        case _:
            return 1


def _around(schema: Schema, type_: str) -> set[str]:
    """Return the names of the entity types that one of *type_* may be, or be within."""
    found: set[str] = set()
    waiting = [type_]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += schema.entities[name].parents
    return found
