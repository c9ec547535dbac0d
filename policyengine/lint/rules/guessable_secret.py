"""Find private values that a caller could find out part by part."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.placed_conditions import Placed, asked_in
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import Primitive, Schema, SetType
from policyengine.semantics.demand import private_reads
from policyengine.syntax import nodes

_OF_TEXTS: tuple[nodes.Comparison, ...] = ("startswith", "endswith", "contains", "within")
_OF_SETS: tuple[nodes.Comparison, ...] = ("overlaps", "subset", "touches", "within")
_ORDERED: tuple[nodes.Comparison, ...] = ("<", "<=", ">", ">=")


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each private value that is compared in part with what the caller sends."""
    schema = subject.checked.schema
    for rule in subject.checked.rules:
        for asked in asked_in(rule):
            match asked.placed.expr:
                case nodes.Compare(op, left, right):
                    sides = asked.placed.at(left), asked.placed.at(right)
                case _:
                    continue
            found = _found(op, sides[0])
            if found and any(
                _is_private(a, schema) and b.is_chosen(schema) for a, b in (sides, sides[::-1])
            ):
                what, how, help = found
                yield warning(
                    "PE433", asked.placed.expr.span,
                    f"by `{rule.id}` a caller can find a private {what} {how}", help,
                )  # fmt: skip


def _found(op: nodes.Comparison, left: Placed) -> tuple[str, str, str] | None:
    """Say what a comparison reveals in part, how, and what to do; None if it reveals nothing but the whole."""
    whole = "compare the whole of it with `==`, or leave the comparison to the service"
    match left.typing.type_of(left.expr):
        case Primitive("string") if op in _OF_TEXTS:
            return "string", "letter by letter", whole
        case Primitive("path") if op in _OF_TEXTS:
            return "path", "segment by segment", whole
        case Primitive("ip") if op in _OF_TEXTS:
            return "address", "bit by bit", whole
        case SetType() if op in _OF_SETS:
            return "set", "element by element", "leave the comparison to the service"
        case Primitive(name) if op in _ORDERED:
            return name, "by halving", "leave the comparison to the service"
    return None


def _is_private(side: Placed, schema: Schema) -> bool:
    side = side.lowered or side
    return any(True for _ in private_reads(side.expr, side.typing, schema))


RULE = LintRule(
    Code(
        "PE433", "guessable-secret", "A private value that a caller can find out part by part.",
        "A caller that may send any beginning, end or part learns from each answer whether it is right, and so finds the whole in a few hundred requests: of a path by its segments, of a set by its elements, of a number by halving what is left.",
        WORDS + 'entity Vault { code: private string }\naction open by App on Vault with { code: string }\npermit o: open when context.code != "" and resource.code startswith context.code otherwise "another code"\npermit q: read when subject.status == active\n',
        WORDS + 'entity Vault { code: private string }\naction open by App on Vault with { code: string }\npermit o: open when resource.code == context.code otherwise "another code"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
