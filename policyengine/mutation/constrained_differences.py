"""Find requests that a mutant decides otherwise where values are compared with each other, or computed.

As in `analysis/invariant_search.py`, both sets are asked about a constrained request, whose values are left open until
something depends on them. Where no constrained request is left, the mutant is equivalent.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.concrete_values import Completion
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_request import ConstrainedRequest
from policyengine.analysis.constrained_search import constrained_requests, is_satisfied, mentions_of
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import TargetKey
from policyengine.mutation.variants import Variant
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet

_MOST_STEPS = 1_500
"""The number of ways to answer that are tried for one mutant and one target."""


@define(eq=False)
class ConstrainedDifferences:
    """The requests of *target* that a mutant may decide otherwise. *proved*: whether there are none, at the end."""

    checked: CheckedSet
    variant: Variant
    target: TargetKey
    budget: Budget
    now: int
    proved: bool = False
    _known: dict[int, bool] = field(init=False, factory=dict)

    def requests(self, needs: RequestNeeds) -> Iterator[dict[str, object]]:
        """Give requests, as arguments of `validate`; what they are decided to be is for others to see."""
        none = True
        mentions = self._mentions()
        try:
            for state in self._states(mentions):
                none = False
                yield from Completion(state, mentions, needs, self.now).requests()
        except OutOfBudgetError:
            if self.budget.is_spent:
                raise
            return
        self.proved = none

    def _states(self, mentions: MentionedConstants) -> Iterator[ConstrainedRequest]:
        def differ(_: ConstrainedRequest, env: Env) -> bool:
            self._known.clear()
            return self._differ(env)

        budget = self.budget.part(_MOST_STEPS)
        return constrained_requests(self.checked, self.target, mentions, budget, differ)

    def _mentions(self) -> MentionedConstants:
        pair = (*self.variant.before.values(), *self.variant.after.values())
        rules = [rule for rule in (*pair, *self._others()) if self.target in rule.typings]
        return mentions_of(self.checked, rules, self.target)

    def _others(self) -> list[CheckedRule]:
        return [
            rule
            for rule in self.checked.rules_for(self.target)
            if not rule.advisory and rule.id not in self.variant.before
        ]

    # ---- whether they differ --------------------------------------------------------------

    def _differ(self, env: Env) -> bool:
        """Whether a changed rule counts in one set only, or in another way, and other rules do not settle the matter."""
        before, after = (
            [rule for rule in rules.values() if self.target in rule.typings]
            for rules in (self.variant.before, self.variant.after)
        )
        counting = [
            {rule.id: _effect(rule) for rule in rules if self._satisfied(rule, env)}
            for rules in (before, after)
        ]
        # A changed constant or definition may be in an argument of an obligation.
        worded = self.variant.mutant.before is not None and any(r.obligations for r in before)
        if counting[0] == counting[1] and not (worded and counting[0]):
            return False
        others = self._others()
        owing = any(rule.obligations for rule in (*others, *before, *after))
        forbids = [rule for rule in others if rule.effect == "forbid"]
        if not owing and any(self._satisfied(rule, env) for rule in forbids):
            return False
        allowed = [self._allows([*others, *rules], env) for rules in (before, after)]
        if allowed[0] != allowed[1] or owing:
            return True
        showing = any(rule.fields is not None for rule in (*before, *after))
        return allowed[0] and showing

    def _satisfied(self, rule: CheckedRule, env: Env) -> bool:
        if id(rule) not in self._known:
            self._known[id(rule)] = is_satisfied(self.checked, rule, self.target, env)
        return self._known[id(rule)]

    def _allows(self, rules: list[CheckedRule], env: Env) -> bool:
        if any(self._satisfied(rule, env) for rule in rules if rule.effect == "forbid"):
            return False
        return all(
            any(self._satisfied(r, env) for r in rules if (r.effect, r.gate) == ("permit", gate))
            for gate in self.checked.schema.gates_of(self.target).names
        )


def _effect(rule: CheckedRule) -> object:
    """Return what a rule that is satisfied brings about, as it is written."""
    return rule.effect, rule.fields, rule.obligations
