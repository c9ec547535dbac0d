"""Find what is SQL as text in a query of Django: nothing says which rows it reads."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final, cast

from django.db.models import Field, Q
from django.db.models.expressions import Combinable, CombinedExpression, RawSQL
from django.db.models.functions import Cast
from django.db.models.sql.where import ExtraWhere, WhereNode

_WORDS: Final = re.compile(r"\w*(\.\w+)*")
_TYPE: Final = re.compile(r'\w[\w ]*(\(\d+(, ?\d+)?\))?[\w ]*(\[\d*\])*( COLLATE "[\w.-]+")?')
_CONNECTORS: Final = {
    *(value for name, value in vars(Combinable).items() if name.isupper()),
    Q.AND,
    Q.OR,
    Q.XOR,
}
_TEXTS: Final = {"function", "template", "arg_joiner"}
_OWN: Final = {
    "__annotations__", "__doc__", "__init__", "__module__", "allow_distinct", "arity", "bilateral", "function", "identity",
    "lookup_name", "name", "output_field", "window_compatible",
}  # fmt: skip
"""What a class of the application may have, which is no SQL."""


def text_in(node: Any, connection: Any) -> str | None:
    """Return what in a part of a query is text that is printed as it is; None if nothing is."""
    kind = type(node)
    if isinstance(node, RawSQL | ExtraWhere) or not _is_said_by_django(cast("Hashable", kind)):
        return f"SQL of `{kind.__name__}`"
    if isinstance(node, CombinedExpression | WhereNode):
        return None if node.connector in _CONNECTORS else "an operator"
    if isinstance(node, Cast):
        type_ = node.output_field.cast_db_type(connection)
        if type_ is not None and not _TYPE.fullmatch(type_):
            return "a type"
    held = vars(node) if hasattr(node, "__dict__") else {}
    field = held.get("output_field")
    if isinstance(field, Field) and not hasattr(field, "model") and _prints(type(field)):
        return f"SQL of `{type(field).__name__}`"
    if any('"' in str(held.get(name)) for name in ("alias", "collation", "refs")):
        return "a name that is not quoted"
    given = dict(held.get("extra") or {})
    given |= {
        name: value
        for name, value in held.items()
        if name in _TEXTS or isinstance(getattr(kind, name, None), str)
    }
    for name, value in given.items():
        is_text = isinstance(value, str) and not _WORDS.fullmatch(value)
        if is_text and value != getattr(kind, name, None):
            return f"the text `{name}` of `{kind.__name__}`"
    return None


def _prints(kind: Any) -> bool:
    """Return whether a class of fields prints SQL in another way than Django's."""
    return any(
        not getattr(getattr(kind, name, None), "__module__", "django.").startswith("django.")
        for name in ("get_placeholder", "select_format", "db_type", "cast_db_type")
    )


@lru_cache(maxsize=1024)
def _is_said_by_django(kind: Any) -> bool:
    """Return whether a class adds no SQL to that of a class of Django's."""
    for class_ in kind.__mro__:
        if class_.__module__.startswith("django."):
            return True
        said = class_.__dict__.get("function") or ""
        if not class_.__dict__.keys() <= _OWN or not _WORDS.fullmatch(said):
            return False
    return False
