"""Put together what is known of the entities of one request.

They are those that built parts carry along, others that the request gives, and a store. Where two accounts of one
differ, full validation takes the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from policyengine.intake.ancestors import Known, line_above, merge, with_line
from policyengine.intake.foreign import FoundEntities
from policyengine.intake.stored_entities import Stored
from policyengine.model.entities import Closed, Entity, Key, entity_class, repeats
from policyengine.model.limits import Limits
from policyengine.model.records import Record
from policyengine.model.request_messages import Problems
from policyengine.model.types import EntityType
from policyengine.model.valid_request import Entities

Read: TypeAlias = Callable[..., Any]
"""Returns the entity or the record that a dict says; None, or it fails, if full validation must."""

LISTS: Final = frozenset([list, tuple, FoundEntities])
_KEY: Final = 2
"""Names in what only says which entity is meant: `type` and `id`."""


class NeedsFullValidation(Exception):  # noqa: N818 - it is no error: the request may be valid
    """Something of a request cannot be taken without looking at it more closely."""


class Gathering:
    """Puts together entities of *types*, of requests within *limits*. It knows no rules: sets of the same types may share it."""

    def __init__(self, types: Mapping[str, EntityType], limits: Limits) -> None:
        self._types = types
        self._limits = limits
        self._entity_readers: dict[str, Read] = {}
        self._classes = {name: entity_class(type_) for name, type_ in types.items()}
        self._all_classes = frozenset(self._classes.values())

    def entity_reader(self, type_: str) -> Read:
        """Return the reader of entities of that type."""
        found = self._entity_readers.get(type_)
        if found is None:
            from policyengine.compiler.reader_codegen import entity_reader

            declared = self._types[type_]
            read = entity_reader(declared, self._limits)
            found = self._entity_readers[declared.name] = read
        return found

    def gather(
        self,
        subject: Entity,
        resource: Entity,
        context: Record | None = None,
        others: Any = None,
        store: Stored | None = None,
    ) -> dict[Key, Entity]:
        """Return all entities that are known, with their ancestors, if nothing contradicts anything.

        Raises `NeedsFullValidation`, or whatever comes of it, where that is not seen at once.
        """
        if others is None and store is None:
            built = self.gather_built(subject, resource, context)
            if built is not None:
                return built
        known: dict[Key, Entity] = {}
        placed: dict[Key, None] = {}  # those that are given with parents: their lines are compared
        given: list[Entity] = [subject, resource]
        if others is not None:
            if type(others) not in LISTS or len(others) > self._limits.entities:
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
            closing.close_lines(store or {}, self._limits.ancestors, self._limits.ancestors_in_all)
            if closing.problems.items:
                raise NeedsFullValidation
        return known if store is None else Entities(known, store)

    def fits(self, carried: Closed) -> bool:
        """Whether entities that are carried along are of these types, and within the limits."""
        return carried.classes <= self._all_classes and len(carried) <= self._limits.ancestors

    def gather_built(
        self, subject: Entity, resource: Entity, context: Record | None
    ) -> dict[Key, Entity] | None:
        """Return what is known, where that is seen at once."""
        classes = self._classes
        known: dict[Key, Entity] = {}
        loose: list[Entity] = []  # those whose ancestors were not compared
        for part in (subject, resource):
            if part.parents_ and (part.line is None or type(part.carried_) is not Closed):
                loose.append(part)
            if known.setdefault((part.type, part.id), part) is not part:
                return None
        for owner in (subject, resource, context):
            if owner is None or not owner.carried_:
                continue
            if len(owner.carried_) > self._limits.ancestors:
                return None
            if type(owner.carried_) is not Closed:
                loose += [one for one in owner.carried_ if one.parents_]
            for one in owner.carried_:
                if known.setdefault((one.type, one.id), one) is not one:
                    return None
                if one.__class__ is not classes.get(one.type):
                    return None
        return known if all(_is_apart(one, known, None) for one in loose) else None

    def gather_given(
        self,
        subject: Entity,
        resource: Entity,
        context: Record,
        others: Any,
        lined: bool,  # noqa: FBT001 - from generated code
    ) -> dict[Key, Entity] | None:
        """Return what is known with *others*, where nothing is carried along, in anything, or given twice.

        *lined*: whether ancestors are read.
        """
        if subject.carried_ or resource.carried_ or context.carried_:
            return None
        if subject.parents_ or resource.parents_:
            return None
        if type(others) not in LISTS or len(others) > self._limits.entities:
            return None
        known: dict[Key, Entity] = {(subject.type, subject.id): subject}
        if known.setdefault((resource.type, resource.id), resource) is not resource:
            return None
        for raw in others:
            if type(raw) is not dict:
                return None
            type_: str = raw["type"]
            one = (self._entity_readers.get(type_) or self.entity_reader(type_))(raw, lined)
            if one is None or one.parents_ or known.setdefault((type_, one.id), one) is not one:
                return None
        return known

    def _other(self, one: Any, store: Stored | None) -> Entity:
        """Return one of the other entities that a request gives."""
        if isinstance(one, Entity):
            return one
        type_, id_ = one["type"], one["id"]
        if type(one) is not dict or type(type_) is not str or type(id_) is not str:
            raise NeedsFullValidation  # what is neither may lie about what it equals
        stored = None if store is None else store.get((type_, id_))
        if stored is not None and len(one) == _KEY:
            return stored
        read: Entity | None = self.entity_reader(type_)(one, True)
        if read is None:
            raise NeedsFullValidation
        return read

    def _take(
        self,
        entities: Iterable[Entity],
        known: dict[Key, Entity],
        placed: dict[Key, None],
        store: Stored | None,
    ) -> None:
        """Take in entities, and note in *placed* those whose ancestors must be looked at."""
        compared = isinstance(entities, Closed) and len(entities) <= self._limits.ancestors
        for given in entities:
            entity, key = given, (given.type, given.id)
            if entity.__class__ is not self._classes.get(entity.type):
                raise NeedsFullValidation
            stored = False
            if store is not None:
                found = store.get(key)
                stored = found is not None
                if found is not None:
                    if found is not entity and not repeats(entity, found):
                        raise NeedsFullValidation
                    entity = found
                elif not (entity.described_ or store.bare):
                    raise NeedsFullValidation
            before = known.setdefault(key, entity)
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
        store: Stored | None,
    ) -> bool:
        """Find the lines of entities that have none, and whether all others are as they were."""
        size = 0
        for key in reversed(placed):  # mostly parents are given before their children, or after
            entity = known[key]
            line = line_above(entity, known, store, self._limits.ancestors)
            if line is not None and entity.line is None:
                size += len(line) - 1
                if size > self._limits.ancestors_in_all:
                    raise NeedsFullValidation
            if line is None or (entity.line is not None and line != entity.line):
                if line is None and _is_apart(entity, known, store):
                    continue
                return False
            if entity.line is None:
                known[key] = with_line(entity, line)
        return True


def _is_apart(entity: Entity, known: Mapping[Key, Entity], store: Stored | None) -> bool:
    """Whether nothing is known of those that *entity* is within, so that nothing there can contradict it.

    No circle goes through it either, and its ancestors stay as known as they are.
    """
    above: Iterable[Key] = entity.parents_ or ()
    if entity.line is not None:
        above = entity.line - {entity.key_}
    return known.keys().isdisjoint(above) and (
        store is None or not any(key in store for key in above)
    )
