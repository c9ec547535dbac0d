"""Find permits that other permits of their gate make superfluous."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.duplicate_rule import duplicates
from policyengine.lint.rules.laxer_limit import laxer_limits
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each permit without which every decision would be the same.

    The last permit is tried first, and a superfluous one covers no other: all may be removed together.
    """
    gone = {id(strict) for strict, _, _ in laxer_limits(subject)}
    gone |= {id(rule) for rule, _ in duplicates(subject)}
    for rule in sorted(subject.checked.rules, key=_place, reverse=True):
        if rule.effect != "permit" or rule.waivable or rule.advisory or id(rule) in gone:
            continue
        if subject.ask.leaves_open():
            continue
        others = [
            other
            for other in subject.beside(rule)
            if other is not rule and id(other) not in gone and _gives_as_much(other, rule)
        ]
        if subject.ask.covered(rule, others) and not subject.ask.never_holds(rule):
            gone.add(id(rule))
            alone = subject.ask.covering(rule, others)
            also = [Label(alone.node.name.span, "this permit")] if alone else []
            which = f"`{alone.id}`" if alone else "one of several permits of its gate"
            yield warning(
                "PE404", rule.node.name.span, f"wherever `{rule.id}` holds, {which} does",
                "it grants nothing of its own: leave it out, or narrow the other", *also,
            )  # fmt: skip


def _gives_as_much(one: CheckedRule, other: CheckedRule) -> bool:
    """Whether *one* is in the same gate and grants what *other* does, with the same obligations."""
    return (
        one.effect == "permit" and not one.advisory and one.gate == other.gate
        and one.fields == other.fields and one.obligations == other.obligations
    )  # fmt: skip


def _place(rule: CheckedRule) -> tuple[str, int]:
    return rule.node.span.file, rule.node.span.start


RULE = LintRule(
    Code(
        "PE404", "superfluous-permit", "A permit that another permit of its gate makes superfluous.",
        "Whenever it holds another one does, which exposes and owes the same: it could be left out and every decision would stay. Its author may believe that it limits something; permits never do.",
        WORDS + "permit p: any when subject.tier == pro\npermit q: any when subject.tier == pro and subject.status == active\n",
        WORDS + "permit p: any when subject.tier == pro\npermit q: any when subject.tier == basic and subject.status == active\n",
    ),
    find,
)  # fmt: skip
