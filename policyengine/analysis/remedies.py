"""Find the smallest changes to a denied request that would allow it.

Every change of one value is tried first, then every change of two. Each change that is offered was
decided again by the reference interpreter, and allowed. A pair is offered only if no change of one
value that somebody can make is enough.
"""

from __future__ import annotations

from attrs import define, field, frozen

from policyengine.analysis.places import (
    NOW,
    Changes,
    Place,
    ReadKey,
    leads_on,
    places_of,
    value_at,
)
from policyengine.analysis.what_if import Neighbourhood, OutOfBudgetError
from policyengine.model.request import Request
from policyengine.model.types import Changer
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedRule, CheckedSet

MOST_OFFERED = 12
"""The number of remedies that are reported."""

_MOST_IN_PAIRS = 40
"""The number of options of a place that are tried together with those of another."""

_BUDGET = 1_500_000
"""The number of times that rules are judged: some seconds."""

_ORDER: tuple[Changer, ...] = ("caller", "person", "platform", "nobody")


@frozen
class Change:
    """Another value at one place of a request: the value before and after.

    *gives_away*: whether the value after reveals something that is hidden.
    """

    place: Place
    before: object
    after: object
    gives_away: bool


@frozen
class Remedy:
    """Changes that together turn a deny into an allow; none of them is superfluous."""

    changes: tuple[Change, ...]

    @property
    def by(self) -> frozenset[Changer]:
        """The parties that must act."""
        return frozenset(change.place.by for change in self.changes)


@frozen
class SearchResult:
    """What a search for remedies found, and what it left out.

    *not_tried*: the places of which not all values that may matter were tried. *gave_up*: whether the
    budget was spent before all was tried.
    """

    remedies: tuple[Remedy, ...]
    not_tried: tuple[Place, ...] = ()
    gave_up: bool = False

    @property
    def complete(self) -> bool:
        """Whether every change of one value was tried and, where none is enough, every change of two."""
        return not (self.not_tried or self.gave_up)


def remedies(checked: CheckedSet, request: Request) -> tuple[Remedy, ...]:
    """Return the smallest changes to *request* that would allow it: of one value, else of two.

    For each place, or pair of places, the nearest value that is enough is returned. A change that
    nobody can make is reported, and pairs are tried all the same. Changes that the caller can make
    come first.
    """
    return search(checked, request).remedies


def search(
    checked: CheckedSet, request: Request, budget: int = _BUDGET, most: int = MOST_OFFERED
) -> SearchResult:
    """Search for the remedies, of which *most* are returned, and note what was not tried."""
    near = Neighbourhood(checked, request, budget=budget)
    searching = _Search(near)
    gave_up = False
    try:
        if near.allows(()):
            return SearchResult(())
        searching.run()
    except OutOfBudgetError:
        gave_up = True
    found = sorted(searching.found, key=lambda r: (max(map(_ORDER.index, r.by)), len(r.changes)))
    return SearchResult(tuple(found[:most]), tuple(searching.not_tried), gave_up)


@frozen(eq=False)
class _Reason:
    """A reason to deny: a forbid, or a shut gate with the rules that might open it."""

    near: Neighbourhood
    rules: tuple[CheckedRule, ...]
    reads: frozenset[ReadKey]
    is_gate: bool

    @classmethod
    def of(cls, near: Neighbourhood, changes: Changes) -> list[_Reason]:
        """Return the reasons to deny after *changes*."""
        case = near.judged(changes, near.rules)
        found = [
            cls(near, (v.rule,), near.reads(v.rule), is_gate=False)
            for v in interpreter.forbidding(case)
        ]
        for gate in interpreter.shut_gates(case):
            deciding = [v.rule for v in (*case.of("permit", gate), *case.of("expose", gate))]
            reads = frozenset({("", "fields")}).union(*map(near.reads, deciding))
            permits = tuple(rule for rule in deciding if rule.effect == "permit")
            found.append(cls(near, permits, reads, is_gate=True))
        return found

    def concerns(self, place: Place) -> bool:
        """Whether another value at *place* may matter to it."""
        return place == NOW or place.read_key in self.reads

    def is_gone(self, changes: Changes) -> bool:
        """Whether it is no reason any more after *changes*; of fields that are missing, it may be one all the same."""
        verdicts = (self.near.verdict(rule, changes) for rule in self.rules)
        if self.is_gate:
            return any(verdict.satisfied for verdict in verdicts)
        return not any(verdict.satisfied or verdict.failed for verdict in verdicts)


