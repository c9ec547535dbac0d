"""Find what would allow a request that is denied: the fewest values that would have to be others.

First every change of one value is tried, then of two. Each that is offered was decided again by the
reference interpreter, and allowed. A pair is offered only where no change of one value that somebody
can make would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from attrs import frozen

from policyengine.analysis.what_if import (
    Changes,
    Neighbourhood,
    OutOfPatienceError,
    Place,
    value_at,
)
from policyengine.model.request import Request
from policyengine.model.types import Changer
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedSet

MOST_OFFERED = 12
"""How many ways out are told."""

_MOST_IN_PAIRS = 24
"""How many options of a place are tried together with those of another."""

_PATIENCE = 1_500_000
"""How often rules are asked what comes of them: some seconds."""

_ORDER: tuple[Changer, ...] = ("caller", "person", "platform", "nobody")


@frozen
class Change:
    """Another value at one place: what stands there, and what would.

    *gives_away*: whether the other value tells something of what is hidden.
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
        """Who must act."""
        return frozenset(change.place.by for change in self.changes)


def remedies(checked: CheckedSet, request: Request) -> tuple[Remedy, ...]:
    """Return the smallest changes to *request* that would allow it: of one value, else of two.

    For each place, or two, there is the nearest value that does. A change that nobody can make is
    told, and does not keep pairs from being tried. Those that the caller can make go first.
    """
    return search(checked, request)[0]


def search(
    checked: CheckedSet, request: Request, patience: int = _PATIENCE
) -> tuple[tuple[Remedy, ...], bool]:
    """Return the remedies, and whether everything was tried: not so where rules are too many."""
    near = Neighbourhood(checked, request, patience=patience)
    found: list[Remedy] = []
    complete = True
    try:
        if near.allows(()):
            return (), True
        found.extend(_alone(near))
        if all("nobody" in remedy.by for remedy in found):
            found.extend(islice(_together(near), MOST_OFFERED))
    except OutOfPatienceError:
        complete = False
    found.sort(key=lambda r: (max(map(_ORDER.index, r.by)), len(r.changes)))
    return tuple(found[:MOST_OFFERED]), complete


def _alone(near: Neighbourhood) -> Iterator[Remedy]:
    for place in near.places:
        for value in near.options(place):
            if _allowed(near, ((place, value),)):
                yield _remedy(near, ((place, value),))
                break


def _together(near: Neighbourhood) -> Iterator[Remedy]:
    """Try two places at a time, of which one at least has to do with what denies."""
    blocked = _blocked(near)
    places = [place for place in near.places if place.by != "nobody"]
    concerned = {p for p in places if any(p.kind in kinds for kinds in blocked)}
    for one, other in combinations(places, 2):
        if one.overlaps(other) or (one not in concerned and other not in concerned):
            continue
        if not all(one.kind in kinds or other.kind in kinds for kinds in blocked):
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
    case = near.case((), near.rules)
    blocked = [near.reads(v.rule) for v in interpreter.forbidding(case)]
    for gate in interpreter.shut_gates(case):
        deciding = (*case.of("permit", gate), *case.of("expose", gate))
        reads = [near.reads(v.rule) for v in deciding]
        blocked.append(frozenset({("", "fields")}).union(*reads))
    return blocked


def _clears(near: Neighbourhood, place: Place) -> bool:
    """Whether some value at *place* lifts all that denies, though something else denies then."""
    before = near.case((), near.rules)
    forbids = {v.rule.id for v in interpreter.forbidding(before)}
    shut = set(interpreter.shut_gates(before))
    for value in near.options(place)[:_MOST_IN_PAIRS]:
        after = near.case(((place, value),), near.rules)
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
