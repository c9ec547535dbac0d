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
        target = rule.node.target
        if rule.effect == "permit" and target.actions is None and not rule.conjuncts:
            narrowed = target.subjects or target.resources or target.exceptions
            everything = not narrowed and subject.checked.schema.gates[rule.gate].range is None
            what = "every action" if everything else "all that `any` covers here"
            yield warning(
                "PE424", rule.node.name.span, f"`{rule.id}` permits {what} to everybody",
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