@define(eq=False)
class _Search:
    """Collects the remedies of one request, and the places of which not all was tried."""

    near: Neighbourhood
    found: list[Remedy] = field(factory=list)
    not_tried: dict[Place, None] = field(factory=dict)

    def run(self) -> None:
        """Try changes of one value and, where somebody's are not enough, of two."""
        reasons = _Reason.of(self.near, ())
        time = (NOW,) if self.near.reads_time else ()
        for place in (*self.near.places, *time):
            if all(reason.concerns(place) for reason in reasons):
                self._alone(place, reasons)
        if all("nobody" in remedy.by for remedy in self.found):
            places = [place for place in self.near.places if place.by != "nobody"]
            for number, place in enumerate(places):
                self._together(place, places[number + 1 :], reasons)

    def _alone(self, place: Place, reasons: list[_Reason]) -> None:
        near = self.near
        for value in near.options(place):
            if place == NOW and value <= near.request.now:  # type: ignore[operator]  # a moment
                continue  # nobody can wait for what is past
            if self._allows(((place, value),), reasons):
                self.found.append(self._remedy(((place, value),)))
                return
        if near.guessed(place):
            self.not_tried[place] = None

    def _together(self, one: Place, others: list[Place], reasons: list[_Reason]) -> None:
        """Try values of *one* with values of each of *others*."""
        near = self.near
        far = [reason for reason in reasons if not reason.concerns(one)]
        others = [
            other
            for other in others
            if not one.overlaps(other) and all(reason.concerns(other) for reason in far)
        ]
        near_by = [reason for reason in reasons if reason.concerns(one)]
        options = near.options(one)
        leads = leads_on(one.type, one.needs) or one.kind == "parents"
        for value in options[:_MOST_IN_PAIRS]:
            left = [*far, *(r for r in near_by if not r.is_gone(((one, value),)))]
            there = [o for o in others if all(reason.concerns(o) for reason in left)]
            if leads:
                there += self._reached((one, value), left)
            if there and not left:
                left = _Reason.of(near, ((one, value),))
                there = [o for o in there if all(reason.concerns(o) for reason in left)]
            for other in there:
                if self._pair((one, value), other, left) and other in others:
                    others.remove(other)
        for place in (one, *others):
            many = len(near.options(place)) > _MOST_IN_PAIRS
            if others and (many or near.guessed(place)):
                self.not_tried[place] = None

    def _reached(self, change: tuple[Place, object], left: list[_Reason]) -> list[Place]:
        """Return the places that only *change* leads to."""
        near = self.near
        after = near.changed((change,))
        try:
            found = places_of(near.checked, after)
        except LookupError:  # an entity that is not given
            return []
        return [
            place
            for place in found
            if place not in near.places
            and place.by != "nobody"
            and all(reason.concerns(place) for reason in left)
        ]

    def _pair(self, change: tuple[Place, object], other: Place, left: list[_Reason]) -> bool:
        """Whether some value at *other* allows the request after *change*; it is then among those found."""
        for value in self.near.options(other, self._given(change, other))[:_MOST_IN_PAIRS]:
            changes = (change, (other, value))
            if self._allows(changes, left):
                self.found.append(self._remedy(changes))
                return True
        return False

    def _given(self, change: tuple[Place, object], other: Place) -> Changes:
        """Return *change* if values of *other* must be chosen after it, since rules compute with both."""
        new = other not in self.near.places
        return (change,) if new or self.near.computes(change[0], other) else ()

    def _allows(self, changes: Changes, reasons: list[_Reason]) -> bool:
        """Whether *changes* allow the request, by deciding it again from the start."""
        near = self.near
        return (
            all(reason.is_gone(changes) for reason in reasons)
            and near.allows(changes)
            and near.fits(changes)
            and interpreter.decide(near.checked, near.changed(changes)).allowed
        )

    def _remedy(self, changes: Changes) -> Remedy:
        near = self.near
        return Remedy(
            tuple(
                Change(place, value_at(near.request, place), value, near.gives_away(place, value))
                for place, value in changes
            )
        )
