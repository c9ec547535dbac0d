"""Write `some` and `every` as functions with loops: in Python these are quicker than generators."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from policyengine.compiler import ir

_RESULTS: Final = {"some": True, "every": False}
"""What one element that decides makes of the whole."""


class Level(Struct, frozen=True, eq=False):
    """A loop: the variable, what it goes over, and the tests that an element must pass to be one."""

    target: ast.expr
    elements: ast.expr
    tests: Sequence[ast.expr] = ()


def loop_function(
    identifier: str,
    kind: ir.Quantifier,
    levels: Sequence[Level],
    body: ast.expr,
    known: Iterable[str],
) -> tuple[ast.FunctionDef, list[str]]:
    """Return a function of loops in one another, and the names of its parameters.

    These are those of *known*, the variables of the place where it is called, that it reads.
    """
    result = _RESULTS[kind]
    test = body if result else ast.UnaryOp(ast.Not(), body)
    inner: list[ast.stmt] = [ast.If(test, [ast.Return(ast.Constant(result))], [])]
    for level in reversed(levels):
        for only in reversed(level.tests):
            inner = [ast.If(only, inner, [])]
        inner = [ast.For(level.target, level.elements, inner, [], None)]
    statements = [*inner, ast.Return(ast.Constant(not result))]
    read = {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    parameters = [variable for variable in known if variable in read]
    arguments = ast.arguments([], [ast.arg(one) for one in parameters], None, [], [], None, [])
    says = ast.Expr(ast.Constant(f"Whether {kind} element satisfies it."))
    return ast.FunctionDef(identifier, arguments, [says, *statements], []), parameters
