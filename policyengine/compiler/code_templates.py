"""Make Python statements from templates: texts of ours, in which names stand for what is filled in.

A template is parsed once. Author text is only ever filled in, as a node, and never parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from policyengine.concurrency import ForkSafeLock

Body: TypeAlias = list[ast.stmt]

_parsing: Final = ForkSafeLock()
"""Python counts in one place for all threads how deep it is in making a tree, and fails if they meet."""


@lru_cache(maxsize=256)
def _parsed(template: str) -> Body:
    with _parsing.lock:
        return ast.parse(template).body


def filled(template: str, **parts: ast.expr | str) -> Body:
    """Return the statements of *template*, with *parts* where their names stand."""
    body: Body = _copied(_parsed(template), parts)
    return body


def _copied(node: Any, parts: Mapping[str, ast.expr | str]) -> Any:
    """Return a copy of *node* with expressions where their names stand, and names in the place of others."""
    match node:
        case list():
            return [_copied(one, parts) for one in node]
        case ast.Name(id=id_, ctx=context):
            part = parts.get(id_, id_)
            return ast.Name(part, context) if isinstance(part, str) else part
        case ast.AST():
            return type(node)(*[_copied(getattr(node, field), parts) for field in node._fields])
        case _:
            return node


def expression(template: str, **parts: ast.expr | str) -> ast.expr:
    """Return the expression of *template*, filled in the same way."""
    [statement] = filled(template, **parts)
    assert isinstance(statement, ast.Expr)
    return statement.value
