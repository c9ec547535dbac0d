"""Make a request whose values are chosen when they are read.

The reference interpreter reads it as any other request. A value that is read for the first time is
chosen among those that the rules can tell apart (`constants.py`); read again, it is the same. An
entity's attributes belong to its id, so an entity that is reached by two paths is one entity. A set
is one choice for each element that is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, cast

from attrs import Factory, define, frozen

from policyengine.analysis.choices import Choices
from policyengine.analysis.constants import MentionedConstants, endless, numbers
from policyengine.model.types import (
    BOOL,
    DATETIME,
    IP,
    PATH,
    STRING,
    Attribute,
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
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, Ip, slot
from policyengine.reference.evaluation import Env, Trace

_SLOT = slot("")


@define(eq=False)
class SymbolicState:
    """The values that were chosen for one symbolic request, in the order of choosing."""

    schema: Schema
    target: TargetKey
    mentions: MentionedConstants
    choices: Choices
    known: dict[tuple[object, ...], object] = Factory(dict)
    ids: dict[str, list[str]] = Factory(dict)
    numbers: dict[Type, list[int]] = Factory(dict)
    guessed: bool = False
    """Whether a value was chosen among some that may not represent all."""

    def env(self, trace: Trace | None = None) -> Env:
        """Return the environment in which rules are evaluated."""
        return Env(cast("ValidRequest", SymbolicRequest(self)), self.schema, trace=trace)

    def once(self, place: tuple[object, ...], choose: Callable[[], object]) -> Any:
        """Return the value at *place*, which is chosen when it is read first."""
        if place not in self.known:
            self.known[place] = choose()
        return self.known[place]

    def whether(self, *place: object) -> bool:
        """Choose between yes and no."""
        return bool(self.once(place, lambda: self.choices.choose((False, True))))

    def attribute(self, part: Attribute, place: tuple[object, ...]) -> object:
        """Return a part of an entity or a record, which may be absent if it is optional."""
        place = (*place, part.name)
        if part.optional and not self.whether(*place, "is there"):
            return ABSENT
        return self.value(part.type, place)

    def value(self, type_: Type, place: tuple[object, ...]) -> object:
        """Return the value of *type_* at *place*."""
        match type_:
            case RecordType():
                return self.once(place, lambda: SymbolicRecord(self, type_, place))
            case SetType(element):
                return self.once(place, lambda: SymbolicSet(self, element, place))
            case EntityRefType(name):
                return self.once(place, lambda: self.reference(name))
            case _:
                return self.once(place, lambda: self._chosen(type_))

    def _chosen(self, type_: Type) -> object:
        chosen = self.choices.choose(self.options(type_))
        if type_ in self.mentions.beyond and isinstance(chosen, int):
            self.numbers.setdefault(type_, []).append(chosen)
        return chosen

    def reference(self, name: str) -> str:
        """Choose an entity: one that is known, one that is mentioned, or a new one."""
        met = self.in_play(name)
        chosen = self.choices.choose([*met, f"{name.lower()}-{len(met) + 1}"])
        if chosen not in met:
            self.ids[name].append(chosen)
        return chosen

    def in_play(self, name: str) -> list[str]:
        """Return the ids of a type's entities that the request or the rules have named so far."""
        known = self._known_ids(name)
        _, subject, resource = self.target
        if subject == name:
            self.root("subject", subject)
        if resource == name:
            self.root("resource", resource)
        return known

    def _known_ids(self, name: str) -> list[str]:
        if name not in self.ids:
            mentioned = set(self.mentions.values.get(EntityRefType(name), ()))
            if self.mentions.ids:
                mentioned |= self.mentions.values.get(STRING, set())
            self.ids[name] = sorted(str(one) for one in mentioned)
        return self.ids[name]

    def root(self, which: str, type_: str) -> str:
        """Return the id of the subject or the resource."""
        known = self._known_ids(type_)

        def choose() -> str:
            chosen = self.choices.choose([f"the-{which}", *known])
            if chosen not in known:
                known.append(chosen)
            return chosen

        return str(self.once((which, "id"), choose))

    def options(self, type_: Type) -> Sequence[Any]:
        """Return values of a type that represent all."""
        if type_ in self.mentions.beyond:
            self.guessed = True
        match type_:
            case EnumType(members=members):
                return members
            case LevelsType(members=members):
                return range(len(members))
            case TaxonomyType():
                return type_.members
            case _ if type_ == BOOL:
                return (False, True)
            case _ if type_ == STRING:
                return self._strings()
            case _ if type_ == PATH:
                return self.mentions.paths()
            case _ if type_ == IP:
                self.guessed = True
                mentioned = [ip for ip in self.mentions.values.get(IP, ()) if isinstance(ip, Ip)]
                return [Ip(4, 0, 0), *sorted({e for ip in mentioned for e in edges(ip)})]
            case _:
                assert isinstance(type_, Primitive)  # the others are made part by part
                return numbers(self.mentions, type_, self.numbers.get(type_, ()))

    def _strings(self) -> Sequence[str]:
        chosen = {value for value in self.known.values() if isinstance(value, str)}
        groups: list[list[str]] = []
        for texts in self.mentions.unmentioned():
            used: list[str] = []
            for text in texts:
                if text not in chosen:
                    used.insert(0, text)
                    break
                used.append(text)
            groups.append(used)
        mentioned = sorted(str(text) for text in self.mentions.values.get(STRING, ()))
        return list(dict.fromkeys(chain(groups[0], mentioned, *groups[1:])))


