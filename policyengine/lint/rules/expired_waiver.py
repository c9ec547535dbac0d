"""Find waivers that have run out."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.values import moment_text


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each waiver that stands in for nothing any more."""
    for waiver in subject.checked.waivers:
        if waiver.until <= subject.now:
            yield warning(
                "PE417", waiver.span, f"`{waiver.name}` ran out on {moment_text(waiver.until)}",
                "leave it out; the history of the file keeps it",
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
