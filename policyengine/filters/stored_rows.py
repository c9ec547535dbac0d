"""Read rows of a database as they are stored, so that what fits no type is seen and not converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct, field
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.types import NullType

from policyengine.filters.mapping import TableMapping, kinds_in
from policyengine.filters.predicates import Kind
from policyengine.filters.sqlalchemy_types import ExactDecimal, Instant

_MOST_KEPT: Final = 100_000
"""The answers of the database that are kept: of each, some rows."""

_WRITTEN: Final = 26
_FORM: Final = "%Y-%m-%d %H:%M:%S.%f"
"""The form of a moment in SQLite as SQLAlchemy writes it, and its length."""


class NotUtf8(bytes):
    """A text of SQLite that is none, since its bytes are not UTF-8."""


def text_of_sqlite(stored: bytes) -> str | NotUtf8:
    """Return a text of SQLite, which does not check that it is one."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return NotUtf8(stored)


class StoredRows(Struct):
    """The rows of the tables of a mapping, in one *connection*; *tables*: by name, of SQLAlchemy."""

    connection: Connection
    tables: Mapping[str, FromClause]
    kinds: Mapping[str, Mapping[str, Kind]]
    _found: dict[tuple[str, str, Any], list[dict[str, Any]]] = field(default_factory=dict)

    def find(self, table: str, column: str, value: Any) -> list[dict[str, Any]]:
        """Return the rows of *table* whose *column* is *value*, also in form."""
        key = table, column, (type(value), value)
        kept = self._found.get(key)
        if kept is None:
            of = _by_name(self.tables[table])
            found = self._read(table, self.all(table).where(of[column] == value))
            kept = [
                row for row in found if row[column] == value and type(row[column]) is type(value)
            ]
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[key] = kept
        return kept

    def draw(self, table: str, number: int) -> list[dict[str, Any]]:
        """Return so many rows of *table* at most, any."""
        return self._read(table, self.all(table).order_by(func.random()).limit(number))

    def all(self, table: str) -> Select[Any]:
        """Return the statement for the rows of *table*, with the columns of the mapping."""
        return select(*self.columns(table))

    def columns(self, table: str) -> list[ColumnElement[Any]]:
        """Return the columns of *table* that the mapping names, as they are stored."""
        of = _by_name(self.tables[table])
        columns: list[ColumnElement[Any]] = [of[name] for name in self.kinds[table]]
        if self.connection.dialect.name == "sqlite":
            columns = [type_coerce(column, NullType()) for column in columns]
        else:  # JSON as it is written, since its null would be NULL
            columns = [cast(c, Text) if isinstance(c.type, JSON) else c for c in columns]
        return [column.label(f"stored_{at}") for at, column in enumerate(columns)]

    def row(self, table: str, values: Sequence[Any]) -> dict[str, Any]:
        """Return a row by what is read of its columns."""
        kinds, of = self.kinds[table], _by_name(self.tables[table])
        named = zip(kinds, values, strict=True)
        if self.connection.dialect.name != "sqlite":
            return {
                name: _written(value) if kinds[name] == "ip" else value for name, value in named
            }
        return {name: self._of_sqlite(kinds[name], of[name].type, value) for name, value in named}

    def _read(self, table: str, statement: Select[Any]) -> list[dict[str, Any]]:
        return [self.row(table, row) for row in self.connection.execute(statement)]

    def _of_sqlite(self, kind: Kind, type_: Any, value: Any) -> Any:
        """Return the value of a column of SQLite, which may hold anything; as it is if it is not of its kind."""
        match kind, value:
            case "bool", 0 | 1 if type(value) is int:
                return bool(value)
            case "decimal" | "instant", int() if isinstance(type_, ExactDecimal | Instant):
                try:
                    return type_.process_result_value(value, self.connection.dialect)
                except (ArithmeticError, ValueError):
                    return value
            case "instant", str() if len(value) == _WRITTEN:
                try:
                    return datetime.strptime(value, _FORM).replace(tzinfo=UTC)
                except ValueError:
                    return value
            case _:
                return value


def _written(addresses: Any) -> Any:
    """Return addresses, which a driver may have made of them, as they are written in requests."""
    if isinstance(addresses, list):
        return [*map(_written, addresses)]
    return None if addresses is None else str(addresses)


def _by_name(table: FromClause) -> dict[str, ColumnElement[Any]]:
    """Return the columns of a table by their names in the database."""
    return {column.name: column for column in table.c}


def kinds_of(mapping: TableMapping) -> dict[str, dict[str, Kind]]:
    """Return the columns of each table of *mapping*, and the kind of each."""
    found: dict[str, dict[str, Kind]] = {}
    for table, name, kind in kinds_in(mapping):
        found.setdefault(table, {})[name] = kind
    return found
