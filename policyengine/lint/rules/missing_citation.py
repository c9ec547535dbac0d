"""Find rules without the source that they come from."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS

_SEVERAL = Several(
    "{count} rules do not say where they come from, and others do: {names}",
    'add `cites "…"` to each: the document and the section',
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule without `cites`, in a set in which some rule has it."""
    rules = subject.checked.rules
    if any(rule.cites for rule in rules):
        for rule in rules:
            if not rule.cites:
                yield warning(
                    "PE413", rule.node.name.span, f"`{rule.id}` does not say where it comes from, and other rules do",
                    'add `cites "…"`: the document and the section', several=_SEVERAL,
                )  # fmt: skip


RULE = LintRule(
    Code(
        "PE413", "missing-citation", "A rule without `cites`.",
        "A reviewer of a rule asks what it is for. Reported only where some other rule of the set cites its source.",
        WORDS + 'permit p: any when subject.status == active\npermit q: any when subject.tier == pro cites "Terms, 2"\n',
        WORDS + 'permit p: any when subject.status == active cites "Terms, 1"\npermit q: any when subject.tier == pro cites "Terms, 2"\n',
    ),
    find,
)  # fmt: skip
