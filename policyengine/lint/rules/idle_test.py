"""Find tests that expect nothing."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.test_items import expects_nothing, tests_in, title_span


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each test without an expectation."""
    for test in tests_in(subject.files):
        if expects_nothing(test):
            yield warning(
                "PE456", title_span(test, subject.checked.sources), "this test expects nothing",
                "write `expect allow …` or `expect deny …`, or leave it out", several=_SEVERAL,
            )  # fmt: skip


_SEVERAL = Several(
    "{count} tests expect nothing: {names}",
    "write `expect allow …` or `expect deny …` in each, or leave them out",
)

RULE = LintRule(
    Code(
        "PE456", "idle-test", "A test that expects nothing.",
        "It passes whatever the rules say, and its title promises something else.",
        WORDS + 'permit p: any when subject.status == active\ntest "held apps read nothing" { let held_app = App "a" { status: held } }\n',
        WORDS + 'permit p: any when subject.status == active\ntest "held apps read nothing" { let held_app = App "a" { status: held } expect deny read by held_app on Post "p" }\n',
    ),
    find,
)  # fmt: skip
