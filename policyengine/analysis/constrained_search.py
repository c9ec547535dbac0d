"""Search for constrained requests of which something is true, among all ways to answer what is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from policyengine.analysis.backtracking import Backtracking
from policyengine.analysis.budget import Budget
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_evaluation import env_of
from policyengine.analysis.constrained_request import ConstrainedRequest, ContradictionError
from policyengine.analysis.text_answers import FoundTexts, contradicting_answers
from policyengine.model.types import EntityRefType, TargetKey
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from policyengine.semantics.checked import CheckedRule, CheckedSet


def constrained_requests(
    checked: CheckedSet,
    target: TargetKey,
    mentions: MentionedConstants,
    budget: Budget,
    wanted: Callable[[ConstrainedRequest, Env], bool],
) -> Iterator[ConstrainedRequest]:
    """Give the constrained requests for *target* that are *wanted*; if there is none, no request is.

    Where one is not, the choices in its `reads` are those on which that depends.
    """
    choices = Backtracking()
    constants = {
        type_.name: {str(one) for one in values}
        for type_, values in mentions.values.items()
        if isinstance(type_, EntityRefType)
    }
    found: FoundTexts = {}
    while True:
        state = ConstrainedRequest(checked.schema, target, constants, choices)
        try:
            is_wanted = wanted(state, env_of(state))
        except ContradictionError:
            is_wanted = False
        budget.spend()
        blamed = state.reads
        if is_wanted:
            contradicting = contradicting_answers(state, found)
            blamed = set(range(choices.made)) if contradicting is None else contradicting
            if contradicting is None:
                yield state
        if not choices.go_back(blamed):
            return


def mentions_of(
    checked: CheckedSet, rules: Iterable[CheckedRule], target: TargetKey
) -> MentionedConstants:
    """Return what *rules*, their waivers and the constants of the action mention."""
    rules = tuple(rules)
    mentions = MentionedConstants.of(rules, target)
    action = checked.schema.actions[target[0]]
    for part in action.constant_types.attributes:
        if part.name in action.constants:
            mentions.add(part.type, action.constants[part.name])
    ids = {rule.id for rule in rules}
    for waiver in checked.waivers:
        for waived in (waiver.subject, waiver.resource) if waiver.rule in ids else ():
            if waived is not None:
                mentions.add(EntityRefType(waived.type), waived.id)
    return mentions


def is_satisfied(checked: CheckedSet, rule: CheckedRule, target: TargetKey, env: Env) -> bool:
    """Whether *rule* is in force and holds, or is waived, for *target*."""
    if rule.is_dated and not rule.in_force(env.request.now):
        return False
    if first_false(rule.conjuncts, rule.typings[target], env) is None:
        return True
    return bool(rule.waivable and interpreter.waivers(checked, rule, env))
