"""Find obligations that no rule owes."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes

_SEVERAL = Several(
    "{count} obligations are owed by no rule: {names}",
    "add them to rules with `oblige`, or leave them out",
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each declared obligation that no rule names."""
    owed = {call.name.name for rule in subject.checked.rules for call in rule.obligations}
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.ObligationDecl(name) if name.name not in owed:
                    yield warning(
                        "PE411", name.span, f"no rule owes `{name}`",
                        "add it to a rule with `oblige`, or leave it out", several=_SEVERAL,
                    )  # fmt: skip


RULE = LintRule(
    Code(
        "PE411", "unused-obligation", "An obligation that no rule owes.",
        "Services are prepared for something that never comes, or a rule forgot to ask for it.",
        WORDS + "obligation log(days: int)\npermit p: any when subject.status == active\n",
        WORDS + "obligation log(days: int)\npermit p: any when subject.status == active oblige log(3)\n",
    ),
    find,
)  # fmt: skip
