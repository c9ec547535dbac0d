"""Say what is at a path of keys in a column of JSON, for SQLite, PostgreSQL and DuckDB.

SQLite does not see to it that a column holds JSON, and ends texts at U+0000: a text that is no JSON, or writes that
character, has no parts, in DuckDB neither, and PostgreSQL holds none. Keys are found by their texts, however they are
written. An object is a record if no key is in it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Numeric,
    String,
    Text,
    and_,
    case,
    cast,
    distinct,
    func,
    literal,
    literal_column,
    not_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from policyengine.filters.predicates import Kind
from policyengine.filters.stored_columns import Dialect, Retyped

JSON_TYPES: Final[dict[Dialect, tuple[type, ...]]] = {
    "sqlite": (JSON, String), "postgresql": (JSONB,), "duckdb": (JSON,),
}  # fmt: skip
"""The types that hold JSON; PostgreSQL's `JSON` may hold texts that none of its texts are."""

_WHOLE: Final = "^-?(0|[1-9][0-9]{0,18})$"
_LEAST, _MOST = (Retyped(literal_column(str(end)), Numeric()) for end in (-(2**63), 2**63 - 1))
_UNKNOWN: Final = "\ufffd"
"""What SQLite takes half a surrogate pair to be, and these three: U+FFFD, U+FFFE, U+FFFF."""


Path: TypeAlias = tuple[str, ...]
"""Keys of objects, one in another."""


class Element(Retyped):
    """An element that SQLite lists of a document: the text of an object, NULL if it is none."""

    inherit_cache = True


def present_at(of: ColumnElement[Any], path: Path, dialect: Dialect) -> ColumnElement[Any]:
    """Return what is NULL if nothing, or a null of JSON, is at the path in a column."""
    if path and dialect == "sqlite":
        return _in_sqlite(of, path, lambda _, type_: case((type_ != "null", type_)), Text())
    found = _at(of, path, dialect)
    is_null = _type(found, dialect) == ("NULL" if dialect == "duckdb" else "null")
    return Retyped(case((is_null, None), else_=found), found.type)


def value_at(
    of: ColumnElement[Any], path: Path, kind: Kind, dialect: Dialect
) -> ColumnElement[Any]:
    """Return the value at the path in a column, NULL if there is none of the kind."""
    if dialect != "sqlite":
        return value(_at(of, path, dialect), kind, dialect)
    return _in_sqlite(of, path, lambda value, type_: value_of_sqlite(value, type_, kind))


