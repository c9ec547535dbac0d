"""Say how columns of SQLAlchemy hold values of a kind and are compared exactly, or that they cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    TypeDecorator,
    and_,
    any_,
    bindparam,
    cast,
    collate,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import CIDR, INET
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.types import CHAR, TypeEngine

from policyengine.filters.addresses import without_mapped, written
from policyengine.filters.predicates import Kind, NotPushable, Scalar
from policyengine.filters.sqlalchemy_types import PLACES, ExactDecimal, Instant

Dialect: TypeAlias = Literal["sqlite", "postgresql", "duckdb"]

DATABASES: Final[dict[Dialect, str]] = {
    "sqlite": "SQLite", "postgresql": "PostgreSQL", "duckdb": "DuckDB",
}  # fmt: skip

_COLLATIONS: Final[dict[Dialect, str]] = {
    "sqlite": "BINARY", "postgresql": "default", "duckdb": "C",
}  # fmt: skip
"""The collation that tells all texts apart, whatever that of the column: PostgreSQL's default does, and indexes have it."""

_MANY: Final = 500  # values, beyond which they are one parameter
_SQLITE: Final = SQLiteDialect()
_MOST: Final = Decimal("99999999999999.9999")
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_TWO: Final = "[0-9][0-9]"
_UTC_LENGTH: Final = 26
_UTC_TEXT: Final = f"{_TWO}{_TWO}-{_TWO}-{_TWO} {_TWO}:{_TWO}:{_TWO}.{_TWO}{_TWO}{_TWO}"


class Retyped(Grouping[Any]):
    """An expression with another type. SQLAlchemy's `type_coerce` is not adapted to aliases once it was compiled."""

    inherit_cache = True

    def __init__(self, element: ColumnElement[Any], of: TypeEngine[Any]) -> None:
        super().__init__(element)
        self.type = of


@compiles(Retyped)
def _compile(element: Retyped, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.element, **options)


def stored(column: ColumnElement[Any], kind: Kind, dialect: Dialect) -> ColumnElement[Any]:
    """Return the column with a type of our choice, which holds values of *kind* as the column does.

    So that no type of the user's changes how it is compared. Raises `NotPushable` where the column
    does not hold them exactly.
    """
    return Retyped(column, plain_type(column.type, kind, dialect, str(column)))


def plain_type(of: TypeEngine[Any], kind: Kind, dialect: Dialect, name: str) -> TypeEngine[Any]:
    """Return the type to which that of a column is reduced; raises `NotPushable` as `stored` does."""
    holds = DATABASES[dialect]
    of = demand_unchanged(of, dialect, name)
    while isinstance(of, TypeDecorator) and not isinstance(of, (ExactDecimal, Instant)):
        of = demand_unchanged(of.impl_instance, dialect, name)
    plain, reason = _PLAIN[kind](of, dialect)
    if plain is None:
        raise NotPushable(name, (), holds, reason or f"{of!r} does not hold the kind {kind}")
    return plain


def demand_unchanged(of: TypeEngine[Any], dialect: Dialect, name: str) -> TypeEngine[Any]:
    """Return the type that a column has in a database.

    Raises `NotPushable` if it is of the user's and stores or reads values otherwise than a type of SQLAlchemy.
    """
    of = of._variant_mapping.get(dialect, of)  # noqa: SLF001 - what `with_variant` gave
    for class_ in type(of).__mro__:
        if not class_.__module__.startswith(_KNOWN) and not _CHANGES.isdisjoint(vars(class_)):
            reason = f"{of!r} changes values on the way to the database, or from it"
            raise NotPushable(name, (), DATABASES[dialect], reason)
    return of


_KNOWN: Final = ("sqlalchemy.", ExactDecimal.__module__)
_CHANGES: Final = frozenset({
    "bind_expression", "bind_processor", "column_expression", "dialect_impl", "literal_processor", "load_dialect_impl",
    "process_bind_param", "process_literal_param", "process_result_value", "result_processor",
})  # fmt: skip
"""The methods by which a type stores and reads values."""

_Plain: TypeAlias = tuple[TypeEngine[Any] | None, str]
"""The type to which one is reduced, or why there is none."""


def _text(of: TypeEngine[Any], dialect: Dialect) -> _Plain:
    if isinstance(of, CHAR) and dialect != "sqlite":
        return None, "CHAR adds spaces at the end: declare it as VARCHAR or TEXT"
    return Text() if isinstance(of, String) else None, ""


def _int(of: TypeEngine[Any], _: Dialect) -> _Plain:
    return BigInteger() if isinstance(of, Integer) else None, ""


def _bool(of: TypeEngine[Any], _: Dialect) -> _Plain:
    return Boolean() if isinstance(of, Boolean) else None, ""


def _decimal(of: TypeEngine[Any], dialect: Dialect) -> _Plain:
    if isinstance(of, ExactDecimal):
        return of, ""
    if dialect == "sqlite":
        return None, "SQLite stores it as a floating-point number: declare it as `ExactDecimal`"
    if isinstance(of, Numeric) and not isinstance(of, Float):
        return Numeric(of.precision, of.scale), ""
    return None, ""


