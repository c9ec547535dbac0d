"""Find requests that a mutant decides otherwise where values are compared with each other, or computed.

As in `analysis/invariant_search.py`, both sets are asked about a constrained request, whose values are left open until
something depends on them. Where no constrained request is left, the mutant is equivalent.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from policyengine.analysis.backtracking import Backtracking
from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.concrete_values import Completion
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_evaluation import env_of
from policyengine.analysis.constrained_request import ConstrainedRequest, ContradictionError
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import EntityRefType, TargetKey
from policyengine.mutation.variants import Variant
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
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
        choices = Backtracking()
        budget = self.budget.part(_MOST_STEPS)
        constants = {
            type_.name: {str(one) for one in values}
            for type_, values in mentions.values.items()
            if isinstance(type_, EntityRefType)
        }
        while True:
            state = ConstrainedRequest(self.checked.schema, self.target, constants, choices)
            self._known.clear()
            try:
                differs = self._differ(env_of(state))
            except ContradictionError:
                differs = False
            budget.spend()
            blamed = state.reads
            if differs:
                blamed = set(range(choices.made))
                yield state
            if not choices.go_back(blamed):
                return

    def _mentions(self) -> MentionedConstants:
        pair = (*self.variant.before.values(), *self.variant.after.values())
        rules = [rule for rule in (*pair, *self._others()) if self.target in rule.typings]
        mentions = MentionedConstants.of(rules, self.target)
        action = self.checked.schema.actions[self.target[0]]
        for part in action.constant_types.attributes:
            if part.name in action.constants:
                mentions.add(part.type, action.constants[part.name])
        ids = {rule.id for rule in rules}
        for waiver in self.checked.waivers:
            for waived in (waiver.subject, waiver.resource) if waiver.rule in ids else ():
                if waived is not None:
                    mentions.add(EntityRefType(waived.type), waived.id)
        return mentions

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
            self._known[id(rule)] = self._is_satisfied(rule, env)
        return self._known[id(rule)]

    def _is_satisfied(self, rule: CheckedRule, env: Env) -> bool:
        if rule.is_dated and not rule.in_force(env.request.now):
            return False
        if first_false(rule.conjuncts, rule.typings[self.target], env) is None:
            return True
        return bool(rule.waivable and interpreter.waivers(self.checked, rule, env))

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
