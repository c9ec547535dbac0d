"""Find forbids that say `within` where the terms below are let through."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.mentions import walk
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import SetType, TaxonomyType
from policyengine.semantics.checked import Value
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `within` over a term with terms below it, in a forbid."""
    for rule in subject.checked.rules:
        if rule.effect != "forbid":
            continue
        typing = next(iter(rule.typings.values()))
        for conjunct in rule.conjuncts:
            for node in walk(conjunct.expr):
                match node:
                    case nodes.Compare("within", left, right) if _has_children(
                        typing.binding_of(right)
                    ) and isinstance(typing.type_of(left), SetType):
                        yield warning(
                            "PE412", node.span,
                            f"`{rule.id}` lets through what lies within only in part",
                            "`touches` holds for any term in or around; `within` for all of them",
                        )  # fmt: skip


def _has_children(bound: object) -> bool:
    match bound:
        case Value(TaxonomyType() as type_, str() as term):
            return len(type_.below[term]) > 1
        case Value(SetType(TaxonomyType() as type_), frozenset() as terms):
            return any(len(type_.below[term]) > 1 for term in terms)
    return False


RULE = LintRule(
    Code(
        "PE412", "within-for-touches", "A forbid that says `within` where `touches` is meant.",
        "`within` holds only if every element lies there, so adding one harmless purpose escapes the forbid; and a declared `research` that may be the forbidden part of it is let through.",
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.uses within research because "no research"\n',
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.uses touches {research} because "no research"\n',
    ),
    find,
)  # fmt: skip
