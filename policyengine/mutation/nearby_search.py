"""Search near a request for one that a mutant decides otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from attrs import define, field

from policyengine.analysis.places import NOW, Changes, Place
from policyengine.analysis.what_if import Granted, Neighbourhood
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.mutation.variants import Variant, counted
from policyengine.semantics.checked import CheckedRule, CheckedSet

_FEW = 12
"""The number of values of a place that are tried together with those of another."""


@define(eq=False)
class NearbySearch:
    """Searches near a request for some that mutants decide otherwise.

    *variants*: mutants of the same rules, which share what is found out near the request. *beside*: searches for
    the same variants. *hidden*: changes
    with which a changed rule differs from the original, and others settle the matter, by mutant.
    """

    checked: CheckedSet
    base: ValidRequest
    variants: Sequence[Variant]
    beside: Sequence[NearbySearch] = ()
    target: TargetKey = field(init=False)
    near: Neighbourhood = field(init=False)
    hidden: dict[Variant, list[Changes]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.target = (self.base.action, self.base.subject.type, self.base.resource.type)
        also = [
            rule
            for variant in self.variants
            for rule in variant.after.values()
            if self.target in rule.typings
        ]
        beside = next((one.near for one in self.beside if one.target == self.target), None)
        self.near = Neighbourhood(self.checked, self.base, also=tuple(also), beside=beside)

    def alone(self, variant: Variant) -> Iterator[Changes]:
        """Give the empty change, and those of one value that the changed rules read."""
        yield ()
        for place in self._read(variant):
            yield from (((place, value),) for value in self.near.options(place))

    def uncovered(self, variant: Variant) -> Iterator[Changes]:
        """Give changes with which a changed rule differs, and one more so that others do not settle the matter."""
        for before in self.hidden.get(variant, []):
            for place in (*self.near.places, NOW):
                if not any(place.overlaps(other) for other, _ in before):
                    for value in self.near.options(place)[:_FEW]:
                        yield (*before, (place, value))

    def together(self, variant: Variant) -> Iterator[Changes]:
        """Give changes of two values that the changed rules read."""
        for one, other in combinations(self._read(variant), 2):
            if not one.overlaps(other):
                for a in self.near.options(one)[:_FEW]:
                    yield from (((one, a), (other, b)) for b in self.near.options(other)[:_FEW])

    def _read(self, variant: Variant) -> list[Place]:
        keys = {key for rule in self._pair(variant) for key in self.near.reads(rule)}
        places = [p for p in self.near.places if p.kind == "fields" or p.read_key in keys]
        return [*places, NOW]

    def _pair(self, variant: Variant) -> list[CheckedRule]:
        pair = (*variant.before.values(), *variant.after.values())
        return [rule for rule in pair if self.target in rule.typings]

    def is_turned(self, variant: Variant, changes: Changes) -> bool:
        """Whether a changed rule counts after *changes* and the original one does not, or in another way."""
        return any(
            self._counts(variant.before.get(id_), changes)
            != self._counts(variant.after.get(id_), changes)
            for id_ in variant.before
        )

    def differ(self, variant: Variant, changes: Changes) -> tuple[Granted, Granted] | None:
        """Return what both grant, if it is not the same."""
        one, other = (
            self.near.granted(
                changes, [r for r in checked.rules_for(self.target) if not r.advisory]
            )
            for checked in (self.checked, variant.checked)
        )
        if one != other:
            return (one, other) if self.near.fits(changes) else None
        self.hidden.setdefault(variant, []).append(changes)
        return None

    def _counts(self, rule: CheckedRule | None, changes: Changes) -> object:
        if rule is None or self.target not in rule.typings:
            return None
        return counted(self.near.verdict(rule, changes))
