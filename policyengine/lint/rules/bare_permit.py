"""Find permits of everything without a condition."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `permit …: any` that has no condition and no end."""
    for rule in subject.checked.rules:
        if rule.effect == "permit" and rule.node.target.actions is None and not rule.conjuncts:
            yield warning(
                "PE424", rule.node.name.span, f"`{rule.id}` permits every action to everybody",
                "name the actions, or say when",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE424", "bare-permit", "A permit of any action, without a condition.",
        "It opens its gate for every request, also for actions that are added later.",
        WORDS + "permit p: any\n",
        WORDS + "permit p: read\n",
    ),
    find,
)  # fmt: skip
