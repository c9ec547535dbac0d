"""Find a witness for a rule that no test covers: a request for which it holds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from policyengine.analysis.budget import UndecidedError
from policyengine.analysis.remedies import remedies
from policyengine.analysis.search import SearchSpace, holds
from policyengine.analysis.what_if import Neighbourhood
from policyengine.analysis.witness import request_of
from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request import Request
from policyengine.model.types import DATETIME, TargetKey
from policyengine.mutation.write_tests import can_be_written
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet


def witness_request(
    checked: CheckedSet, rule: CheckedRule, limits: Limits, now: int
) -> Request | None:
    """Return a request for which *rule* holds, allowed if a change of one or two values allows it.

    *now*: its time (microseconds), unless the rules require another. None if no request is found that
    can be written as a test.
    """
    target = next(iter(rule.typings), None)
    made = None if target is None else _witness_request(checked, rule, target, limits, now)
    return made if made is not None and can_be_written(made) else None


def _witness_request(
    checked: CheckedSet, rule: CheckedRule, target: TargetKey, limits: Limits, now: int
) -> Request | None:
    others = tuple(
        other
        for other in checked.rules_for(target)
        if other is not rule
        and not other.advisory
        and (other.effect == "forbid" or (other.effect, other.gate) == ("permit", rule.gate))
    )
    for around in (others, ()):  # preferably one where it decides alone
        space = SearchSpace(checked, target, (rule, *around))
        try:
            state = space.find(partial(_alone, rule, around))
        except UndecidedError:
            continue
        if state is not None:
            break
    else:
        return None
    needs = checked.needs(target)
    try:
        given = request_of(state, needs)
        if ("now",) not in state.known or not space.mentions.values.get(DATETIME):
            given["now"] = now
        request = Validator(checked.schema, checked.needs, limits).validate_parts(**given)
    except InvalidRequest:
        return None
    if rule.effect == "permit":
        for remedy in remedies(checked, request):
            changes = tuple((change.place, change.after) for change in remedy.changes)
            return Neighbourhood(checked, request).changed(changes)
    return request


def _alone(rule: CheckedRule, others: Iterable[CheckedRule], env: Env) -> bool:
    """Whether *rule* holds while it is in force, and none of *others*."""
    if not holds(rule, env) or any(holds(other, env) for other in others):
        return False
    # Otherwise the time need not be chosen.
    return not rule.is_dated or rule.in_force(env.request.now)
