"""Hold every printing on every engine against the meaning of predicates: `python -m tests.filters.exact_filters`.

Each row is held for a generated predicate and its negation, tables and rows being generated, too. The first
disagreement is made small, printed with the seed that gives it again (`--seed S --rows 100`), and ends the run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import duckdb
import sqlalchemy as sa
from attrs import evolve

from tests.filters.conftest import started_postgresql
from tests.filters.databases import LIMITS, duckdb_database, hold, sqlalchemy_database
from tests.filters.generated_filters import Limits

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
            for seed in range(options.seed, options.seed + cases):
                try:
                    holds(seed)
                except AssertionError as problem:
                    sys.stdout.write(f"{name}: {problem}\n")
                    return 1
        took = time.monotonic() - started
        sys.stdout.write(f"{cases * ROWS:>10,} rows, 0 disagreements: {name} ({took:,.0f} s)\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
