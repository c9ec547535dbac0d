"""Decide variants of a request, in which some values are others.

The *places* of a request are the values that rules read: attributes of its entities, parts of its
context, the parents of entities, the fields that it asks for. Each has *options*: values that rules
may tell from the present one. The verdict on a rule is remembered by the options at the places that
it reads, so that trying two places together costs little more than trying each alone.

For a place whose type has few values, the options are all of them. For others they are the values
that rules and the request mention, and their neighbours.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Literal, TypeAlias

from attrs import define, field, frozen
from msgspec.structs import replace

from policyengine.analysis.constants import MentionedConstants, numbers
from policyengine.analysis.symbolic_request import ancestor_types
from policyengine.model.decision import Obligation
from policyengine.model.entities import Entity, Key
from policyengine.model.gaps import gives
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import Record, record_class
from policyengine.model.request import Request
from policyengine.model.sealed import altered
from policyengine.model.types import (
    BOOL,
    DATETIME,
    STRING,
    Attribute,
    Changer,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, Ip, slot
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet

MOST_OPTIONS = 60
"""The number of values that are tried at one place."""

_FEW = 5
"""The number of elements of which every subset is tried."""

_JUDGING = 10
"""The cost of judging a rule, beside looking up an earlier verdict."""


class OutOfBudgetError(Exception):
    """Rules were judged more often than the budget allows."""


PlaceKind: TypeAlias = Literal["attribute", "parents", "fields", "now"]
ReadKey: TypeAlias = tuple[str, str]


@frozen
class Place:
    """The place of a value in a request.

    *owner*: the entity, None for the context and the fields that are asked for; *names* lead from
    there to an attribute, through records; *text* is the path as a policy writes it. *by*: the party
    that can change the value. *hidden*: it is private, or of another entity than the subject.
    """

    kind: PlaceKind
    owner: Key | None
    names: tuple[str, ...]
    text: str = field(eq=False)
    type: Type = field(eq=False)
    optional: bool = field(eq=False)
    by: Changer = field(eq=False)
    hidden: bool = field(eq=False)

    @property
    def read_key(self) -> ReadKey:
        """The attribute that rules read here, by type and name, whichever entity it is of."""
        if self.kind != "attribute":
            return "", self.kind
        return self.owner[0] if self.owner else "context", self.names[0]

    def overlaps(self, other: Place) -> bool:
        """Whether one of the two is inside the other: an attribute in a record."""
        shorter = min(len(self.names), len(other.names))
        same = (self.kind, self.owner) == (other.kind, other.owner)
        return same and self.names[:shorter] == other.names[:shorter]


_PARENTS: ReadKey = ("", "parents")
_NOW: ReadKey = ("", "now")

NOW = Place("now", None, (), "now", DATETIME, optional=False, by="nobody", hidden=False)
"""The time: not among the places of a request, but it can be changed as well."""

Changes: TypeAlias = tuple[tuple[Place, object], ...]
"""Places, each with its new value."""


# ---- places -----------------------------------------------------------------------------


def places_of(checked: CheckedSet, request: Request) -> tuple[Place, ...]:
    """Return the places of *request* that rules may read, each once."""
    target = (request.action, request.subject.type, request.resource.type)
    needs = checked.needs(target)
    finding = _Places(request)
    finding.entity(request.subject, needs.subject, "subject")
    finding.entity(request.resource, needs.resource, "resource")
    context = checked.schema.actions[request.action].context
    finding.attributes(None, (), context.attributes, request.context, needs.context, "context")
    if request.fields is not None:
        asked = Place("fields", None, (), "fields", SetType(STRING), False, "caller", False)
        finding.found.setdefault(asked, None)
    return tuple(finding.found)


@define
class _Places:
    request: Request
    found: dict[Place, None] = field(factory=dict)

    def entity(self, entity: Entity, needs: Needs, text: str) -> None:
        """Find the places of an entity, and of those that it refers to."""
        if needs.line and entity.parents_ is not None:
            self._add("parents", entity.key_, (), f"{text} in", SetType(STRING))
        attributes = entity.entity_type.attributes
        self.attributes(entity.key_, (), attributes, entity, needs, text)

    def attributes(
        self,
        owner: Key | None,
        above: tuple[str, ...],
        attributes: Iterable[Attribute],
        holder: object,
        needs: Needs,
        text: str,
        by: Changer | None = None,
        *,
        private: bool = False,
    ) -> None:
        """Find the places of an entity, a context or a record in one."""
        for part in attributes:
            if part.name not in needs.attributes:
                continue
            value = getattr(holder, slot(part.name))
            names, here = (*above, part.name), f"{text}.{part.name}"
            changer, hidden = by or part.by, private or part.private
            inner = needs.attributes[part.name]
            whole = not (isinstance(part.type, RecordType) and value is not ABSENT)
            if whole or part.optional:
                self._add(
                    "attribute", owner, names, here, part.type, part.optional, changer, hidden
                )
            match part.type, value:
                case _ if value is ABSENT:
                    pass
                case RecordType(inside), Record():
                    self.attributes(
                        owner, names, inside, value, inner, here, changer, private=hidden
                    )
                case EntityRefType(name), str() if inner:
                    self.entity(self.request.entities[name, value], inner, here)
                case SetType(EntityRefType(name)), frozenset() if inner.elements:
                    for one in sorted(value):
                        entity = self.request.entities[name, one]
                        self.entity(entity, inner.elements, f'{here}["{one}"]')

    def _add(
        self,
        kind: PlaceKind,
        owner: Key | None,
        names: tuple[str, ...],
        text: str,
        type_: Type,
        optional: bool = False,  # noqa: FBT001, FBT002 - the same order as the fields of a place
        by: Changer = "platform",
        private: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        hidden = private or owner not in (None, self.request.subject.key_)
        place = Place(kind, owner, names, text, type_, optional, by, hidden)
        self.found.setdefault(place, None)


def value_at(request: Request, place: Place) -> Any:
    """Return the value at *place*: a canonical value, the keys of parents, or names of fields."""
    if place.kind == "fields":
        return frozenset(request.fields or ())
    if place.kind == "now":
        return request.now
    owner: object = request.context if place.owner is None else request.entities[place.owner]
    if place.kind == "parents":
        return getattr(owner, "parents_", frozenset())
    for name in place.names:
        owner = getattr(owner, slot(name))
    return owner


def changed(request: Request, changes: Changes) -> Request:
    """Return *request* with other values at some places."""
    for place, value in sorted(changes, key=lambda change: len(change[0].names)):
        request = _with(request, place, value)
    return request


def _with(request: Request, place: Place, value: Any) -> Request:
    if place.kind == "fields":
        return replace(request, fields=tuple(sorted(value)))
    if place.kind == "now":
        return replace(request, now=value)
    if place.owner is None:
        return replace(request, context=_put(request.context, place.names, value))
    entity = request.entities[place.owner]
    if place.kind == "parents":
        return _with_entities(request, _moved(request, entity, value))
    return _with_entities(request, {place.owner: _put(entity, place.names, value)})


def _put(holder: Any, names: tuple[str, ...], value: object) -> Any:
    if not names:
        return value
    name, *rest = names
    inner = _put(getattr(holder, slot(name)), tuple(rest), value) if rest else value
    return altered(holder, **{slot(name): inner})


def _with_entities(request: Request, others: dict[Key, Entity]) -> Request:
    return replace(
        request,
        subject=others.get(request.subject.key_, request.subject),
        resource=others.get(request.resource.key_, request.resource),
        entities=ChainMap(others, request.entities),  # type: ignore[arg-type]  # it is only read
    )


def _moved(request: Request, entity: Entity, parents: frozenset[Key]) -> dict[Key, Entity]:
    """Return *entity* below other parents, and its descendants."""
    line = _line(request, entity.key_, parents) if parents else frozenset({entity.key_})
    before = entity.line or frozenset()
    moved = {entity.key_: altered(entity, parents_=parents, line=line)}
    for key, other in request.entities.items():
        if key != entity.key_ and other.line and entity.key_ in other.line:
            moved[key] = altered(other, line=(other.line - before) | line)
    return moved


def _line(request: Request, key: Key, parents: Iterable[Key]) -> frozenset[Key]:
    """Return an entity, its known ancestors, and *parents* with theirs."""
    line = {key, *parents}
    for one in parents or (key,):
        if one in request.entities:
            line |= request.entities[one].line or frozenset()
    return frozenset(line)


# ---- options ----------------------------------------------------------------------------


@frozen
class _CandidateValues:
    """The values that rules and the request mention, by type."""

    schema: Schema
    mentions: MentionedConstants
    known: Mapping[str, list[str]]
    sets: Mapping[Type, list[frozenset[Any]]]
    now: int

    @classmethod
    def of(
        cls, checked: CheckedSet, request: Request, rules: Iterable[CheckedRule],
        places: Iterable[Place], *, all_known: bool,
    ) -> _CandidateValues:  # fmt: skip
        target = (request.action, request.subject.type, request.resource.type)
        mentions = MentionedConstants.of(rules, target)
        action = checked.schema.actions[request.action]
        given = [
            (part.type, action.constants[part.name])
            for part in action.constant_types.attributes
            if part.name in action.constants
        ]
        given += [(p.type, value_at(request, p)) for p in places if p.kind == "attribute"]
        given = [(type_, value) for type_, value in given if value is not ABSENT]
        sets: dict[Type, list[frozenset[Any]]] = {}
        for type_, value in given:
            if isinstance(value, frozenset):
                sets.setdefault(type_, []).append(value)
            if not isinstance(value, Record):
                mentions.add(type_, value)
        mentions.add(DATETIME, request.now)
        for party in (request.subject, request.resource):
            mentions.add(EntityRefType(party.type), party.id)
        known: dict[str, list[str]] = {}
        for name, id_ in request.entities:
            if id_ in mentions.values.get(EntityRefType(name), ()) or all_known:
                known.setdefault(name, []).append(id_)
        return cls(checked.schema, mentions, known, sets, request.now)

    def mentioned(self, type_: Type) -> list[Any]:
        """Return the values of a type that are mentioned, in a fixed order."""
        return sorted(self.mentions.values.get(type_, ()), key=str)

    def values(self, type_: Type, near: object) -> list[Any]:
        """Return values of a type, the likeliest first."""
        match type_:
            case LevelsType(members=members):
                at = near if isinstance(near, int) else 0
                return sorted(range(len(members)), key=lambda level: (abs(level - at), level))
            case EnumType() | TaxonomyType():
                said = self.mentions.values.get(type_, set())
                return sorted(type_.members, key=lambda member: member not in said)
            case EntityRefType(name):
                known = sorted(self.known.get(name, ()))
                return [*known, *(one for one in self.mentioned(type_) if one not in known)]
            case SetType(element):
                return self._sets(type_, element, near)
            case RecordType(attributes):
                parts = [
                    ABSENT if a.optional else next(iter(self.values(a.type, None)), ABSENT)
                    for a in attributes
                ]
                lacking = any(
                    part is ABSENT and not a.optional
                    for a, part in zip(attributes, parts, strict=True)
                )
                return [] if lacking else [record_class(type_)(*parts)]
            case _ if type_ == BOOL:
                return [False, True]
            case _ if type_ == STRING:
                return [*self.mentioned(type_), *self.mentions.examples(), "something else"]
            case Primitive("ip"):
                return [ip for ip in self.mentioned(type_) if isinstance(ip, Ip)]
            case Primitive():
                found = numbers(self.mentions, type_, ())
                at = near if isinstance(near, int) else self.now if type_ == DATETIME else 0
                return sorted(found, key=lambda number: (number != self.now, abs(number - at)))

    def _sets(self, type_: Type, element: Type, near: object) -> list[frozenset[Any]]:
        """Return sets near to one: all if there are few, else those that differ little."""
        now = near if isinstance(near, frozenset) else frozenset()
        if isinstance(element, RecordType | SetType):
            return [frozenset(), *self.sets.get(type_, ())]
        ones = self.values(element, None)
        others = self.sets.get(type_, [])
        if len(ones) <= _FEW and isinstance(element, EnumType | TaxonomyType | LevelsType):
            found = _subsets(ones)
        else:
            found = _subsets(sorted(now, key=str)) if len(now) <= _FEW else [frozenset()]
            found += [now - {one} for one in now]
            found += [now & other for other in others] + [now - other for other in others]
            found += [now | other for other in others] + others
            found += [now | {one} for one in ones] + [frozenset({one}) for one in ones]
        return sorted(
            dict.fromkeys(found), key=lambda found: (len(found ^ now), sorted(map(str, found)))
        )


def _subsets(elements: Iterable[Any]) -> list[frozenset[Any]]:
    pool = list(elements)
    return [frozenset(some) for n in range(len(pool) + 1) for some in combinations(pool, n)]


# ---- deciding ---------------------------------------------------------------------------


@frozen
class Granted:
    """What a decision grants: whether it allows, the fields it exposes and the obligations."""

    allowed: bool
    exposed: frozenset[str] | None
    obligations: tuple[Obligation, ...]


@define(eq=False)
class Neighbourhood:
    """A request and all that differ from it in a few values.

    *also*: rules beside those of the set that may be judged, and whose constants matter too.
    *budget*: how often rules may be judged before `OutOfBudgetError`; None for no bound.
    """

    checked: CheckedSet
    request: Request
    also: tuple[CheckedRule, ...] = ()
    budget: int | None = None
    target: TargetKey = field(init=False)
    rules: tuple[CheckedRule, ...] = field(init=False)
    places: tuple[Place, ...] = field(init=False)
    _pool: _CandidateValues = field(init=False)
    _public: _CandidateValues | None = field(init=False, default=None)
    _reads: dict[int, frozenset[ReadKey]] = field(init=False, factory=dict)
    _verdicts: dict[tuple[int, Changes], Verdict] = field(init=False, factory=dict)
    _requests: dict[Changes, Request] = field(init=False, factory=dict)
    _options: dict[Place, tuple[object, ...]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        env = Env(self.request, self.checked.schema)
        self.target = env.target
        of_target = self.checked.rules_for(self.target)
        self.rules = tuple(rule for rule in of_target if not rule.advisory)
        self.places = places_of(self.checked, self.request)
        self._pool = self._pool_of(self.places, all_known=True)

    def _pool_of(self, places: Iterable[Place], *, all_known: bool) -> _CandidateValues:
        rules = (*self.rules, *self.also)
        return _CandidateValues.of(self.checked, self.request, rules, places, all_known=all_known)

    @property
    def unsure(self) -> bool:
        """Whether rules turn on what no option may show."""
        return self._pool.mentions.unsure

    def options(self, place: Place) -> tuple[object, ...]:
        """Return the other values that *place* may have, the nearest first."""
        if place not in self._options:
            now = value_at(self.request, place)
            found = [value for value in self._values(place, now, self._pool) if value != now]
            if place.optional and now is not ABSENT:
                found = [*found[: MOST_OPTIONS - 1], ABSENT]
            self._options[place] = tuple(found[:MOST_OPTIONS])
        return self._options[place]

    def gives_away(self, place: Place, value: object) -> bool:
        """Whether *value* is an option at *place* only because of values at hidden places."""
        if value is ABSENT or place.kind == "fields":
            return False
        if self._public is None:
            shown = [other for other in self.places if not other.hidden]
            self._public = self._pool_of(shown, all_known=False)
        now = value_at(self.request, place)
        return value not in self._values(place, now, self._public)

    def _values(self, place: Place, now: Any, pool: _CandidateValues) -> list[Any]:
        if place.kind in ("attribute", "now"):
            return pool.values(place.type, None if now is ABSENT else now)
        if place.kind == "fields":
            case = self.judged((), self.rules)
            gates = interpreter.gates(case)
            lacking = {name for gate in gates for name in interpreter.missing_fields(case, gate)}
            return [now - lacking, *(now - {one} for one in sorted(now)), frozenset()]
        assert place.owner is not None
        above = ancestor_types(self.checked.schema, place.owner[0])
        ones = [
            (name, one)
            for name in sorted(above)
            for one in pool.values(EntityRefType(name), None)
            if place.owner not in _line(self.request, (name, one), ())
        ]
        return [*(now | {one} for one in ones), *(now - {one} for one in sorted(now)), frozenset()]

    def changed(self, changes: Changes) -> Request:
        """Return the request with *changes*."""
        if changes not in self._requests:
            self._requests[changes] = changed(self.request, changes)
        return self._requests[changes]

    def reads(self, rule: CheckedRule) -> frozenset[ReadKey]:
        """Return the read keys of the places that *rule* reads."""
        if id(rule) not in self._reads:
            needs = rule.needs[self.target]
            self._reads[id(rule)] = read_keys_of(needs, self.checked.schema, self.target)
        return self._reads[id(rule)]

    def verdict(self, rule: CheckedRule, changes: Changes = ()) -> Verdict:
        """Return the verdict on *rule* after *changes*."""
        self._spend(1)
        reads = self.reads(rule)
        matter = tuple(
            change
            for change in changes
            if change[0].read_key in reads or change[0].read_key == _NOW
        )
        mark = (id(rule), matter)
        if mark not in self._verdicts:
            self._spend(_JUDGING)
            self._verdicts[mark] = self._judge(rule, self.changed(matter))
        return self._verdicts[mark]

    def _spend(self, cost: int) -> None:
        if self.budget is not None:
            self.budget -= cost
            if self.budget < 0:
                raise OutOfBudgetError

    def _judge(self, rule: CheckedRule, request: Request) -> Verdict:
        if not rule.in_force(request.now):
            return Verdict(rule)
        env = Env(request, self.checked.schema)
        return interpreter.judge(rule, interpreter.waivers(self.checked, rule, env), env)

    def allows(self, changes: Changes) -> bool:
        """Whether the request is allowed after *changes*; false if it could not be decided then."""
        opened: set[str] = set()
        for rule in self.rules:
            if rule.effect == "expose" or (rule.effect == "permit" and rule.gate in opened):
                continue
            verdict = self.verdict(rule, changes)
            if verdict.failed or (verdict.satisfied and rule.effect == "forbid"):
                return False
            if verdict.satisfied:
                opened.add(rule.gate)
        if len(opened) < len(self.checked.schema.gates):
            return False
        if self.request.fields is None:
            return True
        return interpreter.cause(self.judged(changes, self.rules)) == "permitted"

    def judged(self, changes: Changes, rules: Iterable[CheckedRule]) -> JudgedRequest:
        """Return the verdicts on *rules* after *changes*."""
        env = Env(self.changed(changes), self.checked.schema)
        return JudgedRequest(
            self.checked, env, tuple(self.verdict(rule, changes) for rule in rules)
        )

    def granted(self, changes: Changes, rules: Iterable[CheckedRule]) -> Granted:
        """Return what *rules* together grant after *changes*."""
        case = self.judged(changes, rules)
        allowed = interpreter.cause(case) == "permitted"
        owed = interpreter.obligations(case) if allowed else ()
        return Granted(allowed, interpreter.exposed(case), owed)

    def fits(self, changes: Changes) -> bool:
        """Whether the changed request still gives all that rules read."""
        return gives(self.changed(changes), self.checked.needs(self.target))


def read_keys_of(needs: RequestNeeds, schema: Schema, target: TargetKey) -> frozenset[ReadKey]:
    """Return the read keys of all that *needs* lists."""
    found: set[ReadKey] = set()
    action, subject, resource = target

    def entity(name: str, part: Needs) -> None:
        if part.line:
            found.add(_PARENTS)
        for attribute, inner in part.attributes.items():
            found.add((name, attribute))
            value(schema.entities[name].by_name[attribute].type, inner)

    def value(type_: Type, part: Needs) -> None:
        match type_:
            case EntityRefType(name):
                entity(name, part)
            case SetType(element):
                value(element, part.elements or NOTHING)
            case RecordType():
                for attribute, inner in part.attributes.items():
                    value(type_.by_name[attribute].type, inner)

    entity(subject, needs.subject)
    entity(resource, needs.resource)
    context = schema.actions[action].context
    for name, inner in needs.context.attributes.items():
        found.add(("context", name))
        value(context.by_name[name].type, inner)
    return frozenset(found)
