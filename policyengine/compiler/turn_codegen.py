"""Write comparisons that note, as they are asked, when they turn as time goes by."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Final

from policyengine.compiler import ir
from policyengine.compiler.python_nodes import (
    attribute,
    call,
    compare,
    conjunction,
    disjunction,
    name,
)

TURNS: Final = "turns"
"""The list to which traced expressions add moments."""

COMPARISONS: Final[Mapping[ir.Relation | ir.Sign, type[ast.cmpop]]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE,
    "in": ast.In, "not in": ast.NotIn,
}  # fmt: skip

_NOW: Final = ir.Root("now")
_TURNED_ROUND: Final[Mapping[ir.Relation | ir.Sign, ir.Relation]] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip


def kept() -> ast.expr:
    """Return the call that notes that a value is another one at once; it is false."""
    return call("kept", name("now"), name(TURNS))


def watched(
    node: ir.Binary,
    left: ast.expr,
    right: ast.expr,
    grows: int | None,
    fresh: Callable[[str], str] | None,
) -> ast.expr:
    """Return a comparison of two numbers, *left* and *right*, that notes when it turns.

    *grows*: by how much the left one outgrows the right one each microsecond; None if that is not known. *fresh*: names
    a variable; None where a value cannot be kept.
    """
    op = node.op
    if node.left == _NOW and grows == 1:
        made = _crossed(op, node.right, right, fresh)
    elif node.right == _NOW and grows == -1:
        made = _crossed(_TURNED_ROUND.get(op, op), node.left, left, fresh)
    else:
        made = None
    if made is not None:
        return made
    noting = left, right, ast.Constant(grows), ast.Constant(op), name("now"), name(TURNS)
    return compare(call("watch", *noting), COMPARISONS[op](), ast.Constant(0))


def _crossed(
    op: ir.Relation | ir.Sign, moment: ir.Expr, bound: ast.expr, fresh: Callable[[str], str] | None
) -> ast.expr | None:
    """Return what `watch` does for the time and a *moment* that stays, in a fraction of its time; None if it must do it."""
    if op not in _TURNED_ROUND:
        return None
    again = bound
    if not ir.is_plain(moment):
        if fresh is None:
            return None
        variable = fresh("moment")
        bound, again = ast.NamedExpr(ast.Name(variable, ast.Store()), bound), name(variable)
    turn = again if op in ("<", ">=") else ast.BinOp(again, ast.Add(), ast.Constant(1))
    note = ast.Call(attribute(name(TURNS), "append"), [turn], [])
    asked = compare(name("now"), COMPARISONS[op](), bound)
    if op in ("<", "<="):
        return conjunction([asked, compare(note, ast.Is(), ast.Constant(None))])
    return disjunction([asked, compare(note, ast.IsNot(), ast.Constant(None))])