def edges(ip: Ip) -> Iterator[Ip]:
    """Give a network, its first and last address, and those beside it."""
    yield ip
    for at in {ip.first - 1, ip.first, ip.last, ip.last + 1}:
        if 0 <= at < 2 ** (32 if ip.version == 4 else 128):  # noqa: PLR2004 - the address widths
            yield Ip(ip.version, at, at)


@frozen(eq=False)
class SymbolicRequest:
    """A request of which only the action and the types are given."""

    state: SymbolicState
    fields: None = None

    @property
    def action(self) -> str:
        return self.state.target[0]

    @property
    def subject(self) -> SymbolicEntity:
        return SymbolicEntity(self.state, self.state.target[1], "subject")

    @property
    def resource(self) -> SymbolicEntity:
        return SymbolicEntity(self.state, self.state.target[2], "resource")

    @property
    def context(self) -> object:
        return self.state.value(self.state.schema.actions[self.action].context, ("context",))

    @property
    def now(self) -> object:
        return self.state.value(DATETIME, ("now",))

    @property
    def entities(self) -> Mapping[tuple[str, str], object]:
        return cast("Mapping[tuple[str, str], object]", SymbolicEntities(self.state))


@frozen(eq=False)
class SymbolicEntities:
    """All entities, by key."""

    state: SymbolicState

    def __getitem__(self, key: tuple[str, str]) -> SymbolicEntity:
        type_, id_ = key
        return SymbolicEntity(self.state, type_, known=id_)


@frozen(eq=False)
class SymbolicEntity:
    """An entity: the subject, the resource, or the one with a *known* id."""

    state: SymbolicState
    type: str
    role: str = ""
    known: str = ""

    @property
    def id(self) -> str:
        return self.known or self.state.root(self.role, self.type)

    @property
    def line(self) -> SymbolicAncestors:
        return SymbolicAncestors(self.state, self.type, self.id)

    def __getattr__(self, name: str) -> object:
        part = self.state.schema.entities[self.type].by_name[name.removeprefix(_SLOT)]
        return self.state.attribute(part, ("entity", self.type, self.id))


