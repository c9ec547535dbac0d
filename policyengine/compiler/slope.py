"""Work out by how much the value of an expression grows as time goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from policyengine.compiler import ir


def slope(node: ir.Expr, slopes: Mapping[str, int | None]) -> int | None:
    """Return by how much the value of *node* grows each microsecond; None if that is not known.

    A condition has slope 0: what it depends on is watched where it is compared.
    """

    def of(part: ir.Expr) -> int | None:
        return slope(part, slopes)

    match node:
        case ir.Root(identifier):
            return 1 if identifier == "now" else 0
        case ir.Local(identifier):
            return slopes[identifier]
        case ir.Let(names, values, body):
            inner = {identifier: of(v) for identifier, v in zip(names, values, strict=True)}
            return slope(body, {**slopes, **inner})
        case ir.Binary(op, left, right):
            one, other = of(left), of(right)
            match op:
                case "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in":
                    return 0
                case _ if one is None or other is None:
                    return None
                case "+":
                    return one + other
                case "-":
                    return one - other
                case "*":
                    return _product(left, right, one, other)
                case _:
                    assert_never(op)
        case ir.Choice(_, yes, no):
            one, other = of(yes), of(no)
            return one if one == other else None
        case ir.MakeSet(_, parts) | ir.MakeRecord(_, parts):
            return 0 if all(of(part) == 0 for part in parts) else None
        case ir.Slot(part) | ir.Entity(_, part):
            return 0 if of(part) == 0 else None
        case _:
            return 0


def _product(left: ir.Expr, right: ir.Expr, one: int, other: int) -> int | None:
    """Return the slope of a product of values with the slopes *one* and *other*."""
    match left, right:
        case _ if one == 0 == other:
            return 0
        case ir.Const(_, int(factor)), _:
            return factor * other
        case _, ir.Const(_, int(factor)):
            return factor * one
        case _:
            return None
