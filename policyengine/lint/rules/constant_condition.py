"""Find conditions that are always true or always false where they are evaluated."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules import trivial_level_comparison, trivial_path_test
from policyengine.lint.rules.words import WORDS

_OF_THEIR_OWN = (trivial_level_comparison, trivial_path_test)
"""The rules that say it better."""


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each operand with one value; none for a rule that never holds."""
    for rule in subject.checked.rules:
        constant = subject.ask.constant_operands(rule)
        if not constant or subject.ask.never_holds(rule):
            continue
        typing = next(iter(rule.typings.values()))
        for expr, value in constant:
            if not any(rule.is_trivial(expr, typing) for rule in _OF_THEIR_OWN):
                yield warning(
                    "PE402", expr.span,
                    f"this is always {str(value).lower()} where `{rule.id}` asks it",
                    "leave it out, or say what was meant",
                )  # fmt: skip


RULE = LintRule(
    Code(
        "PE402", "constant-condition", "A condition that is always true or always false.",
        "Given the types, the levels, and what was asked before it in the same rule, it has one value only, so it decides nothing. Often a part of it is about the wrong attribute.",
        WORDS + "permit p: any when subject.tier == pro and subject.tier != free\n",
        WORDS + "permit p: any when subject.tier == pro and subject.status == active\n",
    ),
    find,
)  # fmt: skip
