"""Say how columns of SQLAlchemy hold sets, as arrays or in JSON, whose elements are asked one by one, and records in JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from policyengine.filters.json_columns import (
    JSON_TYPES,
    Element,
    array_at,
    is_array_at,
    value,
    value_of_sqlite,
)
from policyengine.filters.predicates import ELEMENT, Column, NotPushable, Part, SetColumn
from policyengine.filters.stored_columns import DATABASES, Dialect, demand_unchanged, plain_type


def raw_column(of: ColumnElement[Any], said: Column, dialect: Dialect) -> ColumnElement[Any]:
    """Return the column that holds a set or JSON; raises `NotPushable` where it does not do so exactly."""
    is_set = isinstance(said, SetColumn)
    demand_unchanged(of.type, dialect, str(of))
    if not isinstance(said, SetColumn) or said.json:
        if not isinstance(of.type, JSON_TYPES[dialect]):
            wanted = "JSONB" if dialect == "postgresql" else "JSON"
            raise _holds_no("set" if is_set else "record", of, dialect, wanted)
    elif isinstance(of.type, ARRAY) and dialect != "sqlite":
        plain_type(of.type.item_type, said.kind, dialect, str(of))
    else:
        wanted = "JSON, as SQLite has no arrays" if dialect == "sqlite" else "an array"
        raise _holds_no("set", of, dialect, wanted)
    return of


def _holds_no(what: str, of: ColumnElement[Any], dialect: Dialect, wanted: str) -> NotPushable:
    said = f"{of.type!r} holds no {what}: it is to be {wanted}"
    return NotPushable(str(of), (), DATABASES[dialect], said)


def path_of(said: Column) -> tuple[str, ...]:
    """Return the keys that lead to what is in JSON."""
    return said.path if isinstance(said, Part | SetColumn) else ()


def holds_set(of: ColumnElement[Any], said: SetColumn, dialect: Dialect) -> ColumnElement[bool]:
    """Return what is true if a column holds a set, and else false or NULL."""
    if said.json:
        return is_array_at(of, said.path, dialect)
    flat = func.coalesce(func.array_ndims(of), 1) == 1 if dialect == "postgresql" else true()
    return and_(of.is_not(None), flat)


def elements(
    of: ColumnElement[Any], said: SetColumn, name: str, dialect: Dialect
) -> tuple[FromClause, ColumnElement[Any]]:
    """Return what lists the elements of a set under a name, and what an element is, NULL if not of the kind."""
    if not said.json:
        assert isinstance(of.type, ARRAY)
        item = plain_type(of.type.item_type, said.kind, dialect, str(of))
        array = func.unnest(of).table_valued(column(ELEMENT, item), name=name).render_derived()
        return array, array.c[ELEMENT]
    whole = array_at(of, said.path, dialect)
    if dialect == "sqlite":
        each = func.json_each(whole).table_valued("value", "type", name=name)
        if said.kind == "json":
            return each, Element(case((each.c.type == "object", each.c.value)), Text())
        return each, value_of_sqlite(each.c.value, each.c.type, said.kind)
    type_: TypeEngine[Any] = JSON() if dialect == "duckdb" else JSONB()
    parts = (
        func.unnest(cast(whole, ARRAY(JSON())))
        if dialect == "duckdb"
        else func.jsonb_array_elements(whole)
    )
    listed = parts.table_valued(column(ELEMENT, type_), name=name).render_derived()
    element = listed.c[ELEMENT]
    return listed, element if said.kind == "json" else value(element, said.kind, dialect)
