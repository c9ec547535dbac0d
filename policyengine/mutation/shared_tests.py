"""Choose the fewest tests that notice all survivors: those that a test for others notices need none of their own."""

from __future__ import annotations

from attrs import define, evolve, field

from policyengine.mutation.fates import Tried
from policyengine.mutation.offered_tests import Offer
from policyengine.mutation.trial import Trial
from policyengine.mutation.variants import Variant
from policyengine.semantics.checked import CheckedRule


def fewest(trial: Trial, fates: dict[int, Tried]) -> dict[int, Tried]:
    """Return *fates* with the tests that are left when those are taken away that others make superfluous."""
    fates = dict(fates)
    by_test: dict[str, list[int]] = {}
    for number, tried in fates.items():
        if tried.test:
            by_test.setdefault(tried.test, []).append(number)
    if len(by_test) < 2:  # noqa: PLR2004 - one is the fewest
        return fates
    reading = _Reading(trial, by_test)
    kept = sorted(by_test, key=lambda test: (-len(by_test[test]), by_test[test]))
    for test in reversed(kept):
        moved: dict[int, str] = {}
        for number in by_test[test]:
            other = next((o for o in kept if o != test and reading.notices(o, number)), None)
            if other is None:
                break
            moved[number] = other
        else:
            kept.remove(test)
            for number, other in moved.items():
                by_test[other].append(number)
                fates[number] = evolve(fates[number], test=other)
        if trial.budget.is_spent:
            break
    return fates


@define
class _Reading:
    """The tests as they were written, and the mutants that they are asked to notice."""

    trial: Trial
    of: dict[str, list[int]]
    offers: dict[str, Offer | None] = field(factory=dict)
    variants: dict[int, Variant | None] = field(factory=dict)

    def notices(self, test: str, number: int) -> bool:
        """Whether *test* notices a mutant; it does not where it cannot be pasted into the same file."""
        rule = self._rule(self.of[test][0])
        if rule.node.span.file != self._rule(number).node.span.file:
            return False
        if test not in self.offers:
            self.offers[test] = self.trial.maker.again(test, rule)
        if number not in self.variants:
            self.variants[number] = self.trial.variants.of(self.trial.mutants[number])
        offer, variant = self.offers[test], self.variants[number]
        return offer is not None and variant is not None and offer.notices(variant)

    def _rule(self, number: int) -> CheckedRule:
        return self.trial.variants.rules[min(self.trial.mutants[number].rules)]
