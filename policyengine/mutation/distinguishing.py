"""Search for a request that a mutant decides otherwise, or prove that there is none.

Near the requests of the tests it is searched first, with a value or two changed: such a test is easily read. So it
is near a request that tells another mutant of the same rule apart.
Then on constrained and on symbolic requests, which ends with a request, with the proof that the mutant is
equivalent, or with neither, where something cannot be tried out or is too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import islice, zip_longest
from typing import Any

from attrs import define, field, frozen
from msgspec.structs import replace

from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.choices import Choices
from policyengine.analysis.places import Changes, ReadKey, read_keys_of
from policyengine.analysis.questions import equivalent
from policyengine.analysis.symbolic_request import SymbolicState
from policyengine.analysis.what_if import Granted, Neighbourhood
from policyengine.analysis.witness import request_of
from policyengine.concurrency import cached_property
from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.mutation.constrained_differences import ConstrainedDifferences
from policyengine.mutation.nearby_search import NearbySearch
from policyengine.mutation.offered_tests import Offer, OfferMaker, clauses_of
from policyengine.mutation.passing_tests import PassingTest
from policyengine.mutation.symbolic_differences import SymbolicDifferences
from policyengine.mutation.variants import Variant, counted
from policyengine.mutation.witness_requests import needs_of_tests, with_parties, witness_request
from policyengine.mutation.write_tests import can_be_written
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest
from policyengine.semantics.checked import CheckedRule, CheckedSet

_MOST_BASES = 12
"""The number of requests of tests around which a distinguishing request is searched."""

_MOST_FOUND = 30
_MOST_ALONE = 80
_MOST_UNCOVERED = 40
_MOST_TOGETHER = 500
"""The number of requests for which a changed rule differs, and the whole sets are asked: near one that was found for
another mutant; near those of tests, with one value changed; with another besides, so that other rules do not settle the matter; with two values of the changed rule."""

_MOST_NEAR = 4_000
"""The number of requests near those of tests that are tried in each of these ways."""

_MOST_STATES = 16
"""The number of symbolic requests of which a concrete one is made."""

_MOST_PARTIAL = 60
"""The number of requests that are made of partial ones, for one mutant and one target."""

_DAY, _HOUR, _MINUTE, _SECOND = 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000


@frozen
class Unsettled:
    """Neither a request nor a proof was found. *why*: what was not tried; *late*: whether a larger budget may help."""

    why: str
    late: bool = False


@define(slots=False)
class Differences:
    """What tells the mutants of one rule, or of one declaration, from the original.

    *asked*: the requests of the tests, with the verdicts of the original.
    """

    checked: CheckedSet
    limits: Limits
    now: int
    maker: OfferMaker
    asked: Sequence[PassingTest]
    variants: Sequence[Variant]
    budget: Budget
    _spoken: bool = False
    _made: list[NearbySearch] = field(init=False, factory=list)
    _found: list[NearbySearch] = field(init=False, factory=list)
    _ordered: dict[TargetKey, list[CheckedRule]] = field(init=False, factory=dict)

    def of(self, variant: Variant) -> Offer | Unsettled | None:
        """Return a test that *variant* does not pass; None if it is equivalent."""
        self._spoken = True
        try:
            return self._searched(variant)
        except OutOfBudgetError:
            return Unsettled("the budget was spent before everything was tried", late=True)

    def _searched(self, variant: Variant) -> Offer | Unsettled | None:
        for searches, way, most in (
            (self._found, NearbySearch.alone, _MOST_FOUND),
            (self._searches, NearbySearch.alone, _MOST_ALONE),
            (self._searches, NearbySearch.uncovered, _MOST_UNCOVERED),
        ):
            found = self._near(variant, searches, way, most)
            if found is not None:
                return found
            if searches is self._found and self._is_equivalent(variant):
                return None
        # A constrained request answers only what is asked, so there are fewer of them.
        for search in (self._partial, self._symbolic):
            offer, proved = search(variant)
            if offer is not None:
                self._found.append(self._around(offer.test.asked.request))
            if offer is not None or proved:
                return offer
        found = self._near(variant, self._searches, NearbySearch.together, _MOST_TOGETHER)
        if found is not None:
            return found
        return Unsettled(self._why)

    @property
    def _why(self) -> str:
        if not self._spoken:
            return "requests tell it apart, but no test can expect that nothing is owed"
        return (
            "no request that was tried tells it apart: some near those of the tests, and some among all, "
            "of which there are too many"
        )

    # ---- near the requests of tests ------------------------------------------------------

    def _near(
        self, variant: Variant, searches: Iterable[NearbySearch],
        way: Callable[[NearbySearch, Variant], Iterator[Changes]], most: int,
    ) -> Offer | None:  # fmt: skip
        ways = (
            (search, changes)
            for search in searches
            if variant.concerns(search.target)
            for changes in way(search, variant)
        )
        for search, changes in islice(ways, _MOST_NEAR):
            if not search.is_turned(variant, changes):
                continue
            most -= 1
            if most < 0:
                return None
            self.budget.spend()
            answers = search.differ(variant, changes)
            offer = answers and self._offer(variant, search.near.changed(changes), *answers)
            if offer:
                return offer
        return None

    def _offer(
        self, variant: Variant, request: ValidRequest, answer: Granted, other: Granted
    ) -> Offer | None:
        clauses = clauses_of(answer, other)
        if clauses is None:
            self._spoken = False
            return None
        return self.maker.make(variant, request, clauses) if can_be_written(request) else None

    @cached_property
    def _searches(self) -> list[NearbySearch]:
        return [self._around(base) for base in self._bases()]

    def _around(self, base: ValidRequest) -> NearbySearch:
        search = NearbySearch(self.checked, base, self.variants, self._made)
        self._made.append(search)
        return search

    def _bases(self) -> Iterable[ValidRequest]:
        """Return requests of tests that the changed rules cover, as different as possible.

        One for each combination of first failures of the rules, then another of each; other targets
        come first. Where no test covers the rules, witnesses are used, first by and on what tests ask for
        with other actions.
        """
        ways: dict[object, list[JudgedRequest]] = {}
        again: dict[object, list[JudgedRequest]] = {}
        seen: set[tuple[object, TargetKey]] = set()
        for test in self.asked:
            target = test.env.target
            if any(variant.concerns(target) for variant in self.variants):
                way = self._first_failures(test.case)
                known = (way, target) in seen
                seen.add((way, target))
                (again if known else ways).setdefault(way, []).append(test.case)
        if not ways:
            made = [self._witness(rule) for _, rule in sorted(self._rules.items())]
            witnesses = [request for request in made if request is not None]
            asked = [test.asked.request for test in self.asked]
            others = (one for w in witnesses for one in with_parties(self.checked, w, asked))
            return [*islice(others, _MOST_BASES // 2), *witnesses][:_MOST_BASES]
        rounds = zip_longest(*([*new, *again.get(way, ())] for way, new in ways.items()))
        cases = (one for some in rounds for one in some if one is not None)
        return [self._at_round_time(case) for case in islice(cases, _MOST_BASES)]

    @property
    def _rules(self) -> dict[str, CheckedRule]:
        return {id_: rule for variant in self.variants for id_, rule in variant.before.items()}

    def _first_failures(self, case: JudgedRequest) -> object:
        """Return the condition of each changed rule that failed first, None if all held."""
        rules = (v.rule for v in case.verdicts if v.rule.id in self._rules and not v.failed)
        env = case.env
        return tuple(
            interpreter.first_false(rule.conjuncts, rule.typings[env.target], env) for rule in rules
        )

    def _witness(self, rule: CheckedRule) -> ValidRequest | None:
        return witness_request(self.checked, rule, self.limits, self.now // _DAY * _DAY)

    def _at_round_time(self, case: JudgedRequest) -> ValidRequest:
        """Return the request of a test without `at` at a moment that is easily read, if all rules are judged the same then."""
        request = case.env.request
        if request.now != self.now or case.env.target not in self.maker.timed:
            return request
        day = self.now // _DAY * _DAY
        before = {v.rule.id: (v.holds, counted(v)) for v in case.verdicts}
        for moment in (
            day, day + 12 * _HOUR, *(self.now // unit * unit for unit in (_HOUR, _MINUTE, _SECOND)),
        ):  # fmt: skip
            at = replace(request, now=moment)
            other = interpreter.judge_all(self.checked, Env(at, self.checked.schema))
            if {v.rule.id: (v.holds, counted(v)) for v in other.verdicts} == before:
                return at
        return request

    # ---- all requests --------------------------------------------------------------------

    def _is_equivalent(self, variant: Variant) -> bool:
        """Whether the changed rules are known to be satisfied by the same requests as the original ones."""
        return all(
            self._proves(
                SymbolicDifferences(self.checked, variant, target, alone=True, budget=self.budget)
            )
            for target in _targets(variant)
        )

    def _proves(self, search: SymbolicDifferences) -> bool:
        if search.mentions.unsure:
            return False
        return not any(True for _ in search.states()) and search.proved

    def _symbolic(self, variant: Variant) -> tuple[Offer | None, bool]:
        """Return a test of a symbolic request, and whether there is none at all."""
        proved = True
        left = _MOST_STATES
        for target in _targets(variant):
            search = SymbolicDifferences(
                self.checked, variant, target, alone=False, budget=self.budget
            )
            for number, state in enumerate(search.states()):
                self.budget.spend()
                offer = self._offer_of(variant, state)
                if offer is not None:
                    return offer, False
                left -= 1
                proved = False
                if left < 0 or number > _MOST_STATES:
                    break
            proved &= search.proved
        return None, proved or self._is_hidden(variant)

    def _partial(self, variant: Variant) -> tuple[Offer | None, bool]:
        """Return a test of a constrained request, and whether there is none at all."""
        proved = True
        for target in _targets(variant):
            search = ConstrainedDifferences(
                self.checked, variant, self._others(target), target, self.budget,
                self.now // _DAY * _DAY,
            )  # fmt: skip
            for given in islice(
                search.requests(needs_of_tests(self.checked, target)), _MOST_PARTIAL
            ):
                self.budget.spend()
                offer = self._offer_with(variant, target, given)
                if offer is not None:
                    return offer, False
            proved &= search.proved
        return None, proved

    def _others(self, target: TargetKey) -> list[CheckedRule]:
        """Return the rules that do not change, those first that ask for little beside what the changed ones do.

        Where a changed rule differs, they are the likeliest to settle the matter.
        """
        if target not in self._ordered:
            changed = self._rules
            rules = [rule for rule in self.checked.rules_for(target) if not rule.advisory]
            reads = {
                rule.id: read_keys_of(rule.needs[target], self.checked.schema, target)
                for rule in rules
            }
            known = frozenset[ReadKey]().union(*(reads[id_] for id_ in reads.keys() & changed))
            others = [rule for rule in rules if rule.id not in changed]
            others.sort(key=lambda rule: (len(reads[rule.id] - known), len(reads[rule.id])))
            self._ordered[target] = others
        return self._ordered[target]

    def _offer_of(self, variant: Variant, state: SymbolicState) -> Offer | None:
        state.choices = Choices()  # what it did not read is no further path
        given = request_of(state, needs_of_tests(self.checked, state.target))
        if ("now",) not in state.known:
            given["now"] = self.now // _DAY * _DAY
        return self._offer_with(variant, state.target, given)

    def _offer_with(
        self, variant: Variant, target: TargetKey, given: dict[str, Any]
    ) -> Offer | None:
        """Return a test of a request, given as arguments of `validate`, if it tells *variant* apart."""
        needs = partial(needs_of_tests, self.checked)
        try:
            request = Validator(self.checked.schema, needs, self.limits).validate_parts(**given)
        except InvalidRequest:
            return None
        near = Neighbourhood(self.checked, request)
        one, other = (
            near.granted((), [r for r in checked.rules_for(target) if not r.advisory])
            for checked in (self.checked, variant.checked)
        )
        return self._offer(variant, request, one, other) if one != other else None

    def _is_hidden(self, variant: Variant) -> bool:
        """Whether other rules are known to settle the matter wherever the changed rules differ."""
        return variant.after.keys() == variant.before.keys() and all(
            _same_beside_conditions(rule, variant.after[id_])
            and equivalent(self.checked, rule, variant.after[id_], self._deciding_instead(rule))
            for id_, rule in variant.before.items()
        )

    def _deciding_instead(
        self, rule: CheckedRule
    ) -> Callable[[TargetKey], tuple[CheckedRule, ...]]:
        """Return rules that decide on their own where they hold, and that read some of the same values."""

        @cache
        def rules(target: TargetKey) -> tuple[CheckedRule, ...]:
            reads = read_keys_of(rule.needs[target], self.checked.schema, target)
            return tuple(
                other
                for other in self.checked.rules_for(target)
                if other is not rule
                and not other.advisory
                and other.outlasts(rule)
                and _leaves_idle(other, rule)
                and not reads.isdisjoint(
                    read_keys_of(other.needs[target], self.checked.schema, target)
                )
            )

        return rules


def _targets(variant: Variant) -> list[TargetKey]:
    rules = (*variant.before.values(), *variant.after.values())
    return sorted({t for rule in rules for t in rule.typings if variant.concerns(t)})


def _same_beside_conditions(one: CheckedRule, other: CheckedRule) -> bool:
    def rest(rule: CheckedRule) -> object:
        dates = rule.valid_from, rule.valid_until
        covered = frozenset(rule.typings)
        return covered, rule.effect, rule.fields, rule.obligations, dates, rule.waivable

    return rest(one) == rest(other)


def _leaves_idle(one: CheckedRule, other: CheckedRule) -> bool:
    """Whether nothing depends on *other* where *one* holds; what a forbid owes does."""
    if one.effect == "forbid":
        return other.effect != "forbid" or not other.obligations
    return _gives_as_much(one, other)


def _gives_as_much(one: CheckedRule, other: CheckedRule) -> bool:
    """Whether *one* grants all that *other*, a permit, does."""
    if (one.effect, one.gate) != ("permit", other.gate) or other.effect != "permit":
        return False
    return (other.fields is None or one.fields == other.fields) and (
        not other.obligations or one.obligations == other.obligations
    )
