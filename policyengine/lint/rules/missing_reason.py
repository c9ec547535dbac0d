"""Find forbids without a reason."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS

_SEVERAL = Several(
    "{count} forbids do not say why they forbid: {names}",
    'add `because "…"` to each: which value, and what would be allowed',
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each forbid without `because`; a permit says which condition failed."""
    for rule in subject.checked.rules:
        if rule.effect == "forbid" and rule.because is None:
            yield warning(
                "PE415", rule.node.name.span, f"`{rule.id}` does not say why it forbids",
                'add `because "…"`: which value, and what would be allowed', several=_SEVERAL,
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE415", "missing-reason", "A forbid without a reason.",
        "A person who is denied reads the name of the rule only. For permits the reason is made from the condition that failed.",
        WORDS + "permit p: any when subject.status == active\nforbid f: any when subject.tier == free\n",
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.tier == free because "{subject.tier} is not enough"\n',
    ),
    find,
)  # fmt: skip
