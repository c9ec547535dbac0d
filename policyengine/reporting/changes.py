"""Compare a policy set with another version of it, or with its rules of an earlier day: which rules differ, which answers.

The requests of the report are asked of both, so each answer that differs is one that was decided twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import dedent
from typing import Any

from attrs import evolve, frozen
from msgspec.structs import replace

from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import moment_text
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.reasons import reason_of
from policyengine.reporting.report_data import RuleChange
from policyengine.reporting.variations import Granted
from policyengine.semantics.checked import CheckedRule, CheckedSet


@frozen(eq=False)
class Earlier:
    """What a set is compared with: its *title*, and its rules, of that version or of that day.

    *since*: that day, if it is the same set; only requests of a later day are asked then, and with their own time.
    """

    title: str
    checked: CheckedSet
    since: int | None = None


def rules_of_day(checked: CheckedSet, day: int) -> Earlier:
    """Return the set with the rules that were in force at a moment, for whatever time is asked about."""

    def then(rules: Iterable[CheckedRule]) -> tuple[CheckedRule, ...]:
        return tuple(undated[rule.id] for rule in rules if rule.id in undated)

    undated = {
        rule.id: replace(rule, valid_from=None, valid_until=None)
        for rule in checked.rules
        if rule.in_force(day)
    }
    of_day = evolve(
        checked,
        rules=then(checked.rules),
        by_target={target: then(rules) for target, rules in checked.by_target.items()},
    )
    return Earlier(moment_text(day).removesuffix("T00:00:00Z"), of_day, day)


def rule_changes(earlier: Earlier, checked: CheckedSet, now: int) -> Iterator[RuleChange]:
    """Give the rules that are new, gone, or written otherwise; of the same set, those that began or ended since."""
    before = {rule.id: rule for rule in earlier.checked.rules}
    after = {rule.id: rule for rule in checked.rules}
    if earlier.since is not None:
        dated = [(rule.valid_from, "begins", rule) for rule in after.values()]
        dated += [(rule.valid_until, "ends", rule) for rule in after.values()]
        found = [
            (day, what, rule)
            for day, what, rule in dated
            if day is not None and earlier.since < day <= now
        ]
        for day, what, rule in sorted(found, key=lambda one: (one[0], one[2].id)):
            yield RuleChange(rule.id, what, moment_text(day), "", _text(checked, rule))
        return
    for id_ in sorted({*before, *after}):
        texts = [
            _text(of, rules[id_]) if id_ in rules else ""
            for of, rules in ((earlier.checked, before), (checked, after))
        ]
        if texts[0] != texts[1]:
            what = "is new" if id_ not in before else "is gone" if id_ not in after else "differs"
            yield RuleChange(id_, what, "", *texts)


def _text(checked: CheckedSet, rule: CheckedRule) -> str:
    span, source = rule.node.span, checked.sources[rule.node.span.file]
    column = source.position(span.start)[1]
    return dedent(" " * (column - 1) + source.at(span))


def earlier_answer(
    earlier: Earlier, request: ValidRequest, document: Mapping[str, Any]
) -> tuple[Granted, str] | None:
    """Return what the earlier version grants, and its reason; None if the request does not fit there.

    *document*: the request as JSON, as another version reads it.
    """
    checked = earlier.checked
    if earlier.since is None:
        validator = Validator(checked.schema, checked.needs, Limits())
        try:
            request = validator.validate_parts(**{**document, "action": request.action})
        except InvalidRequest:
            return None
    elif request.now < earlier.since:
        return None
    case = interpreter.judge_all(checked, Env(request, checked.schema))
    outcome = interpreter.outcome(case, ())
    owed = outcome.obligations if outcome.allowed else ()
    masks = tuple(sorted(outcome.masks))
    return (outcome.allowed, outcome.exposed, masks, owed), reason_of(case)
