"""Complete a constrained request: choose numbers within their bounds, texts that answer as was chosen.

What was never asked gets a value that people read easily. The result may be no request of the kind that
was wanted, where answers were chosen of which nothing is known: so it is decided before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain, islice, product
from math import inf
from typing import Any

from attrs import Factory, define

from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_request import ConstrainedRequest, ContradictionError
from policyengine.analysis.difference_bounds import ZERO, DifferenceBounds
from policyengine.analysis.symbolic_request import edges
from policyengine.analysis.unknowns import (
    Place,
    UnknownNumber,
    UnknownRecord,
    UnknownSet,
    UnknownText,
)
from policyengine.analysis.witness import RequestMaker
from policyengine.model.entities import Key
from policyengine.model.needs import RequestNeeds
from policyengine.model.records import record_class
from policyengine.model.schedules import Schedule
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DURATION,
    IP,
    PATH,
    STRING,
    EntityRefType,
    EnumType,
    LevelsType,
    RecordType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import Ip, slot, to_json
from policyengine.reference import calendar
from policyengine.reference.evaluation import lower

_DAY = 86_400_000_000
_STEPS = 12
"""How often a moment is moved so that those some months later fit."""

_FAR = 10
"""How far from the usual numbers others are that are tried as well."""

_TURNS = 60
"""How many openings and closings of a schedule are tried."""

_MOST_TEXTS = 20_000
"""How many texts are tried, for all that must be chosen together."""

_LONGEST = 10_000
"""How much longer than a constant a text is made."""

_HOST = Ip(4, 0x0A000001, 0x0A000001)


@define(eq=False)
class Completion:
    """Completes one constrained request; *needs*: what requests give; *now*: their time if any will do."""

    state: ConstrainedRequest
    mentions: MentionedConstants
    needs: RequestNeeds
    now: int
    _asked_records: set[Place] = Factory(set)

    def __attrs_post_init__(self) -> None:
        texts = chain.from_iterable(question.texts for question in self.state.questions.values())
        found = (*texts, *self.state.lengths.values())
        places = [text.place for text in found if isinstance(text, UnknownText)]
        for place in (*self.state.known, *self.state.numbers, *places):
            if isinstance(place, tuple) and "element" in place:
                self._asked_records |= {place[:n] for n in range(len(place))}

    def requests(self) -> Iterator[dict[str, Any]]:
        """Give requests, as arguments of `validate`, that differ in how numbers were picked."""
        for prefer in (None, 1, -1):
            try:
                yield self._request(prefer)
            except ContradictionError:
                continue

    def _request(self, prefer: int | None) -> dict[str, Any]:
        numbers = _Numbers(self.state, deepcopy(self.state.differences), self.now, prefer)
        numbers.settle()
        texts = _Texts(self.state, self.mentions, numbers)
        texts.settle()

        def plain(type_: Type, value: Any) -> object:
            match value:
                case UnknownNumber():
                    return to_json(type_, numbers.sum(value))
                case UnknownText():
                    return to_json(type_, texts.value(value))
            return to_json(type_, value)

        def elements(value: Any) -> Iterable[Any]:
            if not isinstance(value, UnknownSet):
                return [*value]
            found = self._elements(value, numbers)
            if isinstance(value.element, RecordType):
                return found
            return list({repr(plain(value.element, one)): one for one in found}.values())

        made = RequestMaker(
            self.state, self.state.schema, self.state.target, self._above, elements, plain
        ).request(self.needs)
        renamed: dict[str, Any] = _renamed(made, texts.ids())
        return renamed

    def _above(self, key: Key) -> list[Key]:
        return list(self.state.lines.get(key, ()))

    def _elements(self, one: UnknownSet, numbers: _Numbers) -> list[Any]:
        """Return the known elements, and others where it must have more."""
        found = list(one.members.values())
        place = "size", one.place
        if place not in self.state.number_types:
            return found
        size = numbers.pick(place, prefer=len(found))
        # Of which nothing is asked, they may be others of the set; records are equal then.
        free = [item for item in found if self._is_free(item)]
        spare = free if isinstance(one.element, RecordType) else free[: max(len(found) - size, 0)]
        found = [item for item in found if not any(item is other for other in spare)]
        more = self._more(one)
        while len(found) < size:
            another = next(more, None)
            if another is None:
                break
            found.append(another)
        return found

    def _is_free(self, item: Any) -> bool:
        """Whether nothing is asked of an element but that it is in its set."""
        match item:
            case UnknownText():
                asked = chain.from_iterable(q.texts for q in self.state.questions.values())
                known = (*asked, *self.state.lengths.values())
                return not any(isinstance(t, UnknownText) and t.place == item.place for t in known)
            case UnknownNumber(_, parts):
                return not any(place in self.state.numbers for place in parts)
            case UnknownRecord(_, _, place):
                return place not in self._asked_records
        return False

    def _more(self, one: UnknownSet) -> Iterator[Any]:
        match one.element:
            case EnumType(members=members) | TaxonomyType(members=members):
                asked = ((*one.place, "has", name) for name in members)
                for place, name in zip(asked, members, strict=True):
                    if place not in self.state.known:
                        yield name
            case LevelsType(members=members):
                yield from (n for n in range(len(members)) if n not in one.members)
            case EntityRefType(name):
                yield from (f"{name.lower()}-of-{n}" for n in range(1, 100))
            case _ if one.element == BOOL:
                yield from (value for value in (False, True) if value not in one.members)
            case RecordType():
                yield from self._more_records(one, one.element)
            case _:
                for n in range(1, 100):
                    yield self.state.value(one.element, (*one.place, "more", n))

    def _more_records(self, one: UnknownSet, type_: RecordType) -> Iterator[Any]:
        """Give records that differ in their names and references, and else in their numbers and texts."""
        slots = [slot(part.name) for part in type_.attributes]
        others = [record for record in one.members.values() if not self._is_free(record)]
        known = [[getattr(record, name) for name in slots] for record in others]
        options = [self._few(part.type) for part in type_.attributes]
        for n, values in enumerate(product(*(few or (None,) for few in options)), 1):
            more = [
                value if few else self.state.value(part.type, (*one.place, "more", n, part.name))
                for value, few, part in zip(values, options, type_.attributes, strict=True)
            ]
            if more not in known:
                yield record_class(type_)(*more)

    def _few(self, type_: Type) -> Sequence[Any]:
        """Return some values of a type, of which those may be equal that are not chosen; none of other types."""
        match type_:
            case EnumType(members=members) | TaxonomyType(members=members):
                return members
            case LevelsType(members=members):
                return range(len(members))
            case EntityRefType(name):
                return [*self.state.met(name), *(f"{name.lower()}-of-{n}" for n in range(1, 5))]
            case _ if type_ == BOOL:
                return (False, True)
        return ()


@define(eq=False)
class _Numbers:
    """Picks numbers one by one; *prefer*: 1 for large ones, -1 for small ones, else those that are usual."""

    state: ConstrainedRequest
    differences: DifferenceBounds
    now: int
    prefer: int | None
    values: dict[Place, int] = Factory(dict)

    def settle(self) -> None:
        """Pick first what others are computed from."""
        later: dict[Place, list[tuple[Place, int, int]]] = {}
        for place, (moment, months) in self.state.moments.items():
            count = self.sum(months)
            match moment:
                case UnknownNumber(_, parts, constant) if [*parts.values()] == [1]:
                    (base,) = parts
                    later.setdefault(base, []).append((place, constant, count))
                case _:
                    self._pin(place, calendar.add_months(self.sum(moment), count))
        for base, those in later.items():
            self._settle_moment(base, those)
        for place, parts in self.state.totals.items():
            self._settle_total(place, parts)

    def sum(self, number: int | UnknownNumber) -> int:
        """Return the value of a sum."""
        if not isinstance(number, UnknownNumber):
            return number
        return number.constant + sum(of * self.pick(place) for place, of in number.parts.items())

    def pick(self, place: Place, prefer: int | None = None) -> int:
        """Return the number at *place*."""
        if place not in self.values:
            self._pin(place, self._best(place, self._usual(place) if prefer is None else prefer))
        return self.values[place]

    def _pin(self, place: Place, value: int) -> None:
        self.values[place] = value
        if self.differences.least(place) <= value <= self.differences.most(place):
            self.differences.pin(place, value)

    def _usual(self, place: Place) -> int:
        if place[0] == "length":
            text = self.state.texts.get(self.state.lengths[place].place)
            return 24 if text is None else len(text)
        if place[0] == "size":
            return 0
        type_ = self.state.number_types.get(place)
        day = _DAY if type_ in (DATETIME, DURATION) else 1
        return (self.now if type_ == DATETIME else 0) + day * _number_in_a_set(place)

    def _best(self, place: Place, usual: int) -> int:
        """Return the number nearest to the usual one, at whole days where there is room."""
        least, most = self.differences.least(place), self.differences.most(place)
        value = usual
        if self.prefer is not None and place[0] not in ("size", "length"):
            bound = most if self.prefer > 0 else least
            value = usual + self.prefer * _FAR if abs(bound) == inf else int(bound)
        day = _DAY if self.state.number_types.get(place) in (DATETIME, DURATION) else 1
        if value < least:
            rounded = -(-int(least) // day) * day
            value = rounded if rounded <= most else int(least)
        if value > most:
            rounded = int(most) // day * day
            value = rounded if rounded >= least else int(most)
        return self._on_schedule(place, value)

    def _on_schedule(self, place: Place, value: int) -> int:
        """Return *value*, or one nearby that is within the schedules that it must be within."""
        wanted: list[tuple[int, Schedule, bool]] = []
        for asked, (number, schedule) in self.state.scheduled.items():
            if dict(number.parts) == {place: 1} and asked in self.state.known:
                wanted.append((number.constant, schedule, self.state.known[asked][0]))
        if not wanted:
            return value
        least, most = self.differences.least(place), self.differences.most(place)
        tried = [value, *(int(b) for b in (least, most) if abs(b) < inf)]
        for start in tried:
            ahead = start
            for _ in range(_TURNS):
                if least <= ahead <= most and all(
                    calendar.is_within(ahead + later, schedule) == inside
                    for later, schedule, inside in wanted
                ):
                    return ahead
                ahead = min(
                    calendar.next_turn(ahead + later, schedule) - later
                    for later, schedule, _ in wanted
                )
        return value

    def _settle_moment(self, base: Place, later: list[tuple[Place, int, int]]) -> None:
        """Pick a moment so that those some months later are within their bounds."""
        known = self.differences
        least, most = known.least(base), known.most(base)
        value = self.values.get(base, self._best(base, self._usual(base)))
        for _ in range(_STEPS if base not in self.values else 0):
            for place, constant, months in later:
                moment = calendar.add_months(value + constant, months)
                low = max(known.least(place), value + known.least(place, base))
                high = min(known.most(place), value + known.most(place, base))
                step = max(low - moment, 0) or min(high - moment, 0)
                if step and abs(step) < inf:
                    value = int(min(max(value + step, least), most))
                    break
            else:
                break
        self._pin(base, value)
        for place, constant, months in later:
            self._pin(place, calendar.add_months(value + constant, months))

    def _settle_total(self, place: Place, all_parts: Mapping[Place, int]) -> None:
        """Pick the parts of a sum so that it is within its bounds."""
        known = self.differences

        def room(part: tuple[Place, int]) -> tuple[bool, int, str]:
            place = part[0]
            bounds = (known.least(place), known.most(place))
            return place not in self.values, sum(abs(bound) == inf for bound in bounds), repr(place)

        parts = sorted(all_parts.items(), key=room)  # the last one takes what the others leave
        *others, (last, times) = parts
        if last in self.values:
            return
        rest = sum(of * self.pick(one) for one, of in others)
        low, high = self.differences.least(place) - rest, self.differences.most(place) - rest
        if times < 0:
            low, high = -high, -low
        self._tighten(
            last,
            least=-(-int(low) // abs(times)) if abs(low) < inf else None,
            most=int(high) // abs(times) if abs(high) < inf else None,
        )
        self.pick(last)

    def _tighten(self, place: Place, least: int | None = None, most: int | None = None) -> None:
        known = self.differences
        if least is not None and least <= known.most(place):
            known.bound(ZERO, place, -least)
        if most is not None and most >= known.least(place):
            known.bound(place, ZERO, most)


@define(eq=False)
class _Texts:
    """Chooses texts together, so that each question is answered as was chosen."""

    state: ConstrainedRequest
    mentions: MentionedConstants
    numbers: _Numbers
    values: dict[Place, Any] = Factory(dict)
    left: int = _MOST_TEXTS

    def settle(self) -> None:
        """Choose all texts of which something was asked."""
        asked: dict[Place, UnknownText] = {}
        for place, question in self.state.questions.items():
            for text in question.texts if place in self.state.known else ():
                if isinstance(text, UnknownText):
                    asked.setdefault(text.place, text)
        for length in self.state.lengths.values():
            asked.setdefault(length.place, length)
        self._choose(list(asked.values()))

    def value(self, text: UnknownText) -> Any:
        """Return the value of a text."""
        if text.place not in self.values:
            self.values[text.place] = self._first(text)
        return self._made(text)

    def ids(self) -> dict[Key, str]:
        """Return the ids that entities have to get, since rules compare them as texts."""
        return {
            (str(place[1]), str(place[2])): value
            for place, value in self.values.items()
            if place[0] == "id"
        }

    def _first(self, text: UnknownText) -> Any:
        if text.place[0] == "id":
            return text.place[2]
        number = _number_in_a_set(text.place)
        if text.type == PATH:
            return f"/{self.mentions.new_segment}{number or ''}"
        if text.type == IP:
            return Ip(4, _HOST.first + number, _HOST.last + number)
        return f"text {number}" if number else "text"

    def _made(self, text: UnknownText) -> Any:
        value = self.values[text.place]
        for _ in text.made:
            value = lower(value)
        return value

    def _choose(self, left: Sequence[UnknownText]) -> bool:
        if not left:
            return True
        text, *others = left
        for value in self._candidates(text):
            self.left -= 1
            if self.left < 0:
                return False
            self.values[text.place] = value
            if self._fits(text) and self._choose(others):
                return True
        self.values.pop(text.place, None)
        return False

    def _fits(self, about: UnknownText) -> bool:
        """Whether the questions about a text, as far as all texts are chosen, are answered so."""
        for place, question in self.state.questions.items():
            if place not in self.state.known:
                continue
            unknown = [one for one in question.texts if isinstance(one, UnknownText)]
            if not any(one.place == about.place for one in unknown):
                continue
            if all(one.place in self.values for one in unknown):
                given = (
                    self._made(one) if isinstance(one, UnknownText) else one
                    for one in question.texts
                )
                if question.answer(*given) != self.state.known[place][0]:
                    return False
        return all(
            len(self._made(text)) == self.numbers.pick(place)
            for place, text in self.state.lengths.items()
            if text.place == about.place
        )

    def _candidates(self, text: UnknownText) -> Iterable[Any]:
        bound = [
            value for key, (value, _) in self.state.bound.items() if key and key[-1] == text.place
        ]
        found = self.state.texts.get(text.place)
        fitting = [] if found is None else [found]
        if text.place[0] == "id":
            _, type_, own = text.place
            others = {*self.state.met(str(type_)), *self.state.constants.get(str(type_), ())} - {
                own
            }
            found_ids = (*bound, *self._strings(text), *fitting)
            return [own, *(one for one in found_ids if one and one not in others)]
        if text.type == PATH:
            return [*bound, *self._paths(), *fitting]
        if text.type == IP:
            ips = [ip for ip in self.mentions.values.get(IP, ()) if isinstance(ip, Ip)]
            near = {edge for ip in ips for edge in edges(ip)}
            return [*bound, _HOST, *sorted(near), Ip(4, 0, 2**32 - 1), Ip(4, 1, 1)]
        lengths = [
            self.numbers.pick(place)
            for place, one in self.state.lengths.items()
            if one.place == text.place
        ]
        known = dict.fromkeys([*bound, *self._strings(text), *fitting])
        spelled = chain(known, (one.upper() for one in known))
        return (
            spelled
            if not lengths
            else chain.from_iterable(_padded(one, lengths[0]) for one in spelled)
        )

    def _paths(self) -> list[str]:
        made = self.mentions.paths()
        patterns = [path for path in made if path != "/"]
        below = [f"{one}{other}" for one in patterns for other in patterns]
        new = self.mentions.new_segment
        return [*made, *below, *(f"/{new}{n}" for n in range(2, 6))]

    def _strings(self, text: UnknownText) -> list[str]:
        """Return texts: those that are like all patterns that it must be like, constants, and others."""
        like: list[tuple[str, ...]] = []
        known = {str(value) for value in self.mentions.values.get(STRING, ())}
        for place, question in self.state.questions.items():
            about = any(
                isinstance(one, UnknownText) and one.place == text.place for one in question.texts
            )
            if about:
                known |= {one for one in question.texts if isinstance(one, str)}
            if about and place in self.state.known and self.state.known[place][0]:
                mark = place[1]
                like += [mark[1]] if isinstance(mark, tuple) and mark[0] == "like" else []
        firsts, lasts = [one[0] for one in like], [one[-1] for one in like]
        middle = [piece for one in like for piece in one[1:-1]]
        found = []
        if like:
            first, last = max(firsts, key=len), max(lasts, key=len)
            between = [piece for piece in middle if piece not in first + last]
            found = [
                f"{first}{'x'.join(['', *between, '']) if between else ''}{last}",
                f"{first}x{''.join(between)}x{last}",
            ]
        each = list(chain.from_iterable(islice(texts, 2) for texts in self.mentions.unmentioned()))
        others = [f"text {n}" for n in range(1, 6)]
        return [*found, "text", *each, *sorted(known), *others, ""]


def _number_in_a_set(place: Place) -> int:
    """Return a number that is another one for each element of a set, 0 of what is no element."""
    match place:
        case (*_, "element", int() as number):
            return number
        case (*_, "more", int() as number) | (*_, "more", int() as number, str()):
            return 100 + number
    return 0


def _renamed(value: Any, ids: Mapping[Key, str]) -> Any:
    """Return a part of a request with other ids."""
    if isinstance(value, list):
        return [_renamed(one, ids) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _renamed(part, ids) for name, part in value.items()}
    if {"type", "id"} <= value.keys():
        made["id"] = ids.get((value["type"], value["id"]), value["id"])
    return made


def _padded(text: str, length: int) -> Iterator[str]:
    """Give *text* made longer, at its end, its begin and in between."""
    lacking = length - len(text)
    if lacking == 0:
        yield text
    if 0 < lacking <= _LONGEST:
        filler = "x" * lacking
        yield from (text + filler, filler + text)
        yield from (text[:at] + filler + text[at:] for at in range(1, len(text)))
