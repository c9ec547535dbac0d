"""Find rules that say the same."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.questions import covered, never_holds
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule that holds just where an earlier one does."""
    kept: dict[object, list[CheckedRule]] = {}
    for rule in subject.checked.rules:
        kind = (
            rule.gate, rule.effect, rule.advisory, rule.valid_from, rule.valid_until,
            frozenset(rule.typings), rule.obligations, str(rule.fields),
        )  # fmt: skip
        for other in kept.setdefault(kind, []):
            if _same(subject, rule, other):
                yield warning(
                    "PE405", rule.node.name.span, f"`{rule.id}` says the same as `{other.id}`",
                    "leave one of them out", Label(other.node.name.span, "this one"),
                )  # fmt: skip
                break
        else:
            kept[kind].append(rule)


def _same(subject: Subject, rule: CheckedRule, other: CheckedRule) -> bool:
    if rule.conjuncts == other.conjuncts:
        return True
    return (
        covered(subject.checked, rule, [other])
        and covered(subject.checked, other, [rule])
        and not never_holds(subject.checked, rule)
    )


RULE = LintRule(
    Code(
        "PE405", "duplicate-rule", "Two rules that say the same.",
        "They hold for the same requests and have the same effect. Somebody who changes one of them will wonder why nothing changes.",
        WORDS + 'forbid f: any when subject.tier == free because "not the free plan"\nforbid g: any when subject.tier < basic because "too low"\npermit p: any when subject.status == active\n',
        WORDS + 'forbid f: any when subject.tier == free because "not the free plan"\nforbid g: any when subject.status == held because "held"\npermit p: any when subject.status == active\n',
    ),
    find,
)  # fmt: skip
