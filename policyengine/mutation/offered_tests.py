"""Offer tests that notice mutants: each passes on the original, whenever it is run, and says no more than it must."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import starmap

from attrs import define, frozen
from msgspec.structs import replace

from policyengine.analysis.places import changed, places_of, value_at
from policyengine.analysis.what_if import Granted
from policyengine.concurrency import cached_property
from policyengine.model.gaps import gives
from policyengine.model.limits import Limits
from policyengine.model.masks import spelled
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import Ip
from policyengine.mutation.check_written_tests import VerifiedTestWriter
from policyengine.mutation.passing_tests import PassingTest
from policyengine.mutation.smaller_tests import minimal
from policyengine.mutation.timed_targets import TimedTargets
from policyengine.mutation.variants import Variant
from policyengine.mutation.write_tests import owed_clause
from policyengine.reference import interpreter
from policyengine.reference.interpreter import JudgedRequest
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import ExpectedRequest

_HOST = 7
"""The number of an address in a network: callers have addresses."""


@frozen(eq=False)
class Offer:
    """A test to be pasted beside *rule*."""

    rule: CheckedRule
    node: nodes.TestDecl
    test: PassingTest

    @property
    def text(self) -> str:
        """The test as it is written."""
        return VerifiedTestWriter.text_of(self.node)

    def notices(self, variant: Variant) -> bool:
        """Whether the test fails with *variant*."""
        return self.test.fails(variant)


def passes(checked: CheckedSet, asked: ExpectedRequest, case: JudgedRequest) -> bool:
    """Whether an expectation is met by *case*, its request as the original judges it, and gives what is read."""
    outcome = interpreter.outcome(case, ())
    needed = (i.needs[case.env.target] for i in checked.invariants if case.env.target in i.needs)
    if outcome.allowed and not all(gives(asked.request, needs) for needs in needed):
        return False
    return asked.meets(checked, case, outcome)


@define(slots=False)
class OfferMaker:
    """Makes the tests that are offered. *now*: the time of tests without `at`, in microseconds."""

    checked: CheckedSet
    limits: Limits
    now: int

    @cached_property
    def timed(self) -> TimedTargets:
        """The targets whose tests say `at`."""
        return TimedTargets(self.checked)

    @cached_property
    def _writer(self) -> VerifiedTestWriter:
        return VerifiedTestWriter(self.checked, self.limits, self.now)

    def make(self, variant: Variant, request: ValidRequest, clauses: Iterable[str]) -> Offer | None:
        """Return a test of *request* that *variant* does not pass; None if there is none."""
        rule = variant.before[min(variant.before)]
        addressed = self._addressed(request)
        for one in (addressed, request) if addressed is not request else (request,):
            offer = self._made(variant, one, clauses, rule)
            if offer is not None:
                return offer
        return None

    def _made(
        self, variant: Variant, request: ValidRequest, clauses: Iterable[str], rule: CheckedRule
    ) -> Offer | None:
        timed = (request.action, request.subject.type, request.resource.type) in self.timed
        request = request if timed else replace(request, now=self.now)
        outcome = interpreter.decide(self.checked, request)
        of, rules = variant.mutant.of, outcome.rules
        because = [] if outcome.allowed or not rules else [of if of in rules else rules[0]]
        expectation = (
            request,
            outcome.allowed,
            (*clauses, *(f"because {one}" for one in because)),
        )
        text = self._writer.test(title_of(variant), [expectation], rule, timed=timed)
        offer = None if text is None else self.read(self._writer.node_of(text), rule)
        return offer if offer is not None and offer.notices(variant) else None

    def shortest(self, offer: Offer, variants: Iterable[Variant]) -> Offer:
        """Return *offer*, without what is not needed to notice *variants*."""
        variants = tuple(variants)
        best = offer

        def serves(node: nodes.TestDecl) -> bool:
            nonlocal best
            made = self.read(node, offer.rule)
            if made is None or not all(made.notices(variant) for variant in variants):
                return False
            best = made
            return True

        minimal(replace(offer.node, title=title_of(variants[0])), serves)
        return best

    def again(self, text: str, rule: CheckedRule) -> Offer | None:
        """Return the test that was written as *text*."""
        return self.read(self._writer.node_of(text), rule)

    def read(self, node: nodes.TestDecl, rule: CheckedRule) -> Offer | None:
        """Return the test *node* if it has one request, and passes on the original."""
        asked = list(self._writer.asked_in(node, rule))
        if len(asked) != 1:
            return None
        (one,) = asked
        test = PassingTest(one, self.checked)
        return Offer(rule, node, test) if passes(self.checked, one, test.case) else None

    def _addressed(self, request: ValidRequest) -> ValidRequest:
        """Return *request* with addresses in the place of networks."""
        changes = []
        for place in places_of(self.checked, request):
            net = value_at(request, place)
            if isinstance(net, Ip) and net.first != net.last:
                host = min(net.first + _HOST, net.last)
                changes.append((place, Ip(net.version, host, host)))
        return changed(request, tuple(changes)) if changes else request


def title_of(variant: Variant) -> str:
    """Return the title of a test that notices *variant*."""
    return f"{variant.mutant.of}: noticed if {variant.mutant.what}".replace("`", "")


def clauses_of(answer: Granted, other: Granted) -> list[str] | None:
    """Return the clauses that a test needs, beside the verdict, to tell *answer* from *other*.

    None if no test can: no clause says that no obligation is owed.
    """
    if answer.allowed != other.allowed:
        return []
    clauses: list[str] = []
    shows, masks = answer.exposed, answer.masks
    if (shows, masks) != (other.exposed, other.masks) and shows is not None:
        spelt = sorted([*shows, *starmap(spelled, masks)])
        clauses.append(f"fields {{{', '.join(spelt)}}}")
    if answer.obligations != other.obligations and answer.obligations:
        clauses.append(owed_clause(answer.obligations))
    return clauses or None
