"""Put generated tables into databases, and hold what a printed predicate selects there against its meaning."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from random import Random
from typing import Any, Final

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from policyengine.filters.predicates import (
    ROWS,
    NotPushable,
    Predicate,
    columns_of,
    negated,
    walk,
)
from policyengine.filters.sql_text import DIALECTS, sql_text
from policyengine.filters.sqlalchemy_printing import condition
from policyengine.filters.sqlalchemy_types import ExactDecimal, Instant
from policyengine.filters.stored_columns import Dialect
from tests.filters.generated_filters import PLAIN, Case, Field, Limits, Rows, cases, shrunk
from tests.filters.interpreter import Indexed, holds

Select = Callable[[Predicate], set[int]]
"""Gives the keys of the rows that a predicate selects."""

LIMITS: Final[dict[Dialect, Limits]] = {
    "sqlite": Limits(loose=True), "postgresql": Limits(nul=False, kinds=(*PLAIN, "ip")), "duckdb": Limits(),
}  # fmt: skip


def disagreements(made: Case, select: Select) -> list[str]:
    """Return what the database says otherwise than the interpreter, of the predicate and its negation."""
    return _differences(made, meant(made), select)


def meant(made: Case) -> set[int]:
    """Return the keys of the rows of which the predicate is true: of rows with the same values where it reads, one is asked."""
    tables, answers = Indexed(made.rows), dict[str, bool]()
    columns = (column for node in walk(made.predicate) for column in columns_of(node))
    read = sorted({column.name for column in columns if column.alias == ROWS})
    found = set()
    for row in made.rows[made.filtered.name]:
        values = repr([row[name] for name in read])
        answer = answers.get(values)
        if answer is None:
            answer = answers[values] = holds(made.predicate, row, tables)
        if answer:
            found.add(row["key"])
    return found


def _differences(made: Case, expected: set[int], select: Select) -> list[str]:
    others = {row["key"] for row in made.rows[made.filtered.name]} - expected
    found = []
    for predicate, keys in ((made.predicate, expected), (negated(made.predicate), others)):
        selected = select(predicate)
        if selected != keys:
            more, less = sorted(selected - keys)[:3], sorted(keys - selected)[:3]
            found.append(f"seed {made.seed}: {predicate}: selects {more}, and not {less}")
    return found


def hold(
    seed: int,
    limits: Limits,
    database: Callable[[Case], Any],
    *,
    draws: int = 1,
    texts: Sequence[str] = (),
    **options: Any,
) -> list[list[float]]:
    """Hold the tables of a seed for predicates that are drawn; what fails is made small first.

    *texts*: the forms of text in which the database is asked. Return for each form the seconds that it took to ask for
    each predicate, and its negation; `NotPushable` is raised if the database can say none.
    """
    drawn = [*islice(cases(seed, limits), draws)]
    forms = [{"text": text} for text in texts] or [{}]
    seconds: list[list[float]] = [[] for _ in forms]
    refused, failed = None, None
    with database(drawn[0], **options) as select:
        for made in drawn:
            expected = meant(made)
            for form, spent in zip(forms, seconds, strict=True):
                started = time.monotonic()
                try:
                    if _differences(made, expected, partial(select, **form)):
                        failed = made, form
                except NotPushable as problem:
                    refused = problem
                except (sa.exc.OperationalError, sqlite3.OperationalError) as problem:
                    _nested_too_deep(problem)
                else:
                    spent.append(time.monotonic() - started)
            if failed:
                break
    if failed:
        raise AssertionError(_made_small(*failed, database, options))
    if refused and not any(seconds):
        raise refused
    return seconds


def _made_small(
    failed: Case, form: dict[str, str], database: Callable[[Case], Any], options: dict[str, Any]
) -> str:
    def fails(made: Case) -> list[str]:
        try:
            with database(made, **options) as select:
                return disagreements(made, partial(select, **form))
        except NotPushable:
            return []
        except (sa.exc.OperationalError, sqlite3.OperationalError) as problem:
            return _nested_too_deep(problem)

    small = shrunk(failed, lambda one: bool(fails(one)))
    return "\n".join([*fails(small), str(small.rows)])


def _nested_too_deep(problem: Exception) -> list[str]:
    """Return nothing that differs where SQLite refuses a statement that is nested too deep for it."""
    if "parser stack overflow" in str(problem):
        return []
    raise problem


# ---- declaring --------------------------------------------------------------------------


class AnyText(sa.Text):
    """A column of SQLite that holds anything as it is, and should hold texts."""


class AnyNumber(sa.BigInteger):
    """A column of SQLite that holds anything as it is, and should hold numbers."""


@compiles(AnyText)
@compiles(AnyNumber)
def _no_affinity(*_: Any, **__: Any) -> str:
    return "BLOB"


_COLLATIONS: Final[dict[Dialect, tuple[str | None, ...]]] = {
    "sqlite": (None, None, "NOCASE", "RTRIM"),
    "postgresql": (None, None, "C", "insensitive"),
    "duckdb": (None, None, "NOCASE"),
}  # fmt: skip


def declared(made: Case, dialect: Dialect) -> dict[str, sa.Table]:
    """Return the tables of a case: with other collations and types by its seed."""
    random, metadata = Random(made.seed), sa.MetaData()
    instant = random.choice((Instant(), sa.DateTime(timezone=True)))
    decimal = random.choice((ExactDecimal(), sa.Numeric(18, 4)))

    def of(field: Field, loose: str) -> sa.types.TypeEngine[Any]:
        if field.name == loose:
            return AnyText() if field.kind == "text" else AnyNumber()
        collation = random.choice(_COLLATIONS[dialect])
        if dialect == "duckdb" and field.set_in:
            collation = None
        types = {
            "text": random.choice((sa.Text, sa.String, sa.Unicode))(collation=collation),
            "int": sa.BigInteger(),
            "bool": sa.Boolean(),
            "decimal": ExactDecimal() if dialect == "sqlite" else decimal,
            "instant": instant,
            "ip": INET(),
        }
        return in_set(types[field.kind], field.set_in)

    def in_set(of: sa.types.TypeEngine[Any], form: str) -> sa.types.TypeEngine[Any]:
        if form == "array":
            return sa.ARRAY(of)
        json = {"sqlite": sa.Text(), "postgresql": JSONB(), "duckdb": sa.JSON()}
        return json[dialect] if form else of

    return {
        table.name: sa.Table(
            table.name,
            metadata,
            *(sa.Column(field.name, of(field, table.loose)) for field in table.fields),
        )
        for table in made.tables
    }


# ---- databases --------------------------------------------------------------------------


@contextmanager
def sqlalchemy_database(made: Case, *, engine: sa.Engine) -> Iterator[Select]:
    """Put *made* into a database, which may be asked by a *text* of SQL as well: with `literals`, or with `values` apart."""
    dialect: Dialect = engine.dialect.name  # type: ignore[assignment]  # one of ours
    tables = declared(made, dialect)
    rows = tables[made.filtered.name]
    with engine.connect() as connection:
        metadata = rows.metadata
        metadata.create_all(connection)
        for name, table in tables.items():
            if made.rows[name]:
                connection.execute(sa.insert(table), in_form(table, made.rows[name]))

        def select(predicate: Predicate, text: str = "") -> set[int]:
            if not text:
                of = condition(predicate, rows, tables, dialect)
                return set(connection.scalars(sa.select(rows.c.key).where(of)))
            said = sql_text(predicate, rows, tables, dialect, literals=text == "literals")
            name = DIALECTS[dialect].identifier_preparer.format_table(rows)
            statement = f"SELECT key FROM {name} WHERE {said.text}"
            driver = connection.connection.driver_connection
            cursor = psycopg.RawCursor(driver) if dialect == "postgresql" else driver.cursor()
            cursor.execute(statement, *[said.values] * bool(said.values))
            return {key for (key,) in cursor}

        try:
            yield select
        finally:
            connection.rollback()  # which in PostgreSQL drops the tables
            metadata.drop_all(connection)


def in_form(table: sa.Table, rows: Rows) -> Rows:
    """Return rows as PostgreSQL takes them, to which JSON is no text."""
    json_ones = [column.name for column in table.c if isinstance(column.type, JSONB)]

    def parsed(text: str | None) -> Any:
        return sa.null() if text is None else json.loads(text)

    return [row | {name: parsed(row[name]) for name in json_ones} for row in rows]


@contextmanager
def duckdb_database(made: Case, *, connection: Any) -> Iterator[Select]:
    """Put *made* into DuckDB, and ask it by SQL."""
    tables, dialect = declared(made, "duckdb"), DIALECTS["duckdb"]
    rows = tables[made.filtered.name]
    connection.execute("BEGIN")
    for name, table in tables.items():
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        columns = {
            field.name: pa.array([row[field.name] for row in made.rows[name]], _arrow(field))
            for field in next(one for one in made.tables if one.name == name).fields
        }
        connection.register("arrow", pa.table(columns))
        connection.execute(
            f"INSERT INTO {dialect.identifier_preparer.format_table(table)} SELECT * FROM arrow"
        )

    def select(predicate: Predicate, text: str = "literals") -> set[int]:
        said = sql_text(predicate, rows, tables, "duckdb", literals=text == "literals")
        statement = (
            f"SELECT key FROM {dialect.identifier_preparer.format_table(rows)} WHERE {said.text}"
        )
        return {key for (key,) in connection.execute(statement, list(said.values)).fetchall()}

    try:
        yield select
    finally:
        connection.execute("ROLLBACK")


def _arrow(field: Field) -> pa.DataType:
    if field.set_in == "array":
        return pa.list_(_ARROW[field.kind])
    return pa.string() if field.set_in else _ARROW[field.kind]


_ARROW: Final = {
    "text": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "decimal": pa.decimal128(18, 4),
    "instant": pa.timestamp("us", "UTC"),
}  # fmt: skip
