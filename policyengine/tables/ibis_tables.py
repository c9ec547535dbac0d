"""Decide the rows of an Ibis table, or leave what decisions show: rows are read as Arrow has them, and decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import Any, Final, TypeVar

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct

from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request_messages import shown
from policyengine.semantics.checked import CheckedSet
from policyengine.tables.decide_rows import (
    Counts,
    DecidingEngine,
    decisions,
    with_columns,
    with_gained,
)
from policyengine.tables.pushed_requests import are_sure, groups_of, told_apart
from policyengine.tables.redact_rows import Redaction
from policyengine.tables.request_columns import DECIDED, PROBLEM, RequestColumns, UnfitTable

_BATCH: Final = 10_000
_AT_ONCE: Final = 1_000_000
"""The rows that gain columns at once, whose texts Arrow must be able to count."""

_Read = TypeVar("_Read")

_READ_HERE = ("duckdb", "polars")
"""The backends whose rows Ibis reads without pandas, which makes a float of a number beside a NULL."""


class DecidedTable(Struct, frozen=True):
    """An Ibis table with the decision on each row, in memory, and how many there are of each.

    *pushed*: the rows that the database told apart, so that few of them were decided here.
    """

    table: Any
    counts: Counts
    pushed: int = 0
    rows: pa.Table | None = None
    """The same as a table of Arrow, None where it stays in Spark."""

    def to_parquet(self, path: str | PathLike[str]) -> None:
        """Write the table to a Parquet file: by Arrow, which takes half the time of DuckDB; Spark makes a folder."""
        if self.rows is None:
            self.table.to_parquet(path)
        else:
            pq.write_table(self.rows, path)


def decide_table(
    engine: DecidingEngine,
    table: Any,
    mapping: Mapping[str, str] | None,
    now: str | None,
    checked: tuple[CheckedSet, Limits] | None,
) -> DecidedTable:
    """Decide each row of an Ibis table; see `PolicyEngine.decide_table`.

    *checked*: the set, with the limits of requests, by which the database tells rows apart; None where each
    is decided here.
    """
    requests = _Requests(engine, table, mapping, now, (*_READ_HERE, "pyspark"))
    if requests.backend == "pyspark":
        return DecidedTable(*requests.in_spark(checked))
    found = [with_gained(requests.schema.empty_table(), [])]
    found += requests.with_decisions(checked)
    return _together(found, requests.pushed)


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


def _together(found: Sequence[Any], pushed: int = 0) -> DecidedTable:
    """Return the rows of the tables that were *found*; the first has no rows."""
    decided = pa.concat_tables([part.cast(found[0].schema) for part in found])
    return DecidedTable(ibis.memtable(decided), Counts.of(decided), pushed, decided)


class _Requests:
    """The requests in an Ibis table; raises `UnfitTable` if its columns are not those of requests.

    *schema*: that of the table. *parts*: the column of each part of a request.
    """

    def __init__(
        self,
        engine: DecidingEngine,
        table: Any,
        mapping: Mapping[str, str] | None,
        now: str | None,
        backends: Collection[str] = _READ_HERE,
    ) -> None:
        self.pushed = 0
        self.backend = backend = table.get_backend().name
        if backend not in backends:
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
        for batch in self._read(self._table).to_batches(_BATCH):
            yield batch, self._decided(batch, moment)

    def _read(self, table: Any) -> pa.Table:
        try:
            return table.to_pyarrow()
        except pa.ArrowException as problem:
            raise UnfitTable(f"the table cannot be read: {problem}") from None

    def _decided(self, batch: Any, moment: str) -> list[Decision | InvalidRequest]:
        return [*decisions(self._engine, self._columns, self._of(batch), moment)]

    def with_decisions(self, checked: tuple[CheckedSet, Limits] | None) -> Iterator[pa.Table]:
        """Give the rows, in batches, with what they gain: rows that the database does not tell apart have it in common."""
        rows = self._told_apart(checked)
        if rows is None:
            yield from (with_gained(batch, decided) for batch, decided in self.decided())
            return
        groups, firsts = groups_of(rows)
        rows = rows.select(self.schema.names)
        moment = datetime.now(UTC).isoformat()
        gained = self._gained(rows.take(firsts), moment)
        at = pc.if_else(are_sure(gained).take(groups), groups, None)
        alone = pc.is_null(at)
        self.pushed = len(at) - at.null_count
        gained = pa.concat_tables([gained, self._gained(rows.filter(alone), moment)])
        own = pc.add(pc.cumulative_sum(alone.cast(pa.int64())), len(firsts) - 1)
        at = pc.coalesce(at.cast(pa.int64()), own)
        for start in range(0, rows.num_rows, _AT_ONCE):
            part = rows.slice(start, _AT_ONCE)
            yield with_columns(part, gained.take(at.slice(start, _AT_ONCE)))

    def in_spark(self, checked: tuple[CheckedSet, Limits] | None) -> tuple[Any, Counts, int]:
        """Return the table in Spark, with what its rows gain."""
        from policyengine.tables.spark_tables import decide_in_spark

        moment = datetime.now(UTC).isoformat()

        def decided(told: Any) -> tuple[Any, Counts, int]:
            return decide_in_spark(self._table, told, lambda rows: self._gained(rows, moment))

        return self._unless_too_long(checked, decided) or decided(None)

    def _told_apart(self, checked: tuple[CheckedSet, Limits] | None) -> pa.Table | None:
        """Return the rows with what tells them apart, None if the database cannot say it."""
        return self._unless_too_long(
            checked, lambda told: None if told is None else told.to_pyarrow()
        )

    def _unless_too_long(
        self, checked: tuple[CheckedSet, Limits] | None, read: Callable[[Any], _Read]
    ) -> _Read | None:
        """Return what *read* gives of the table with what tells its rows apart; None if the statement is too long for Ibis.

        Whatever else is raised is the database's, which may have gone away, and is raised.
        """
        try:
            return read(None if checked is None else told_apart(*checked, self._table, self.parts))
        except RecursionError:
            return None

    def _gained(self, rows: pa.Table, moment: str) -> pa.Table:
        """Return what rows gain that are decided here."""
        found = [with_gained(self.schema.empty_table(), [])]
        batches = rows.to_batches(_BATCH)
        found += (with_gained(batch, self._decided(batch, moment)) for batch in batches)
        return pa.concat_tables(found).select([*DECIDED, PROBLEM])

    def _of(self, rows: Any) -> Any:
        """Return the columns of requests, under the names of the parts that they hold."""
        made = [rows.column(name) for name in self.parts.values()]
        return type(rows).from_arrays(made, names=[*self.parts])
