"""Find rules whose end is not after their beginning."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule that is in force at no moment."""
    for rule in subject.checked.rules:
        begin, end = rule.valid_from, rule.valid_until
        if begin is not None and end is not None and end <= begin:
            yield warning(
                "PE419", rule.node.name.span, f"`{rule.id}` ends before it begins",
                "`until` is the moment from which the rule is not in force any more",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE419", "empty-validity", "A rule that ends before it begins.",
        "It is in force at no moment, so it does nothing.",
        WORDS + "permit p: any when subject.status == active from 2026-01-01 until 2025-01-01\n",
        WORDS + "permit p: any when subject.status == active from 2025-01-01 until 2026-01-01\n",
    ),
    find,
)  # fmt: skip
