"""Find waivers that have run out."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.removal import leave_out
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.values import moment_text
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each waiver that has no effect any more."""
    checked = subject.checked
    asked = [
        item.moment.value
        for test in checked.tests
        for item in test.node.items
        if isinstance(item, nodes.At) and isinstance(item.moment.value, int)
    ]
    earliest = min(asked, default=subject.now)
    for waiver in checked.waivers:
        if waiver.until <= subject.now:
            source = checked.sources[waiver.span.file]
            asked_for = earliest < waiver.until  # a test may need it
            yield warning(
                "PE417", waiver.span, f"`{waiver.name}` ran out on {moment_text(waiver.until)}",
                "leave it out; the history of the file keeps it",
                fix=leave_out(source, waiver.span) if not asked_for else None,
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE417", "expired-waiver", "A waiver that has run out.",
        "It does nothing any more and hides which waivers do.",
        WORDS + 'permit p: any when subject.status == active waivable\nwaiver w of p for App "a" until 2020-01-31 ticket "T-1" approved_by "review"\n',
        WORDS + "permit p: any when subject.status == active waivable\n",
    ),
    find,
)  # fmt: skip
