"""Decide the rows of an Ibis table: they are read as Arrow has them, and decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import ibis
import pyarrow as pa
from msgspec import Struct

from policyengine.model.request_messages import shown
from policyengine.tables.decide_rows import Counts, DecidingEngine, decide_rows, with_gained
from policyengine.tables.request_columns import DECIDED, PROBLEM, RequestColumns, UnfitTable

_BATCH = 10_000

_EXACT = ("duckdb", "polars")
"""The backends whose rows Ibis reads without pandas, which makes a float of a number beside a NULL."""


class DecidedTable(Struct, frozen=True):
    """An Ibis table with the decision on each row, in memory, and how many there are of each."""

    table: Any
    counts: Counts


def decide_table(
    engine: DecidingEngine,
    table: Any,
    mapping: Mapping[str, str] | None = None,
    now: str | None = None,
) -> DecidedTable:
    """Decide each row of an Ibis table; see `PolicyEngine.decide_table`."""
    backend = table.get_backend().name
    if backend not in _EXACT:
        said = f"values of {shown(backend)} may be read as others, which Ibis makes floats of"
        raise UnfitTable(f"{said}: the table must be in DuckDB or Polars, or in a Parquet file")
    moment = datetime.now(UTC).isoformat() if now is None else now
    schema = table.schema().to_pyarrow()
    taken = [name for name in (*DECIDED, PROBLEM) if name in schema.names]
    if taken:
        raise UnfitTable(f"the table has a column `{taken[0]}`, which is what it is to gain")
    parts = mapping or {name: name for name in schema.names}
    lacking = [name for name in parts.values() if name not in schema.names]
    if lacking:
        raise UnfitTable(f"the table has no column `{shown(lacking[0])}`, which the mapping names")
    columns = RequestColumns(engine.schema, _requests(schema.empty_table(), parts).schema)
    found = [with_gained(schema.empty_table(), [])]
    found += (
        decide_rows(engine, columns, _requests(batch, parts), moment, batch)
        for batch in table.to_pyarrow().to_batches(_BATCH)
    )
    decided = pa.concat_tables([part.cast(found[0].schema) for part in found])
    return DecidedTable(ibis.memtable(decided), Counts.of(decided))


def _requests(rows: Any, parts: Mapping[str, str]) -> Any:
    """Return the columns of requests, under the names of the parts that they hold."""
    made: Iterable[Any] = [rows.column(name) for name in parts.values()]
    return type(rows).from_arrays([*made], names=[*parts])
