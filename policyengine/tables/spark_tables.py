"""Decide a table in Spark where it is: Spark tells rows apart, and what one of each kind gains is joined to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

try:
    import ibis
except ModuleNotFoundError:
    raise ImportError("tables need Ibis: install `policyengine-dsl[tables]`") from None
import pyarrow as pa

from policyengine.tables.decide_rows import Counts, with_columns
from policyengine.tables.pushed_requests import TARGET, TOLD, are_sure
from policyengine.tables.request_columns import UnfitTable

MOST_HERE: Final = 1_000_000
"""The rows that are decided here: one of each kind, and those that Spark does not tell apart."""


_PROPAGATION: Final = "spark.sql.constraintPropagation.enabled"
_ROW: Final = "policyengine row"
_ROWS: Final = "policyengine rows"


def read_spark(table: Any) -> pa.Table:
    """Return the rows of a table as Spark has them: Ibis makes floats of numbers beside a NULL."""
    session = _session(table)
    with _planned_soon(session):
        read: pa.Table = session.sql(str(ibis.to_sql(table))).toArrow()
    return read


@contextmanager
def _planned_soon(session: Any) -> Iterator[None]:
    """Have Spark draw no conclusions from conditions: from many, it draws them for minutes, and they change no answer."""
    before = session.conf.get(_PROPAGATION)
    session.conf.set(_PROPAGATION, "false")
    try:
        yield
    finally:
        session.conf.set(_PROPAGATION, before)


def decide_in_spark(
    rows: Any, told: Any | None, gained: Callable[[pa.Table], pa.Table]
) -> tuple[Any, Counts, int]:
    """Return the table *rows* with what it gains, how many rows there are of each, and how many Spark told apart.

    *told*: the same with the columns that tell rows apart, None if none do. *gained* decides rows here. Raises
    `UnfitTable` if too many would be.
    """
    names = rows.columns
    parts, alone, counts, pushed = [], rows, Counts(), 0
    if told is not None:
        by = [name for name in told.columns if name.startswith(TOLD)]
        apart = told.filter(told[TARGET].notnull())
        one = ibis.struct({name: apart[name] for name in names}).arbitrary()
        kinds = _read(apart.group_by(by).agg(**{_ROW: one, _ROWS: apart.count()}))
        found = gained(pa.Table.from_struct_array(kinds[_ROW]).select(names))
        sure = are_sure(found)
        kinds, found = kinds.filter(sure), found.filter(sure)
        for number, allowed in zip(
            kinds[_ROWS].to_pylist(), found["allowed"].to_pylist(), strict=True
        ):
            counts += Counts(number * allowed, number * (not allowed))
        pushed = counts.rows
        known = _put(rows, with_columns(kinds.select(by), found))
        parts.append(told.join(known, by).select(*names, *found.column_names))
        alone = told.anti_join(known, by).select(*names)
    here = _read(alone)
    decided = with_columns(here, gained(here))
    if here.num_rows or not parts:
        parts.append(_put(rows, decided))
    table = parts[0] if len(parts) == 1 else ibis.union(*parts)
    return table, counts + Counts.of(decided), pushed


def _read(table: Any) -> pa.Table:
    """Return rows that are decided here."""
    read = read_spark(table.limit(MOST_HERE + 1))
    if read.num_rows > MOST_HERE:
        said = f"more than {MOST_HERE:,} rows differ for the rules, or are not told apart by Spark"
        raise UnfitTable(f"{said}: decide a Parquet file (`decide --table`)")
    return read


def _put(beside: Any, rows: pa.Table) -> Any:
    """Return rows as a table of the session of another."""
    name = f"policyengine_{uuid4().hex}"
    _session(beside).createDataFrame(rows).createOrReplaceTempView(name)
    return beside.get_backend().table(name)


def _session(table: Any) -> Any:
    return table.get_backend()._session  # noqa: SLF001 - Ibis gives it by no other name
