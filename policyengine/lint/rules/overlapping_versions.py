"""Find versions of a rule that are in force at the same time."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rule_versions import versions
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each version that begins before the one before it has ended."""
    for before, after in versions(subject.checked):
        if before.valid_until is None or (after.valid_from or 0) < before.valid_until:
            yield warning(
                "PE420", after.node.name.span,
                f"`{after.id}` begins before `{before.id}` has ended",
                "give the older one an `until` where the newer one has its `from`",
                Label(before.node.name.span, "the version before"),
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE420", "overlapping-versions", "Versions of a rule that are in force at the same time.",
        "Rules of one gate whose names differ in a number at the end are versions of one rule. While two permits are in force the laxer one counts.",
        WORDS + "permit p_2025: any when subject.tier >= basic from 2025-01-01\npermit p_2026: any when subject.tier >= pro from 2026-01-01\n",
        WORDS + "permit p_2025: any when subject.tier >= basic from 2025-01-01 until 2026-01-01\npermit p_2026: any when subject.tier >= pro from 2026-01-01\n",
    ),
    find,
)  # fmt: skip
