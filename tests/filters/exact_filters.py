"""Hold every printing on every engine against the meaning of predicates: `python -m tests.filters.exact_filters`.

Each row is held for a generated predicate and its negation, tables and rows being generated, too. The first
disagreement is made small, printed with the seed that gives it again (`--seed S --rows 100`), and ends the run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final, TypeAlias

import duckdb
import ibis
import sqlalchemy as sa
from attrs import evolve

from policyengine.filters.predicates import Kind, NotPushable
from tests.filters.conftest import started_postgresql
from tests.filters.databases import LIMITS, duckdb_database, hold, sqlalchemy_database
from tests.filters.django_models import connections, django_database, use_postgresql
from tests.filters.generated_filters import Limits
from tests.filters.ibis_database import ibis_database

ROWS: Final = 100
"""The rows of one case."""

Holds: TypeAlias = Callable[[int], None]
"""Holds the case of a seed."""


@contextmanager
def _sqlite(text: str) -> Iterator[Holds]:
    engine = sa.create_engine("sqlite://")
    yield lambda seed: hold(seed, _many("sqlite"), sqlalchemy_database, engine=engine, text=text)
    engine.dispose()


@contextmanager
def _postgresql(text: str) -> Iterator[Holds]:
    with started_postgresql() as engine:
        limits = _many("postgresql")
        yield lambda seed: hold(seed, limits, sqlalchemy_database, engine=engine, text=text)


@contextmanager
def _duckdb(text: str) -> Iterator[Holds]:
    with duckdb.connect() as connection:
        limits = _many("duckdb")
        yield lambda seed: hold(seed, limits, duckdb_database, connection=connection, text=text)


@contextmanager
def _django(using: str) -> Iterator[Holds]:
    plain: tuple[Kind, ...] = ("text", "int", "bool", "instant")
    limits = Limits(rows=ROWS, odd_names=False, kinds=plain)
    collations: list[str | None] = [None, "NOCASE"]
    with started_postgresql() if using == "postgresql" else nullcontext() as engine:
        if engine is not None:
            use_postgresql(engine)
            limits = Limits(rows=ROWS, odd_names=False, nul=False)
            collations = [None, "insensitive", "C"]
        yield lambda seed: hold(seed, limits, django_database, using=using, collations=collations)
        connections[using].close()


@contextmanager
def _ibis(backend: str) -> Iterator[Holds]:
    limits = Limits(rows=ROWS, ancestors=False)
    if backend == "sqlite":
        limits = evolve(limits, kinds=("text", "int", "bool"))
    if backend != "postgres":
        connection = getattr(ibis, backend).connect()
        yield lambda seed: hold(seed, limits, ibis_database, connection=connection)
        return
    with started_postgresql() as engine:
        url, limits = engine.url, evolve(limits, nul=False)
        connection = ibis.postgres.connect(
            user=url.username, host=url.query["host"], database=url.database
        )
        connection.con.autocommit = True
        yield lambda seed: hold(seed, limits, ibis_database, connection=connection)
        connection.disconnect()


def _many(dialect: Any) -> Limits:
    return evolve(LIMITS[dialect], rows=ROWS)


PRINTINGS: Final[dict[str, Any]] = {
    "SQLAlchemy on SQLite": lambda: _sqlite(""),
    "SQLAlchemy on PostgreSQL": lambda: _postgresql(""),
    "SQL on SQLite": lambda: _sqlite("literals"),
    "SQL on PostgreSQL": lambda: _postgresql("literals"),
    "SQL on DuckDB": lambda: _duckdb("literals"),
    "SQL with values apart on SQLite": lambda: _sqlite("values"),
    "SQL with values apart on PostgreSQL": lambda: _postgresql("values"),
    "SQL with values apart on DuckDB": lambda: _duckdb("values"),
    "Django on SQLite": lambda: _django("default"),
    "Django on PostgreSQL": lambda: _django("postgresql"),
    "Ibis on DuckDB": lambda: _ibis("duckdb"),
    "Ibis on SQLite": lambda: _ibis("sqlite"),
    "Ibis on Polars": lambda: _ibis("polars"),
    "Ibis on PostgreSQL": lambda: _ibis("postgres"),
}


def main() -> int:
    """Hold as many rows as asked of each printing; return 1 if one says otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.filters.exact_filters", description=__doc__
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of each printing on each engine"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="printings whose name contains this")
    options = parser.parse_args()
    for name, printing in PRINTINGS.items():
        if options.only not in name:
            continue
        started, cases = time.monotonic(), -(-options.rows // ROWS)
        with printing() as holds:
            held, seed = 0, options.seed
            while held < cases:
                try:
                    holds(seed)
                    held += 1
                except NotPushable:
                    pass  # which the database is not asked
                except AssertionError as problem:
                    sys.stdout.write(f"{name}: {problem}\n")
                    return 1
                seed += 1
        took = time.monotonic() - started
        sys.stdout.write(f"{cases * ROWS:>10,} rows, 0 disagreements: {name} ({took:,.0f} s)\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