def _instant(of: TypeEngine[Any], _: Dialect) -> _Plain:
    if isinstance(of, Instant):
        return of, ""
    if isinstance(of, DateTime) and not of.timezone:
        return None, "it has no time zone: declare it with `timezone=True`, or as `Instant`"
    return DateTime(timezone=True) if isinstance(of, DateTime) else None, ""


def _ip(of: TypeEngine[Any], dialect: Dialect) -> _Plain:
    if dialect != "postgresql":
        return None, "it has no type for addresses"
    return INET() if isinstance(of, INET | CIDR) else None, ""


_PLAIN: Final = {
    "text": _text, "int": _int, "bool": _bool, "decimal": _decimal, "instant": _instant, "ip": _ip,
}  # fmt: skip


def exact(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    """Return a stored column such that it equals only what is the same by code points, or the same address."""
    if isinstance(column.type, INET):
        return without_mapped(column)
    if not isinstance(column.type, Text):
        return column
    # In PostgreSQL an enumeration, or an extension's type, compares in a way of its own.
    text = cast(column, Text) if dialect == "postgresql" else column
    return collate(text, _COLLATIONS[dialect])


def moved(
    column: ColumnElement[Any], months: tuple[int, ...], microseconds: int, dialect: Dialect
) -> ColumnElement[Any]:
    """Return the moment that is so much later than that of a stored column."""
    if dialect != "postgresql":
        raise NotPushable(str(column), (), DATABASES[dialect], "it is not asked to add to times")
    made = column
    utc: ColumnElement[Any] = literal_column("'UTC'")
    for some in months:  # by the calendar of UTC, whatever the time zone of the session is
        interval: ColumnElement[Any] = literal_column(f"INTERVAL '{some} months'")
        made = func.timezone(utc, func.timezone(utc, made).op("+")(interval))
    if microseconds:  # which no clock change makes longer
        made = made.op("+")(literal_column(f"INTERVAL '{microseconds} microseconds'"))
    return Retyped(made, column.type)


def is_among(
    column: ColumnElement[Any], values: Sequence[Scalar], dialect: Dialect
) -> ColumnElement[bool]:
    """Return whether a stored column equals one of *values*, of which there may be more than parameters."""
    if isinstance(column.type, INET):
        return column.in_([one for value in values for one in written(value)])
    compared = exact(column, dialect)
    if dialect == "postgresql" and len(values) > _MANY:
        return compared == any_(literal(values, ARRAY(column.type)))
    if dialect == "sqlite" and len(values) > _MANY:
        process = column.type.dialect_impl(_SQLITE).bind_processor(_SQLITE) or (lambda value: value)
        # A text of JSON ends at U+0000 for SQLite.
        whole: list[Any] = []
        rest: list[Any] = []
        for value in map(process, values):
            (rest if isinstance(value, str) and "\0" in value else whole).append(value)
        listed = func.json_each(json.dumps(whole, ensure_ascii=False)).table_valued("value")
        return or_(compared.in_(select(listed.c.value)), _is_one_of(compared, rest, column.type))
    return _is_one_of(compared, values, column.type)


def _is_one_of(
    compared: ColumnElement[Any], values: Sequence[Any], of: TypeEngine[Any]
) -> ColumnElement[bool]:
    if not values:
        return false()
    return compared.in_(bindparam(None, values, of, unique=True, expanding=True))


def fits(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[bool]:
    """Return whether a stored column, which is not NULL, holds a value of its kind."""
    of = column.type
    within: list[ColumnElement[bool]] = []
    if isinstance(of, (ExactDecimal, Numeric)):  # NaN is more than all numbers
        within.append(column.between(literal(-_MOST, of), literal(_MOST, of)))
    if isinstance(of, Numeric) and (of.scale is None or of.scale > PLACES):
        within.append(column == func.round(column, PLACES))
    if isinstance(of, (Instant, DateTime)):  # infinity is later than all
        within.append(column.between(literal(_EARLIEST, of), literal(_LATEST, of)))
    if isinstance(of, INET):
        within.append(column == cast(func.network(column), INET))
    if dialect != "sqlite":
        return and_(true(), *within)
    match of:
        case Text():
            return func.typeof(column) == "text"
        case Boolean():
            within = [Retyped(column, Integer()).in_([0, 1])]
        case DateTime():
            return and_(func.typeof(column) == "text", _is_written_moment(column))
    return and_(func.typeof(column) == "integer", *within)


def _is_written_moment(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a text of SQLite is a moment as SQLAlchemy writes it: `2026-11-01 12:00:00.000000`."""
    text = Retyped(column, Text())
    second = func.substr(text, 1, 19)
    return and_(
        func.length(cast(text, LargeBinary)) == _UTC_LENGTH,
        text.op("GLOB", is_comparison=True)(_UTC_TEXT),
        second >= "0001",
        func.strftime("%Y-%m-%d %H:%M:%S", second) == second,
    )
