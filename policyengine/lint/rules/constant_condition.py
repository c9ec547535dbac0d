"""Find conditions that are always true or always false where they are evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules import trivial_level_comparison, trivial_path_test
from policyengine.lint.rules.trivial_level_comparison import MIRRORED
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_OF_THEIR_OWN = (trivial_level_comparison, trivial_path_test)
"""The rules that say it better."""


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each operand with one value; none for a rule that never holds."""
    for rule in subject.checked.rules:
        constant = subject.ask.constant_operands(rule)
        twice = {again.span: first for again, first in _written_twice(rule)}
        if not (constant or twice) or subject.ask.never_holds(rule):
            continue
        typing = next(iter(rule.typings.values()))
        branches = {id(branch) for branch in _written_branches(rule)}
        for expr, value in constant:
            if expr.span in twice or id(expr) in branches:
                continue
            if not any(rule.is_trivial(expr, typing) for rule in _OF_THEIR_OWN):
                yield warning(
                    "PE402", expr.span,
                    f"this is always {str(value).lower()} where `{rule.id}` asks it",
                    "leave it out, or say what was meant",
                )  # fmt: skip
        inside = {id(part) for expr, _ in constant for part in walk(expr) if part is not expr}
        for again, first in _written_twice(rule):
            if id(again) not in inside:
                yield warning(
                    "PE402", again.span, "this is written twice, so it decides nothing here",
                    "leave it out, or write what was meant in its place", Label(first.span, "the first"),
                )  # fmt: skip


def _written_branches(rule: CheckedRule) -> Iterator[nodes.Expr]:
    """Give the branches of `if` that are `true` or `false`: they are what is meant there."""
    for node, _ in walk_conditions(rule):
        if isinstance(node, nodes.If):
            yield from (one for one in (node.yes, node.no) if isinstance(one, nodes.Literal))


def _written_twice(rule: CheckedRule) -> Iterator[tuple[nodes.Expr, nodes.Expr]]:
    """Give operands of `and` and `or` that stand beside the same one, each with the first of them.

    They are found where nothing can be tried out, too.
    """
    yield from _repeated(
        c.expr if c.wanted else nodes.Not(c.expr, span=c.expr.span) for c in rule.conjuncts
    )
    for node, _ in walk_conditions(rule):
        if isinstance(node, nodes.And | nodes.Or):
            yield from _repeated(node.operands)


def _repeated(operands: Iterable[nodes.Expr]) -> Iterator[tuple[nodes.Expr, nodes.Expr]]:
    seen: list[nodes.Expr] = []
    for operand in operands:
        first = next((one for one in seen if operand in (one, _turned(one))), None)
        if first is None:
            seen.append(operand)
        else:
            yield operand, first


def _turned(expr: nodes.Expr) -> nodes.Expr:
    """Return a comparison with its sides exchanged; what is none, as it is."""
    match expr:
        case nodes.Compare("==" | "!=" as op, left, right):
            return nodes.Compare(op, right, left)
        case nodes.Compare(op, left, right) if op in MIRRORED:
            return nodes.Compare(MIRRORED[op], right, left)
    return expr


RULE = LintRule(
    Code(
        "PE402", "constant-condition", "A condition that is always true or always false.",
        "Given the types, the levels, and what was asked before it in the same rule, it has one value only, so it decides nothing. Often a part of it is about the wrong attribute, or is written twice.",
        WORDS + "permit p: any when subject.tier == pro and subject.tier != free\n",
        WORDS + "permit p: any when subject.tier == pro and subject.status == active\n",
    ),
    find,
)  # fmt: skip
