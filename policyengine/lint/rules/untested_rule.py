"""Find rules that hold in no test."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import judge_all

_SEVERAL = Several(
    "{count} rules hold in no test: {names}",
    "write tests in which they do; `policyengine test PATH --suggest` may have some to begin with",
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule that is satisfied in no expectation, in a set with tests."""
    checked = subject.checked
    if not checked.tests:
        return
    satisfied = {
        verdict.rule.id
        for asked in subject.requests
        for verdict in judge_all(checked, Env(asked.request, checked.schema)).verdicts
        if verdict.satisfied
    }
    for rule in checked.rules:
        if rule.id not in satisfied and not rule.advisory:
            yield warning(
                "PE414", rule.node.name.span, f"`{rule.id}` holds in no test",
                "write a test in which it does; `policyengine test PATH --suggest` may have one to begin with",
                several=_SEVERAL,
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE414", "untested-rule", "A rule that holds in no test.",
        "Nobody would notice if it were changed or left out. Reported only in policy sets with tests.",
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.tier == free because "not the free plan"\ntest "active" { expect allow read by App "a" { tier: pro, status: active } on Post "p" }\n',
        WORDS + 'permit p: any when subject.status == active\ntest "active" { expect allow read by App "a" { status: active } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
