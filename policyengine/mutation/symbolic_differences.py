"""Find out about all requests whether a mutant decides one otherwise: such a request, or that there is none.

Both sets are asked about one symbolic request (`analysis/`). The changed rules are judged first; the others are
only where the changed ones differ, in the order in which they may settle that it makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.choices import Choices, every_path
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.symbolic_request import SymbolicState
from policyengine.model.types import DATETIME, EntityRefType, TargetKey
from policyengine.mutation.variants import Variant, counted
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet

MOST_PATHS = 3_000
"""The number of symbolic requests that are tried for one mutant and one target."""

_MOST_CHOICES = 30_000
"""The number of choices that are made for that."""


@define(eq=False)
class SymbolicDifferences:
    """The symbolic requests of *target* for which the rules of a mutant matter.

    *alone*: whether only the changed rules are judged: then a difference of the rules may be none of the sets.
    *proved*: whether all requests were tried, once `states` has ended.
    """

    checked: CheckedSet
    variant: Variant
    target: TargetKey
    alone: bool
    budget: Budget
    proved: bool = False
    mentions: MentionedConstants = field(init=False)

    @mentions.default
    def _mentions(self) -> MentionedConstants:
        pair = [*self.variant.before.values(), *self.variant.after.values()]
        others = () if self.alone else _counting(self.checked, self.target)
        rules = [rule for rule in (*pair, *others) if self.target in rule.typings]
        mentions = MentionedConstants.of(list(dict.fromkeys(rules)), self.target)
        waived = {rule.id for rule in rules}
        for waiver in self.checked.waivers:
            if waiver.rule in waived:
                mentions.add(DATETIME, waiver.until)
                for one in filter(None, (waiver.subject, waiver.resource)):
                    mentions.add(EntityRefType(one.type), one.id)
        return mentions

    def states(self) -> Iterator[SymbolicState]:
        """Give states for which the decision differs, or may."""
        guessed = self.mentions.unsure

        def run(choices: Choices) -> tuple[SymbolicState, bool, bool]:
            state = SymbolicState(self.checked.schema, self.target, self.mentions, choices)
            pair = _Pair(self.checked, self.variant, state.env())
            return state, pair.differ(alone=self.alone), pair.failed

        try:
            for state, differs, failed in every_path(
                run, MOST_PATHS, self.budget.part(_MOST_CHOICES)
            ):
                guessed |= state.guessed or failed
                if differs:
                    yield state
        except OutOfBudgetError:
            if self.budget.is_spent:
                raise
            return
        self.proved = not guessed


def _counting(checked: CheckedSet, target: TargetKey) -> tuple[CheckedRule, ...]:
    return tuple(rule for rule in checked.rules_for(target) if not rule.advisory)


@define(eq=False)
class _Pair:
    """The two sets, asked about one request. *failed*: whether a rule could not be judged."""

    checked: CheckedSet
    variant: Variant
    env: Env
    failed: bool = False
    known: dict[int, Verdict | None] = field(factory=dict)

    def differ(self, *, alone: bool) -> bool:
        """Whether both decide the request differently; if *alone*, whether changed rules do."""
        before, after = (
            [r for r in rules.values() if self.env.target in r.typings]
            for rules in (self.variant.before, self.variant.after)
        )
        ids = {rule.id for rule in (*before, *after)}
        if all(self._counted(before, id_) == self._counted(after, id_) for id_ in ids):
            return False
        return alone or self._granted_differs(before, after)

    def _counted(self, rules: list[CheckedRule], id_: str) -> object:
        return next((counted(self._verdict(rule)) for rule in rules if rule.id == id_), None)

    def _verdict(self, rule: CheckedRule) -> Verdict | None:
        """Return the verdict on *rule*; None if it is not in force."""
        if id(rule) not in self.known:
            verdict = None
            if not rule.is_dated or rule.in_force(self.env.request.now):
                waivers = interpreter.waivers(self.checked, rule, self.env)
                verdict = interpreter.judge(rule, waivers, self.env)
                self.failed |= verdict.failed or verdict.faulty
            self.known[id(rule)] = verdict
        return self.known[id(rule)]

    def _counts(self, rule: CheckedRule) -> bool:
        verdict = self._verdict(rule)
        return verdict is not None and (verdict.satisfied or verdict.failed)

    def _granted_differs(self, before: list[CheckedRule], after: list[CheckedRule]) -> bool:
        others = [
            rule
            for rule in _counting(self.checked, self.env.target)
            if rule.id not in self.variant.before
        ]
        forbids = [rule for rule in others if rule.effect == "forbid"]
        owing = any(
            rule.obligations for rule in (*forbids, *before, *after) if rule.effect == "forbid"
        )
        if not owing and any(self._counts(rule) for rule in forbids):
            return False
        one, other = ([*others, *rules] for rules in (before, after))
        allowed = self._allows(one)
        if allowed != self._allows(other):
            return True
        if not allowed and not owing:
            return False
        return self._gives(one) != self._gives(other)

    def _allows(self, rules: list[CheckedRule]) -> bool:
        if any(self._counts(rule) for rule in rules if rule.effect == "forbid"):
            return False
        return all(
            any(self._counts(r) for r in rules if (r.effect, r.gate) == ("permit", gate))
            for gate in self.checked.schema.gates_of(self.env.target).names
        )

    def _gives(self, rules: list[CheckedRule]) -> object:
        verdicts = filter(None, map(self._verdict, rules))
        case = JudgedRequest(self.checked, self.env, tuple(verdicts))
        return interpreter.exposed(case), interpreter.masks(case), interpreter.obligations(case)
