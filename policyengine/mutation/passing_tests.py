"""Ask tests that pass whether they fail with a mutant.

Most mutants change one condition of a rule. Where a condition before that is false, the rule is judged as before,
and nothing is evaluated again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import define, field

from policyengine.concurrency import cached_property
from policyengine.model.rules import Effect
from policyengine.mutation.variants import Variant, counted
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet, Conjunct
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import ExpectedRequest


@define(eq=False, slots=False)
class PassingTest:
    """An expectation that the original, *checked*, meets."""

    asked: ExpectedRequest
    checked: CheckedSet
    _false: dict[str, int | None] = field(init=False, factory=dict)

    @cached_property
    def env(self) -> Env:
        """Where the rules are evaluated."""
        return Env(self.asked.request, self.checked.schema)

    @cached_property
    def case(self) -> JudgedRequest:
        """The request as the original judges it: with few mutants, most tests are of no target of theirs."""
        return interpreter.judge_all(self.checked, self.env)

    @cached_property
    def _verdicts(self) -> dict[str, Verdict]:
        return {verdict.rule.id: verdict for verdict in self.case.verdicts}

    def fails(self, variant: Variant) -> bool:
        """Whether the expectation is not met by *variant*."""
        if not variant.concerns(self.env.target):
            return False
        named = self._names(variant.before)
        if not named and all(self._stays_false(id_, variant) for id_ in variant.before):
            return False
        verdicts = variant.judged(self.case)
        before = {id_: self._verdicts[id_] for id_ in variant.before if id_ in self._verdicts}
        if all(
            counted(verdicts.get(id_)) == counted(before.get(id_)) for id_ in variant.before
        ) and (not named or (_effects(verdicts) == _effects(before) and not self._words)):
            return False
        after = variant.rejudged(self.case, verdicts)
        return not self.asked.meets(variant.checked, after, interpreter.outcome(after, ()))

    @property
    def _words(self) -> bool:
        """Whether the expectation is about the reason."""
        return any(isinstance(one, nodes.ExpectReason) for one in self.asked.expect.clauses)

    def _names(self, rules: Collection[str]) -> bool:
        """Whether the expectation may be about rules that are not satisfied, of which *rules* are some."""
        names = {id_.partition(".")[2] for id_ in rules}
        return any(
            isinstance(clause, nodes.ExpectReason | nodes.ExpectReferrals)
            or (
                isinstance(clause, nodes.ExpectRules)
                and any(ref.rule.name in names for ref in clause.rules)
            )
            for clause in self.asked.expect.clauses
        )

    def _stays_false(self, id_: str, variant: Variant) -> bool:
        """Whether a changed rule is not satisfied, and in *variant* neither: the same condition is false."""
        before, after = variant.before[id_], variant.after.get(id_)
        number = self._first_false(before)
        if number is None:
            return False
        return after is None or (
            variant.mutant.rule is not None
            and _are_same(before.conjuncts[: number + 1], after.conjuncts)
        )

    def _first_false(self, rule: CheckedRule) -> int | None:
        """Return the number of the first false condition of a rule that was judged, None if it is satisfied or failed."""
        if rule.id not in self._false:
            verdict, env = self._verdicts.get(rule.id), self.env
            found = None
            if verdict is not None and not verdict.satisfied and not verdict.failed:
                found = interpreter.first_false(rule.conjuncts, rule.typings[env.target], env)
            self._false[rule.id] = found
        return self._false[rule.id]


def _are_same(conjuncts: Sequence[Conjunct], others: Sequence[Conjunct]) -> bool:
    """Whether *others* begin with *conjuncts*: the same nodes, not only equal ones."""
    return len(conjuncts) <= len(others) and all(
        one.expr is other.expr and one.wanted == other.wanted
        for one, other in zip(conjuncts, others, strict=False)
    )


def _effects(verdicts: Mapping[str, Verdict]) -> dict[str, Effect]:
    return {id_: verdict.rule.effect for id_, verdict in verdicts.items()}
