"""Hold every printing on every engine against the meaning of predicates: `python -m tests.filters.exact_filters`.

Tables are generated, and rows, of which each is held for some generated predicates and their negations. The first
disagreement is made small, printed with the seed that gives it again (`--seed S --rows 1`), and ends the run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final, TypeAlias

import duckdb
import ibis
import sqlalchemy as sa
from attrs import define, evolve

from policyengine.filters.predicates import Kind, NotPushable
from tests.conftest import started_spark
from tests.filters.conftest import started_postgresql
from tests.filters.databases import LIMITS, duckdb_database, hold, sqlalchemy_database
from tests.filters.django_models import connections, django_database, use_postgresql
from tests.filters.generated_filters import Limits
from tests.filters.ibis_database import ibis_database

SIZES: Final = (40, 150, 500, 2_000, 7_300)
"""The rows of tables, in turn: among few rows, predicates may ask for all of them for each."""
LARGER: Final = (500, 2_000, 7_300, 20_000)
"""The rows of tables in Spark, which takes as long to plan a question of few rows as of many."""
_COMPARISONS: Final = 300_000
_DRAWS: Final = 4
"""The predicates that are drawn for a table; some more where an engine cannot say all of them."""

Holds: TypeAlias = Callable[[int, int], list[list[float]]]
"""Holds the tables of a seed with so many rows; returns the seconds for each predicate, by printings."""


def _holds(limits: Limits, database: Any, draws: int = _DRAWS, **options: Any) -> Holds:
    of = evolve(limits, comparisons=_COMPARISONS)
    return lambda seed, rows: hold(seed, evolve(of, rows=rows), database, draws=draws, **options)


_TEXTS: Final = {"SQLAlchemy": "", "SQL": "literals", "SQL with values apart": "values"}


@contextmanager
def _sqlite(printings: Sequence[str]) -> Iterator[Holds]:
    engine, texts = sa.create_engine("sqlite://"), [_TEXTS[printing] for printing in printings]
    yield _holds(LIMITS["sqlite"], sqlalchemy_database, engine=engine, texts=texts)
    engine.dispose()


@contextmanager
def _postgresql(printings: Sequence[str]) -> Iterator[Holds]:
    texts = [_TEXTS[printing] for printing in printings]
    with started_postgresql() as engine:
        yield _holds(LIMITS["postgresql"], sqlalchemy_database, engine=engine, texts=texts)


@contextmanager
def _duckdb(printings: Sequence[str]) -> Iterator[Holds]:
    texts = [_TEXTS[printing] for printing in printings]
    with duckdb.connect() as connection:
        yield _holds(LIMITS["duckdb"], duckdb_database, connection=connection, texts=texts)


@contextmanager
def _django(using: str) -> Iterator[Holds]:
    plain: tuple[Kind, ...] = ("text", "int", "bool", "instant")
    limits = Limits(odd_names=False, kinds=plain)
    collations: list[str | None] = [None, "NOCASE"]
    with started_postgresql() if using == "postgresql" else nullcontext() as engine:
        if engine is not None:
            use_postgresql(engine)
            limits = Limits(odd_names=False, nul=False)
            collations = [None, "insensitive", "C"]
        yield _holds(limits, django_database, using=using, collations=collations)
        connections[using].close()


@contextmanager
def _ibis(backend: str) -> Iterator[Holds]:
    limits = Limits(ancestors=False)
    if backend == "sqlite":
        limits = evolve(limits, kinds=("text", "int", "bool"))
    draws = _DRAWS + 2 if backend == "polars" else _DRAWS
    if backend != "postgres":
        connection = getattr(ibis, backend).connect()
        yield _holds(limits, ibis_database, draws, connection=connection)
        return
    with started_postgresql() as engine:
        url, limits = engine.url, evolve(limits, nul=False)
        connection = ibis.postgres.connect(
            user=url.username, host=url.query["host"], database=url.database
        )
        connection.con.autocommit = True
        yield _holds(limits, ibis_database, connection=connection)
        connection.disconnect()


@contextmanager
def _spark() -> Iterator[Holds]:
    with started_spark() as connection:
        yield on_spark(connection)


def on_spark(connection: Any) -> Holds:
    """Return what holds tables in a Spark that has been started."""
    limits = Limits(
        ancestors=False, odd_names=False, kinds=("text", "int", "decimal", "bool"), depth=2
    )
    return _holds(limits, ibis_database, _DRAWS + 1, connection=connection)


ENGINES: Final[tuple[tuple[str, Sequence[str], Any], ...]] = (
    ("SQLite", [*_TEXTS], _sqlite),
    ("DuckDB", ["SQL", "SQL with values apart"], _duckdb),
    ("PostgreSQL", [*_TEXTS], _postgresql),
    ("SQLite", ["Django"], lambda _: _django("default")),
    ("PostgreSQL", ["Django"], lambda _: _django("postgresql")),
    ("DuckDB", ["Ibis"], lambda _: _ibis("duckdb")),
    ("SQLite", ["Ibis"], lambda _: _ibis("sqlite")),
    ("PostgreSQL", ["Ibis"], lambda _: _ibis("postgres")),
    ("Polars", ["Ibis"], lambda _: _ibis("polars")),
    ("Spark", ["Ibis"], lambda _: _spark()),
)
"""The printings that are held on the same tables of an engine, and what opens it for them."""


@define
class Held:
    """What one printing was held for."""

    tables: int = 0
    rows: int = 0
    predicates: int = 0
    seconds: float = 0

    def add(self, rows: int, seconds: Sequence[float]) -> None:
        """Count a table for which the printing said some predicates."""
        if seconds:
            self.tables += 1
            self.rows += rows
            self.predicates += len(seconds)
            self.seconds += sum(seconds)

    def __str__(self) -> str:
        return (
            f"{self.rows:>10,} rows in {self.tables:,} tables, {self.predicates:,} predicates and their negations,"
            f" 0 disagreements ({self.seconds:,.0f} s)"
        )


def hold_engine(
    holds: Holds, printings: int, rows: int, seed: int = 0, sizes: Sequence[int] = SIZES
) -> list[Held]:
    """Hold tables of these sizes, in turn, until each printing was held for as many rows."""
    held = [Held() for _ in range(printings)]
    while min(one.rows for one in held) < rows:
        size = sizes[seed % len(sizes)]
        try:
            for one, seconds in zip(held, holds(seed, size), strict=True):
                one.add(size, seconds)
        except NotPushable:
            pass  # which the database is not asked
        except Exception as problem:
            problem.add_note(f"seed {seed}")
            raise
        seed += 1
    return held


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
    for engine, printings, opened in ENGINES:
        names = {f"{printing} on {engine}": printing for printing in printings}
        names = {name: printing for name, printing in names.items() if options.only in name}
        if not names:
            continue
        started = time.monotonic()
        try:
            with opened([*names.values()]) as holds:
                sizes = LARGER if engine == "Spark" else SIZES
                found = hold_engine(holds, len(names), options.rows, options.seed, sizes)
        except AssertionError as problem:
            sys.stdout.write(f"{', '.join(names)}: {problem}\n")
            return 1
        for name, held in zip(names, found, strict=True):
            sys.stdout.write(f"{name}: {held}\n")
        sys.stdout.write(f"  in {time.monotonic() - started:,.0f} s, with making and loading\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
