"""Encode and decode values of rare types, in a module of its own, since its imports take long.

Records, their classes, absence and addresses are constants of some rules; nodes of Python are the
generated modules of targets with many rules.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from policyengine.model.records import Record, record_class, slot
from policyengine.model.schedules import Schedule
from policyengine.model.values import ABSENT, Ip

_PYTHON: Final[Mapping[type, str]] = {
    class_: f"python {class_.__name__}"
    for class_ in (
        ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign,
        ast.If, ast.For, ast.Expr, ast.BoolOp, ast.NamedExpr, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp,
        ast.Compare, ast.Call, ast.Constant, ast.Attribute, ast.Subscript, ast.Name, ast.Tuple,
        ast.GeneratorExp, ast.comprehension, ast.Load, ast.Store, ast.And, ast.Or, ast.Not,
        ast.USub, ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.Eq, ast.NotEq, ast.Lt,
        ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn,
    )
}  # fmt: skip
"""The nodes of which generated modules consist: no import, no class, no exception."""


def encoded_parts(value: Any) -> tuple[str, Iterable[object]] | None:
    """Return the kind and the parts of *value*, None if it is of no type here."""
    class_ = type(value)
    if class_ in _PYTHON:
        return _node_parts(value)
    if value is ABSENT:
        return "absent", ()
    if class_ is Ip:
        return "Ip", value
    if class_ is Schedule:
        return "Schedule", (value.text, value.zone, value.intervals)
    if isinstance(value, Record):
        type_ = class_.record_type
        return "record", (type_, *[getattr(value, slot(a.name)) for a in type_.attributes])
    if isinstance(value, type) and issubclass(value, Record):
        return "record class", (value.record_type,)
    return None


def _node_parts(node: ast.AST) -> tuple[str, list[object]]:
    """Return the kind of a Python node, and its fields up to the last that is set, and its line, if any.

    Which are set depends on the version of Python: some set optional ones to an empty list.
    """
    fields = node._fields
    while fields and fields[-1] not in node.__dict__:
        fields = fields[:-1]
    parts = [getattr(node, field, None) for field in fields]
    if "lineno" in node.__dict__:
        return f"{_PYTHON[type(node)]} at", [*parts, node.__dict__["lineno"]]
    return _PYTHON[type(node)], parts


def _at_line(class_: type[ast.AST]) -> Callable[..., object]:
    def make(*parts: Any) -> ast.AST:
        node: Any = class_(*parts[:-1])
        node.lineno = node.end_lineno = parts[-1]
        node.col_offset = node.end_col_offset = 0
        return node  # type: ignore[no-any-return]  # a node, by its class

    return make


MAKERS: Final[Mapping[str, Callable[..., object]]] = {
    "absent": lambda: ABSENT,
    "Ip": Ip,
    "Schedule": Schedule,
    "record": lambda type_, *parts: record_class(type_)(*parts),
    "record class": record_class,
    **{name: class_ for class_, name in _PYTHON.items()},
    **{f"{name} at": _at_line(class_) for class_, name in _PYTHON.items()},
}
"""The functions that make a value of each kind from its parts."""
