"""Make the nodes of Python's `ast` that generated code is full of."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Final


def name(variable: str) -> ast.Name:
    """Return a variable that is read."""
    return ast.Name(variable, ast.Load())


def call(function: str, *arguments: ast.expr) -> ast.Call:
    """Return a call of a function of that name."""
    return ast.Call(name(function), list(arguments), [])


def assign(variable: str, value: ast.expr) -> ast.stmt:
    """Return `variable = value`."""
    return ast.Assign([ast.Name(variable, ast.Store())], value)


def attribute(owner: ast.expr, attribute_name: str) -> ast.expr:
    """Return `owner.attribute_name`."""
    return ast.Attribute(owner, attribute_name, ast.Load())


def compare(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    """Return `left op right`."""
    return ast.Compare(left, [op], [right])


def negated(test: ast.expr) -> ast.expr:
    """Return `not test`, the short way where there is one."""
    match test:
        case ast.UnaryOp(ast.Not(), inner):
            return inner
        case ast.Compare(left, [ast.IsNot()], [right]):
            return compare(left, ast.Is(), right)
        case ast.Constant(bool(value)):
            return ast.Constant(not value)
        case _:
            return ast.UnaryOp(ast.Not(), test)


def conjunction(tests: Sequence[ast.expr]) -> ast.expr:
    """Return the `and` of *tests*, true if there are none."""
    if len(tests) == 1:
        return tests[0]
    return ast.BoolOp(ast.And(), list(tests)) if tests else ast.Constant(True)


def disjunction(tests: Sequence[ast.expr]) -> ast.expr:
    """Return the `or` of *tests*, false if there are none."""
    if len(tests) == 1:
        return tests[0]
    return ast.BoolOp(ast.Or(), list(tests)) if tests else ast.Constant(False)


_ON_LINES: Final = (ast.stmt, ast.expr, ast.arg, ast.excepthandler)
_NO_PARTS: Final = frozenset(
    {str, int, bool, type(None)}.union(
        *(
            kind.__subclasses__()
            for kind in (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
        )
    )
)
"""Most of what nodes have in them, which need not be looked at."""


def put_on_line(line: int, nodes: Iterable[ast.AST]) -> None:
    """Say of *nodes*, and of all inside them of which nothing is said yet, that they stand on *line*."""
    left = list(nodes)
    while left:
        node = left.pop()
        known = node.__dict__
        if "lineno" in known:
            continue
        for part in known.values():
            kind = type(part)
            if kind is list:
                left += part
            elif kind not in _NO_PARTS and isinstance(part, ast.AST):
                left.append(part)
        if isinstance(node, _ON_LINES):
            known["lineno"] = known["end_lineno"] = line
            known["col_offset"] = known["end_col_offset"] = 0
