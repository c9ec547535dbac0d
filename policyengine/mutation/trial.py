"""Try mutants: first on the requests of the tests, then by a search for what tells a survivor from the original."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

from attrs import define, evolve

from policyengine.analysis.budget import Budget
from policyengine.concurrency import cached_property
from policyengine.model.limits import Limits
from policyengine.mutation.distinguishing import Differences, Unsettled
from policyengine.mutation.fates import Tried
from policyengine.mutation.mutants import Mutant, mutants_of
from policyengine.mutation.offered_tests import Offer, OfferMaker
from policyengine.mutation.passing_tests import PassingTest
from policyengine.mutation.variants import Variant, VariantMaker
from policyengine.semantics.checked import CheckedSet
from policyengine.testing.requests_of_tests import requests_of

Block: TypeAlias = tuple[int, ...]
"""The numbers of mutants that are searched together: what is found for one may notice others."""

_RULES_IN_BLOCK = 12


@define(slots=False)
class Trial:
    """The tests of a set, and the verdicts of the unchanged rules on their requests."""

    checked: CheckedSet
    limits: Limits
    now: int
    budget: Budget

    @cached_property
    def mutants(self) -> tuple[Mutant, ...]:
        """All mutants, in a fixed order."""
        return tuple(mutants_of(self.checked))

    @cached_property
    def asked(self) -> tuple[PassingTest, ...]:
        """The expectations of the tests, and how the unchanged rules meet them."""
        found = requests_of(self.checked, limits=self.limits, now=self.now)
        return tuple(PassingTest(one, self.checked) for one in found)

    @cached_property
    def maker(self) -> OfferMaker:
        """The maker of the tests that are offered."""
        return OfferMaker(self.checked, self.limits, self.now)

    @cached_property
    def variants(self) -> VariantMaker:
        """The maker of the sets that mutants are."""
        return VariantMaker(self.checked, self.limits)

    # ---- by the tests --------------------------------------------------------------------

    def tested(self, number: int) -> Tried:
        """Return the fate of a mutant by the tests alone."""
        mutant = self.mutants[number]
        tried = Tried(mutant.of, mutant.kind, mutant.what, mutant.span, "refused")
        if self.budget.is_spent:
            return evolve(tried, fate="untried", late=True)
        variant = self.variants.of(mutant)
        if variant is None:
            return tried
        for test in self.asked:
            if test.fails(variant):
                return evolve(tried, fate="noticed", by=test.asked.title)
        return evolve(tried, fate="survived", late=True)

    # ---- by a search ---------------------------------------------------------------------

    def blocks(self, numbers: Sequence[int]) -> list[Block]:
        """Return blocks of mutants: of some rules in one file each, which may share tests."""

        def about(number: int) -> tuple[str, tuple[str, ...]]:
            mutant = self.mutants[number]
            rule = self.variants.rules[min(mutant.rules)]
            return rule.node.span.file, tuple(sorted(mutant.rules))

        blocks: list[Block] = []
        for _, of_file in groupby(sorted(numbers, key=about), key=lambda n: about(n)[0]):
            rules = [tuple(some) for _, some in groupby(of_file, key=lambda n: about(n)[1])]
            for start in range(0, len(rules), _RULES_IN_BLOCK):
                some = rules[start : start + _RULES_IN_BLOCK]
                blocks.append(tuple(number for group in some for number in group))
        return blocks

    def searched(self, block: Block) -> list[tuple[int, Tried]]:
        """Return the fates of survivors: with a test, equivalent, or not settled."""
        fates: dict[int, Tried] = {}
        offers: dict[Offer, list[tuple[int, Variant]]] = {}

        def rules(number: int) -> frozenset[str]:
            return self.mutants[number].rules

        for _, same in groupby(block, key=rules):
            numbers = tuple(same)
            made = {number: self.variants.of(self.mutants[number]) for number in numbers}
            variants = {number: one for number, one in made.items() if one is not None}
            differences = Differences(
                self.checked, self.limits, self.now, self.maker, self.asked,
                tuple(variants.values()), self.budget,
            )  # fmt: skip
            for number, variant in variants.items():
                fates[number] = self._fate(number, variant, differences, offers)
        for offer, noticed in offers.items():
            text = self.maker.shortest(offer, [variant for _, variant in noticed]).text
            for number, _ in noticed:
                fates[number] = evolve(fates[number], test=text)
        return sorted(fates.items())

    def _fate(
        self,
        number: int,
        variant: Variant,
        differences: Differences,
        offers: dict[Offer, list[tuple[int, Variant]]],
    ) -> Tried:
        mutant = variant.mutant
        tried = Tried(mutant.of, mutant.kind, mutant.what, mutant.span, "survived")
        for offer, noticed in offers.items():
            if offer.notices(variant):
                noticed.append((number, variant))
                return tried
        found: Offer | Unsettled | None = Unsettled("the budget was spent", late=True)
        if not self.budget.is_spent:
            found = differences.of(variant)
        match found:
            case None:
                return evolve(tried, fate="equivalent")
            case Unsettled(why, late):
                return evolve(tried, why=why, late=late)
        offers[found] = [(number, variant)]
        return tried
