"""Make Python statements from templates: texts of ours, in which names stand for what is filled in.

A template is parsed once. Author text is only ever filled in, as a node, and never parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from policyengine.concurrency import ForkSafeLock

Body: TypeAlias = list[ast.stmt]
Parts: TypeAlias = Mapping[str, ast.expr | str]
_Make: TypeAlias = Callable[[Parts], Any]

_parsing: Final = ForkSafeLock()
"""Python counts in one place for all threads how deep it is in making a tree, and fails if they meet."""


def filled(template: str, **parts: ast.expr | str) -> Body:
    """Return the statements of *template*, with *parts* where their names stand."""
    return [make(parts) for make in _makers(template)]


@lru_cache(maxsize=256)
def _makers(template: str) -> list[_Make]:
    """Return what makes each statement of *template*."""
    with _parsing.lock:
        body = ast.parse(template).body
    return [_maker(statement) for statement in body]


def _maker(node: Any) -> _Make:
    """Return what makes a copy of *node* with the parts in it; what names nothing is not copied.

    Parts are expressions in the place of their names, and names in the place of others.
    """
    match node:
        case list():
            items = [_maker(one) for one in node]
            return lambda parts: [make(parts) for make in items]
        case ast.Name(id=id_, ctx=context):

            def make_name(parts: Parts) -> Any:
                part = parts.get(id_, id_)
                return ast.Name(part, context) if type(part) is str else part

            return make_name
        case ast.AST() if any(isinstance(inner, ast.Name) for inner in ast.walk(node)):
            type_, fields = type(node), [_maker(getattr(node, field)) for field in node._fields]
            return lambda parts: type_(*[make(parts) for make in fields])
        case _:
            return lambda _: node


def expression(template: str, **parts: ast.expr | str) -> ast.expr:
    """Return the expression of *template*, filled in the same way."""
    [statement] = filled(template, **parts)
    assert isinstance(statement, ast.Expr)
    return statement.value
