"""Hold what stands in the way of an allow: forbids that deny, and gates that are shut.

An obstacle tells at once of most changes that they leave it where it is: what they change it does not read,
or a condition goes on failing that reads nothing of it.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import field, frozen

from policyengine.analysis.places import NOW_KEY, Changes, Place, ReadKey
from policyengine.analysis.what_if import Neighbourhood
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedRule

Failing: TypeAlias = tuple[int, frozenset[ReadKey]]
"""A condition of a rule that fails, by its number, and what it reads."""


class Obstacle(Protocol):
    """Something that denies a request."""

    def concerns(self, *places: Place) -> bool:
        """Whether other values at all of *places* together may remove it."""

    def may_go(self, place: Place, value: object, other: Place) -> bool:
        """Whether *value* at *place*, with some value at *other*, may remove it."""

    def is_gone(self, changes: Changes) -> bool:
        """Whether it is none after *changes*; fields may be missing all the same."""


def obstacles(near: Neighbourhood, changes: Changes) -> list[Obstacle]:
    """Return what denies the request after *changes*."""
    case = near.judged(changes, near.rules)
    found: list[Obstacle] = [_Forbid(near, v.rule) for v in interpreter.forbidding(case)]
    for gate in interpreter.shut_gates(case):
        permits = tuple(v.rule for v in case.of("permit", gate))
        if interpreter.missing_fields(case, gate):
            exposes = tuple(v.rule for v in case.of("expose", gate))
            found.append(_Withheld(near, permits, exposes))
        else:
            failing = tuple((rule, near.failing(rule, changes)) for rule in permits)
            found.append(_Shut(near, failing))
    return found


@frozen(eq=False)
class _Forbid:
    """A forbid that is satisfied."""

    near: Neighbourhood
    rule: CheckedRule

    def concerns(self, *places: Place) -> bool:
        return any(self._reads(place) for place in places)

    def may_go(self, place: Place, value: object, other: Place) -> bool:
        return self._reads(other) or self.is_gone(((place, value),))

    def is_gone(self, changes: Changes) -> bool:
        verdict = self.near.verdict(self.rule, changes)
        return not (verdict.satisfied or verdict.failed)

    def _reads(self, place: Place) -> bool:
        return place.read_key == NOW_KEY or place.read_key in self.near.reads(self.rule)


@frozen(eq=False)
class _Shut:
    """A gate without a satisfied permit; *permits*: each with its conditions that fail."""

    near: Neighbourhood
    permits: tuple[tuple[CheckedRule, tuple[Failing, ...]], ...]
    _known: dict[frozenset[ReadKey], list[tuple[CheckedRule, tuple[Failing, ...]]]] = field(
        factory=dict
    )

    def concerns(self, *places: Place) -> bool:
        return bool(self._opening(places))

    def may_go(self, place: Place, value: object, other: Place) -> bool:
        change = ((place, value),)
        return any(
            all(
                other.read_key in reads or self.near.holds(rule, number, change)
                for number, reads in failing
            )
            for rule, failing in self._opening((place, other))
        )

    def is_gone(self, changes: Changes) -> bool:
        opening = self._opening(tuple(place for place, _ in changes))
        return any(self.near.verdict(rule, changes).satisfied for rule, _ in opening)

    def _opening(self, places: tuple[Place, ...]) -> list[tuple[CheckedRule, tuple[Failing, ...]]]:
        """Return the permits of which each condition that fails reads one of *places*."""
        keys = frozenset(place.read_key for place in places)
        if keys not in self._known:
            self._known[keys] = [
                (rule, failing)
                for rule, failing in self.permits
                if NOW_KEY in keys or not any(keys.isdisjoint(reads) for _, reads in failing)
            ]
        return self._known[keys]


@frozen(eq=False)
class _Withheld:
    """A gate that does not show all fields that are asked for."""

    near: Neighbourhood
    permits: tuple[CheckedRule, ...]
    exposes: tuple[CheckedRule, ...]

    def concerns(self, *places: Place) -> bool:
        rules = (*self.permits, *self.exposes)
        return any(
            place.kind in ("fields", "now")
            or any(place.read_key in self.near.reads(rule) for rule in rules)
            for place in places
        )

    def may_go(self, place: Place, value: object, other: Place) -> bool:  # noqa: ARG002 - it is not known
        return True

    def is_gone(self, changes: Changes) -> bool:
        return any(self.near.verdict(rule, changes).satisfied for rule in self.permits)
