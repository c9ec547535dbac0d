"""Take requests that are plainly valid, without saying what is wrong with others.

The parts are built entities or dicts, read by functions that are made for the target; the time, the
fields and other entities may be told as well, and a store may know more. Where two tell of one
entity, where an entity carries others along, or where anything is amiss, the request is left to
the thorough way (`model.request`). What is taken here must be taken alike there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.model.entity_classes import Entity, Key, Line, entity_class
from policyengine.model.gathering import Known
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs
from policyengine.model.plans import Plan, Target
from policyengine.model.records import Record, record_class
from policyengine.model.store import EntityStore
from policyengine.model.types import EntityType, RecordType, Schema
from policyengine.model.values import check_moment, from_datetime, parse_datetime
from policyengine.model.wording import Problems

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


class _Readers(Struct, eq=False):
    """What reads the parts of requests for one target; *others*: other entities, by type."""

    subject: Read
    resource: Read
    context: Read
    others: dict[str, Read] = field(default_factory=dict)


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
        subject = gathering.take(subject, readers.subject)
        resource = gathering.take(resource, readers.resource)
        for entity in self._listed(entities, self._limits.entities):
            gathering.take(entity, self._reader(plan, readers, type_of(entity)))
        known = gathering.put_together()
        subject, resource = known[subject.key_], known[resource.key_]
        if not isinstance(context, Record):
            context = readers.context({} if context is None else context)
        elif not (context.plain_ and isinstance(context, record_class(plan.context_type))):
            raise NotPlainError
        if context is None or not plan.lead(subject, resource, context, gathering.find):
            raise NotPlainError
        asked = None if fields is None else self._fields(fields, resource.entity_type)
        return Plain(subject, resource, context, time_of(now), asked, known)

    def _made(self, plan: Plan, target: Target) -> _Readers:
        _, subject, resource = target
        made = _Readers(
            self._entity_reader(plan, subject, plan.needs.subject),
            self._entity_reader(plan, resource, plan.needs.resource),
            self._make.context(plan.context_type, plan.needs.context, self._limits),
        )
        return self._readers.setdefault(target, made)

    def _reader(self, plan: Plan, readers: _Readers, type_: str) -> Read:
        read = readers.others.get(type_)
        if read is None:
            read = readers.others[type_] = self._entity_reader(plan, type_, NOTHING)
        return read

    def _entity_reader(self, plan: Plan, type_: str, needs: Needs) -> Read:
        """Return the reader of entities of which *needs* is read where they stand.

        Something may lead to them, too.
        """
        read = needs | plan.others.get(type_, NOTHING)
        return self._make.entity(self._schema.entities[type_], read, self._limits)

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
    """The entities of one request, as they come in; *telling*: some given one tells of ancestors."""

    classes: Mapping[str, type[Entity]]
    store: EntityStore | None
    limits: Limits
    known: dict[Key, Entity] = field(default_factory=dict)
    telling: bool = False

    def take(self, given: Any, read: Read) -> Entity:
        """Take in an entity, which may be one of the store."""
        if isinstance(given, Entity) and not (
            given.plain_ and given.__class__ is self.classes[given.type]
        ):
            raise NotPlainError
        entity = None if self.store is None else self._stored(self.store, given)
        if entity is None:
            entity = given if isinstance(given, Entity) else read(given)
            if entity is None:
                raise NotPlainError
            self.telling = self.telling or bool(entity.parents_)
        before = self.known.setdefault(entity.key_, entity)
        if before is not entity and (before != entity or before.line != entity.line):
            raise NotPlainError
        return before

    def _stored(self, store: EntityStore, given: Any) -> Entity | None:
        """Return the entity of the store of which nothing more is told here, None if it has none."""
        bare = not isinstance(given, Entity)
        stored = store.get((given["type"], given["id"]) if bare else given.key_)
        if stored is None or stored is given:
            return stored
        if bare and type(given) is dict and len(given) == _KEY and stored.complete_:
            return stored
        raise NotPlainError

    def put_together(self) -> dict[Key, Entity]:
        """Return all entities with their ancestors, if nothing contradicts anything."""
        if self.telling:
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
