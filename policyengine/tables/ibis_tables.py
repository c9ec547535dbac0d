"""Decide the rows of an Ibis table, or leave what decisions show: rows are read as Arrow has them, and decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import ibis
import pyarrow as pa
from msgspec import Struct

from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest
from policyengine.model.request_messages import shown
from policyengine.tables.decide_rows import Counts, DecidingEngine, decisions, with_gained
from policyengine.tables.redact_rows import Redaction
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
    requests = _Requests(engine, table, mapping, now)
    found = [with_gained(requests.schema.empty_table(), [])]
    found += (with_gained(batch, decided) for batch, decided in requests.decided())
    return _together(found)


def redact_table(
    engine: DecidingEngine,
    table: Any,
    mapping: Mapping[str, str] | None,
    now: str | None,
    kept: Collection[str],
    spellings: Iterable[str],
    key: bytes | None,
) -> DecidedTable:
    """Decide each row of an Ibis table, and leave what it shows; see `PolicyEngine.redact_table`."""
    requests = _Requests(engine, table, mapping, now)
    redaction = Redaction(requests.schema, requests.parts, kept, spellings, key)
    found = [redaction.left(requests.schema.empty_table(), ())]
    found += (redaction.left(batch, decided) for batch, decided in requests.decided())
    return _together(found)


def _together(found: Sequence[Any]) -> DecidedTable:
    """Return the rows of the tables that were *found*; the first has no rows."""
    decided = pa.concat_tables([part.cast(found[0].schema) for part in found])
    return DecidedTable(ibis.memtable(decided), Counts.of(decided))


class _Requests:
    """The requests in an Ibis table; raises `UnfitTable` if its columns are not those of requests.

    *schema*: that of the table. *parts*: the column of each part of a request.
    """

    def __init__(
        self, engine: DecidingEngine, table: Any, mapping: Mapping[str, str] | None, now: str | None
    ) -> None:
        backend = table.get_backend().name
        if backend not in _EXACT:
            said = f"values of {shown(backend)} may be read as others, which Ibis makes floats of"
            raise UnfitTable(f"{said}: the table must be in DuckDB or Polars, or in a Parquet file")
        self.schema = table.schema().to_pyarrow()
        names = self.schema.names
        taken = [name for name in (*DECIDED, PROBLEM) if name in names]
        if taken:
            raise UnfitTable(f"the table has a column `{taken[0]}`, which is what it is to gain")
        in_lower_case = Counter(map(str.casefold, names))
        twice = [name for name in names if in_lower_case[name.casefold()] > 1]
        if twice:  # DuckDB, which has the result, would give one for the other
            raise UnfitTable(f"the column `{shown(twice[0])}` is there in upper and lower case")
        self.parts = {name: name for name in names} if mapping is None else mapping
        lacking = [name for name in self.parts.values() if name not in names]
        if lacking:
            said = f"the table has no column `{shown(lacking[0])}`, which the mapping names"
            raise UnfitTable(said)
        self._table, self._engine = table, engine
        self._columns = RequestColumns(
            engine.schema, self._of(self.schema.empty_table()).schema, now=now
        )

    def decided(self) -> Iterator[tuple[Any, list[Decision | InvalidRequest]]]:
        """Give the rows, in batches, with what is decided of each."""
        moment = datetime.now(UTC).isoformat()
        try:
            rows = self._table.to_pyarrow()
        except pa.ArrowException as problem:
            raise UnfitTable(f"the table cannot be read: {problem}") from None
        for batch in rows.to_batches(_BATCH):
            yield batch, [*decisions(self._engine, self._columns, self._of(batch), moment)]

    def _of(self, rows: Any) -> Any:
        """Return the columns of requests, under the names of the parts that they hold."""
        made = [rows.column(name) for name in self.parts.values()]
        return type(rows).from_arrays(made, names=[*self.parts])
