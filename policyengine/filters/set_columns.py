"""Say how columns of SQLAlchemy hold sets: as arrays, or as arrays of JSON, whose elements are asked one by one."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
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
    column,
    func,
    literal_column,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from policyengine.filters.predicates import ELEMENT, Kind, NotPushable, SetColumn
from policyengine.filters.stored_columns import DATABASES, Dialect, Retyped, plain_type

_TYPES: Final[dict[Dialect, tuple[type, ...]]] = {
    "sqlite": (JSON, String), "postgresql": (JSONB,), "duckdb": (JSON,),
}  # fmt: skip
"""The types that hold JSON; PostgreSQL's `JSON` may hold texts that none of its texts are."""

_WHOLE: Final = "^-?(0|[1-9][0-9]{0,18})$"
_LEAST, _MOST = (Retyped(literal_column(str(end)), Numeric()) for end in (-(2**63), 2**63 - 1))


def set_column(of: ColumnElement[Any], said: SetColumn, dialect: Dialect) -> ColumnElement[Any]:
    """Return the column, NULL if it is a null of JSON; raises `NotPushable` where it does not hold sets exactly."""
    if said.json and isinstance(of.type, _TYPES[dialect]):
        text = Retyped(of, Text()) if dialect == "sqlite" else of
        is_null = _json_type(text, dialect) == ("NULL" if dialect == "duckdb" else "null")
        return Retyped(case((is_null, None), else_=text), text.type)
    if not said.json and isinstance(of.type, ARRAY) and dialect != "sqlite":
        plain_type(of.type.item_type, said.kind, dialect, str(of))
        return of
    wanted = "an array"
    if said.json:
        wanted = "JSONB" if dialect == "postgresql" else "JSON"
    elif dialect == "sqlite":
        wanted = "JSON, as SQLite has no arrays"
    raise NotPushable(
        str(of), (), DATABASES[dialect], f"{of.type!r} holds no set: it is to be {wanted}"
    )


def holds_set(of: ColumnElement[Any], said: SetColumn, dialect: Dialect) -> ColumnElement[bool]:
    """Return what is true if a column, as `set_column` gives it, holds a set, and else false or NULL."""
    if said.json:
        type_ = func.coalesce(_json_type(of, dialect), "")  # else what is no JSON were neither
        return type_ == ("ARRAY" if dialect == "duckdb" else "array")
    flat = func.coalesce(func.array_ndims(of), 1) == 1 if dialect == "postgresql" else true()
    return and_(of.is_not(None), flat)


def _json_type(of: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    """Return what a column holds; NULL if that is no JSON, which SQLite does not see to."""
    match dialect:
        case "postgresql":
            return func.jsonb_typeof(of)
        case "duckdb":
            return func.json_type(of)
        case "sqlite":
            whole = func.instr(of, func.char(0)) == 0  # it reads no further than to U+0000
            valid = and_(func.typeof(of) == "text", whole, func.json_valid(of) == 1)
            return case((valid, func.json_type(of)))


def elements(
    of: ColumnElement[Any], said: SetColumn, name: str, dialect: Dialect
) -> tuple[FromClause, ColumnElement[Any]]:
    """Return what lists the elements of a set under a name, and what an element is, NULL if not of the kind."""
    if not said.json:
        assert isinstance(of.type, ARRAY)
        item = plain_type(of.type.item_type, said.kind, dialect, str(of))
        array = func.unnest(of).table_valued(column(ELEMENT, item), name=name).render_derived()
        return array, array.c[ELEMENT]
    whole = case((holds_set(of, said, dialect), of))
    match dialect:
        case "sqlite":
            listed = func.json_each(whole).table_valued("value", "type", name=name)
            return listed, _of_sqlite(listed.c.value, listed.c.type, said.kind)
        case "postgresql":
            parts = func.jsonb_array_elements(whole)
            listed = parts.table_valued(column(ELEMENT, JSONB()), name=name).render_derived()
            return listed, _of_postgresql(listed.c[ELEMENT], said.kind)
        case "duckdb":
            parts = func.unnest(cast(whole, ARRAY(JSON())))
            listed = parts.table_valued(column(ELEMENT, JSON()), name=name).render_derived()
            return listed, _of_duckdb(listed.c[ELEMENT], said.kind)


def _of_sqlite(value: ColumnElement[Any], of: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
    match kind:
        case "text":
            return Retyped(case((of == "text", value)), Text())
        case "int":  # a number that is too large is none
            fits = and_(of == "integer", func.typeof(value) == "integer")
            return Retyped(case((fits, value)), BigInteger())
        case _:
            one, zero = (literal_column(digit, Integer()) for digit in "10")
            return Retyped(case((of == "true", one), (of == "false", zero)), Boolean())


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
