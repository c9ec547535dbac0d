"""Remember decisions about requests that take long to decide or to bring together.

What a decision hangs on is known: the attributes that the rules for the action and the types may
read (`policyengine reads` prints them). They make the key, each value with its type; nothing else of
a request is looked at, neither by the cache nor by the engine behind it. Deciding about parts that
were built before takes less time than any key, so this is not for them: `docs/embedding.md` says
where it pays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen
from cachetools import LRUCache

from policyengine.model.decision import Decision
from policyengine.model.entity_classes import Entity
from policyengine.model.needs import NOTHING, Needs
from policyengine.model.records import Record
from policyengine.model.store import EntityStore
from policyengine.model.types import EntityRefType, EntityType, RecordType, Schema, SetType, Type
from policyengine.model.values import ABSENT, from_datetime, parse_datetime, slot
from policyengine.runtime import clock
from policyengine.runtime.program import TargetKey

if TYPE_CHECKING:
    from policyengine.engine import EntityLike, PolicyEngine

_FOREVER: Final = 1 << 62
_MOST_ELEMENTS: Final = 1_000
_MOST_CHARACTERS: Final = 1_000
"""What is longer is not remembered: a cache of so many entries has a bounded size."""

_PLAIN: Final = frozenset({
    int, bool, float, type(None), date, timedelta, Decimal, IPv4Address, IPv4Network, IPv6Address,
    IPv6Network,
})  # fmt: skip
"""Types whose values compare by value, and to nothing of ours but by it."""

_MOST_TARGETS: Final = 4_096

_STRINGS: Final = frozenset({str})
_IN_ORDER: Final = frozenset({list, tuple})
_SEVERAL: Final = frozenset({dict, set, frozenset, *_IN_ORDER})

Key: TypeAlias = tuple[object, ...]


@frozen
class _Kept:
    """A decision, and the moments [since, until) at which it is what would be decided."""

    decision: Decision
    since: int
    until: int


@frozen
class _Read:
    """What the rules for one target read.

    *entities*, *context*: attributes, names and slots, of each entity type and of the context;
    *timed*: whether time plays any part; *tell*: what tells of a decision that no error made.
    """

    entities: Mapping[str, Mapping[str, str]]
    context: Mapping[str, str]
    timed: bool
    tell: object

    def trimmed(self, entity: Any) -> Any:
        """Return an entity of a dict without what is not read; one that was built is what it is."""
        if isinstance(entity, Entity):
            return entity
        properties = entity.get("properties")
        if not isinstance(properties, Mapping):
            return entity  # none, or what the engine refuses
        names = self.entities.get(entity["type"], {})
        return {**entity, "properties": _chosen(properties, names)}

    def frozen(self, value: Any) -> object:
        """Return what stands for *value* in a key: equal only for what the engine takes alike.

        The order of lists and dicts counts: it is rarely another, and sorting takes its time.
        """
        kind = type(value)
        if kind is str:
            if len(value) > _MOST_CHARACTERS:
                raise _UncountedError
            return value  # equal to nothing but a string
        if kind in _PLAIN:
            return kind, value
        if kind in _SEVERAL:
            if len(value) > _MOST_ELEMENTS:
                raise _UncountedError
            if kind is dict:
                if not _STRINGS.issuperset(map(type, value)):
                    raise _UncountedError
                return dict, tuple(value), *map(self.frozen, value.values())
            made = tuple if kind in _IN_ORDER else frozenset
            if _STRINGS.issuperset(map(type, value)):
                if max(map(len, value), default=0) > _MOST_CHARACTERS:
                    raise _UncountedError
                return made, made(value)
            return made, made(map(self.frozen, value))
        if isinstance(value, Entity):
            own = self._of_entity(value)
            return (own, *map(self._of_entity, value.carried_)) if value.carried_ else own
        if (
            kind is datetime
        ):  # two in one zone are equal by the clock, whichever hour it shows twice
            return kind, value.replace(tzinfo=None), value.utcoffset()
        if isinstance(value, Record):
            return kind, kind.content_(value), *map(self._of_entity, value.carried_)
        if isinstance(value, EntityStore):
            return value
        raise _UncountedError

    def of_context(self, context: Any) -> object:
        """Return what stands for a context; of one that was built, what is read."""
        if not isinstance(context, Record):
            return self.frozen(context)
        read = tuple([getattr(context, name) for name in self.context.values()])
        return type(context), read, *map(self._of_entity, context.carried_)

    def _of_entity(self, entity: Entity) -> Key:
        """Return what stands for an entity that was built; what it carries stands beside it."""
        slots = self.entities.get(entity.type, {}).values()
        read = tuple([getattr(entity, name, ABSENT) for name in slots])
        return type(entity), entity.key_, entity.parents_, entity.line, read


class DecisionCache:
    """Decides like its engine, and remembers; threads may share one.

    *size*: of how many decisions at most; those that were not asked for the longest go first. A
    changed policy is a new engine, and wants a new cache.
    """

    def __init__(self, engine: PolicyEngine, size: int = 10_000) -> None:
        self._engine = engine
        self._kept: LRUCache[Key, _Kept] = LRUCache(size)
        self._lock = Lock()
        self._reads: dict[TargetKey, _Read] = {}

    @property
    def engine(self) -> PolicyEngine:
        """The engine that decides what is not remembered."""
        return self._engine

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def decide(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any = None,
        *,
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:
        """Decide like `PolicyEngine.decide`, or return what was decided about the same.

        Of dicts, `properties` and `context` are asked for what the rules read and for nothing else,
        so they may be mappings that fetch a value when it is asked for. What they hold besides is
        as good as left out, even if it does not fit the schema. A decision that is remembered tells
        its reason as of the moment at which it was made. Where a rule is on trial (`advisory`),
        nothing is remembered.

        Raises `InvalidRequest` like the engine; that is not remembered, nor what a failed rule decided.
        """
        if entities is not None and not isinstance(entities, EntityStore):
            entities = list(entities)
        given = subject, resource, context
        try:
            target = action, _type_of(subject), _type_of(resource)
            read = self._reads.get(target) or self._find_read(target)
            subject, resource = read.trimmed(subject), read.trimmed(resource)
            if isinstance(context, Mapping):
                context = _chosen(context, read.context)
            others = entities
            if isinstance(entities, list):
                others = [read.trimmed(entity) for entity in entities]
            parts = subject, resource, fields, others
            key = target, read.of_context(context), *map(read.frozen, parts)
            moment = _moment(now)
            with self._lock:
                kept = self._kept.get(key)
            if kept is not None and kept.since <= moment < kept.until:
                return kept.decision
            decision = self._engine.decide(
                subject, action, resource, context, now=now, fields=fields, entities=others
            )
            if decision._answer.tell == read.tell:  # noqa: SLF001 - else a rule has failed
                until = decision.valid_until if read.timed else None
                end = _FOREVER if until is None else from_datetime(until)
                since = _moment(now) if read.timed else -_FOREVER  # not before it was decided
                with self._lock:
                    self._kept[key] = _Kept(decision, since, end)
        except Exception:  # noqa: BLE001 - what is amiss the engine says, and it is not remembered
            subject, resource, context = given
            return self._engine.decide(
                subject, action, resource, context, now=now, fields=fields, entities=entities
            )
        return decision

    def _find_read(self, target: TargetKey) -> _Read:
        """Work out what the rules for *target* read, those on trial included."""
        program, (action, subject, resource) = self._engine._program, target  # noqa: SLF001
        schema = program.schema
        owners: tuple[EntityType | RecordType, ...] = (
            schema.entities[subject],
            schema.entities[resource],
            schema.actions[action].context,
        )
        compiled, needs = program.compiled(target), program.needs(target)
        if any(rule.advisory for rule in compiled.teller.rules):
            raise _UncountedError  # it may read more, at any moment
        found: dict[str, dict[str, str]] = {}
        for owner, part in zip(owners, (needs.subject, needs.resource, needs.context), strict=True):
            _gather(schema, owner, part, found)
        context = {name: slot(name) for name in needs.context.attributes}
        read = _Read(found, context, compiled.timed, compiled.tell)
        if len(self._reads) < _MOST_TARGETS:
            self._reads[target] = read
        return read


def _gather(
    schema: Schema, type_: Type | EntityType, needs: Needs, found: dict[str, dict[str, str]]
) -> None:
    """Note what is read of each entity that *needs* lead to from a value of *type_*."""
    match type_:
        case EntityRefType(name):
            _gather(schema, schema.entities[name], needs, found)
        case SetType(element):
            _gather(schema, element, needs.elements or NOTHING, found)
        case EntityType() | RecordType():
            if isinstance(type_, EntityType):
                read = found.setdefault(type_.name, {})
                read |= {name: slot(name) for name in needs.attributes}
            for name, part in needs.attributes.items():
                attribute = type_.by_name.get(name)
                if attribute is not None:
                    _gather(schema, attribute.type, part, found)


# ---- what counts of a request -----------------------------------------------------------


def _type_of(entity: Any) -> str:
    type_: str = entity.type if isinstance(entity, Entity) else entity["type"]
    return type_


def _chosen(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _moment(now: datetime | str | None) -> int:
    if now is None:
        return clock.now()
    return parse_datetime(now) if isinstance(now, str) else from_datetime(now)


class _UncountedError(Exception):
    """What is asked cannot be told apart from other questions, or is too large to be kept."""
