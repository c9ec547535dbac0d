"""Find requests that a mutant decides otherwise where values are compared with each other, or computed.

As in `analysis/invariant_search.py`, both sets are asked about a constrained request, whose values are left open until
something depends on them. Where no constrained request is left, the mutant is equivalent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import define, field, frozen

from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.concrete_values import Completion
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_request import ConstrainedRequest
from policyengine.analysis.constrained_search import constrained_requests, is_satisfied, mentions_of
from policyengine.concurrency import cached_property
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import TargetKey
from policyengine.mutation.variants import Variant
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet

_MOST_STEPS = 1_500
"""The number of ways to answer that are tried for one mutant and one target."""


@define(eq=False, slots=False)
class ConstrainedDifferences:
    """The requests of *target* that a mutant may decide otherwise.

    *others*: the rules of the target that do not change, in the order in which they are asked. *proved*: whether
    there are no such requests, at the end.
    """

    checked: CheckedSet
    variant: Variant
    others: Sequence[CheckedRule]
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
        before, after = self._sides
        rules = (*before.changed, *after.changed, *self.others)
        return mentions_of(self.checked, rules, self.target)

    @cached_property
    def _sides(self) -> tuple[_Side, _Side]:
        """The rules of the original, and those of the mutant."""
        gates = self.checked.schema.gates_of(self.target).names

        def side(rules: Iterable[CheckedRule]) -> _Side:
            changed = tuple(rule for rule in rules if self.target in rule.typings)
            every = (*self.others, *changed)
            return _Side(
                changed,
                tuple(rule for rule in every if rule.effect == "forbid"),
                tuple(
                    tuple(rule for rule in every if (rule.effect, rule.gate) == ("permit", gate))
                    for gate in gates
                ),
            )

        return side(self.variant.before.values()), side(self.variant.after.values())

    @cached_property
    def _owing(self) -> bool:
        """Whether a decision may owe something."""
        before, after = self._sides
        return any(rule.obligations for rule in (*self.others, *before.changed, *after.changed))

    # ---- whether they differ --------------------------------------------------------------

    def _differ(self, env: Env) -> bool:
        """Whether a changed rule counts in one set only, or in another way, and other rules do not settle the matter."""
        before, after = self._sides
        counting = [
            {rule.id: _effect(rule) for rule in side.changed if self._satisfied(rule, env)}
            for side in (before, after)
        ]
        # A changed constant or definition may be in an argument of an obligation.
        worded = self.variant.mutant.before is not None and any(
            rule.obligations for rule in before.changed
        )
        if counting[0] == counting[1] and not (worded and counting[0]):
            return False
        forbids = (rule for rule in self.others if rule.effect == "forbid")
        if not self._owing and any(self._satisfied(rule, env) for rule in forbids):
            return False
        allowed = [self._allows(side, env) for side in (before, after)]
        if allowed[0] != allowed[1] or self._owing:
            return True
        showing = any(rule.fields is not None for rule in (*before.changed, *after.changed))
        return allowed[0] and showing

    def _satisfied(self, rule: CheckedRule, env: Env) -> bool:
        if id(rule) not in self._known:
            self._known[id(rule)] = is_satisfied(self.checked, rule, self.target, env)
        return self._known[id(rule)]

    def _allows(self, side: _Side, env: Env) -> bool:
        if any(self._satisfied(rule, env) for rule in side.forbids):
            return False
        return all(any(self._satisfied(rule, env) for rule in gate) for gate in side.gates)


@frozen
class _Side:
    """The rules of one set: those that differ from the other, and all forbids and permits by gate."""

    changed: tuple[CheckedRule, ...]
    forbids: tuple[CheckedRule, ...]
    gates: tuple[tuple[CheckedRule, ...], ...]


def _effect(rule: CheckedRule) -> object:
    """Return what a rule that is satisfied brings about, as it is written."""
    return rule.effect, rule.fields, rule.obligations
