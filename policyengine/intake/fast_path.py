"""Read requests quickly that are valid without further checks, one generated reader for each target.

A reader (`compiler.reader_codegen`) is made once a valid request for its target has come in. It reads
the parts, and `gather` puts together what is known of all entities: those that built parts carry
along, others that the request gives, and a store. Where two accounts of one entity differ, or anything
else may be wrong, full validation takes the request. It accepts all that is accepted here, and returns
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import FunctionType
from typing import Any, Final, TypeAlias

from policyengine.intake.ancestors import Known, line_above, merge, with_line
from policyengine.intake.build import carrying, with_references
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore, StoredEntities
from policyengine.model.entities import Closed, Entity, Key, entity_class
from policyengine.model.limits import Limits
from policyengine.model.masks import ID, field_and_mask, field_type, masks_of
from policyengine.model.needs import NOTHING
from policyengine.model.records import Record
from policyengine.model.request import Entities, Request
from policyengine.model.request_messages import Problems
from policyengine.model.types import RecordType, Schema, SetType, TargetKey, Type
from policyengine.model.values import check_moment, from_datetime, parse_datetime
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.program import Program

Read: TypeAlias = Callable[[Any], Any]
"""Returns the entity or the record that a dict says; None, or it fails, if full validation must."""

_MOST_TARGETS: Final = 4_096
_MOST_ATTRIBUTES: Final = 1_000
"""Of requests with more attributes, those in records included, no reader is made: it takes seconds."""

_LISTS: Final = frozenset([list, tuple])
_KEY: Final = 2
"""Names in what only says which entity is meant: `type` and `id`."""


class NeedsFullValidation(Exception):  # noqa: N818 - it is no error: the request may be valid
    """Something of a request cannot be taken without looking at it more closely."""


class FastPaths:
    """The readers of one engine, which has *program*, *limits* and *store*.

    *by_action* is the engine's, and filled here: the functions that decide about requests in any form that give subject,
    resource and context, and perhaps the time; it returns None, or fails, where a request must be
    validated in full.
    """

    def __init__(
        self,
        program: Program,
        limits: Limits,
        store: EntityStore | None,
        by_action: dict[str, Function],
    ) -> None:
        self.by_action = by_action
        self._program = program
        self._limits = limits
        self._store = store
        self._readers: dict[TargetKey, Function] = {}
        self._takers: dict[TargetKey, Function] = {}
        self._with_fields: set[TargetKey] = set()
        self._entity_readers: dict[str, Read] = {}
        self._context_readers: dict[str, Read] = {}
        self._classes = {n: entity_class(t) for n, t in program.schema.entities.items()}

    def read(self, raw: RawRequest) -> Request | None:
        """Return the request if it is valid without further checks, else None."""
        try:
            reader = self._readers[raw.action, type_of(raw.subject), type_of(raw.resource)]
            store = self._store if raw.store is None else raw.store
            if store is not None and not store.fits(self._program.schema):
                return None
            now = None if raw.now is None else time_of(raw.now)
            request: Request = reader(
                raw.subject, raw.resource, raw.context, 0, raw.entities,
                None if store is None else store.by_key, partial(self._request, raw, now),
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
            return None
        return request

    def _request(
        self,
        raw: RawRequest,
        given: int | None,
        subject: Entity,
        resource: Entity,
        context: Record,
        now: int,
        known: Mapping[Key, Entity],
    ) -> Request:
        if not known or isinstance(known, StoredEntities):  # the reader collected none
            both = {(subject.type, subject.id): subject, (resource.type, resource.id): resource}
            known = Entities(both, known) if known else both
        fields = None
        if raw.fields is not None:
            fields = self._fields(raw.fields, (raw.action, subject.type, resource.type))
        moment = now if given is None else given
        return Request(subject, raw.action, resource, context, moment, fields, known)

    def _fields(self, raw: Any, target: TargetKey) -> tuple[str, ...]:
        schema = self._program.schema
        resource = schema.entities[target[2]]
        if type(raw) not in _LISTS or len(raw) > self._limits.set_size:
            raise NeedsFullValidation
        if target not in self._with_fields:
            raise NeedsFullValidation
        names: set[str] = set()
        for asked in raw:
            if type(asked) is not str:
                raise NeedsFullValidation
            name = asked
            if name != ID and name not in resource.by_name:
                name, mask = field_and_mask(asked)
                type_ = field_type(resource, name)
                if type_ is None or mask not in masks_of(type_):
                    raise NeedsFullValidation
            names.add(name)
        if len(names) != len(raw):
            raise NeedsFullValidation
        return tuple(raw)

    def is_open(self, target: TargetKey) -> bool:
        """Whether there is a reader for *target*."""
        return target in self._readers

    # ---- readers ------------------------------------------------------------------------

    def open(self, target: TargetKey) -> None:
        """Make the reader for *target*, of which a valid request has come in."""
        store = self._store
        if target in self._readers or len(self._readers) >= _MOST_TARGETS:
            return
        if store is not None and not store.fits(self._program.schema):
            return
        if self._size(target) > _MOST_ATTRIBUTES:
            return
        if self._program.schema.gates_of(target).fields:
            self._with_fields.add(target)
        self._readers[target] = self._reader(target)  # another thread may make an equal one
        decide = self._program.compiled(target).decide
        self._takers[target] = self._taker(target, decide)
        readers = list(self._readers)
        deciders = {
            key[1:]: self.taking(key, self._program.compiled(key).decide)
            for key in readers
            if key[0] == target[0]
        }
        only = next(iter(deciders.values()))
        self.by_action[target[0]] = only if len(deciders) == 1 else _by_types(deciders)

    def _size(self, target: TargetKey) -> int:
        """Return how many attributes there are to read in a request for *target*."""
        schema, (action, subject, resource) = self._program.schema, target
        context = schema.actions[action].context
        given = (schema.entities[subject], schema.entities[resource], context)
        return sum(
            _attributes_in(attribute.type) for type_ in given for attribute in type_.attributes
        )

    def taking(self, target: TargetKey, decide: Function, *, direct: bool = True) -> Function:
        """Return *decide*, a generated function for *target* that is open, for requests in any form.

        It is the same code: its parameter `take` gets the reader, which ends in *decide*. *direct*:
        whether built parts may be decided about without the reader.
        """
        take = self._taker(target, decide)
        # What is built must be compared with what a store says.
        return _with_defaults(decide, 0, None, take) if direct and self._store is None else take

    def _taker(self, target: TargetKey, decide: Function) -> Function:
        store = None if self._store is None else self._store.by_key
        return _with_defaults(self._readers[target], 0, None, store, decide)

    def taker(self, action: str, subject: Any, resource: Any) -> Function:
        """Return the function that decides requests with others; raises where there is none.

        It takes subject, resource, context, time and the others; it returns None, or fails, where a
        request must be validated in full.
        """
        return self._takers[action, type_of(subject), type_of(resource)]

    def _reader(self, target: TargetKey) -> Function:
        from policyengine.compiler.reader_codegen import request_reader

        schema, (_, subject, resource) = self._program.schema, target
        apart = subject not in _around(schema, resource) and resource not in _around(
            schema, subject
        )
        return request_reader(
            schema, target, self._program.needs(target), self._limits, self.gather,
            apart=apart, follows=self._program.compiled(target).follows,
        )  # fmt: skip

    # ---- building -----------------------------------------------------------------------

    def entity(self, raw: dict[str, Any]) -> Entity | None:
        """Return the entity that a dict says, with those it carries along; None if in doubt."""
        try:
            read = self._entity_reader(raw["type"])
            entity: Entity | None
            try:
                entity = read(raw)
            except Exception:  # noqa: BLE001 - references may be given as entities
                entity = None
            properties = raw.get("properties")
            if entity is not None or type(properties) is not dict:
                return entity
            carried: list[Entity] = []
            entity = read({**raw, "properties": with_references(properties, carried)})
            if entity is None or not carried:
                return entity
            known = self.gather(entity, carried[0], None, carried[1:])
        except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
            return None
        built = known.pop((entity.type, entity.id))
        return carrying(built, known) if known else built

    def context(self, action: str, raw: Any) -> Record | None:
        """Return the context of *action* that a dict says; None if in doubt."""
        try:
            read = self._context_readers.get(action) or self._made_context_reader(action)
            found: Record | None = read(raw)
        except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
            return None
        return found

    def _entity_reader(self, type_: str) -> Read:
        """Return the reader of entities of that type, whatever rules read of them."""
        found = self._entity_readers.get(type_)
        if found is None:
            from policyengine.compiler.reader_codegen import entity_reader

            read = entity_reader(self._program.schema.entities[type_], NOTHING, self._limits)
            found = self._entity_readers[type_] = read
        return found

    def _made_context_reader(self, action: str) -> Read:
        from policyengine.compiler.reader_codegen import context_reader

        made = context_reader(self._program.schema.actions[action].context, NOTHING, self._limits)
        self._context_readers[action] = made
        return made

    # ---- what is known of entities ------------------------------------------------------

    def gather(
        self,
        subject: Entity,
        resource: Entity,
        context: Record | None = None,
        others: Any = None,
        store: StoredEntities | None = None,
    ) -> dict[Key, Entity]:
        """Return all entities that are known, with their ancestors, if nothing contradicts anything.

        Raises `NeedsFullValidation`, or whatever comes of it, where that is not seen at once.
        """
        if others is None and store is None:
            built = self._gather_built(subject, resource, context)
            if built is not None:
                return built
        elif store is None:
            given_all = self._gather_given(subject, resource, context, others)
            if given_all is not None:
                return given_all
        known: dict[Key, Entity] = {}
        placed: dict[Key, None] = {}  # those that are given with parents: their lines are compared
        given: list[Entity] = [subject, resource]
        if others is not None:
            if type(others) not in _LISTS or len(others) > self._limits.entities:
                raise NeedsFullValidation
            given += [self._other(one, store) for one in others]
        for entity in given:
            if entity.carried_:
                self._take(entity.carried_, known, placed, store)
        self._take(given, known, placed, store)
        if context is not None and context.carried_:
            self._take(context.carried_, known, placed, store)
        if placed and not self._agree(placed, known, store):
            closing = Known(Problems(1), entities=known, places=dict.fromkeys(known))
            closing.close_lines(store or {}, self._limits.ancestors)
            if closing.problems.items:
                raise NeedsFullValidation
        return known if store is None else Entities(known, store)

    def _gather_built(
        self, subject: Entity, resource: Entity, context: Record | None
    ) -> dict[Key, Entity] | None:
        """Return what is known, where no entity is given twice and all ancestors were compared."""
        classes = self._classes
        known: dict[Key, Entity] = {}
        for part in (subject, resource):
            if part.parents_ and (part.line is None or type(part.carried_) is not Closed):
                return None
            if known.setdefault((part.type, part.id), part) is not part:
                return None
            if part.carried_:
                if type(part.carried_) is not Closed or len(part.carried_) > self._limits.ancestors:
                    return None
                for one in part.carried_:
                    if known.setdefault((one.type, one.id), one) is not one:
                        return None
                    if one.__class__ is not classes.get(one.type):
                        return None
        if context is not None and context.carried_:
            if type(context.carried_) is not Closed:
                return None
            for one in context.carried_:
                if known.setdefault((one.type, one.id), one) is not one:
                    return None
                if one.__class__ is not classes.get(one.type):
                    return None
        return known

    def _gather_given(
        self, subject: Entity, resource: Entity, context: Record | None, others: Any
    ) -> dict[Key, Entity] | None:
        """Return what is known, where nothing is carried along, in anything, or given twice."""
        if subject.carried_ or resource.carried_ or (context is not None and context.carried_):
            return None
        if subject.parents_ or resource.parents_:
            return None
        if type(others) not in _LISTS or len(others) > self._limits.entities:
            return None
        known: dict[Key, Entity] = {(subject.type, subject.id): subject}
        if known.setdefault((resource.type, resource.id), resource) is not resource:
            return None
        for raw in others:
            if type(raw) is not dict:
                return None
            type_: str = raw["type"]
            one = (self._entity_readers.get(type_) or self._entity_reader(type_))(raw)
            if one is None or one.parents_ or known.setdefault((type_, one.id), one) is not one:
                return None
        return known

    def _other(self, one: Any, store: StoredEntities | None) -> Entity:
        """Return one of the other entities that a request gives."""
        if isinstance(one, Entity):
            return one
        stored = None if store is None else store.get((one["type"], one["id"]))
        if stored is not None and len(one) == _KEY and type(one) is dict:
            return stored
        read: Entity | None = self._entity_reader(one["type"])(one)
        if read is None:
            raise NeedsFullValidation
        return read

    def _take(
        self,
        entities: list[Entity] | tuple[Entity, ...],
        known: dict[Key, Entity],
        placed: dict[Key, None],
        store: StoredEntities | None,
    ) -> None:
        """Take in entities, and note in *placed* those whose ancestors must be looked at."""
        compared = type(entities) is Closed and len(entities) <= self._limits.ancestors
        for entity in entities:
            key = entity.type, entity.id
            before = known.setdefault(key, entity)
            if entity.__class__ is not self._classes.get(entity.type):
                raise NeedsFullValidation
            stored = False
            if store is not None:
                found = store.get(key)
                stored = found is entity
                if not stored and (found is not None or not (entity.described_ or store.bare)):
                    raise NeedsFullValidation
            if before is not entity:
                if before != entity or (
                    before.line != entity.line and None not in (before.line, entity.line)
                ):
                    raise NeedsFullValidation
                known[key] = merge(before, entity)
            if entity.parents_ and not (stored or (compared and entity.line is not None)):
                placed[key] = None

    def _agree(
        self,
        placed: dict[Key, None],
        known: dict[Key, Entity],
        store: StoredEntities | None,
    ) -> bool:
        """Find the lines of entities that have none, and whether all others are as they were."""
        for key in reversed(placed):  # mostly parents are given before their children, or after
            entity = known[key]
            line = line_above(entity, known, store, self._limits.ancestors)
            if line is None or (entity.line is not None and line != entity.line):
                return False
            if entity.line is None:
                known[key] = with_line(entity, line)
        return True


def _with_defaults(function: Function, *defaults: object) -> Function:
    """Return the same function with other defaults for its last parameters."""
    assert isinstance(function, FunctionType)
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, defaults, function.__closure__
    )


def _by_types(deciders: Mapping[tuple[str, str], Function]) -> Function:
    """Return a function that decides about an action on entities of several types."""

    def decide(subject: Any, resource: Any, context: Any, now: int = 0) -> Any:
        return deciders[type_of(subject), type_of(resource)](subject, resource, context, now)

    return decide


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


def type_of(entity: Any) -> str:
    """Return the name of the type that an entity has or, as a dict, says it has."""
    name: str = entity["type"] if type(entity) is dict else entity.type
    return name


def time_of(now: object) -> int:
    """Return a time that may be written as a string; raises `ValueError` or `TypeError`."""
    return parse_datetime(now) if type(now) is str else moment_of(now)


def time_but_zero(now: object) -> int:
    """Return a time as `time_of` does, but for the moment 0, which decision functions take for now."""
    moment = from_datetime(now) if type(now) is datetime else time_of(now)
    if not moment:
        raise NeedsFullValidation
    return moment


def moment_of(now: object) -> int:
    """Return a time of Python's in microseconds since 1970; raises `ValueError` or `TypeError`."""
    if type(now) is int:
        return check_moment(now)
    if isinstance(now, datetime):
        return from_datetime(now)
    raise TypeError(now)
