"""Every printing selects on every engine the rows that the predicate is true of, and its negation the others."""

from __future__ import annotations

import pytest

from tests.filters.exact_filters import ENGINES, hold_engine, on_spark
from tests.whole import share

pytestmark = [  # what Ibis uses is deprecated in pandas, Polars and DuckDB
    pytest.mark.filterwarnings(f"ignore:{said}")
    for said in ("The 'future.infer_string'", "`is_in` with a collection", "fetch_arrow_table")
]

NAMED = {f"{', '.join(printings)} on {engine}": at for at, (engine, printings, _) in enumerate(ENGINES)}  # fmt: skip
IN_SERVER = [name for name in NAMED if name.endswith(("PostgreSQL", "Spark"))]
HERE = [name for name in NAMED if name not in IN_SERVER]
IN_POSTGRESQL = [name for name in IN_SERVER if name.endswith("PostgreSQL")]


def hold(name: str, rows: int) -> None:
    _, printings, opened = ENGINES[NAMED[name]]
    with opened(printings) as holds:
        assert all(held.rows >= rows for held in hold_engine(holds, len(printings), rows))


@pytest.mark.parametrize("name", HERE)
def test_the_rows_of_the_predicate_are_selected(name: str):
    hold(name, share(20_000, 40))


@pytest.mark.parametrize("name", IN_POSTGRESQL)
def test_postgresql_selects_the_rows_of_the_predicate(name: str, postgresql):
    hold(name, 50_000)


@pytest.mark.filterwarnings("ignore")  # of Spark's own
def test_spark_selects_the_rows_of_the_predicate(spark):
    hold_engine(on_spark(spark), 1, 50_000)
