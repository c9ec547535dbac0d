"""Find the smallest changes to a denied request that would allow it.

Every change of one value is tried first, then every change of two. Each change that is offered was
decided again by the reference interpreter, and allowed. A pair is offered only if no change of one
value that somebody can make is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from attrs import frozen

from policyengine.analysis.places import Changes, Place, value_at
from policyengine.analysis.what_if import Neighbourhood, OutOfBudgetError
from policyengine.model.request import Request
from policyengine.model.types import Changer
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedSet

MOST_OFFERED = 12
"""The number of remedies that are reported."""

_MOST_IN_PAIRS = 24
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


def search(checked: CheckedSet, request: Request, budget: int = _BUDGET) -> SearchResult:
    """Search for the remedies, and note what was not tried."""
    near = Neighbourhood(checked, request, budget=budget)
    found: list[Remedy] = []
    gave_up = False
    try:
        if near.allows(()):
            return SearchResult(())
        found.extend(_alone(near))
        if all("nobody" in remedy.by for remedy in found):
            found.extend(islice(_together(near), MOST_OFFERED))
    except OutOfBudgetError:
        gave_up = True
    found.sort(key=lambda r: (max(map(_ORDER.index, r.by)), len(r.changes)))
    not_tried = near.places if near.unsure else ()
    return SearchResult(tuple(found[:MOST_OFFERED]), not_tried, gave_up)


def _alone(near: Neighbourhood) -> Iterator[Remedy]:
    for place in near.places:
        for value in near.options(place):
            if _allowed(near, ((place, value),)):
                yield _remedy(near, ((place, value),))
                break


def _together(near: Neighbourhood) -> Iterator[Remedy]:
    """Try two places at a time, of which one at least is read by the rules that deny."""
    blocked = _blocked(near)
    places = [place for place in near.places if place.by != "nobody"]
    concerned = {p for p in places if any(p.read_key in kinds for kinds in blocked)}
    for one, other in combinations(places, 2):
        if one.overlaps(other) or (one not in concerned and other not in concerned):
            continue
        if not all(one.read_key in kinds or other.read_key in kinds for kinds in blocked):
            continue
        if (one in concerned) != (other in concerned) and not _clears(
            near, one if one in concerned else other
        ):
            continue
        pairs = (
            ((one, a), (other, b))
            for a in near.options(one)[:_MOST_IN_PAIRS]
            for b in near.options(other)[:_MOST_IN_PAIRS]
        )
        for pair in pairs:
            if _allowed(near, pair):
                yield _remedy(near, pair)
                break


def _blocked(near: Neighbourhood) -> list[frozenset[tuple[str, str]]]:
    """Return, for each forbid that denies and each shut gate, what its rules read."""
    case = near.judged((), near.rules)
    blocked = [near.reads(v.rule) for v in interpreter.forbidding(case)]
    for gate in interpreter.shut_gates(case):
        deciding = (*case.of("permit", gate), *case.of("expose", gate))
        reads = [near.reads(v.rule) for v in deciding]
        blocked.append(frozenset({("", "fields")}).union(*reads))
    return blocked


def _clears(near: Neighbourhood, place: Place) -> bool:
    """Whether some value at *place* lifts every present reason to deny, even if others arise."""
    before = near.judged((), near.rules)
    forbids = {v.rule.id for v in interpreter.forbidding(before)}
    shut = set(interpreter.shut_gates(before))
    for value in near.options(place)[:_MOST_IN_PAIRS]:
        after = near.judged(((place, value),), near.rules)
        if forbids.isdisjoint(v.rule.id for v in interpreter.forbidding(after)) and shut.isdisjoint(
            interpreter.shut_gates(after)
        ):
            return True
    return False


def _allowed(near: Neighbourhood, changes: Changes) -> bool:
    """Whether *changes* allow the request, by deciding it again from the start."""
    return (
        near.allows(changes)
        and near.fits(changes)
        and interpreter.decide(near.checked, near.changed(changes)).allowed
    )


def _remedy(near: Neighbourhood, changes: Changes) -> Remedy:
    return Remedy(
        tuple(
            Change(place, value_at(near.request, place), value, near.gives_away(place, value))
            for place, value in changes
        )
    )
