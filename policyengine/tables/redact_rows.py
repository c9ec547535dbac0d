"""Leave of each row what its decision shows of the resource, as `Decision.redact` does of a document.

What is shown in part has a column of its own, since it may have another type: `resource.born as year`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from msgspec import Struct

from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest
from policyengine.model.masks import PRESENT, PSEUDONYM, field_and_mask, spelled
from policyengine.model.request_messages import shown
from policyengine.tables.decide_rows import with_gained
from policyengine.tables.request_columns import PROBLEM, UnfitTable, cells, without_null

_RESOURCE: Final = "resource."
_NO_FIELDS: Final = ("type", "parents")
"""What is known of a resource and is no field; it is shown where no gate decides about fields."""

_OTHERS: Final = "entities"
"""The column of entities, which may hold what no decision shows."""


class _Field(Struct, frozen=True):
    """A column of a field of resources, and the masks by which rules show it."""

    column: str
    name: str
    masks: tuple[str, ...]


class Redaction:
    """What is left of rows: *parts* are the columns of requests, *kept* those that are left as they are.

    Other columns are left out. *spellings*: how rules show fields (`born as year`). *key*: of pseudonyms.
    Raises `UnfitTable` if the table has a column that is to be added, and `TypeError` if there may be
    pseudonyms and there is no key.
    """

    def __init__(
        self,
        schema: pa.Schema,
        parts: Mapping[str, str],
        kept: Collection[str],
        spellings: Iterable[str],
        key: bytes | None,
    ) -> None:
        masks: dict[str, list[str]] = {}
        for name, mask in map(field_and_mask, sorted(spellings)):
            if mask is not None:
                masks.setdefault(name, []).append(mask)
        self._fields = [
            _Field(column, name, tuple(masks.get(name, ())))
            for part, column in parts.items()
            if (name := part.removeprefix(_RESOURCE)) != part
        ]
        self._kept = [
            name for part, name in parts.items() if not part.startswith((_RESOURCE, _OTHERS))
        ]
        self._kept += kept
        self._key = key
        of_requests = frozenset(parts.values())
        for name in kept:
            if name in of_requests or name not in schema.names:
                what = "is a part of requests" if name in of_requests else "is not there"
                raise UnfitTable(f"the column `{shown(name)}` is not only kept: it {what}")
        added = [spelled(f.column, mask) for f in self._fields for mask in f.masks]
        taken = next((name for name in added if name in schema.names), None)
        if taken is not None:
            raise UnfitTable(f"the table has a column `{taken}`, which is what it is to gain")
        if key is None and any(PSEUDONYM in field.masks for field in self._fields):
            raise TypeError("rules show fields as pseudonyms, which need a key of bytes: `key=…`")

    def left(self, batch: pa.RecordBatch, decided: Sequence[Decision | InvalidRequest]) -> pa.Table:
        """Return what is left of the rows of *batch*, in its order, and what was *decided*."""
        columns: dict[str, Any] = {name: batch.column(name) for name in self._kept}
        for field in self._fields:
            columns |= self._shown(field, batch.column(field.column), decided)
        order = {name: at for at, name in enumerate(batch.schema.names)}
        names = sorted(columns, key=lambda name: order.get(field_and_mask(name)[0], 0))
        left = pa.Table.from_arrays([columns[name] for name in names], names=names)
        whole = with_gained(left, decided)
        said = pa.array([*map(_problem, decided)], pa.string())
        return whole.set_column(whole.schema.get_field_index(PROBLEM), PROBLEM, said)

    def _shown(
        self, field: _Field, column: pa.Array, decided: Sequence[Decision | InvalidRequest]
    ) -> Iterator[tuple[str, Any]]:
        seen = [at if _is_seen(field.name, one) else None for at, one in enumerate(decided)]
        yield field.column, column.take(pa.array(seen, pa.int64()))
        values = cells(column) if field.masks else []
        for mask in field.masks:
            parts = [
                self._part(field.name, value, one)
                if isinstance(one, Decision) and one.masks.get(field.name) == mask
                else None
                for value, one in zip(values, decided, strict=True)
            ]
            yield spelled(field.column, mask), pa.array(parts, _type(column.type, mask))

    def _part(self, name: str, value: Any, decision: Decision) -> Any:
        """Return what *decision* shows of a value, None if there is none, or it is not of its type."""
        if value is None:
            return None
        return decision.redact({name: without_null(value)}, self._key).get(name)


def _is_seen(name: str, decided: Decision | InvalidRequest) -> bool:
    if isinstance(decided, InvalidRequest) or not decided.allowed:
        return False
    exposed = decided.exposed
    if name in _NO_FIELDS:
        return name == "type" or exposed is None
    return exposed is None or name in exposed


def _type(type_: pa.DataType, mask: str) -> pa.DataType:
    """Return the type of what *mask* leaves of values of *type_*."""
    if mask == PRESENT:
        return pa.bool_()
    if pa.types.is_struct(type_):
        return pa.struct([f.with_type(_type(f.type, mask)) for f in type_])
    return pa.string() if pa.types.is_timestamp(type_) else type_


def _problem(decided: Decision | InvalidRequest) -> str | None:
    """Return where a row is no request, and the codes: a message may quote what is not shown."""
    if isinstance(decided, Decision):
        return None
    return "; ".join(f"{one.path} [{one.code}]".strip() for one in decided.problems)
