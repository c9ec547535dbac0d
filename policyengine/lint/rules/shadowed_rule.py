"""Find permits and exposes that some forbid always overrules."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each permit or expose that never counts."""
    forbids = [r for r in subject.checked.rules if r.effect == "forbid" and not r.advisory]
    for rule in subject.checked.rules:
        if rule.effect == "forbid" or rule.waivable:
            continue
        if subject.ask.covered(rule, forbids) and not subject.ask.never_holds(rule):
            alone = subject.ask.covering(rule, forbids)
            by = f"`{alone.id}` forbids" if alone else "one of several rules forbids"
            also = [Label(alone.node.name.span, "this forbid")] if alone else []
            yield warning(
                "PE403", rule.node.name.span, f"wherever `{rule.id}` holds, {by}",
                "it never counts: narrow the forbid, or leave the rule out", *also,
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE403", "shadowed-rule", "A rule that a stronger forbid always overrules.",
        "A forbid beats every permit of every gate. Where one holds whenever the permit does, the permit grants nothing.",
        WORDS + 'permit p: any when subject.tier == pro\nforbid f: any when subject.tier > free because "not paid plans"\n',
        WORDS + 'permit p: any when subject.tier == pro\nforbid f: any when subject.tier == free because "not the free plan"\n',
    ),
    find,
)  # fmt: skip
