"""Find a witness for a rule that no test covers: a request for which it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from attrs import evolve
from msgspec.structs import replace

from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.choices import Choices, every_path
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.remedies import remedies
from policyengine.analysis.search import MOST_PATHS, holds
from policyengine.analysis.symbolic_request import SymbolicState
from policyengine.analysis.what_if import Neighbourhood
from policyengine.analysis.witness import request_of
from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import gives
from policyengine.model.limits import Limits
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.mutation.write_tests import can_be_written
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet

_MOST_STATES = 8
"""The number of symbolic requests of which a concrete one is made."""

_MOST_CHOICES = 30_000
"""The number of values that are chosen meanwhile."""


def witness_request(
    checked: CheckedSet, rule: CheckedRule, limits: Limits, now: int
) -> ValidRequest | None:
    """Return a request for which *rule* holds, allowed if a change of one or two values allows it.

    *now*: its time (microseconds), unless the rules require another. None if no request is found that
    can be written as a test.
    """
    target = next(iter(rule.typings), None)
    made = None if target is None else _witness_request(checked, rule, target, limits, now)
    return made if made is not None and can_be_written(made) else None


def with_parties(
    checked: CheckedSet, made: ValidRequest, asked: Iterable[ValidRequest]
) -> Iterator[ValidRequest]:
    """Give the request *made*, but by and on what tests ask for with other actions, where that gives what it needs."""
    target = made.action, made.subject.type, made.resource.type
    needs = needs_of_tests(checked, target)
    given: list[ValidRequest] = []
    for one in asked:
        if (one.subject.type, one.resource.type) == target[1:] and one.action != made.action:
            request = replace(one, action=made.action, context=made.context, fields=None)
            if request not in given and gives(request, needs) and can_be_written(request):
                given.append(request)
                yield request


def needs_of_tests(checked: CheckedSet, target: TargetKey) -> RequestNeeds:
    """Return the parts that a request of a test must give: what invariants read as well."""
    needs = checked.needs(target)
    for invariant in checked.invariants:
        needs |= invariant.needs.get(target, RequestNeeds())
    return needs


def _witness_request(
    checked: CheckedSet, rule: CheckedRule, target: TargetKey, limits: Limits, now: int
) -> ValidRequest | None:
    others = tuple(
        other
        for other in checked.rules_for(target)
        if other is not rule
        and not other.advisory
        and (other.effect == "forbid" or (other.effect, other.gate) == ("permit", rule.gate))
    )
    for around in (others, ()):  # preferably one where it decides alone
        for state in islice(_states(checked, target, rule, around), _MOST_STATES):
            request = _concrete(checked, state, limits, now)
            if request is not None and _alone(rule, around, Env(request, checked.schema)):
                return _allowed(checked, rule, request)
    return None


def _states(
    checked: CheckedSet, target: TargetKey, rule: CheckedRule, around: tuple[CheckedRule, ...]
) -> Iterator[SymbolicState]:
    """Give symbolic requests for which *rule* holds and none of those *around*, or may: values may be guessed."""
    mentions = MentionedConstants.of((rule, *around), target)

    def run(choices: Choices) -> SymbolicState | None:
        state = SymbolicState(checked.schema, target, mentions, choices)
        try:
            return state if _alone(rule, around, state.env()) else None
        except TypeError:  # a symbolic set is no element of another
            return None

    try:
        yield from filter(None, every_path(run, MOST_PATHS, Budget(_MOST_CHOICES)))
    except OutOfBudgetError:
        return


def _concrete(
    checked: CheckedSet, state: SymbolicState, limits: Limits, now: int
) -> ValidRequest | None:
    state.choices = Choices()  # what it did not read is no further path
    try:
        given = request_of(state, needs_of_tests(checked, state.target))
        if ("now",) not in state.known:
            given["now"] = now
        needs = partial(needs_of_tests, checked)
        return Validator(checked.schema, needs, limits).validate_parts(**given)
    except InvalidRequest:
        return None


def _allowed(checked: CheckedSet, rule: CheckedRule, request: ValidRequest) -> ValidRequest:
    """Return *request*, changed in a value or two so that it is allowed but for *rule*, which still holds."""
    target = request.action, request.subject.type, request.resource.type
    others = tuple(other for other in checked.rules_for(target) if other is not rule)
    if rule.effect == "forbid":
        checked = evolve(checked, by_target={**checked.by_target, target: others})
    for remedy in remedies(checked, request):
        changes = tuple((change.place, change.after) for change in remedy.changes)
        made = Neighbourhood(checked, request).changed(changes)
        if holds(rule, Env(made, checked.schema)):
            return made
    return request


def _alone(rule: CheckedRule, others: Iterable[CheckedRule], env: Env) -> bool:
    """Whether *rule* holds while it is in force, and none of *others*."""
    if not holds(rule, env) or any(holds(other, env) for other in others):
        return False
    # Otherwise the time need not be chosen.
    return not rule.is_dated or rule.in_force(env.request.now)
