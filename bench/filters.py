"""Compare filters with SQL written by hand for the same rows: `python -m bench.filters sqlite --rows 100000`.

Both are run in turn, and the least CPU time of each counts. PostgreSQL is started in a folder of its own.
Beyond a million, rows are copies of a million, in the same folders.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from policyengine.filters.predicates import (
    ROWS,
    Ancestor,
    Column,
    Compare,
    Exists,
    IsOfKind,
    Matches,
    Not,
    Parameter,
    Predicate,
    both,
    either,
    one_of,
)
from policyengine.filters.sql_text import DIALECTS, sql_text
from policyengine.filters.stored_columns import Dialect

Rows: TypeAlias = dict[str, list[tuple[Any, ...]]]
Run: TypeAlias = Callable[[str], Callable[[], Any]]
"""Fetches what a statement selects, with as little done here as a driver allows; the ids are made when asked for."""
Clock: TypeAlias = Callable[[], float]
"""Gives the seconds of CPU that a database has had."""

_METADATA: Final = sa.MetaData()
_DOC: Final = sa.Table(
    "doc", _METADATA,
    sa.Column("id", sa.BigInteger), sa.Column("tenant", sa.Text), sa.Column("status", sa.Text),
    sa.Column("owner", sa.Text), sa.Column("level", sa.BigInteger), sa.Column("secret", sa.Boolean),
    sa.Column("folder", sa.Text), sa.Column("path", sa.Text),
)  # fmt: skip
_FOLDER: Final = sa.Table(
    "folder", _METADATA,
    sa.Column("id", sa.Text), sa.Column("parent", sa.Text), sa.Column("owner", sa.Text),
)  # fmt: skip
_TAG: Final = sa.Table(
    "tag", _METADATA, sa.Column("doc", sa.BigInteger), sa.Column("name", sa.Text)
)
_INDEXES: Final = (
    "doc(id)", "doc(tenant)", "doc(folder)", "doc(path{})", "tag(doc, name)", "folder(id)",
    "folder(owner)", "folder(parent)",
)  # fmt: skip


_MADE: Final = 1_000_000
"""The documents that are made; of more, the database makes copies."""


def _copies(count: int) -> Iterator[str]:
    """Give the statements that make the further documents."""
    for first in range(_MADE, count, _MADE):
        others = "tenant, status, owner, level, secret, folder, path"
        made = f"id < {min(_MADE, count - first)}"
        yield f"INSERT INTO doc SELECT id + {first}, {others} FROM doc WHERE {made}"  # noqa: S608 - ours
        made = made.replace("id", "doc")
        yield f"INSERT INTO tag SELECT doc + {first}, name FROM tag WHERE {made}"  # noqa: S608 - ours


def _rows(count: int) -> Rows:
    """Return as many documents, and a million at most, in a tenth of nested folders, and a tag for each on the average."""
    count = min(count, _MADE)
    random, folders = Random(1), count // 10
    pick = random.choice
    return {
        "doc": [
            (
                key, f"t{random.randrange(100)}", pick(("draft", "open", "closed")),
                pick((None, f"u{random.randrange(1000)}")), pick((None, 0, 1, 2, 3, 4)),
                pick((True, False, None)), f"f{random.randrange(folders)}",
                f"/a/{random.randrange(100)}/{key}",
            )
            for key in range(count)
        ],
        "folder": [
            (f"f{key}", f"f{key // 5}" if key >= 5 else None, f"u{random.randrange(folders // 20)}")
            for key in range(folders)
        ],
        "tag": [(random.randrange(count), f"tag{random.randrange(50)}") for _ in range(count)],
    }  # fmt: skip


def _is(name: str, value: str, alias: str = ROWS) -> Compare:
    return Compare("==", Column(alias, name, "text"), Parameter(value, "text"))


_FOLDER_OF_ROW: Final = Column(ROWS, "folder", "text")
_FOLDER_ID: Final = Column("f", "id", "text")
_TAGGED: Final = Exists(
    "tag", "t", ((Column("t", "doc", "int"), Column(ROWS, "id", "int")),), _is("name", "tag3", "t")
)
_LOW: Final = Compare("<=", Column(ROWS, "level", "int"), Parameter(2, "int"))
_TAGGED_BY_HAND: Final = "exists (select 1 from tag where tag.doc = doc.id and tag.name = 'tag3')"
_NESTED_BY_HAND: Final = (
    "folder in (with recursive d(id) as (select id from folder where owner = 'u5' union"
    " select f.id from folder f join d on f.parent = d.id) select id from d)"
)
_OWNERS: Final = [f"u{number}" for number in range(200)]

QUESTIONS: Final[dict[str, tuple[Predicate, str]]] = {
    "one tenant, some states": (
        both([IsOfKind(Column(ROWS, "tenant", "text")), _is("tenant", "t7"), one_of(Column(ROWS, "status", "text"), ["open", "closed"])]),
        "tenant = 't7' and status in ('open', 'closed')",
    ),
    "mine, or of a low level": (
        both([_is("tenant", "t7"), either([_is("owner", "u5"), _LOW])]),
        "tenant = 't7' and (owner = 'u5' or level <= 2)",
    ),
    "not secret": (
        Not(Compare("==", Column(ROWS, "secret", "bool"), Parameter(True, "bool"))),
        "secret is not true",
    ),
    "no draft, not mine": (
        both([Not(_is("status", "draft")), Not(_is("owner", "u5"))]),
        "status <> 'draft' and (owner is null or owner <> 'u5')",
    ),
    "with a tag": (_TAGGED, _TAGGED_BY_HAND),
    "without a tag": (Not(_TAGGED), f"not {_TAGGED_BY_HAND}"),
    "owner of the folder": (
        Exists("folder", "f", ((_FOLDER_ID, _FOLDER_OF_ROW),), _is("owner", "u5", "f")),
        "exists (select 1 from folder where folder.id = doc.folder and folder.owner = 'u5')",
    ),
    "below a path": (Matches(Column(ROWS, "path", "text"), ("/a/77/", "")), "path {} '/a/77/{}'"),
    "nested folders": (
        Ancestor("folder", "f", _FOLDER_OF_ROW, _FOLDER_ID, Column("f", "parent", "text"), _is("owner", "u5", "f")),
        _NESTED_BY_HAND,
    ),
    "one of 200 owners": (
        one_of(Column(ROWS, "owner", "text"), _OWNERS),
        "owner in ({})".format(", ".join(f"'{owner}'" for owner in _OWNERS)),
    ),
}  # fmt: skip


@contextmanager
def _sqlite(rows: Rows, count: int) -> Iterator[tuple[Run, Clock]]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        _fill(connection, rows, count)

        def run(text: str) -> Callable[[], Any]:
            fetched = connection.exec_driver_sql(text).all()
            return lambda: [key for (key,) in fetched]

        yield run, time.process_time


@contextmanager
def _postgresql(rows: Rows, count: int) -> Iterator[tuple[Run, Clock]]:
    tests = import_module("tests.filters.conftest")  # which start one, too
    with tests.started_postgresql() as engine, engine.connect() as connection:
        _fill(connection, rows, count)
        connection.exec_driver_sql(
            "SET max_parallel_workers_per_gather = 0"
        )  # whose time is theirs
        process = connection.scalar(sa.func.pg_backend_pid())
        spent = Path(f"/proc/{process}/schedstat")  # in nanoseconds
        driver: Any = connection.connection.driver_connection

        def run(text: str) -> Callable[[], Any]:
            result = driver.pgconn.exec_(text.encode())
            assert not result.error_message, result.error_message
            return lambda: [int(result.get_value(row, 0)) for row in range(result.ntuples)]

        yield run, lambda: int(spent.read_text().split()[0]) / 1e9


def _fill(connection: sa.Connection, rows: Rows, count: int) -> None:
    _METADATA.create_all(connection)
    for table in _METADATA.sorted_tables:
        if connection.dialect.name == "postgresql":
            cursor: Any = connection.connection.cursor()
            with cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
                for row in rows[table.name]:
                    copy.write_row(row)
        else:
            named = [dict(zip(table.c.keys(), row, strict=True)) for row in rows[table.name]]
            connection.execute(sa.insert(table), named)
    for statement in _copies(count):
        connection.exec_driver_sql(statement)
    by_bytes = " text_pattern_ops" if connection.dialect.name == "postgresql" else ""
    for number, on in enumerate(_INDEXES):
        connection.exec_driver_sql(f"CREATE INDEX i{number} ON {on.format(by_bytes)}")
    connection.commit()
    connection.exec_driver_sql("ANALYZE")


@contextmanager
def _duckdb(rows: Rows, count: int) -> Iterator[tuple[Run, Clock]]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        for table in _METADATA.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=DIALECTS["duckdb"])))
            columns = zip(*rows[table.name], strict=True)
            connection.register("made", pa.table(dict(zip(table.c.keys(), columns, strict=True))))
            connection.execute(f"INSERT INTO {table.name} SELECT * FROM made")  # noqa: S608 - a name of ours
        for statement in _copies(count):
            connection.execute(statement)

        def run(text: str) -> Callable[[], Any]:
            fetched = connection.execute(text).fetchnumpy()
            return lambda: fetched["id"]

        yield run, time.process_time


_ENGINES: Final[dict[str, tuple[Dialect, Any]]] = {
    "sqlite": ("sqlite", _sqlite), "postgres": ("postgresql", _postgresql),
    "duckdb": ("duckdb", _duckdb),
}  # fmt: skip


def _best(run: Run, clock: Clock, rounds: int, *texts: str) -> list[float]:
    """Return the best times of *texts*, which are run in turn."""
    found = [float("inf")] * len(texts)
    for _ in range(rounds):
        for at, text in enumerate(texts):
            started = clock()
            run(text)
            found[at] = min(found[at], clock() - started)
    return found


def main() -> int:
    """Print how much longer each filter takes than what is written by hand, which gives the same rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.filters", description=__doc__)
    parser.add_argument("engine", choices=[*_ENGINES])
    parser.add_argument("--rows", type=int, default=100_000, help="of the table that is filtered")
    parser.add_argument(
        "--only", nargs="*", default=[""], help="of a name that contains one of these"
    )
    parser.add_argument("--rounds", type=int, default=15, help="how often each is run")
    options = parser.parse_args()
    dialect, engine = _ENGINES[options.engine]
    prefix = ("GLOB", "*") if dialect == "sqlite" else ("LIKE", "%")
    asked = {
        name: of for name, of in QUESTIONS.items() if any(part in name for part in options.only)
    }
    with engine(_rows(options.rows), options.rows) as (run, clock):
        for name, (predicate, written) in asked.items():
            filtered = sql_text(predicate, _DOC, _METADATA, dialect).text
            plain = written.format(*prefix) if name == "below a path" else written
            texts = [f"SELECT id FROM doc WHERE {where}" for where in (plain, filtered)]  # noqa: S608 - ours
            expected, found = (pa.array(run(text)()).sort() for text in texts)
            assert found.equals(expected), name
            by_hand, ours = _best(run, clock, options.rounds, *texts)
            sys.stdout.write(
                f"{name:<26} {len(found):>8,} rows {by_hand * 1000:9.2f} ms by hand"
                f" {ours * 1000:9.2f} ms, ratio {ours / by_hand:.2f}\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
