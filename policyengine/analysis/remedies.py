"""Find the smallest changes to a denied request that would allow it.

Every change of one value is tried first, then every change of two. Each change that is offered was
decided again by the reference interpreter, and allowed. A pair is offered only if no change of one
value that somebody can make is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from attrs import define, field, frozen

from policyengine.analysis.obstacles import Obstacle, obstacles
from policyengine.analysis.places import (
    NOW,
    Changes,
    Place,
    leads_on,
    places_of,
    value_at,
)
from policyengine.analysis.what_if import Neighbourhood, OutOfBudgetError
from policyengine.model.types import Changer
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter
from policyengine.reference.time_limit import limited
from policyengine.semantics.checked import CheckedSet

MOST_OFFERED = 12
"""The number of remedies that are reported."""

_MOST_FAR = 24
"""The number of values of a place that are followed to other entities."""

_BUDGET = 1_500_000
"""The number of times that rules are judged, and of elements that they look at: some seconds."""

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
    budget was spent before all was tried. *judged*: how often rules were judged.
    """

    remedies: tuple[Remedy, ...]
    not_tried: tuple[Place, ...] = ()
    gave_up: bool = False
    judged: int = 0

    @property
    def complete(self) -> bool:
        """Whether every change of one value was tried and, where none is enough, every change of two."""
        return not (self.not_tried or self.gave_up)


def remedies(checked: CheckedSet, request: ValidRequest) -> tuple[Remedy, ...]:
    """Return the smallest changes to *request* that would allow it: of one value, else of two.

    For each place, or pair of places, the nearest value that is enough is returned. A change that
    nobody can make is reported, and pairs are tried all the same. Changes that the caller can make
    come first.
    """
    return search(checked, request).remedies


def search(
    checked: CheckedSet, request: ValidRequest, budget: int = _BUDGET, most: int = MOST_OFFERED,
    deadline: float | None = None,
) -> SearchResult:  # fmt: skip
    """Search for the remedies, of which *most* are returned, and note what was not tried by the *deadline*."""
    near = Neighbourhood(checked, request, budget=budget, deadline=deadline)
    searching = _Search(near)
    gave_up = False
    try:
        with limited(deadline, steps=budget):
            if near.allows(()):
                return SearchResult(())
            searching.run()
    except (OutOfBudgetError, TimeoutError):
        gave_up = True
    found = sorted(searching.found, key=lambda r: (max(map(_ORDER.index, r.by)), len(r.changes)))
    judged = budget - (near.budget or 0)
    return SearchResult(tuple(found[:most]), tuple(searching.not_tried), gave_up, judged)


@define(eq=False)
class _Search:
    """Collects the remedies of one request, and the places of which not all was tried."""

    near: Neighbourhood
    found: list[Remedy] = field(factory=list)
    not_tried: dict[Place, None] = field(factory=dict)
    _after: dict[tuple[Place, object], list[Obstacle] | None] = field(factory=dict)

    def run(self) -> None:
        """Try changes of one value and, where somebody's are not enough, of two."""
        there = obstacles(self.near, ())
        time = (NOW,) if self.near.reads_time else ()
        for place in (*self.near.places, *time):
            if all(obstacle.concerns(place) for obstacle in there):
                self._alone(place, there)
        if all("nobody" in remedy.by for remedy in self.found):
            places = [place for place in self.near.places if place.by != "nobody"]
            for one, other in combinations(places, 2):
                if not one.overlaps(other):
                    self._together(one, other, there)
            for place in places:
                if place.kind == "parents" or leads_on(place.type, place.needs):
                    self._far(place, there)

    def _alone(self, place: Place, there: list[Obstacle]) -> None:
        near = self.near
        for value in near.options(place):
            if place == NOW and value <= near.request.now:  # type: ignore[operator]  # a moment
                continue  # nobody can wait for what is past
            if self._tried(((place, value),), there):
                return
        if near.guessed(place):
            self.not_tried[place] = None

    def _together(self, one: Place, other: Place, there: list[Obstacle]) -> None:
        """Try values of *one* with values of *other*."""
        if not all(obstacle.concerns(one, other) for obstacle in there):
            return
        near = self.near
        if near.varies(one, other) and not near.varies(other, one):
            one, other = other, one
        values = self._useful(one, near.options(one), other, there)
        varies = near.varies(other, one)
        others = [] if varies else self._useful(other, near.options(other), one, there)
        for value in values:
            if varies:
                after = near.options(other, ((one, value),))
                others = self._useful(other, after, one, there)
            for another in others:
                if self._tried(((one, value), (other, another)), there):
                    return
        for place in (one, other):
            if near.guessed(place) or (near.computes(one, other) and values):
                self.not_tried[place] = None

    def _useful(
        self, place: Place, values: Iterable[object], other: Place, there: list[Obstacle]
    ) -> list[object]:
        """Return the values of *place* that may allow the request together with a value of *other*."""
        found = []
        for value in values:
            if all(obstacle.may_go(place, value, other) for obstacle in there):
                fresh = self._fresh(place, value, there)
                if fresh is None or all(obstacle.concerns(other) for obstacle in fresh):
                    found.append(value)
        return found

    def _fresh(self, place: Place, value: object, there: list[Obstacle]) -> list[Obstacle] | None:
        """Return the new obstacles where *value* at *place* removes those *there*; None if it does not."""
        mark = place, value
        if mark not in self._after:
            change = ((place, value),)
            gone = all(obstacle.is_gone(change) for obstacle in there)
            self._after[mark] = obstacles(self.near, change) if gone else None
        return self._after[mark]

    def _far(self, place: Place, there: list[Obstacle]) -> None:
        """Try values of *place* with those of places that only they lead to, or of which more is read then."""
        near = self.near
        known = {one: one.needs for one in near.places}
        pairs = [{change.place for change in remedy.changes} for remedy in self.found]
        done = {other for pair in pairs if place in pair for other in pair}
        for value in near.options(place)[:_MOST_FAR]:
            change = ((place, value),)
            try:
                reached = places_of(near.checked, near.changed(change))
            except LookupError:  # an entity that is not given
                continue
            for other in reached:
                if known.get(other) == other.needs or other.by == "nobody" or other in done:
                    continue
                if other.overlaps(place):
                    continue
                if all(obstacle.concerns(place, other) for obstacle in there) and any(
                    self._tried((*change, (other, another)), there)
                    for another in near.options(other, change)
                ):
                    done.add(other)

    def _tried(self, changes: Changes, there: list[Obstacle]) -> bool:
        """Whether *changes* allow the request; they are then among those found."""
        if not self._allows(changes, there):
            return False
        self.found.append(self._remedy(changes))
        return True

    def _allows(self, changes: Changes, there: list[Obstacle]) -> bool:
        """Whether *changes* allow the request, by deciding it again from the start."""
        near = self.near
        return (
            all(obstacle.is_gone(changes) for obstacle in there)
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
