"""Take requests that are plainly valid, without saying what is wrong with others.

The parts are built entities, with all that they carry along, or dicts, read by functions that are
made for the target; the time, the fields and other entities may be told as well, and a store may
know more. Where two say different things of one entity, or where anything is amiss, the request is
left to the thorough way (`model.request`). What is taken here must be taken alike there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import force_setattr

from policyengine.concurrency import cached_property
from policyengine.intake.access_plan import Plan, Target
from policyengine.intake.ancestors import Known, line_above
from policyengine.intake.store import EntityStore
from policyengine.model.entities import Closed, Entity, Key, Line, entity_class
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs
from policyengine.model.records import Record
from policyengine.model.request_messages import Problems
from policyengine.model.types import EntityType, RecordType, Schema
from policyengine.model.values import check_moment, from_datetime, parse_datetime

Read: TypeAlias = Callable[[Any], Any]
"""Returns the entity or the record that a dict says; None, or it fails, if that is not plain."""


class MakeReaders(Struct, frozen=True):
    """Makes what reads the entities of a type, and contexts, of which rules read some part."""

    entity: Callable[[EntityType, Needs, Limits], Read]
    context: Callable[[RecordType, Needs, Limits], Read]


class Plain(Struct, frozen=True):
    """The parts of a request that was taken: what `model.request.Request` holds."""

    subject: Entity
    resource: Entity
    context: Record
    now: int
    fields: tuple[str, ...] | None
    known: dict[Key, Entity]


class NotPlainError(Exception):
    """There is something about a request that must be looked at more closely."""


class _Readers(Struct, eq=False, dict=True):
    """What reads the parts of requests for one target, each made when the first dict comes."""

    schema: Schema
    limits: Limits
    make: MakeReaders
    plan: Plan
    target: Target
    _others: dict[str, Read] = field(default_factory=dict)

    @cached_property
    def subject(self) -> Read:
        """What reads the subject."""
        return self._entity(self.target[1], self.plan.needs.subject)

    @cached_property
    def resource(self) -> Read:
        """What reads the resource."""
        return self._entity(self.target[2], self.plan.needs.resource)

    @cached_property
    def context(self) -> Read:
        """What reads the context."""
        return self.make.context(self.plan.context_type, self.plan.needs.context, self.limits)

    def other(self, type_: str) -> Read:
        """Return what reads other entities of that type."""
        read = self._others.get(type_)
        if read is None:
            read = self._others[type_] = self._entity(type_, NOTHING)
        return read

    def _entity(self, type_: str, needs: Needs) -> Read:
        """Return the reader of entities of which *needs* is read where they stand.

        Something may lead to them, too.
        """
        read = needs | self.plan.others.get(type_, NOTHING)
        return self.make.entity(self.schema.entities[type_], read, self.limits)


class PlainReader:
    """Takes plain requests of one schema; makes the readers for a target when it is first asked."""

    def __init__(self, schema: Schema, limits: Limits, make: MakeReaders) -> None:
        self._schema = schema
        self._limits = limits
        self._make = make
        self._readers: dict[Target, _Readers] = {}
        self._classes = {name: entity_class(type_) for name, type_ in schema.entities.items()}
        self._has_fields = any(gate.is_field for gate in schema.gates.values())

    def take(
        self,
        plan: Plan,
        target: Target,
        subject: Any,
        resource: Any,
        context: Any,
        now: Any,
        fields: Any,
        entities: Any,
        store: EntityStore | None,
    ) -> Plain:
        """Return the parts of a request for *target*; raises whatever comes of it if it is not plain."""
        readers = self._readers.get(target) or self._made(plan, target)
        if store is not None and not store.fits(self._schema):
            raise NotPlainError
        gathering = _Gathering(self._classes, store, self._limits)
        subject = (
            gathering.built(subject)
            if isinstance(subject, Entity)
            else gathering.read(subject, readers.subject)
        )
        resource = (
            gathering.built(resource)
            if isinstance(resource, Entity)
            else gathering.read(resource, readers.resource)
        )
        for entity in self._listed(entities, self._limits.entities):
            if isinstance(entity, Entity):
                gathering.built(entity)
            else:
                gathering.read(entity, readers.other(entity["type"]))
        if not isinstance(context, Record):
            context = readers.context({} if context is None else context)
        elif context.complete_ and isinstance(context, plan.context_class):
            gathering.carry(context.carried_)
        else:
            raise NotPlainError
        known = gathering.put_together()
        subject, resource = known[subject.key_], known[resource.key_]
        if context is None or not plan.lead(subject, resource, context, gathering.find):
            raise NotPlainError
        asked = None if fields is None else self._fields(fields, resource.entity_type)
        return Plain(subject, resource, context, time_of(now), asked, known)

    def _made(self, plan: Plan, target: Target) -> _Readers:
        made = _Readers(self._schema, self._limits, self._make, plan, target)
        return self._readers.setdefault(target, made)

    def _listed(self, raw: Any, most: int) -> Any:
        if raw is None:
            return ()
        if type(raw) not in _LISTS or len(raw) > most:
            raise NotPlainError
        return raw

    def _fields(self, raw: Any, resource: EntityType) -> tuple[str, ...]:
        names = tuple(self._listed(raw, self._limits.set_size))
        for name in names:
            if type(name) is not str or (name != "id" and name not in resource.by_name):
                raise NotPlainError
        if not self._has_fields or len(set(names)) != len(names):
            raise NotPlainError
        return names


_LISTS: Final = frozenset([list, tuple])
_KEY: Final = 2
"""Names in what only says which entity is meant: `type` and `id`."""


class _Gathering(Struct, eq=False):
    """The entities of one request, as they come in.

    *waiting*: those that were read and tell of parents, of whom nobody told before; *telling*:
    those that were built and tell of parents, which may not agree with what is told here.
    """

    classes: Mapping[str, type[Entity]]
    store: EntityStore | None
    limits: Limits
    known: dict[Key, Entity] = field(default_factory=dict)
    waiting: list[Entity] = field(default_factory=list)
    telling: list[Entity] = field(default_factory=list)

    def built(self, entity: Entity) -> Entity:
        """Take in an entity that was built, and all that it carries along."""
        if entity.carried_:
            self.carry(entity.carried_)
        self._take(entity.key_, entity, compared=False)
        return entity

    def carry(self, entities: tuple[Entity, ...]) -> None:
        """Take in what something carries along that was built."""
        compared = type(entities) is Closed and len(entities) <= self.limits.ancestors
        for entity in entities:
            key = entity.key_
            if self.known.get(key) is not entity:
                self._take(key, entity, compared=compared)

    def _take(self, key: Key, entity: Entity, *, compared: bool) -> None:
        """Take in what was built; *compared*: what it tells of its ancestors need not be again."""
        if not entity.complete_ or entity.__class__ is not self.classes.get(entity.type):
            raise NotPlainError
        stored = None if self.store is None else self.store.get(key)
        if stored is not None and stored is not entity:
            raise NotPlainError
        before = self.known.setdefault(key, entity)
        if before is not entity:
            lines = {before.line, entity.line} - {None}
            if before != entity or len(lines) > 1:
                raise NotPlainError
            if before.line is None:
                self.known[key] = entity
        if entity.parents_ and stored is None and not compared:
            self.telling.append(entity)

    def read(self, given: Any, read: Read) -> Entity:
        """Take in an entity that a dict says, which may be one of the store."""
        stored = None if self.store is None else self.store.get((given["type"], given["id"]))
        if stored is not None:
            if type(given) is not dict or len(given) != _KEY or not stored.complete_:
                raise NotPlainError  # more is told of it here
            return self.known.setdefault(stored.key_, stored)
        entity = read(given)
        if entity is None:
            raise NotPlainError
        before = self.known.setdefault(entity.key_, entity)
        if before is not entity:
            if before != entity:
                raise NotPlainError
        elif entity.parents_ and not self._gets_line(entity):
            self.waiting.append(entity)
        return before

    def _gets_line(self, entity: Entity) -> bool:
        """Whether the line of an entity that was read is plain now; nobody else has it yet."""
        line = line_above(entity, self.known, self.limits.ancestors)
        if line is not None:
            force_setattr(entity, "line", line)
        return line is not None

    def _agrees(self, entity: Entity) -> bool:
        """Whether an entity that was built has the line that is plain here."""
        line = line_above(entity, self.known, self.limits.ancestors)
        return line is not None and line == entity.line

    def put_together(self) -> dict[Key, Entity]:
        """Return all entities with their ancestors, if nothing contradicts anything."""
        # Mostly parents are told of before their children, or all of them after.
        plain = all(map(self._gets_line, reversed(self.waiting))) and all(
            map(self._agrees, self.telling)
        )
        if not plain:
            known = Known(Problems(1), entities=self.known, places=dict.fromkeys(self.known))
            known.close_lines(self._line_in_store, self.limits.ancestors)
            if known.problems.items:
                raise NotPlainError
        return self.known

    def _line_in_store(self, key: Key) -> Line | None:
        found = None if self.store is None else self.store.get(key)
        return None if found is None else found.line

    def find(self, key: Key) -> Entity | None:
        """Return the entity with that key, if it lacks nothing."""
        found = self.known.get(key)
        if found is None and self.store is not None:
            found = self.store.get(key)
            return found if found is not None and found.complete_ else None
        return found


def type_of(entity: Any) -> str:
    """Return the name of the type that an entity has or, as a dict, says it has."""
    name: str = entity["type"] if type(entity) is dict else entity.type
    return name


def time_of(now: object) -> int:
    """Return a time that may be written as a string; raises `ValueError` or `TypeError`."""
    return parse_datetime(now) if type(now) is str else moment_of(now)


def moment_of(now: object) -> int:
    """Return a time of Python's in microseconds since 1970; raises `ValueError` or `TypeError`."""
    if type(now) is int:
        return check_moment(now)
    if isinstance(now, datetime):
        return from_datetime(now)
    raise TypeError(now)
