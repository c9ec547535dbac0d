"""Ask what it costs to decide a Parquet file into another, beside deciding its rows, and beside SQL written by hand."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.worlds import apps
from bench.worlds.apps_in_tables import BY_HAND, write_requests
from policyengine import PolicyEngine

_MORE: Final = 10
"""So many times the requests of a batch are in the file."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide requests of the small world with DuckDB; `decide --table` decides each row, and here in one process."""
    import duckdb
    import ibis
    import pyarrow.parquet as pq

    from policyengine.tables.table_job import TableJob

    engine, count = PolicyEngine.load(apps.POLICY), scale.batch * _MORE
    some_rows = max(10, scale.batch // _MORE)
    with (
        TemporaryDirectory() as name,
        duckdb.connect() as database,
        warnings.catch_warnings(category=DeprecationWarning, action="ignore"),
    ):
        folder = Path(name)
        made, few = folder / "in.parquet", folder / "few.parquet"
        write_requests(made, count)
        write_requests(few, some_rows)
        connection = ibis.duckdb.from_connection(database)

        def ours() -> None:
            found = engine.decide_table(connection.read_parquet(made))
            found.to_parquet(folder / "ours.parquet")

        def by_hand() -> None:
            decided = BY_HAND.replace("FILE", str(made))
            database.execute(f"COPY ({decided}) TO '{folder / 'hand.parquet'}' (FORMAT parquet)")

        def each() -> None:
            TableJob(few, folder / "each.parquet", folder / "bad.parquet", None, {}).run(engine)

        for one in (ours, by_hand, each):
            one()
        said, expected, some = (
            pq.read_table(folder / f"{one}.parquet") for one in ("ours", "hand", "each")
        )
        first = said.drop_columns("problem").slice(0, some_rows)
        if not (said.equals(expected.cast(said.schema)) and first.equals(some.cast(first.schema))):
            raise DisagreementError("a table is decided otherwise than by hand")
        rounds, share = max(1, scale.rounds // 5), some_rows / count
        times = {one.__name__: _best(one, rounds) for one in (ours, by_hand, each)}
    question = f"{count:,} rows in Parquet"
    yield Answer(
        f"{question}, decide each row over decide_table",
        times["each"] / share / times["ours"],
        5,
        10,
        least=True,
    )
    yield Answer(
        f"{question}, decide_table over SQL by hand", times["ours"] / times["by_hand"], 1.2, 1.0
    )


def _best(run: Callable[[], None], rounds: int) -> float:
    """Return the least time of all threads that *run* takes."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return min(found)
