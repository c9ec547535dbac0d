"""Hold that Spark decides tables as `decide` does: `make test-databases` starts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.worlds import apps
from bench.worlds.apps_in_tables import write_requests
from policyengine import PolicyEngine
from policyengine.tables import spark_tables
from policyengine.tables.request_columns import UnfitTable
from policyengine.tables.spark_tables import read_spark
from tests.documents import NOT_RUN, ROOT, run
from tests.tables.table_law import tables_agree

pytestmark = pytest.mark.filterwarnings("ignore")  # of Spark's own
ROWS = 50_000


def sorted_rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.sort_by("resource.id").to_pylist()


def test_rows_of_a_file_are_decided_as_duckdb_has_them_decided(spark, tmp_path: Path):
    write_requests(tmp_path / "in.parquet", ROWS)
    table = pq.read_table(tmp_path / "in.parquet")
    ids = pa.array([f"i{number}" for number in range(ROWS)])
    table = table.set_column(table.column_names.index("resource.id"), "resource.id", ids)
    pq.write_table(table, tmp_path / "in.parquet")
    engine = PolicyEngine.load(apps.POLICY)
    found = engine.decide_table(spark.read_parquet(tmp_path / "in.parquet"))
    expected = engine.decide_table(ibis.duckdb.connect().read_parquet(tmp_path / "in.parquet"))
    assert (found.pushed, found.counts) == (ROWS, expected.counts)
    assert sorted_rows(read_spark(found.table)) == sorted_rows(expected.table.to_pyarrow())


def test_rows_of_generated_sets_are_decided_as_each_is(spark):
    def put(table: pa.Table) -> Any:
        times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
        frame = spark._session.createDataFrame(table.drop_columns(times))
        frame.createOrReplaceTempView("requests")
        return spark.table("requests")

    counts = sum((tables_agree(seed, put) for seed in (2, 101, 105)), start=tables_agree(0, put))
    assert counts["pushed"] > 0


def test_what_is_read_is_planned_without_conclusions_from_conditions(spark, monkeypatch):
    session, name = spark._session, "spark.sql.constraintPropagation.enabled"
    ask, seen, before = session.sql, [], session.conf.get(name)

    def sql(text):
        seen.append(session.conf.get(name))
        return ask(text)

    monkeypatch.setattr(session, "sql", sql)
    session.createDataFrame(pa.table({"n": ["1"]})).createOrReplaceTempView("one")
    assert read_spark(spark.table("one")).to_pylist() == [{"n": "1"}]
    assert ({*seen}, session.conf.get(name), before) == ({"false"}, before, "true")


def test_no_more_rows_come_here_than_there_is_room_for(spark, monkeypatch):
    monkeypatch.setattr(spark_tables, "MOST_HERE", 1)
    engine = PolicyEngine.from_text(
        "package p entity U { n: int } action go by U on U permit one: any"
    )
    rows = {
        "subject.id": ["a", "b", "c"],
        "subject.n": ["1", "2", "3"],
        "resource.id": ["x", "y", "z"],
    }
    spark._session.createDataFrame(pa.table(rows)).createOrReplaceTempView("few")
    with pytest.raises(UnfitTable, match="more than 1 rows"):
        engine.decide_table(spark.table("few"))


def test_the_document_is_right(spark, monkeypatch):
    monkeypatch.delitem(NOT_RUN, "python spark_shop.py 2> spark.log")
    page = (ROOT / "docs/spark.md").read_text(encoding="utf-8")
    assert run("docs/spark.md", page, Path(sys.prefix)) == []