@frozen(eq=False)
class SymbolicAncestors:
    """An entity and its ancestors."""

    state: SymbolicState
    type: str
    id: str

    def __contains__(self, key: tuple[str, str]) -> bool:
        if key == (self.type, self.id):
            return True
        above = ancestor_types(self.state.schema, self.type)
        return key[0] in above and self.state.whether("line", self.type, self.id, key)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Give some of them: of each type those that are known, and one more."""
        self.state.guessed = True
        yield self.type, self.id
        for type_ in sorted(ancestor_types(self.state.schema, self.type)):
            met = self.state.in_play(type_)
            for id_ in (*met, f"{type_.lower()}-{len(met) + 1}"):
                if (type_, id_) != (self.type, self.id) and (type_, id_) in self:
                    yield type_, id_


def ancestor_types(schema: Schema, type_: str) -> set[str]:
    """Return the types of which an entity may have ancestors."""
    above: set[str] = set()
    ahead = [type_]
    while ahead:
        fresh = set(schema.entities[ahead.pop()].parents) - above
        above |= fresh
        ahead += fresh
    return above


@frozen(eq=False)
class SymbolicRecord:
    """A record whose parts are chosen one by one."""

    state: SymbolicState
    type: RecordType
    place: tuple[object, ...]

    def __getattr__(self, name: str) -> object:
        part = self.type.by_name[name.removeprefix(_SLOT)]
        return self.state.attribute(part, self.place)


@define(eq=False)
class SymbolicSet:
    """A set whose elements are chosen one by one; after an iteration, there are no others."""

    state: SymbolicState
    element: Type
    place: tuple[object, ...]
    _asked: list[Any] = Factory(list)
    _all: list[Any] | None = None

    def __contains__(self, one: object) -> bool:
        if self._all is None:
            self._asked.append(one)
        elif one not in self._all:
            return False
        return self.state.whether(*self.place, "has", one)

    def __iter__(self) -> Iterator[Any]:
        if self._all is None:
            self._all = list(dict.fromkeys([*self._asked, *self._universe()]))
        return (one for one in self._all if one in self)

    def _universe(self) -> list[Any]:
        match self.element:
            case EntityRefType(name):
                met = list(self.state.in_play(name))
                self.state.guessed = True
                return [*met, f"{name.lower()}-{len(met) + 1}"]
            case RecordType():
                self.state.guessed = True
                return [SymbolicRecord(self.state, self.element, (*self.place, n)) for n in (1, 2)]
            case SetType():
                self.state.guessed = True
                return [frozenset()]
            case EnumType() | TaxonomyType() if not self.state.mentions.sized:
                return self._distinguishable(self.element)
            case _:
                self.state.guessed |= endless(self.element)
                return list(self.state.options(self.element))

    def _distinguishable(self, type_: EnumType | TaxonomyType) -> list[str]:
        """Return some of the names in each group that the rules cannot tell apart.

        A comparison of two values of the request needs at most two names for either result.
        """
        mentions = self.state.mentions
        loose = mentions.loose[type_]
        if loose and isinstance(type_, TaxonomyType):
            return list(type_.members)
        mentioned = {str(name) for name in mentions.values.get(type_, ())}
        groups: dict[object, list[str]] = {}
        for name in type_.members:
            groups.setdefault(_relation_to(type_, name, mentioned), []).append(name)
        kept = {name for names in groups.values() for name in names[: 1 + 2 * loose]}
        return [name for name in type_.members if name in kept]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __and__(self, other: Any) -> SymbolicIntersection:
        return SymbolicIntersection(self, other)

    __rand__ = __and__

    def __le__(self, other: Any) -> bool:
        return all(one in other for one in self)

    def __ge__(self, other: Any) -> bool:
        return all(one in self for one in other)

    def __eq__(self, other: object) -> bool:
        return self >= other and self <= other

    __hash__ = None  # type: ignore[assignment]  # it is equal to what it turns out to be


def _relation_to(type_: EnumType | TaxonomyType, name: str, mentioned: set[str]) -> object:
    """Return the relation of a name to those that are mentioned: what rules may see of it."""
    if isinstance(type_, EnumType) or name in mentioned:
        return name if name in mentioned else None
    return type_.above[name] & mentioned, type_.below[name] & mentioned


@frozen
class SymbolicIntersection:
    """The intersection of two sets, of which rules ask only whether it is empty."""

    one: SymbolicSet
    other: Any

    def __bool__(self) -> bool:
        if isinstance(self.other, SymbolicSet):
            return any(element in self.other for element in self.one)
        return any(element in self.one for element in self.other)
