"""Find rules that hold for no request."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule that can never be satisfied."""
    for rule in subject.checked.rules:
        if subject.ask.never_holds(rule):
            yield warning(
                "PE401", rule.node.name.span, f"`{rule.id}` holds for no request",
                "its conditions contradict each other",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE401", "unsatisfiable-rule", "A rule that no request can satisfy.",
        "Its conditions contradict each other, or what the types say. A permit like this grants nothing and a forbid stops nothing, whatever its author meant.",
        WORDS + "permit p: any when subject.tier == pro and subject.tier < basic\n",
        WORDS + "permit p: any when subject.tier == pro or subject.tier < basic\n",
    ),
    find,
)  # fmt: skip
