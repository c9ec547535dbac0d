"""Decide the rows of an Ibis table: they are read as Arrow has them, and decided here."""

from __future__ import annotations

from collections import Counter
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
    schema = table.schema().to_pyarrow()
    taken = [name for name in (*DECIDED, PROBLEM) if name in schema.names]
    if taken:
        raise UnfitTable(f"the table has a column `{taken[0]}`, which is what it is to gain")
    in_lower_case = Counter(map(str.casefold, schema.names))
    twice = [name for name in schema.names if in_lower_case[name.casefold()] > 1]
    if twice:  # DuckDB, which has the result, would give one for the other
        raise UnfitTable(f"the column `{shown(twice[0])}` is there in upper and lower case")
    parts = {name: name for name in schema.names} if mapping is None else mapping
    lacking = [name for name in parts.values() if name not in schema.names]
    if lacking:
        raise UnfitTable(f"the table has no column `{shown(lacking[0])}`, which the mapping names")
    requests = _requests(schema.empty_table(), parts).schema
    columns = RequestColumns(engine.schema, requests, now=now)
    moment = datetime.now(UTC).isoformat()
    try:
        rows = table.to_pyarrow()
    except pa.ArrowException as problem:
        raise UnfitTable(f"the table cannot be read: {problem}") from None
    found = [with_gained(schema.empty_table(), [])]
    found += (
        decide_rows(engine, columns, _requests(batch, parts), moment, batch)
        for batch in rows.to_batches(_BATCH)
    )
    decided = pa.concat_tables([part.cast(found[0].schema) for part in found])
    return DecidedTable(ibis.memtable(decided), Counts.of(decided))


def _requests(rows: Any, parts: Mapping[str, str]) -> Any:
    """Return the columns of requests, under the names of the parts that they hold."""
    made: Iterable[Any] = [rows.column(name) for name in parts.values()]
    return type(rows).from_arrays([*made], names=[*parts])