def is_record_at(of: ColumnElement[Any], path: Path, dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an object is at the path in a column, in which no key is twice."""
    if dialect == "sqlite":
        rows, parts = _listed(of, path)
        once = func.count(parts.key) == func.count(distinct(parts.key))
        is_object = func.coalesce(_type_in_sqlite(of, path), "") == "object"
        return and_(is_object, select(once).select_from(rows).scalar_subquery())
    found = _at(of, path, dialect)
    if dialect == "postgresql":  # which keeps the last
        return func.coalesce(func.jsonb_typeof(found), "") == "object"
    is_object = func.coalesce(_type(found, dialect), "") == "OBJECT"
    keys = func.json_keys(case((is_object, found)))
    return and_(is_object, func.len(keys) == func.list_unique(keys))


def is_array_at(of: ColumnElement[Any], path: Path, dialect: Dialect) -> ColumnElement[bool]:
    """Return whether an array is at the path in a column."""
    found = (
        _type_in_sqlite(of, path) if dialect == "sqlite" else _type(_at(of, path, dialect), dialect)
    )
    return func.coalesce(found, "") == ("ARRAY" if dialect == "duckdb" else "array")


def array_at(of: ColumnElement[Any], path: Path, dialect: Dialect) -> ColumnElement[Any]:
    """Return the array at the path in a column, NULL if there is none."""
    if path and dialect == "sqlite":
        return _in_sqlite(of, path, lambda value, type_: case((type_ == "array", value)), Text())
    return case((is_array_at(of, path, dialect), _at(of, path, dialect)))


def _at(of: ColumnElement[Any], path: Path, dialect: Dialect) -> ColumnElement[Any]:
    """Return what is at the path in a column, NULL if nothing is; in SQLite there is no path."""
    if dialect == "sqlite":
        return Retyped(of, Text())
    if not path:
        return of
    if dialect == "postgresql":
        for key in path:
            of = func.jsonb_object_field(of, cast(literal(key), Text), type_=JSONB())
        return of
    of = case((_has_no_nul(cast(of, Text)), of))
    for key in path:
        if key.isdigit():  # which would be a place in an array
            of = case((func.json_type(of) == "OBJECT", of))
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        of = func.json_extract(of, literal(pointer), type_=JSON())
    return of


# ---- SQLite -----------------------------------------------------------------------------


def _in_sqlite(
    of: ColumnElement[Any],
    path: Path,
    make: Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[Any]],
    type_: TypeEngine[Any] | None = None,
) -> ColumnElement[Any]:
    """Return what is made of the value and of the type of what is at the path, NULL if nothing is."""
    *before, last = path
    rows, parts = _listed(of, before)
    made = make(parts.value, parts.type)
    found = select(made).select_from(rows).where(parts.key == literal(last, Text())).limit(1)
    return Retyped(found.scalar_subquery(), type_ or made.type)


def _type_in_sqlite(of: ColumnElement[Any], path: Path) -> ColumnElement[Any]:
    if not path:
        return case((of.is_not(None), "object")) if isinstance(of, Element) else _type(of, "sqlite")
    return _in_sqlite(of, path, lambda _, type_: type_, Text())


def _listed(of: ColumnElement[Any], path: Sequence[str]) -> tuple[FromClause, Any]:
    """Return what lists the parts of the object at a path, none if there is no object, and their columns."""
    whole = of if isinstance(of, Element) else case((_type(of, "sqlite") == "object", of))
    rows: FromClause = _each(whole)
    parts = rows.c
    for key in path:
        inner = _each(case((parts.type == "object", parts.value)))
        rows = rows.join(inner, parts.key == literal(key, Text()))
        parts = inner.c
    return rows, parts


def _each(of: ColumnElement[Any]) -> Any:
    return func.json_each(of).table_valued("key", "value", "type")


# ---- values -----------------------------------------------------------------------------


def value(of: ColumnElement[Any], kind: Kind, dialect: Dialect) -> ColumnElement[Any]:
    """Return the value that JSON is, NULL if it is not of the kind; SQLite has others."""
    return _of_duckdb(of, kind) if dialect == "duckdb" else _of_postgresql(of, kind)


def value_of_sqlite(
    value: ColumnElement[Any], of: ColumnElement[Any], kind: Kind
) -> ColumnElement[Any]:
    """Return the value that SQLite lists, NULL if it is not of the kind."""
    match kind:
        case "text":
            return Retyped(case((and_(of == "text", not_(_has_half_a_pair(value))), value)), Text())
        case "int":  # a number that is too large is none
            fits = and_(of == "integer", func.typeof(value) == "integer")
            return Retyped(case((fits, value)), BigInteger())
        case _:
            one, zero = (literal_column(digit, Integer()) for digit in "10")
            return Retyped(case((of == "true", one), (of == "false", zero)), Boolean())


def _has_half_a_pair(text: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a text of SQLite has half a surrogate pair, which JSON may write and UTF-8 does not."""
    rest = text
    for character in (_UNKNOWN, "\ufffe", "\uffff"):
        rest = func.replace(rest, literal(character, Text()), "")
    return rest.op("GLOB", is_comparison=True)(literal(f"*{_UNKNOWN}*", Text()))


def _of_postgresql(value: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
    of, text = func.jsonb_typeof(value), cast(value, Text)
    match kind:
        case "text":
            unquoted = value.op("#>>")(literal_column("'{}'"))
            return Retyped(case((of == "string", unquoted)), Text())
        case "int":
            is_whole = and_(of == "number", text.op("~")(_WHOLE))
            return _of_64_bits(case((is_whole, cast(text, Numeric()))))
        case _:
            return Retyped(case((of == "boolean", text == "true")), Boolean())


def _of_duckdb(value: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
    of = func.json_type(value)
    match kind:
        case "text":
            unquoted = value.op("->>")(literal_column("'$'"))
            return Retyped(case((of == "VARCHAR", unquoted)), Text())
        case "int":
            whole = of.in_(["BIGINT", "UBIGINT"])
            return _of_64_bits(case((whole, cast(cast(value, Text), Numeric(38, 0)))))
        case _:
            return Retyped(case((of == "BOOLEAN", cast(value, Text) == "true")), Boolean())


def _of_64_bits(number: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((number.between(_LEAST, _MOST), cast(number, BigInteger)))


# ---- types ------------------------------------------------------------------------------


def _type(of: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    """Return of which type of JSON a column is; NULL if of none."""
    match dialect:
        case "postgresql":
            return func.jsonb_typeof(of)
        case "duckdb":
            return case((_has_no_nul(cast(of, Text)), func.json_type(of)))
        case "sqlite":
            whole = func.instr(of, func.char(0)) == 0  # it reads no further than to U+0000
            valid = and_(
                func.typeof(of) == "text", whole, func.json_valid(of) == 1, _has_no_nul(of)
            )
            return case((valid, func.json_type(of)))


def _has_no_nul(text: ColumnElement[Any]) -> ColumnElement[bool]:
    r"""Return whether JSON writes no U+0000: `\u0000`, where the backslash is not the second of two."""
    plain = func.replace(text, literal("\\\\", Text()), "")
    return func.instr(plain, literal("\\u0000", Text())) == 0
