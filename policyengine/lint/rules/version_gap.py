"""Find versions of a rule with a gap between them."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rule_versions import versions
from policyengine.lint.rules.words import WORDS
from policyengine.model.values import moment_text


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each version that begins after the one before it has ended."""
    for before, after in versions(subject.checked):
        ended = before.valid_until
        if ended is not None and after.valid_from is not None and ended < after.valid_from:
            yield warning(
                "PE421", after.node.name.span,
                f"no version is in force from {moment_text(ended)} to {moment_text(after.valid_from)}",
                "let each version begin where the one before it ends",
                Label(before.node.name.span, "the version before"),
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE421", "version-gap", "Versions of a rule between which none is in force.",
        "Rules of one gate whose names differ in a number at the end are versions of one rule. In the hole a permit permits nothing, and a forbid does not forbid.",
        WORDS + "permit p_2025: any when subject.tier >= basic from 2025-01-01 until 2026-01-01\npermit p_2026: any when subject.tier >= pro from 2026-02-01\n",
        WORDS + "permit p_2025: any when subject.tier >= basic from 2025-01-01 until 2026-01-01\npermit p_2026: any when subject.tier >= pro from 2026-01-01\n",
    ),
    find,
)  # fmt: skip
