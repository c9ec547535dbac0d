"""Find out about a request only what rules ask of it: a *constrained* request.

What has few values (names, levels, references, whether something is present) is chosen when it is read.
Numbers, texts and sets are not: of numbers the bounds of their differences are kept, of texts the
answers to each question, of sets the elements that are known and what holds of no element. A question
that earlier answers settle is not asked again; of any other, both answers are tried. So every request
there is agrees with one way of answering, whatever the rules compute, and what is true of all ways is
true of all requests. The converse does not hold: the answers to questions of which nothing is known
(whether a text is like two patterns at once) may fit no request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from math import gcd
from typing import Any, TypeAlias

from attrs import Factory, define, frozen

from policyengine.analysis.backtracking import Backtracking
from policyengine.analysis.difference_bounds import ZERO, DifferenceBounds
from policyengine.analysis.symbolic_request import ancestor_types
from policyengine.analysis.unknowns import (
    Place,
    Predicate,
    UnknownEntity,
    UnknownNumber,
    UnknownRecord,
    UnknownSet,
    UnknownText,
    is_unknown,
    key_of,
)
from policyengine.model.schedules import Schedule
from policyengine.model.types import (
    BOOL,
    DATETIME,
    ORDERED,
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    RecordType,
    Schema,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT

_NOTHING: frozenset[int] = frozenset()
_MOST_SHOWN = 5
"""The size up to which a set that is known to have so many elements is given as many."""

ChoiceNumbers: TypeAlias = frozenset[int]
"""The numbers of the choices on which something depends."""


class ContradictionError(Exception):
    """The answers that were chosen fit no request."""


@frozen
class TextQuestion:
    """A question about texts: what is asked, of which, and how two constants answer it."""

    texts: tuple[object, ...]
    answer: Callable[..., bool]


@define(eq=False)
class ConstrainedRequest:
    """What is known of a request, as the reference interpreter reads it.

    *constants*: the ids that rules name, by type. *reads*: the choices on which the answers since it was
    last emptied depend; *numeric*: those on which the bounds of numbers depend. *texts*: texts that give the
    answers, where they were looked for. *asked*: the questions about one text alone, but whether it is a constant.
    *reads_action*: whether the action was read.
    """

    schema: Schema
    target: TargetKey
    constants: Mapping[str, Collection[str]]
    choices: Backtracking
    fields: None = None
    reads: set[int] = Factory(set)
    known: dict[Place, tuple[Any, ChoiceNumbers]] = Factory(dict)
    ids: dict[str, dict[str, ChoiceNumbers]] = Factory(dict)
    differences: DifferenceBounds = Factory(DifferenceBounds)
    number_types: dict[Place, Type] = Factory(dict)
    moments: dict[Place, tuple[Any, Any]] = Factory(dict)
    totals: dict[Place, Mapping[Place, int]] = Factory(dict)
    lengths: dict[Place, UnknownText] = Factory(dict)
    scheduled: dict[Place, tuple[UnknownNumber, Schedule]] = Factory(dict)
    questions: dict[Place, TextQuestion] = Factory(dict)
    asked: dict[Place, list[Place]] = Factory(dict)
    bound: dict[Place, tuple[Any, ChoiceNumbers]] = Factory(dict)
    sets: dict[Place, UnknownSet] = Factory(dict)
    lines: dict[tuple[str, str], dict[tuple[str, str], ChoiceNumbers]] = Factory(dict)
    numeric: set[int] = Factory(set)
    texts: dict[Place, str] = Factory(dict)
    reads_action: bool = False

    # ---- as a request -------------------------------------------------------------------

    @property
    def action(self) -> str:
        self.reads_action = True
        return self.target[0]

    @property
    def subject(self) -> UnknownEntity:
        return UnknownEntity(self, self.target[1], self.root("subject", self.target[1]))

    @property
    def resource(self) -> UnknownEntity:
        return UnknownEntity(self, self.target[2], self.root("resource", self.target[2]))

    @property
    def context(self) -> UnknownRecord:
        return UnknownRecord(self, self.schema.actions[self.target[0]].context, ("context",))

    @property
    def now(self) -> UnknownNumber:
        return self.number(("now",), DATETIME)

    @property
    def entities(self) -> ConstrainedRequest:
        return self

    def __getitem__(self, key: tuple[str, str]) -> UnknownEntity:
        return UnknownEntity(self, *key)

    # ---- choosing -----------------------------------------------------------------------

    def choose(
        self, place: Place, options: Callable[[], Sequence[Any]], because: Collection[int] = ()
    ) -> Any:
        """Return what is at *place*: chosen once; *because*: what the options depend on."""
        if place in self.known:
            value, origin = self.known[place]
            self.reads |= origin
            return value
        found = options()
        origin = frozenset(because)
        value = found[0]
        if len(found) > 1:
            value, number = self.choices.choose(found)
            origin |= {number}
        self.known[place] = value, origin
        self.reads |= origin
        return value

    def whether(self, *place: Hashable) -> bool:
        """Choose between no and yes."""
        return bool(self.choose(place, lambda: (False, True)))

    def attribute(self, part: Attribute, place: Place) -> object:
        """Return a part of an entity or a record, which may be absent if it is optional."""
        place = (*place, part.name)
        if part.optional and not self.whether(*place, "is there"):
            return ABSENT
        return self.value(part.type, place)

    def value(self, type_: Type, place: Place) -> object:
        """Return the value of *type_* at *place*."""
        match type_:
            case EntityRefType(name):
                return self.reference(name, place)
            case EnumType() | TaxonomyType():
                return self.choose(place, lambda: type_.members)
            case LevelsType(members=members):
                return self.choose(place, lambda: range(len(members)))
            case RecordType():
                return UnknownRecord(self, type_, place)
            case SetType(element):
                return self._set(place, element)
            case _ if type_ == BOOL:
                return self.whether(*place)
            case _ if type_ in ORDERED:
                return self.number(place, type_)
            case _:
                return UnknownText(place, type_)

    # ---- entities -----------------------------------------------------------------------

    def reference(self, name: str, place: Place) -> str:
        """Choose an entity: one that is known, a new one, or one that rules name."""
        if place in self.known:
            return str(self.choose(place, tuple))
        _, subject, resource = self.target
        if subject == name and place[0] != "subject":
            self.root("subject", subject)
        if resource == name and place[0] not in ("subject", "resource"):
            self.root("resource", resource)
        met = self.met(name)
        named = self.constants.get(name, ())
        fresh = self._fresh(name)
        ids = [*(one for one in met if one not in named), fresh, *sorted(named)]
        because = frozenset[int]().union(*met.values())
        chosen = str(self.choose(place, lambda: ids, because))
        if chosen not in met:
            met[chosen] = self.known[place][1]
        return chosen

    def met(self, name: str) -> dict[str, ChoiceNumbers]:
        """Return the ids of a type that the request has mentioned so far."""
        return self.ids.setdefault(name, {})

    def _fresh(self, name: str) -> str:
        """Return an id that nothing has so far."""
        others = {*self.met(name), *self.constants.get(name, ())}
        numbers = range(len(self.met(name)) + 1, len(self.met(name)) + len(others) + 2)
        return next(id_ for n in numbers if (id_ := f"{name.lower()}-{n}") not in others)

    def root(self, which: str, type_: str) -> str:
        """Return the id of the subject or the resource."""
        return self.reference(type_, (which, "id"))

    # ---- numbers ------------------------------------------------------------------------

    def number(self, place: Place, type_: Type | None = None) -> UnknownNumber:
        """Return the number at *place*."""
        if type_ is not None:
            self.number_types[place] = type_
        return UnknownNumber(self, {place: 1})

    def at_most(self, number: int | UnknownNumber, most: int) -> bool:
        """Whether *number* is *most* or less."""
        if not isinstance(number, UnknownNumber):
            return number <= most
        shared = gcd(*number.parts.values())
        most = (most - number.constant) // shared
        parts = {place: of // shared for place, of in number.parts.items()}
        match list(parts.items()):
            case [(one, 1)]:
                return self._at_most(one, ZERO, most)
            case [(one, -1)]:
                return self._at_most(ZERO, one, most)
            case [(one, 1), (other, -1)] | [(other, -1), (one, 1)]:
                return self._at_most(one, other, most)
        # A sum that is no difference is a number of its own, and so is what it is taken from.
        if parts[min(parts, key=repr)] > 0:
            return self._at_most(self._total(parts), ZERO, most)
        return self._at_most(ZERO, self._total({place: -of for place, of in parts.items()}), most)

    def _total(self, parts: Mapping[Place, int]) -> Place:
        place = "total", frozenset(parts.items())
        self.totals[place] = parts
        return place

    def _at_most(self, one: Hashable, other: Hashable, most: int) -> bool:
        known = self.differences
        if known.most(one, other) <= most or known.least(one, other) > most:
            self.reads |= self.numeric
            return known.most(one, other) <= most
        yes, number = self.choices.choose((True, False))
        self.reads.add(number)
        self.numeric.add(number)
        if yes:
            known.bound(one, other, most)
        else:
            known.bound(other, one, -most - 1)
        if not yes and other == ZERO and isinstance(one, tuple) and one[0] == "size":
            self._fill(self.sets[one[1]], most + 1)
        return bool(yes)

    def _bound_below(self, one: Place, other: Hashable, least: int) -> None:
        """Note that *one* is above *other* by *least* at least, which must be so."""
        if self.differences.most(one, other) < least:
            self.reads |= self.numeric
            raise ContradictionError
        self.numeric |= self.reads
        self.differences.bound(other, one, -least)

    def relate(self, one: Place, other: Place, least: int, most: int) -> None:
        """Note what is always so of two numbers: by how much *one* is above *other*."""
        self._bound_below(one, other, least)
        self._bound_below(other, one, -most)

    def length(self, text: UnknownText) -> UnknownNumber:
        """Return the number of code points of a text."""
        place = ("length", text.key)
        if place not in self.lengths:
            self.lengths[place] = text
            self.differences.bound(ZERO, place, 0)
        return self.number(place)

    @property
    def numbers(self) -> tuple[Hashable, ...]:
        """The names of the numbers that were compared."""
        return self.differences.names

    # ---- texts --------------------------------------------------------------------------

    def within(self, one: object, other: object, answer: Callable[..., bool]) -> bool:
        """Whether a path or an address is within another; what is within what is known of constants."""
        one, other = self._resolved(one), self._resolved(other)
        if isinstance(one, UnknownText) and not isinstance(other, UnknownText):
            for place, (inside, origin) in self.known.items():
                if place[:3] != ("asked", "within", one.key) or is_unknown(
                    known := self.questions[place].texts[1]
                ):
                    continue
                above, below = answer(known, other), answer(other, known)
                if (inside and (above or not below)) or (not inside and below):
                    self.reads |= origin
                    return bool(inside and above)
        return self.ask("within", [one, other], answer)

    def ask(self, mark: Hashable, texts: Sequence[object], answer: Callable[..., bool]) -> bool:
        """Answer a question about texts that are not chosen, and constants."""
        found = tuple(self._resolved(text) for text in texts)
        if not any(isinstance(text, UnknownText) for text in found):
            return answer(*found)
        place = ("asked", mark, *map(key_of, found))
        if place not in self.questions:
            self.questions[place] = TextQuestion(found, answer)
            keys = {text.key for text in found if isinstance(text, UnknownText)}
            if len(keys) == 1:
                self.asked.setdefault(keys.pop(), []).append(place)
        return self.whether(*place)

    def _resolved(self, text: object) -> object:
        """Return the constant that a text is known to be, else the text."""
        if isinstance(text, UnknownText) and text.key in self.bound:
            text, origin = self.bound[text.key]
            self.reads |= origin
        return text

    def same_text(self, one: object, other: object) -> bool:
        """Whether two texts are equal."""
        one, other = self._resolved(one), self._resolved(other)
        if isinstance(one, UnknownText) and isinstance(other, UnknownText):
            if one.key == other.key:
                return True
            both = sorted((one, other), key=lambda text: repr(text.key))
            return self.ask("==", both, lambda a, b: bool(a == b))
        if not isinstance(one, UnknownText):
            one, other = other, one
        if not isinstance(one, UnknownText):
            return bool(one == other)
        return self._is(one, other)

    def _is(self, text: UnknownText, value: object) -> bool:
        """Whether *text* is a constant; not, if it would answer an earlier question otherwise."""
        place = ("asked", "==", text.key, value)
        if place in self.known:
            return bool(self.choose(place, tuple))
        self.questions[place] = TextQuestion((text, value), lambda a, b: bool(a == b))
        for asked in self.asked.get(text.key, ()):  # of other constants it was said that it is none
            question = self.questions[asked]
            if asked in self.known:
                given = (value if isinstance(one, UnknownText) else one for one in question.texts)
                known, origin = self.known[asked]
                if question.answer(*given) != known:
                    return bool(self.choose(place, lambda: (False,), origin))
        if self.choose(place, lambda: (False, True)):
            self.bound[text.key] = value, self.known[place][1]
            return True
        return False

    # ---- sets ---------------------------------------------------------------------------

    def _set(self, place: Place, element: Type) -> UnknownSet:
        if place not in self.sets:
            self.sets[place] = UnknownSet(place, element)
        return self.sets[place]

    def ancestors(self, of: tuple[str, str], type_: str) -> UnknownSet:
        """Return the entities of a type within which one lies, itself among them."""
        place = ("line", *of, type_)
        if place not in self.sets:
            made = UnknownSet(place, EntityRefType(type_), of)
            if of[0] == type_:
                made.members[of[1]] = of[1]
            self.sets[place] = made
        return self.sets[place]

    def size(self, one: UnknownSet) -> UnknownNumber:
        """Return the number of elements of a set."""
        place = ("size", one.place)
        if place not in self.number_types:
            number = self.number(place, DATETIME)
            for key in one.members:
                self.numeric |= self.known.get((*one.place, "has", key), (True, _NOTHING))[1]
            self.differences.bound(ZERO, place, -self._distinct(one))
            most = self._most(one)
            if most is not None:
                self.differences.bound(place, ZERO, most)
            return number
        return self.number(place)

    def _distinct(self, one: UnknownSet) -> int:
        """Return a number of elements that a set has at least."""
        if isinstance(one.element, EntityRefType | EnumType | TaxonomyType | LevelsType):
            return len(one.members)
        return min(1, len(one.members))

    def _most(self, one: UnknownSet) -> int | None:
        """Return a number of elements that a set has at most, None if there is none."""
        match one.element:
            case EntityRefType(name) if one.of is not None:
                return None if name in ancestor_types(self.schema, one.of[0]) else len(one.members)
            case EnumType(members=members) | TaxonomyType(members=members):
                return len(members)
            case LevelsType(members=members):
                return len(members)
        return 2 if one.element == BOOL else None

    def contains(self, one: UnknownSet, element: Any) -> bool:
        """Whether *element* is in a set."""
        key = key_of(element)
        place = (*one.place, "has", key)
        if place in self.known:
            return bool(self.choose(place, tuple))
        if one.of is not None:
            assert isinstance(one.element, EntityRefType)
            above = (one.element.name, element)
            if above == one.of:
                return True
            if above[0] not in ancestor_types(self.schema, one.of[0]):
                return False
            for between, origin in tuple(self.lines.get(one.of, {}).items()):
                further = self.lines.get(between, {})
                if above in further:
                    self.reads |= origin | further[above]
                    self._include(one, element)
                    return True
        if self.whether(*place):
            self._added(one, element)
            return True
        return False

    def _include(self, one: UnknownSet, element: Any) -> None:
        """Make *element* one of a set's: it must be so."""
        place = (*one.place, "has", key_of(element))
        if one.of == (getattr(one.element, "name", None), element):
            return
        if place not in self.known:
            self.known[place] = True, frozenset(self.reads)
            self._added(one, element)
        elif not self.choose(place, tuple):
            raise ContradictionError

    def _added(self, one: UnknownSet, element: Any) -> None:
        """Draw the conclusions from a new element."""
        one.members[key_of(element)] = element
        if ("size", one.place) in self.number_types:
            self._bound_below(("size", one.place), ZERO, self._distinct(one))
        for holds, origin in tuple(one.none):
            self.reads |= origin
            if holds(element):
                raise ContradictionError
        if one.of is not None:
            assert isinstance(one.element, EntityRefType)
            self._rise(one.of, (one.element.name, element))

    def _rise(self, one: tuple[str, str], above: tuple[str, str]) -> None:
        """Make *above* an ancestor of all that lies within *one*, and what is above it one of *one*."""
        because = frozenset(self.reads)
        self.lines.setdefault(one, {})[above] = because
        for further, origin in tuple(self.lines.get(above, {}).items()):
            self.reads |= origin
            self._include(self.ancestors(one, further[0]), further[1])
        for below, line in tuple(self.lines.items()):
            if one in line and above not in line and below != above:
                self.reads |= line[one]
                self._include(self.ancestors(below, above[0]), above[1])

    def some(self, among: UnknownSet, holds: Predicate) -> bool:
        """Whether something holds of some element of a set.

        If of none that is known, then of one that becomes known now, or of none that ever does.
        """
        for element in tuple(among.members.values()):
            place = (*among.place, "has", key_of(element))
            if place in self.known:
                self.reads |= self.known[place][1]
            if holds(element):
                return True
        yes, number = self.choices.choose((False, True))
        self.reads.add(number)
        if not yes:
            among.none.append((holds, frozenset(self.reads)))
            return False
        witness = self._witness(among)
        self._include(among, witness)
        if not holds(witness):
            raise ContradictionError
        return True

    def _witness(self, among: UnknownSet) -> object:
        """Return an element of a set of which nothing else is known."""
        among.witnesses += 1
        return self.value(among.element, (*among.place, "element", among.witnesses))

    def _fill(self, one: UnknownSet, size: int) -> None:
        """Show as many elements of a set as it is known to have, if they are few."""
        if not self._distinct(one) < size <= _MOST_SHOWN:
            return
        for _ in range(size - self._distinct(one)):
            witness = self._witness(one)
            if key_of(witness) in one.members:
                raise ContradictionError
            self._include(one, witness)
