"""Print predicates as SQL: the condition after `WHERE`, with its values as literals or apart.

A literal is written such that no setting of a server or a client changes it: what is not printable, and in
PostgreSQL a backslash and all beyond ASCII, is written by its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

try:
    import sqlalchemy
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from msgspec import Struct
from sqlalchemy import ARRAY, BigInteger, Boolean, MetaData, Select, Table, Text, select
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.dialects.postgresql.base import (
    PGCompiler,
    PGDialect,
    PGIdentifierPreparer,
)
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from policyengine.filters.predicates import (
    ROWS,
    SUBJECT,
    Ancestor,
    Column,
    Exists,
    HasMore,
    Kind,
    Part,
    Predicate,
    SetColumn,
    columns_of,
    walk,
)
from policyengine.filters.sqlalchemy_printing import condition, selectable
from policyengine.filters.sqlalchemy_types import ExactDecimal, Instant
from policyengine.filters.stored_columns import Dialect


class SqlText(Struct, frozen=True):
    """A condition of SQL. *text* has a `?` (SQLite) or `$1` for each of *values*, which may be none."""

    text: str
    values: tuple[Any, ...] = ()


def sql_text(
    predicate: Predicate,
    rows: Any,
    tables: MetaData | Mapping[str, Any],
    dialect: Dialect,
    *,
    literals: bool = True,
) -> SqlText:
    """Return *predicate* as what stands after `SELECT … FROM` its table and `WHERE`.

    Else as `condition`. *literals*: whether the text contains the values; else it is for a driver, which
    takes them apart.
    """
    target = DIALECTS[dialect]
    statement: Select[Any] = select(sqlalchemy.literal_column("1")).select_from(selectable(rows))
    before = f"{statement.compile(dialect=target)} \nWHERE "
    whole = statement.where(condition(predicate, rows, tables, dialect))
    if literals:
        compiled = whole.compile(dialect=target, compile_kwargs={"literal_binds": True})
        return SqlText(str(compiled).removeprefix(before))
    compiled = whole.compile(dialect=target)
    state = compiled.construct_expanded_state()
    processors = {**compiled._bind_processors, **state.processors}  # noqa: SLF001 - there is no other way
    values = (
        processors.get(name, _same)(value)
        for name, value in zip(state.positiontup or (), state.positional_parameters, strict=True)
    )
    return SqlText(state.statement.removeprefix(before), tuple(values))


def _same(value: Any) -> Any:
    return value


# ---- tables that are known by a predicate only ------------------------------------------

_TYPES: Final[dict[Kind, TypeEngine[Any]]] = {
    "text": Text(), "int": BigInteger(), "decimal": ExactDecimal(), "bool": Boolean(),
    "instant": Instant(), "ip": INET(), "json": JSONB(),
}  # fmt: skip


def tables_of(predicate: Predicate, rows: str, subject: str = "") -> dict[str, Table]:
    """Return the tables of which *predicate* speaks, by name, with the columns that it names.

    *rows*: the table whose rows are filtered. *subject*: that of the subject, if it is any. Values are stored in the
    type of their kind, which is in SQLite: moments as microseconds since 1970, decimals as ten-thousandths.
    """
    nodes = list(walk(predicate))
    of_alias = {ROWS: rows, **({SUBJECT: subject} if subject else {})} | {
        node.alias: node.table
        for node in nodes
        if isinstance(node, Exists | HasMore | Ancestor) and isinstance(node.table, str)
    }
    found: dict[str, dict[str, TypeEngine[Any]]] = {table: {} for table in of_alias.values()}
    for node in nodes:
        for column in columns_of(node):
            if column.alias in of_alias:
                found[of_alias[column.alias]][column.name] = _type_of(column)
    metadata = MetaData()
    return {
        table: Table(table, metadata, *map(sqlalchemy.Column, columns, columns.values()))
        for table, columns in found.items()
    }


def _type_of(column: Column) -> TypeEngine[Any]:
    if isinstance(column, SetColumn):
        return JSONB() if column.json else ARRAY(_TYPES[column.kind])
    if isinstance(column, Part):
        return JSONB()
    return _TYPES[column.kind]


# ---- literals ---------------------------------------------------------------------------


class _Literals(SQLCompiler):
    """Writes values by the characters of their dialect."""

    def render_literal_value(self, value: Any, type_: TypeEngine[Any]) -> str:
        process = type_.dialect_impl(self.dialect).bind_processor(self.dialect)
        return self.literal(process(value) if process else value)

    def literal(self, value: Any) -> str:
        match value:
            case bool():
                return "TRUE" if value else "FALSE"
            case int():
                least = -(2**63)  # whose digits alone are no 64-bit number
                return f"CAST('{value}' AS BIGINT)" if value == least else str(value)
            case Decimal():
                return format(value, "f")
            case datetime():
                return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(' ', 'microseconds')}'"
            case bytes():
                return f"X'{value.hex()}'"
            case str():
                return self.text(value)
            case list():
                return f"ARRAY[{', '.join(map(self.literal, value))}]"
            case _:
                raise TypeError(f"no literal is {type(value).__name__}")

    def text(self, value: str) -> str:
        raise NotImplementedError


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class _SQLiteLiterals(_Literals, SQLiteCompiler):
    def text(self, value: str) -> str:
        return _quoted(value) if value.isprintable() else f"CAST(X'{value.encode().hex()}' AS TEXT)"


class _PostgreSQLLiterals(_Literals, PGCompiler):
    def text(self, value: str) -> str:
        if value.isascii() and value.isprintable() and "\\" not in value:
            return _quoted(value)
        return "E" + _quoted("".join(map(_by_code, value)))


_FOUR_DIGITS: Final = 0xFFFF


def _by_code(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isascii() and character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _FOUR_DIGITS else f"\\U{code:08x}"


class _DuckDBLiterals(_Literals, PGCompiler):
    def text(self, value: str) -> str:
        if value.isprintable():
            return _quoted(value)
        codes = "".join(f"\\x{byte:02x}" for byte in value.encode())
        return f"decode(CAST('{codes}' AS BLOB))"


class _DuckDBNames(PGIdentifierPreparer):
    reserved_words = PGIdentifierPreparer.reserved_words | {
        "describe", "lambda", "pivot", "pivot_longer", "pivot_wider", "qualify", "show", "summarize",
        "unpivot",
    }  # fmt: skip


class _SQLite(SQLiteDialect):
    statement_compiler = _SQLiteLiterals
    supports_statement_cache = True


class _PostgreSQL(PGDialect):
    statement_compiler = _PostgreSQLLiterals
    supports_native_decimal = True
    supports_statement_cache = True


class _DuckDB(PGDialect):
    """DuckDB, which speaks almost as PostgreSQL does."""

    name = "duckdb"
    statement_compiler = _DuckDBLiterals
    preparer = _DuckDBNames
    supports_native_decimal = True
    supports_statement_cache = True


DIALECTS: Final[dict[Dialect, sqlalchemy.Dialect]] = {
    "sqlite": _SQLite(paramstyle="qmark"),
    "postgresql": _PostgreSQL(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]  # as its base is
    "duckdb": _DuckDB(paramstyle="numeric_dollar"),  # type: ignore[no-untyped-call]  # as its base is
}
