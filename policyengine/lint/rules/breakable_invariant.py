"""Find invariants that some request breaks."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each invariant that is broken."""
    for finding in subject.ask.invariants(subject.now):
        if finding.answer == "broken":
            name = finding.invariant.node.name
            yield warning(
                "PE450", name.span, f"a request breaks the invariant `{name}`",
                f"`policyengine prove PATH --invariant {name}` shows it: mend the rules, or promise less",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE450", "breakable-invariant", "An invariant that some request breaks.",
        "The set allows what the invariant says is never allowed, or shows what it says is never shown. `check` reports it as an error, PE358.",
        WORDS + "permit p: read when subject.tier >= basic\ninvariant i: never allow read when resource.hidden\n",
        WORDS + "permit p: read when subject.tier >= basic and not resource.hidden\n"
        "invariant i: never allow read when resource.hidden\n",
    ),
    find,
)  # fmt: skip
