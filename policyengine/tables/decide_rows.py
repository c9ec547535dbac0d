"""Decide the rows of a batch, each as `PolicyEngine.decide` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest
from policyengine.model.request_messages import joined
from policyengine.model.types import Schema
from policyengine.tables.request_columns import DECIDED, PROBLEM, RequestColumns

GAINED: Final = pa.schema(
    [
        pa.field("allowed", pa.bool_(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
        pa.field("rules", pa.list_(pa.string()), nullable=False),
        pa.field("exposed", pa.list_(pa.string())),
        pa.field("masks", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("valid_until", pa.timestamp("us", "UTC")),
    ]
)
"""The columns that a table gains: those of `Decision`, of the rules those that an answer in JSON lists."""

assert tuple(GAINED.names) == DECIDED

_WITH_PROBLEM: Final = GAINED.append(pa.field(PROBLEM, pa.string()))


class Counts(Struct, frozen=True):
    """The rows of a table: those allowed, those denied, and those that are no request (*bad*)."""

    allowed: int = 0
    denied: int = 0
    bad: int = 0

    @classmethod
    def of(cls, decided: pa.Table) -> Self:
        """Count the rows of a table that has what `decide_rows` adds."""
        allowed = pc.sum(decided["allowed"]).as_py() or 0
        bad = decided.num_rows - decided[PROBLEM].null_count
        return cls(allowed, decided.num_rows - allowed - bad, bad)

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return self.allowed + self.denied + self.bad

    def __add__(self, other: Self) -> Self:
        both = self.allowed + other.allowed, self.denied + other.denied, self.bad + other.bad
        return type(self)(*both)


class DecidingEngine(Protocol):
    """What is needed of a `PolicyEngine`."""

    @property
    def schema(self) -> Schema: ...

    @property
    def digest(self) -> str: ...

    @property
    def decide(self) -> Callable[..., Decision]: ...


def decide_rows(
    engine: DecidingEngine,
    columns: RequestColumns,
    batch: pa.RecordBatch,
    moment: str,
) -> pa.Table:
    """Return *batch* with the decision on each row, and with the problem of those that do not fit.

    Such a row is a deny with the cause `invalid_request`. *moment*: that of requests that have none.
    """
    return with_gained(batch, decisions(engine, columns, batch, moment))


def decisions(
    engine: DecidingEngine, columns: RequestColumns, batch: pa.RecordBatch, moment: str
) -> Iterator[Decision | InvalidRequest]:
    """Give the decision on each row of *batch*, or why it is no request."""
    for request in columns.requests(batch, moment):
        try:
            yield engine.decide(**request)
        except InvalidRequest as refusal:
            yield refusal


def with_gained(
    batch: pa.RecordBatch | pa.Table, decided: Iterable[Decision | InvalidRequest]
) -> pa.Table:
    """Return *batch* with the columns that it gains by what was *decided* of each row."""
    rows = [*map(_gained, decided)]
    gained = [
        pa.array([row[at] for row in rows], field.type) for at, field in enumerate(_WITH_PROBLEM)
    ]
    return with_columns(batch, pa.table(gained, schema=_WITH_PROBLEM))


def with_columns(batch: pa.RecordBatch | pa.Table, gained: pa.Table) -> pa.Table:
    """Return *batch* with the columns that it gains."""
    schema = pa.schema([*batch.schema, *gained.schema], batch.schema.metadata)
    return pa.Table.from_arrays([*batch.columns, *gained.columns], schema=schema)


def _gained(decided: Decision | InvalidRequest) -> tuple[Any, ...]:
    """Return the values of the columns that a row gains."""
    if isinstance(decided, InvalidRequest):
        problems = [*map(str, decided.problems)]
        said = joined(tuple(problems), len(problems), len(problems))
        return False, "invalid_request", (), (), (), None, said
    exposed = decided.exposed
    shown = None if exposed is None else sorted(exposed)
    masks = tuple(decided.masks.items())
    rules, until = decided.listed()[0], decided.valid_until
    return decided.allowed, decided.cause, rules, shown, masks, until, None
