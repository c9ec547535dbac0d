"""Find `within` over terms where `touches` is needed to keep something out."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.placed_conditions import Placed, asked_in
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import Schema, SetType, TaxonomyType
from policyengine.semantics.checked import Value
from policyengine.syntax import nodes

_IN_PART = (
    "what is within only in part",
    "`touches {…}` holds for any term in or around; `within` for all of them",
)
_VAGUER = (
    "a vaguer term, which may hide what is forbidden",
    "`touches` holds for any term in or around; `within` for those in it",
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `within` over terms that keeps out less than `touches` would.

    That is in a forbid, or in a permit that asks that it does not hold.
    """
    schema = subject.checked.schema
    for rule in subject.checked.rules:
        for asked in asked_in(rule):
            match asked.placed.expr:
                case nodes.Compare("within", left, right) as node if asked.wanted is (
                    rule.effect == "forbid"
                ):
                    found = _escapes(asked.placed.at(left), asked.placed.at(right), schema)
                    if found:
                        what, help = found
                        yield warning("PE412", node.span, f"`{rule.id}` lets through {what}", help)


def _escapes(left: Placed, right: Placed, schema: Schema) -> tuple[str, str] | None:
    """Describe what is let through where all within known terms is kept out, with advice.

    A single term is as precise as it can be where it labels what is stored; what a caller declares may be vaguer.
    """
    match right.binding:
        case Value(TaxonomyType() as taxonomy, str() as term):
            terms = {term}
        case Value(SetType(TaxonomyType() as taxonomy), frozenset() as some):
            terms = {str(term) for term in some}
        case _:
            return None
    if isinstance(left.typing.type_of(left.expr), SetType):
        return _IN_PART if any(len(taxonomy.below[term]) > 1 for term in terms) else None
    vaguer = any(taxonomy.above[term] - terms - {term} for term in terms)
    return _VAGUER if vaguer and left.is_declared(schema) else None


RULE = LintRule(
    Code(
        "PE412", "within-for-touches", "A `within` that keeps out less than `touches` would.",
        "`within` holds only if every element is there, so adding one harmless purpose escapes the forbid; and a declared `research` that may be the forbidden part of it is let through; so is a vaguer term than one that is forbidden, where a caller declares it. The same is so of a permit that asks that something is not within.",
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.uses within research because "no research"\n',
        WORDS + 'permit p: any when subject.status == active\nforbid f: any when subject.uses touches {research} because "no research"\n',
    ),
    find,
)  # fmt: skip
