"""Find masks under which a field is never shown, since more of it always is."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.masks import detail, field_and_mask
from policyengine.semantics.checked import CheckedRule
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each mask of a rule beside which other rules of its gate always show more."""
    for rule in subject.checked.rules:
        if rule.advisory or rule.waivable:
            continue
        for shown in _masked(rule):
            others = [other for other in subject.beside(rule) if _shows_more(other, rule, shown)]
            if not subject.ask.covered(rule, others) or subject.ask.never_holds(rule):
                continue
            alone = subject.ask.covering(rule, others)
            also = [Label(alone.node.name.span, "this rule")] if alone else []
            by = f"`{alone.id}` shows" if alone else "one of several rules shows"
            yield warning(
                "PE443", shown.span, f"wherever `{rule.id}` holds, {by} more of `{shown.field.name}`",
                "of a gate the mask that shows most counts: leave this one out, or narrow the other rule", *also,
            )  # fmt: skip


def _masked(rule: CheckedRule) -> Iterator[nodes.ShownField]:
    for clause in rule.node.clauses:
        if isinstance(clause, nodes.Fields):
            yield from (shown for shown in clause.fields or () if shown.mask is not None)


def _shows_more(other: CheckedRule, rule: CheckedRule, shown: nodes.ShownField) -> bool:
    """Whether *other* is in the same gate and shows more of the field, on every resource that both cover."""
    if other.advisory or other.gate != rule.gate or other.fields is None or shown.mask is None:
        return False
    least = detail(shown.mask.name)
    given = [
        dict(map(field_and_mask, fields))
        for t, fields in other.fields.items()
        if t in (rule.fields or ())
    ]
    name = shown.field.name
    return all(name in fields and detail(fields[name]) > least for fields in given)


RULE = LintRule(
    Code(
        "PE443", "mask-never-shown", "A mask under which the field is never shown.",
        "Of a gate the satisfied rule counts that shows most of a field. Where others that show more of the field hold "
        "whenever this one does, the mask protects nothing. Its author may believe that it limits the others; "
        "another field gate would.",
        WORDS + 'field gate view "?"\ngate view {\n    permit p: any when subject.status == active fields id\n'
        "    expose q: any when subject.status == active and subject.tier == pro fields id as pseudonym\n}\n",
        WORDS + 'field gate view "?"\ngate view {\n    permit p: any when subject.status == active fields id as pseudonym\n'
        "    expose q: any when subject.status == active and subject.tier == pro fields id\n}\n",
    ),
    find,
)  # fmt: skip
