"""A condition of Ibis selects the rows that the predicate is true of, in every database."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest

from policyengine.filters.ibis_printing import ibis_condition
from policyengine.filters.predicates import (
    ROWS,
    TRUE,
    Ancestor,
    Column,
    Compare,
    Exists,
    IsOfKind,
    IsPresent,
    Not,
    NotPushable,
    Parameter,
    Predicate,
)

pytestmark = [  # what Ibis uses is deprecated in pandas, Polars and DuckDB
    pytest.mark.filterwarnings(f"ignore:{said}")
    for said in ("The 'future.infer_string'", "`is_in` with a collection", "fetch_arrow_table")
]

TAG = Column("t", "document", "int")
ID, PARENT = Column(ROWS, "id", "int"), Column(ROWS, "parent", "int")
TITLE = Column(ROWS, "title", "text")
ABC = Compare("==", Column("t", "name", "text"), Parameter("abc", "text"))
TAGGED = Exists("tags", "t", ((TAG, ID),), ABC)
OTHER = Exists("tags", "t", ((TAG, ID),), Compare("==", Column("t", "name", "text"), TITLE))
WAY = Ancestor("documents", "d", ID, Column("d", "id", "int"), Column("d", "parent", "int"), TRUE)


def documents(connection: Any, **columns: Any) -> dict[str, Any]:
    rows = {"id": [1, 2], "parent": pa.array([None, 1], pa.int64()), "title": ["abc", "x"]}
    connection.con.register("d", pa.table(rows | columns))
    connection.con.register("t", pa.table({"document": [1, 2], "name": ["abc", "abd"]}))
    connection.con.execute("CREATE OR REPLACE TABLE documents AS SELECT * FROM d")
    connection.con.execute("CREATE OR REPLACE TABLE tags AS SELECT * FROM t")
    return {name: connection.table(name) for name in ("documents", "tags")}


def selected(predicate: Predicate, rows: Any, tables: dict[str, Any]) -> list[int]:
    return sorted(rows.filter(ibis_condition(predicate, rows, tables)).id.to_pyarrow().to_pylist())


def test_a_table_that_is_worked_out_is_filtered():
    tables = documents(ibis.duckdb.connect())
    rows = tables["documents"]
    joined = rows.join(tables["tags"], rows.id == tables["tags"].document).select(rows)
    for derived in (rows.filter(rows.id < 9), rows.mutate(more=rows.id + 1), rows.limit(9), joined):
        assert selected(TAGGED, derived, tables) == [1]
        assert selected(OTHER, derived, tables) == [1]
        assert selected(Not(OTHER), derived, tables) == [2]


def test_what_a_column_of_sqlite_holds_fits_its_kind():
    connection = ibis.sqlite.connect()
    connection.con.execute(
        "CREATE TABLE rows (id BIGINT, level BIGINT, public BOOLEAN, title VARCHAR)"
    )
    values = [
        (1, "x", "a"),
        (1.5, 2, b"a"),
        ("x", "true", ""),
        (None, None, None),
        (2**62, 0, "\0"),
    ]
    for key, row in enumerate(values):
        connection.con.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", [key, *row])
    rows = connection.table("rows")
    level, public = Column(ROWS, "level", "int"), Column(ROWS, "public", "bool")
    for column, fit in ((level, {0, 4}), (public, {4}), (TITLE, {0, 2, 4})):
        assert {*selected(IsOfKind(column), rows, {})} == fit
        assert {*selected(Not(IsOfKind(column)), rows, {})} == {*range(5)} - fit


def refused(predicate: Predicate, rows: Any, **tables: Any) -> str:
    with pytest.raises(NotPushable) as caught:
        ibis_condition(predicate, rows, tables)
    return str(caught.value)


def test_what_cannot_be_said_exactly_is_refused():
    connection = ibis.duckdb.connect()
    connection.con.execute(
        "CREATE TABLE rows (id BIGINT, naive TIMESTAMP, large UBIGINT, fine DECIMAL(18, 6), float DOUBLE)"
    )
    rows = connection.table("rows")
    assert "`ClosureTable`" in refused(WAY, rows, documents=rows)
    assert "not among the tables" in refused(TAGGED, rows)
    assert "no such column" in refused(IsPresent(TITLE), rows)
    for name, kind in (
        ("naive", "instant"),
        ("large", "int"),
        ("fine", "decimal"),
        ("float", "decimal"),
        ("id", "text"),
    ):
        assert f"does not hold the kind {kind}" in refused(
            IsPresent(Column(ROWS, name, kind)), rows
        )


def test_what_a_database_cannot_say_is_refused():
    polars, sqlite = ibis.polars.connect(), ibis.sqlite.connect()
    rows = polars.create_table(
        "rows",
        pa.table({"id": [1], "title": ["abc"], "at": pa.array([0], pa.timestamp("ms", "UTC"))}),
    )
    tags = polars.create_table("tags", pa.table({"document": [1], "name": ["abc"]}))
    assert selected(TAGGED, rows, {"tags": tags}) == [1]
    assert "refer to a row outside by one column" in refused(OTHER, rows, tags=tags)
    assert "does not hold the kind instant" in refused(
        IsPresent(Column(ROWS, "at", "instant")), rows
    )
    sqlite.con.execute("CREATE TABLE rows (id BIGINT, price DECIMAL(18, 4))")
    price = Compare("<", Column(ROWS, "price", "decimal"), Parameter(Decimal(1), "decimal"))
    assert "in several ways" in refused(price, sqlite.table("rows"))


def test_another_database_is_refused():
    class Elsewhere:
        name = "mysql"

        def get_backend(self) -> Elsewhere:
            return self

    assert "filters of Ibis are for DuckDB, Polars, SQLite, PostgreSQL, Spark" in refused(
        TRUE, Elsewhere()
    )


def test_a_missing_ibis_is_named():
    code = "import sys; sys.modules['ibis'] = None; import policyengine.filters.ibis_printing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.endswith("install `policyengine-dsl[tables]`\n")
