"""Find forbids with `within` that let the terms below through."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import SetType, TaxonomyType, Type
from policyengine.semantics.checked import Value
from policyengine.syntax import nodes

_HELP = "`touches` holds for any term in or around; `within` for all of them"


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `within` over terms in a forbid where `touches` would catch more."""
    for rule in subject.checked.rules:
        if rule.effect != "forbid":
            continue
        for node, types in walk_conditions(rule):
            match node:
                case nodes.Compare("within", left, right):
                    escapes = _escapes(types.type_of(left), types.binding_of(right))
                case _:
                    continue
            if escapes:
                yield warning("PE412", node.span, f"`{rule.id}` lets through {escapes}", _HELP)


def _escapes(type_: Type, bound: object) -> str:
    """Describe what a forbid of everything within known terms lets through; empty if nothing."""
    match bound:
        case Value(TaxonomyType() as taxonomy, str() as term):
            terms = {term}
        case Value(SetType(TaxonomyType() as taxonomy), frozenset() as some):
            terms = {str(term) for term in some}
        case _:
            return ""
    if isinstance(type_, SetType) and any(len(taxonomy.below[term]) > 1 for term in terms):
        return "what is within only in part"
    if not isinstance(type_, SetType) and any(
        taxonomy.above[term] - terms - {term} for term in terms
    ):
        return "a vaguer term, which may hide what is forbidden"
    return ""


RULE = LintRule(
    Code(
        "PE412", "within-for-touches", "A forbid that says `within` where `touches` is meant.",
        "`within` holds only if every element is there, so adding one harmless purpose escapes the forbid; and a declared `research` that may be the forbidden part of it is let through. Of a single term, a vaguer one is.",
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.uses within research because "no research"\n',
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.uses touches {research} because "no research"\n',
    ),
    find,
)  # fmt: skip
