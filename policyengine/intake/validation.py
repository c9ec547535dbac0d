"""Validate requests against the schema: whatever gets past here, a checked rule can read.

Everything is read first, so that all problems are found: the action, who does it, on what, the
context, other entities. Then what is known of each entity is put together, from the request, from
entities handed in where references stand, and from a store; ancestors are worked out; and last,
what the rules for this action and these types read is followed through the values. An entity or a
context that was built before is taken as it is: if everything needed is in the subject, the
resource and the context themselves, nothing is read, followed or copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias

from policyengine.intake.access_plan import Plan, Target, make_plan
from policyengine.intake.ancestors import Known
from policyengine.intake.decode import Reader, Refused
from policyengine.intake.fast_reader import MakeReaders, PlainReader, moment_of, type_of
from policyengine.intake.store import EntityStore
from policyengine.model.entities import Entity, Key, entity_class
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import CONTEXT, RESOURCE, SUBJECT, Gap, Search
from policyengine.model.limits import Limits
from policyengine.model.needs import Needs, RequestNeeds
from policyengine.model.records import Record
from policyengine.model.request import Entities, Request
from policyengine.model.request_messages import (
    Path,
    Problems,
    entity_name,
    inside,
    is_private,
    listed,
    shown,
)
from policyengine.model.sealed import altered
from policyengine.model.types import (
    DATETIME,
    ActionType,
    EntityType,
    Schema,
)
from policyengine.model.values import ABSENT, INVALID

NeedsOf: TypeAlias = Callable[[Target], RequestNeeds]


# ---- built parts ------------------------------------------------------------------------


class Validator:
    """Validates requests against one schema, remembering what it worked out for each target.

    *readers* makes what reads plain requests quickly; without it, they are read thoroughly.
    """

    def __init__(
        self, schema: Schema, needs: NeedsOf, limits: Limits, readers: MakeReaders | None = None
    ) -> None:
        self._schema = schema
        self._needs = needs
        self._limits = limits
        self._plain = None if readers is None else PlainReader(schema, limits, readers)
        self._plans: dict[Target, Plan] = {}
        self._classes = {name: entity_class(type_) for name, type_ in schema.entities.items()}

    def validate(
        self,
        *,
        subject: object,
        action: object,
        resource: object,
        context: object = None,
        now: object,
        fields: object = None,
        entities: object = None,
        store: EntityStore | None = None,
    ) -> Request:
        """Return the request in canonical values, or raise `InvalidRequest` with every problem.

        *subject*, *resource*: built entities or `{"type", "id", "properties", "parents"}`.
        *action*: a name or `{"name"}`. *context*: a built one, a dict or None. *now*: a `datetime`
        with a time zone, a string, or microseconds since 1970. *fields*: names, or None.
        *entities*: others that are referred to, or a store that takes the place of *store*.
        """
        if isinstance(entities, EntityStore):
            store, entities = entities, None
        parts = subject, action, resource, context, now, fields, entities, store
        ready = self._ready(*parts) or self.plain(*parts)
        if ready is not None:
            return ready
        reading = _Reading(self._schema, self._limits, store)
        told = reading.reader.action(action, _ACTION)
        subject_ = reading.entity(subject, SUBJECT, told.subjects if told else None)
        resource_ = reading.entity(resource, RESOURCE, told.resources if told else None)
        context_ = reading.context(context, told)
        moment = reading.now(now)
        fields_ = reading.fields(fields, resource_)
        reading.others(entities)
        known = reading.known()
        if told and subject_ and resource_:
            subject_, resource_ = known[subject_.key_], known[resource_.key_]
            needs = self.plan((told.name, subject_.type, resource_.type)).needs
            reading.follow(told.name, subject_, resource_, context_, needs)
            if not reading.problems.items:
                assert isinstance(context_, Record)
                assert moment is not None
                return Request(subject_, told.name, resource_, context_, moment, fields_, known)
        raise InvalidRequest(reading.problems.items)

    def plain(
        self,
        subject: Any,
        action: Any,
        resource: Any,
        context: Any,
        now: Any,
        fields: Any,
        entities: Any,
        store: EntityStore | None,
    ) -> Request | None:
        """Return the request if it is plainly valid, None if it must be looked at more closely.

        Only a target that a valid request was for is known here.
        """
        if self._plain is None or type(action) is not str:
            return None
        try:
            target = action, type_of(subject), type_of(resource)
            taken = self._plain.take(
                self._plans[target], target, subject, resource, context, now, fields, entities,
                store,
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - what is amiss is found out the thorough way
            return None
        known = taken.known if store is None else Entities(taken.known, store.by_key)
        return Request(
            taken.subject, action, taken.resource, taken.context, taken.now, taken.fields, known
        )

    def plan(self, target: Target) -> Plan:
        """Return what must be looked at in requests for *target*."""
        plan = self._plans.get(target)
        if plan is None:
            plan = make_plan(self._schema, target, self._needs(target))
            self._plans[target] = plan
        return plan

    def _ready(
        self,
        subject: object,
        action: object,
        resource: object,
        context: object,
        now: object,
        fields: object,
        entities: object,
        store: EntityStore | None,
    ) -> Request | None:
        """Return the request if it is made of built parts that have all that is needed."""
        if not (isinstance(subject, Entity) and isinstance(resource, Entity)):
            return None
        if entities is not None or fields is not None or not isinstance(action, str):
            return None
        plan = self._plans.get((action, subject.type, resource.type))
        moment = _moment(now)
        if plan is None or moment is None or not plan.alone:
            return None
        if not isinstance(context, Record):
            reader = Reader(self._schema, self._limits, Problems(1))
            context = reader.record(plan.context_type, {} if context is None else context, None)
            if reader.problems.items or reader.carried:
                return None
        if not (
            isinstance(context, plan.context_class)
            and context.plain_
            and self._has(subject, plan.needs.subject)
            and self._has(resource, plan.needs.resource)
        ):
            return None
        if _touch(subject, resource):
            return None
        known = {subject.key_: subject, resource.key_: resource}
        if store is not None:
            if not (store.fits(self._schema) and _agrees(store, subject, resource)):
                return None
            known = Entities(known, store.by_key)
        return Request(subject, action, resource, context, moment, None, known)

    def _has(self, entity: Entity, needs: Needs) -> bool:
        return (
            entity.plain_
            and (entity.line is not None or not needs.line)
            and entity.__class__ is self._classes[entity.type]
        )


def _touch(one: Entity, other: Entity) -> bool:
    """Whether one entity tells something of the other, so that they could contradict."""
    return (
        one.key_ == other.key_
        or other.key_ in (one.line or one.parents_ or ())
        or one.key_ in (other.line or other.parents_ or ())
    )


def _agrees(store: EntityStore, *entities: Entity) -> bool:
    """Whether it is plain that the store tells nothing else of these, nor of their ancestors."""
    for entity in entities:
        stored = store.get(entity.key_)
        if stored is not entity and (entity.parents_ or stored not in (None, entity)):
            return False
    return True


def _moment(now: object) -> int | None:
    try:
        return moment_of(now)
    except (TypeError, ValueError):
        return None


def validate(
    schema: Schema,
    needs: NeedsOf,
    limits: Limits,
    *,
    subject: object,
    action: object,
    resource: object,
    context: object = None,
    now: object,
    fields: object = None,
    entities: object = None,
    store: EntityStore | None = None,
) -> Request:
    """Validate one request, as a new `Validator` does; who has many keeps the validator."""
    return Validator(schema, needs, limits).validate(
        subject=subject,
        action=action,
        resource=resource,
        context=context,
        now=now,
        fields=fields,
        entities=entities,
        store=store,
    )


# ---- any parts --------------------------------------------------------------------------

_ACTION: Final[Path] = inside(None, "action")
_NOW: Final[Path] = inside(None, "now")
_FIELDS: Final[Path] = inside(None, "fields")
_ENTITIES: Final[Path] = inside(None, "entities")


class _Reading:
    """One request while it is read."""

    def __init__(self, schema: Schema, limits: Limits, store: EntityStore | None) -> None:
        self.problems = Problems(limits.problems)
        self.reader = Reader(schema, limits, self.problems)
        self._schema = schema
        self._limits = limits
        self._told: list[tuple[Entity, Path]] = []
        self._known = Known(self.problems, self.reader.flawed)
        self._all_read = True  # else an entity that seems to be missing may be one of those
        self._store = store
        if store is not None and not store.fits(schema):
            message = "the store was made for other entity types; make it again for this engine"
            self.problems.add("PE528", inside(None, "store"), message)
            self._store, self._all_read = None, False

    def entity(self, raw: object, path: Path, allowed: tuple[str, ...] | None) -> Entity | None:
        """Read the subject or the resource."""
        if raw is ABSENT:
            self.problems.add("PE521", path, "it is missing")
            return None
        entity = self.reader.entity(raw, path, allowed)
        if entity is not None:
            self._told.append((entity, path))
        return entity

    def context(self, raw: object, action: ActionType | None) -> object:
        """Read the context; without an action nothing says what it may be."""
        if action is None:
            return INVALID
        given = {} if raw is None or raw is ABSENT else raw
        return self.reader.record(action.context, given, CONTEXT)

    def now(self, raw: object) -> int | None:
        """Read the time."""
        moment = _moment(raw)
        if moment is None:
            read = self.reader.value(DATETIME, raw, _NOW)
            moment = read if isinstance(read, int) else None
        return moment

    def fields(self, raw: object, resource: Entity | None) -> tuple[str, ...] | None:
        """Read the names of the fields that are asked for."""
        if raw is None or raw is ABSENT:
            return None
        if not isinstance(raw, list | tuple | set | frozenset):
            self.reader.mistyped("a list of names of fields", raw, _FIELDS)
            return None
        if len(raw) > self._limits.set_size:
            message = f"at most {self._limits.set_size} fields can be asked for"
            self.problems.add("PE514", _FIELDS, message)
            return None
        if not any(gate.is_field for gate in self._schema.gates.values()):
            message = "fields cannot be asked for: the policy set has no field gate"
            self.problems.add("PE527", _FIELDS, message)
        names: list[str] = []
        for i, given in enumerate(raw):
            place = inside(_FIELDS, i)
            name = self.reader.text(given, place)
            if isinstance(name, str) and name in names:
                self.problems.add("PE511", place, f"`{shown(name)}` is asked for twice")
            elif isinstance(name, str):
                names.append(name)
                if resource is not None:
                    self._check_field(name, resource.entity_type, place)
        return tuple(names if isinstance(raw, list | tuple) else sorted(names))

    def _check_field(self, name: str, resource: EntityType, place: Path) -> None:
        known = ("id", *resource.by_name)
        if name not in known and not self.problems.full:
            said = (
                f"`{resource.name}` has no field `{shown(name)}`{self.problems.hint(name, known)}"
            )
            self.problems.add("PE526", place, said)

    def others(self, raw: object) -> None:
        """Read the entities that are referred to."""
        if raw is None or raw is ABSENT:
            return
        if isinstance(raw, str | Mapping | Refused) or not isinstance(raw, Iterable):
            self.reader.mistyped("a list of entities", raw, _ENTITIES)
            self._all_read = False
            return
        most = self._limits.entities
        given = list(islice(raw, most + 1))
        if len(given) > most:
            message = f"a request brings along at most {most} entities"
            self.problems.add("PE514", _ENTITIES, message)
            self._all_read = False
            return
        for i, one in enumerate(given):
            place = inside(_ENTITIES, i)
            entity = self.reader.entity(one, place)
            if entity is None:
                self._all_read = False
            else:
                self._told.append((entity, place))

    # ---- what is known, and what lacks --------------------------------------------------

    def known(self) -> dict[Key, Entity]:
        """Put together what is known of each entity, and work out ancestors."""
        for entity, path in (*self._told, *self.reader.carried):
            self._known.add(entity, path)
        if self._store is None:
            self._known.close_lines(lambda _: None, self._limits.ancestors)
            return self._known.entities
        store = self._store
        self._known.add_stored(store.get)

        def stored_line(key: Key) -> frozenset[Key] | None:
            entity = store.get(key)
            return None if entity is None else entity.line

        self._known.close_lines(stored_line, self._limits.ancestors)
        return Entities(self._known.entities, store.by_key)

    def _find(self, key: Key) -> Entity | None:
        entity = self._known.entities.get(key)
        return self._store.get(key) if entity is None and self._store is not None else entity

    def follow(
        self, action: str, subject: Entity, resource: Entity, context: object, needs: RequestNeeds
    ) -> None:
        """Report what the rules read and the request does not give."""
        search = Search(self._find, self._known.places.get)
        for gap in search.request(subject, resource, context, needs):
            if not self.problems.full:
                self._report(gap, f"rules for `{action}`")

    def _report(self, gap: Gap, rules: str) -> None:
        if gap.key is None:
            self.problems.add("PE507", gap.path, f"it must be given: {rules} read it")
            return
        if not self._all_read:
            return
        name = "the entity" if is_private(gap.path) else entity_name(gap.key)
        if gap.lack == "entity":
            read = listed(gap.needs.attributes) or "the ancestors"
            said = f"{rules} read {read} of {name}: give it in `entities` or in a store"
            self.problems.add("PE508", gap.path, said)
        elif not self._known.broken:
            said = f"{rules} ask what {name} lies within: {self._lacking(gap)}"
            self.problems.add("PE509", inside(gap.path, "parents"), said)

    def _lacking(self, gap: Gap) -> str:
        """Say what keeps the ancestors of an entity from being known."""
        assert gap.key is not None
        waiting, seen = [gap.key], set()
        while waiting:
            key = waiting.pop()
            entity = self._find(key)
            told = None if entity is None else entity.parents_
            if told is None and key == gap.key:
                return "give its parents (an empty list if there are none)"
            if told is None:
                name = "an ancestor" if is_private(gap.path) else f"its ancestor {entity_name(key)}"
                return f"{name} must be given, with its parents"
            seen.add(key)
            waiting += sorted(told - seen)
        raise AssertionError(gap)


# ---- contexts ---------------------------------------------------------------------------


def build_context(
    schema: Schema, limits: Limits, action: str, given: Mapping[str, object]
) -> Record:
    """Build the context of an action once, for many requests; raises `InvalidRequest`."""
    reader = Reader(schema, limits, Problems(limits.problems))
    told = reader.action(action, _ACTION)
    if told is not None:
        context = reader.record(told.context, given, CONTEXT)
        known = Known(reader.problems, reader.flawed)
        for entity, path in reader.carried:
            known.add(entity, path)
        if isinstance(context, Record) and not reader.problems.items:
            carried = tuple(known.entities.values())
            return altered(context, carried_=carried, plain_=False) if carried else context
    raise InvalidRequest(reader.problems.items)
