"""Find waivers that run for more than a year from now."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.values import moment_text

_A_YEAR = 366 * 86_400_000_000


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each waiver that nobody will look at for more than a year."""
    for waiver in subject.checked.waivers:
        if waiver.until > subject.now + _A_YEAR:
            yield warning(
                "PE418", waiver.span, f"`{waiver.name}` runs until {moment_text(waiver.until)}",
                "exceptions are reviewed at least once a year: let it run out earlier",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE418", "long-waiver", "A waiver that runs for more than a year.",
        "An exception that nobody reviews is a rule that nobody wrote.",
        WORDS + 'permit p: any when subject.status == active waivable\nwaiver w of p for App "a" until 2999-01-31 ticket "T-1" approved_by "review"\n',
        WORDS + "permit p: any when subject.status == active waivable\n",
    ),
    find,
)  # fmt: skip
