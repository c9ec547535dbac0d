"""Search near a request for one that a mutant decides otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from attrs import define, field

from policyengine.analysis.places import NOW, Changes, Place
from policyengine.analysis.what_if import Granted, Neighbourhood
from policyengine.model.request import Request
from policyengine.reference.interpreter import Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet

_FEW = 12
"""The number of values of a place that are tried together with those of another."""


def counted(verdict: Verdict | None) -> object:
    """Return the parts of a verdict on which a decision may depend."""
    if verdict is None or not (verdict.satisfied or verdict.failed):
        return None
    rule = verdict.rule
    return verdict.failed, verdict.obligations, rule.effect, rule.fields


@define
class NearbySearch:
    """Searches near a request for one that a mutant decides otherwise."""

    checked: CheckedSet
    changed: CheckedSet
    base: Request
    rules: frozenset[str]
    near: Neighbourhood = field(init=False)
    before: tuple[CheckedRule, ...] = field(init=False)
    after: tuple[CheckedRule, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        target = (self.base.action, self.base.subject.type, self.base.resource.type)
        self.before, self.after = (
            tuple(rule for rule in one.rules_for(target) if not rule.advisory)
            for one in (self.checked, self.changed)
        )
        self.near = Neighbourhood(self.checked, self.base, also=self.after)

    def alone(self) -> Iterator[Changes]:
        """Give the empty change, and those of one value."""
        yield ()
        for place in (*self.near.places, NOW):
            yield from (((place, value),) for value in self.near.options(place))

    def together(self) -> Iterator[Changes]:
        """Give changes of two values, of which the rules read one at least."""
        places = (*self.near.places, NOW)
        read = [place for place in places if self._reads(place)]
        rest = [place for place in places if place not in read]
        for one, other in (*combinations(read, 2), *((a, b) for a in read for b in rest)):
            if not one.overlaps(other):
                for a in self.near.options(one)[:_FEW]:
                    yield from (((one, a), (other, b)) for b in self.near.options(other)[:_FEW])

    def _reads(self, place: Place) -> bool:
        rules = [r for r in (*self.before, *self.after) if r.id in self.rules]
        return place == NOW or any(place.read_key in self.near.reads(rule) for rule in rules)

    def differ(self, changes: Changes) -> tuple[Granted, Granted] | None:
        """Return what both grant, if it is not the same."""
        if all(self._counts(self.before, id_, changes) == self._counts(self.after, id_, changes)
               for id_ in self.rules):  # fmt: skip
            return None
        one, other = (self.near.granted(changes, rules) for rules in (self.before, self.after))
        return (one, other) if one != other and self.near.fits(changes) else None

    def _counts(self, rules: tuple[CheckedRule, ...], id_: str, changes: Changes) -> object:
        rule = next((rule for rule in rules if rule.id == id_), None)
        return None if rule is None else counted(self.near.verdict(rule, changes))
