"""Imagine a request whose values are chosen when they are read.

It looks to the reference interpreter as any request does. What is read for the first time is chosen
among the values that the rules can tell apart (`mentions.py`); read again it is the same. An entity's
attributes belong to its id, so an entity that is reached in two ways is one. A set is one choice for
each element that is asked after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from attrs import Factory, define, frozen

from policyengine.analysis.choices import Choices
from policyengine.analysis.constants import Mentions, endless, numbers
from policyengine.model.request import Request
from policyengine.model.types import (
    BOOL,
    DATETIME,
    IP,
    STRING,
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, Ip, slot
from policyengine.reference.evaluation import Env, Trace
from policyengine.semantics.checked import TargetKey

_SLOT = slot("")


@define(eq=False)
class SymbolicRequest:
    """What was chosen for one imagined request, in the order of choosing."""

    schema: Schema
    target: TargetKey
    mentions: Mentions
    choices: Choices
    known: dict[tuple[object, ...], object] = Factory(dict)
    ids: dict[str, list[str]] = Factory(dict)
    numbers: dict[Type, list[int]] = Factory(dict)
    guessed: bool = False
    """Whether a value was chosen among some that may not stand for all."""

    def env(self, trace: Trace | None = None) -> Env:
        """Return what rules are evaluated in."""
        return Env(cast("Request", ImaginedRequest(self)), self.schema, trace=trace)

    def once(self, place: tuple[object, ...], choose: Callable[[], object]) -> Any:
        """Return what is at *place*, chosen when it is read first."""
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
        """Return the value of that type that is at *place*."""
        match type_:
            case RecordType():
                return self.once(place, lambda: ImaginedRecord(self, type_, place))
            case SetType(element):
                return self.once(place, lambda: ImaginedSet(self, element, place))
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
        """Choose an entity: one that is in play, one that is mentioned, or one more."""
        met = self.in_play(name)
        chosen = self.choices.choose([*met, f"{name.lower()}-{len(met) + 1}"])
        if chosen not in met:
            self.ids[name].append(chosen)
        return chosen

    def in_play(self, name: str) -> list[str]:
        """Return the ids of entities of a type that the request or the rules have named so far."""
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
        """Return values of a type that stand for all."""
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
            case _ if type_ == IP:
                self.guessed = True
                mentioned = [ip for ip in self.mentions.values.get(IP, ()) if isinstance(ip, Ip)]
                return [Ip(4, 0, 0), *sorted({e for ip in mentioned for e in _edges(ip)})]
            case _:
                assert isinstance(type_, Primitive)  # the others are made part by part
                return numbers(self.mentions, type_, self.numbers.get(type_, ()))

    def _strings(self) -> Sequence[str]:
        mentioned = sorted(str(text) for text in self.mentions.values.get(STRING, ()))
        used = sorted({v for v in self.known.values() if isinstance(v, str) and v[:4] == "text"})
        examples = [p.replace("\\*", "\0").replace("*", "x") for p in self.mentions.patterns]
        made = [example.replace("\0", "*").replace("\\\\", "\\") for example in examples]
        return list(dict.fromkeys([f"text {len(used) + 1}", *used, *mentioned, *made]))


def _edges(ip: Ip) -> Iterator[Ip]:
    """Give a network, its ends, and its neighbours."""
    yield ip
    for at in {ip.first - 1, ip.first, ip.last, ip.last + 1}:
        if 0 <= at < 2 ** (32 if ip.version == 4 else 128):  # noqa: PLR2004 - the address widths
            yield Ip(ip.version, at, at)


@frozen(eq=False)
class ImaginedRequest:
    """A request of which only action and types are given."""

    world: SymbolicRequest
    fields: None = None

    @property
    def action(self) -> str:
        return self.world.target[0]

    @property
    def subject(self) -> ImaginedEntity:
        return ImaginedEntity(self.world, self.world.target[1], "subject")

    @property
    def resource(self) -> ImaginedEntity:
        return ImaginedEntity(self.world, self.world.target[2], "resource")

    @property
    def context(self) -> object:
        return self.world.value(self.world.schema.actions[self.action].context, ("context",))

    @property
    def now(self) -> object:
        return self.world.value(DATETIME, ("now",))

    @property
    def entities(self) -> Mapping[tuple[str, str], object]:
        return cast("Mapping[tuple[str, str], object]", ImaginedEntities(self.world))


@frozen(eq=False)
class ImaginedEntities:
    """Every entity there is."""

    world: SymbolicRequest

    def __getitem__(self, key: tuple[str, str]) -> ImaginedEntity:
        type_, id_ = key
        return ImaginedEntity(self.world, type_, known=id_)


@frozen(eq=False)
class ImaginedEntity:
    """An entity: the subject, the resource, or the one with a *known* id."""

    world: SymbolicRequest
    type: str
    role: str = ""
    known: str = ""

    @property
    def id(self) -> str:
        return self.known or self.world.root(self.role, self.type)

    @property
    def line(self) -> ImaginedLine:
        return ImaginedLine(self.world, self.type, self.id)

    def __getattr__(self, name: str) -> object:
        part = self.world.schema.entities[self.type].by_name[name.removeprefix(_SLOT)]
        return self.world.attribute(part, ("entity", self.type, self.id))


@frozen(eq=False)
class ImaginedLine:
    """An entity and all that it lies in."""

    world: SymbolicRequest
    type: str
    id: str

    def __contains__(self, key: tuple[str, str]) -> bool:
        if key == (self.type, self.id):
            return True
        above = types_above(self.world.schema, self.type)
        return key[0] in above and self.world.whether("line", self.type, self.id, key)


def types_above(schema: Schema, type_: str) -> set[str]:
    """Return the types that an entity may lie in, near or far."""
    above: set[str] = set()
    ahead = [type_]
    while ahead:
        fresh = set(schema.entities[ahead.pop()].parents) - above
        above |= fresh
        ahead += fresh
    return above


@frozen(eq=False)
class ImaginedRecord:
    """A record, part by part."""

    world: SymbolicRequest
    type: RecordType
    place: tuple[object, ...]

    def __getattr__(self, name: str) -> object:
        part = self.type.by_name[name.removeprefix(_SLOT)]
        return self.world.attribute(part, self.place)


@define(eq=False)
class ImaginedSet:
    """A set, element by element; once all elements were asked for, there are no others."""

    world: SymbolicRequest
    element: Type
    place: tuple[object, ...]
    _asked: list[Any] = Factory(list)
    _all: list[Any] | None = None

    def __contains__(self, one: object) -> bool:
        if self._all is None:
            self._asked.append(one)
        elif one not in self._all:
            return False
        return self.world.whether(*self.place, "has", one)

    def __iter__(self) -> Iterator[Any]:
        if self._all is None:
            self._all = list(dict.fromkeys([*self._asked, *self._universe()]))
        return (one for one in self._all if one in self)

    def _universe(self) -> list[Any]:
        match self.element:
            case EntityRefType(name):
                met = list(self.world.in_play(name))
                self.world.guessed = True
                return [*met, f"{name.lower()}-{len(met) + 1}"]
            case RecordType():
                self.world.guessed = True
                return [ImaginedRecord(self.world, self.element, (*self.place, n)) for n in (1, 2)]
            case SetType():
                self.world.guessed = True
                return [frozenset()]
            case EnumType() | TaxonomyType() if not self.world.mentions.sized:
                return self._telling(self.element)
            case _:
                self.world.guessed |= endless(self.element)
                return list(self.world.options(self.element))

    def _telling(self, type_: EnumType | TaxonomyType) -> list[str]:
        """Leave out all but some of the names that the rules cannot tell apart.

        Each comparison of two values of the request needs two names at most to come out as it does.
        """
        mentions = self.world.mentions
        loose = mentions.loose[type_]
        if loose and isinstance(type_, TaxonomyType):
            return list(type_.members)
        mentioned = {str(name) for name in mentions.values.get(type_, ())}
        alike: dict[object, list[str]] = {}
        for name in type_.members:
            alike.setdefault(_standing(type_, name, mentioned), []).append(name)
        kept = {name for names in alike.values() for name in names[: 1 + 2 * loose]}
        return [name for name in type_.members if name in kept]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __and__(self, other: Any) -> Shared:
        return Shared(self, other)

    __rand__ = __and__

    def __le__(self, other: Any) -> bool:
        return all(one in other for one in self)

    def __ge__(self, other: Any) -> bool:
        return all(one in self for one in other)

    def __eq__(self, other: object) -> bool:
        return self >= other and self <= other

    __hash__ = None  # type: ignore[assignment]  # it is equal to what it turns out to be


def _standing(type_: EnumType | TaxonomyType, name: str, mentioned: set[str]) -> object:
    """Return how a name stands to those that are mentioned."""
    if isinstance(type_, EnumType) or name in mentioned:
        return name if name in mentioned else None
    return type_.above[name] & mentioned, type_.below[name] & mentioned


@frozen
class Shared:
    """What two sets have in common, of which only is asked whether there is something."""

    one: ImaginedSet
    other: Any

    def __bool__(self) -> bool:
        if isinstance(self.other, ImaginedSet):
            return any(element in self.other for element in self.one)
        return any(element in self.one for element in self.other)
