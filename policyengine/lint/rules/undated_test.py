"""Find tests whose decisions change with the time at which they are run."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.test_items import title_span
from policyengine.model.schedules import DAY
from policyengine.model.values import moment_text
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import decide, judge_all, valid_until
from policyengine.semantics.checked import CheckedRule
from policyengine.syntax import nodes
from policyengine.syntax.node import walk
from policyengine.testing.requests_of_tests import ExpectedRequest

_SECOND = 1_000_000

_MOST_TURNS = 8
"""How many moments at which a decision may change are looked at: of a schedule there is no last one."""


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each test without `at` of which an expectation is met for a time only."""
    checked = subject.checked
    waived = {waiver.rule for waiver in checked.waivers}
    timed = {id(rule) for rule in checked.rules if rule.id in waived or _reads_time(rule)}
    reported: set[int] = set()
    for asked in subject.requests:
        test = asked.test.node
        if id(test) in reported or _has_time(test, asked.expect):
            continue
        target = Env(asked.request, checked.schema).target
        if not any(id(rule) in timed for rule in checked.rules_for(target)):
            continue
        turn = _turn(asked, subject)
        if turn is not None:
            reported.add(id(test))
            yield warning(
                "PE455", title_span(test, checked.sources),
                f"this test has no `at`, and what it expects changes on {moment_text(turn)}",
                f"begin the test with `at {_moment(asked, subject)}`", several=_SEVERAL,
            )  # fmt: skip


_SEVERAL = Several(
    "{count} tests have no `at`, and what they expect changes with the time: {names}",
    "begin each with `at` and the moment of which it speaks",
)


def _reads_time(rule: CheckedRule) -> bool:
    """Whether what a rule does depends on the time; its texts do not count."""
    return (
        rule.valid_from is not None
        or rule.valid_until is not None
        or any(node == nodes.Name("now") for node, _ in walk_conditions(rule))
        or any(node == nodes.Name("now") for call in rule.obligations for node in walk(call))
    )


def _has_time(test: nodes.TestDecl, expect: nodes.Expect) -> bool:
    return any(
        isinstance(item, nodes.At) and item.span.start < expect.span.start for item in test.items
    )


def _turn(asked: ExpectedRequest, subject: Subject) -> int | None:
    """Return the moment from which an expectation is met, or is not, as it is now."""
    turn, now = subject.now, _is_met(asked, subject, subject.now)
    for _ in range(_MOST_TURNS):
        after = valid_until(subject.checked, replace(asked.request, now=turn))
        if after is None:
            break
        turn = after
        if _is_met(asked, subject, turn) is not now:
            return turn
    return None


def _is_met(asked: ExpectedRequest, subject: Subject, moment: int) -> bool:
    request = replace(asked.request, now=moment)
    case = judge_all(subject.checked, Env(request, subject.checked.schema))
    return asked.meets(subject.checked, case, decide(subject.checked, request))


def _moment(asked: ExpectedRequest, subject: Subject) -> str:
    """Return the present: its date, if the expectation is met when the day begins."""
    second = subject.now - subject.now % _SECOND
    day = second - second % DAY
    return (
        moment_text(day).partition("T")[0] if _is_met(asked, subject, day) else moment_text(second)
    )


_WORDS = """\
package docs
entity User { until: datetime }
entity Post
action read by User on Post
permit trial: read when now < subject.until
"""

RULE = LintRule(
    Code(
        "PE455", "undated-test", "A test without `at` whose outcome changes with the time.",
        "It passes today and fails on some morning, though nobody has changed anything. With `at` before its first expectation it means the same for ever.",
        _WORDS + 'test "a trial" { expect allow read by User "u" { until: 2030-12-24 } on Post "p" }\n',
        _WORDS + 'test "a trial" { at 2026-11-28 expect allow read by User "u" { until: 2030-12-24 } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
