"""Ask tests that pass whether they fail with a mutant.

Most mutants change one condition of a rule. Where a condition before that is false, the rule is judged as before,
and nothing is evaluated again.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from policyengine.mutation.variants import Variant, counted
from policyengine.reference import interpreter
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, Conjunct
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import ExpectedRequest


@define(eq=False)
class PassingTest:
    """An expectation that the original meets by *case*, its request as the original judges it."""

    asked: ExpectedRequest
    case: JudgedRequest
    _verdicts: dict[str, Verdict] = field(init=False)
    _false: dict[str, int | None] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._verdicts = {verdict.rule.id: verdict for verdict in self.case.verdicts}

    def fails(self, variant: Variant) -> bool:
        """Whether the expectation is not met by *variant*."""
        if not variant.concerns(self.case.env.target):
            return False
        clauses = self.asked.expect.clauses
        worded = any(isinstance(clause, nodes.ExpectReason) for clause in clauses)
        if not worded and all(self._stays_false(id_, variant) for id_ in variant.before):
            return False
        verdicts = variant.judged(self.case)
        before = {id_: self._verdicts[id_] for id_ in variant.before if id_ in self._verdicts}
        if (
            not worded
            and verdicts.keys() == before.keys()
            and all(counted(verdicts[id_]) == counted(before[id_]) for id_ in before)
            and all(verdicts[id_].rule.effect == before[id_].rule.effect for id_ in before)
        ):
            return False
        after = variant.rejudged(self.case, verdicts)
        return not self.asked.meets(variant.checked, after, interpreter.outcome(after, ()))

    def _stays_false(self, id_: str, variant: Variant) -> bool:
        """Whether a changed rule is not satisfied by a condition that is the same in *variant*, and before all changes."""
        before, after = variant.before[id_], variant.after.get(id_)
        if after is None or variant.mutant.rule is None or before.effect != after.effect:
            return False
        env, number = self.case.env, self._first_false(before)
        return (
            number is not None
            and _are_same(before.conjuncts[: number + 1], after.conjuncts)
            and env.target in after.typings
            and after.in_force(env.request.now)
        )

    def _first_false(self, rule: CheckedRule) -> int | None:
        """Return the number of the first false condition of a rule that was judged, None if it is satisfied or failed."""
        if rule.id not in self._false:
            verdict, env = self._verdicts.get(rule.id), self.case.env
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
