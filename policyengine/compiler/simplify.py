"""Simplify expressions: the same meaning with less work. A tuple of functions, each one node deep.

A function gets a node whose parts are simplified already, and returns it or a simpler one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve

from policyengine.compiler import ir
from policyengine.compiler.lower import Duty, Part, Rule, Text
from policyengine.model.types import BOOL
from policyengine.model.values import ABSENT
from policyengine.runtime.operations import EXPORTED

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], object]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "+": operator.add, "-": operator.sub, "*": operator.mul,
    "in": lambda one, other: one in other, "not in": lambda one, other: one not in other,
}  # fmt: skip
_ARITHMETIC = ("+", "-", "*")
_OPPOSITE = {"==": "!=", "<": ">=", "<=": ">", "in": "not in"}
_OPPOSITE |= {other: one for one, other in _OPPOSITE.items()}

TRUE, FALSE = ir.Const(BOOL, True), ir.Const(BOOL, False)


def children(node: ir.Expr) -> tuple[ir.Expr, ...]:
    """Return the parts of *node*."""
    match node:
        case ir.Const() | ir.Root() | ir.Local() | ir.Above():
            return ()
        case ir.Id(part) | ir.Line(part) | ir.Slot(part) | ir.Present(part) | ir.Not(part):
            return (part,)
        case ir.Entity(_, part):
            return (part,)
        case ir.And(parts) | ir.Or(parts) | ir.MakeSet(parts):
            return parts
        case ir.Operation(_, parts) | ir.MakeRecord(_, parts):
            return parts
        case ir.Choice(condition, yes, no):
            return (condition, yes, no)
        case ir.Binary(_, left, right):
            return (left, right)
        case ir.Quantified(_, _, over, body):
            return (over, body)


def with_children(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
    """Return *node* with other parts."""
    match node:
        case ir.Const() | ir.Root() | ir.Local() | ir.Above():
            return node
        case ir.Id() | ir.Line() | ir.Slot():
            return evolve(node, object=parts[0])
        case ir.Present():
            return evolve(node, slot=parts[0]) if isinstance(parts[0], ir.Slot) else TRUE
        case ir.Not():
            return evolve(node, operand=parts[0])
        case ir.Entity():
            return evolve(node, id=parts[0])
        case ir.And() | ir.Or():
            return evolve(node, operands=parts)
        case ir.MakeSet():
            return evolve(node, items=parts)
        case ir.Operation():
            return evolve(node, arguments=parts)
        case ir.MakeRecord():
            return evolve(node, parts=parts)
        case ir.Choice():
            return evolve(node, condition=parts[0], yes=parts[1], no=parts[2])
        case ir.Binary():
            return evolve(node, left=parts[0], right=parts[1])
        case ir.Quantified():
            return evolve(node, over=parts[0], body=parts[1])


def simplify_rule(rule: Rule) -> Rule:
    """Simplify every expression of *rule*; the order and number of its conditions stay."""

    def part(written: Part) -> Part:
        return Part(written.type, simplify(written.expr))

    def text(written: Text | None) -> Text | None:
        if written is None:
            return None
        return Text(tuple(p if isinstance(p, str) else part(p) for p in written.parts))

    return evolve(
        rule,
        conditions=tuple(map(simplify, rule.conditions)),
        duties=tuple(
            Duty(duty.name, tuple((name, part(argument)) for name, argument in duty.arguments))
            for duty in rule.duties
        ),
        because=text(rule.because),
        otherwise=text(rule.otherwise),
        refer=text(rule.refer),
        sentences=tuple(made for made in map(text, rule.sentences) if made is not None),
    )


def simplify(node: ir.Expr) -> ir.Expr:
    """Return an expression with the same value for every request, and less to do."""
    made = with_children(node, tuple(map(simplify, children(node))))
    for rule in RULES:
        made = rule(made)
    return made


def fold_operators(node: ir.Expr) -> ir.Expr:
    """`1 + 2` is 3. What is absent is left alone: only a guard that is false leads there."""
    match node:
        case ir.Binary(op, ir.Const(type_, one), ir.Const(_, other)):
            if ABSENT not in (one, other):
                return ir.Const(type_ if op in _ARITHMETIC else BOOL, _OPERATORS[op](one, other))
        case ir.Operation(name, arguments):
            values = [a.value for a in arguments if isinstance(a, ir.Const)]
            if len(values) == len(arguments) and ABSENT not in values:
                return ir.Const(BOOL, EXPORTED[name](*values))
    return node


def fold_sets(node: ir.Expr) -> ir.Expr:
    """A set of constants is a constant."""
    match node:
        case ir.MakeSet(items) if all(isinstance(i, ir.Const) for i in items):
            values = frozenset(i.value for i in items if isinstance(i, ir.Const))
            return ir.Const(BOOL, values)
    return node


def fold_not(node: ir.Expr) -> ir.Expr:
    """`not a == b` is `a != b`; levels and numbers are ordered totally, sets are not."""
    match node:
        case ir.Not(ir.Const(type_, value)):
            return ir.Const(type_, not value)
        case ir.Not(ir.Not(inner)):
            return inner
        case ir.Not(ir.Binary(op, left, right, timed)) if op in _OPPOSITE:
            if op in ("==", "!=", "in", "not in") or timed:
                return ir.Binary(_OPPOSITE[op], left, right, timed)
    return node


def fold_and(node: ir.Expr) -> ir.Expr:
    """`a and true` is `a`; `a and false` is false; `a and (b and c)` is one conjunction."""
    if not isinstance(node, ir.And | ir.Or):
        return node
    neutral, ruling = (TRUE, FALSE) if isinstance(node, ir.And) else (FALSE, TRUE)
    kept: list[ir.Expr] = []
    for operand in node.operands:
        inner = operand.operands if isinstance(operand, type(node)) else (operand,)
        kept += [o for o in inner if o != neutral]
    if ruling in kept:
        kept = kept[: kept.index(ruling) + 1]
        if kept == [ruling]:
            return ruling
    if len(kept) <= 1:
        return kept[0] if kept else neutral
    return evolve(node, operands=tuple(kept))


def fold_choice(node: ir.Expr) -> ir.Expr:
    """`if true then a else b` is `a`."""
    match node:
        case ir.Choice(ir.Const(_, value), yes, no):
            return yes if value else no
    return node


RULES: tuple[Callable[[ir.Expr], ir.Expr], ...] = (
    fold_operators,
    fold_sets,
    fold_not,
    fold_and,
    fold_choice,
)
