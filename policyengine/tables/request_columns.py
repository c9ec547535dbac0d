"""Read the rows of a table as requests, whose parts are columns.

A column is named as the part of a request that it holds: `action`, `subject.id`, `resource.owner`,
`context.purposes`, `now`. NULL stands for what is not given. All else is as `PolicyEngine.decide` takes it,
which validates each request: what a cell cannot be read as stays in its place as a `Refused`. A column that
is no part of a request is one to keep by name: a misspelt fact would otherwise be a fact that no rule sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Any, Final, TypeAlias

import pyarrow as pa

from policyengine.diagnostics.spell import did_you_mean
from policyengine.intake.foreign import Refused
from policyengine.model.request_messages import shown
from policyengine.model.types import (
    ActionType,
    Attribute,
    EntityRefType,
    EntityType,
    RecordType,
    Schema,
    SetType,
    Type,
)

DECIDED: Final = ("allowed", "cause", "rules", "exposed", "masks", "valid_until")
"""The columns that a table gains."""

PROBLEM: Final = "problem"
"""The column of rows that are no request: what is wrong."""

_WHOLE: Final = ("action", "now", "fields", "entities")
_ENTITIES: Final = ("subject", "resource")
_OF_ENTITY: Final = ("type", "id", "parents")

Arguments: TypeAlias = dict[str, Any]
"""A request as `PolicyEngine.decide` takes it."""


class UnfitTable(ValueError):  # noqa: N818 - it is named after what the table is
    """A table has no columns of requests, or the columns of something else; the text says which."""


class RequestColumns:
    """The columns of a table that are parts of requests; raises `UnfitTable` if it has others, but for *kept*.

    *now*: the moment of all requests, whatever they say; None if it is their own.
    """

    def __init__(
        self,
        schema: Schema,
        table: pa.Schema,
        kept: Collection[str] = (),
        now: str | None = None,
    ) -> None:
        self._schema = schema
        self._now = now
        self._check(table, kept)
        self._positions = {name: at for at, name in enumerate(table.names) if name not in kept}
        self._parts: dict[str, list[tuple[str, str]]] = {
            head: [(inner, name) for name in self._positions for inner in _inner(name, head)]
            for head in (*_ENTITIES, "context")
        }

    def _check(self, table: pa.Schema, kept: Collection[str]) -> None:
        names = [str(name) for name in table.names]
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise UnfitTable(f"the column `{shown(repeated[0])}` is there twice")
        for name in names:
            if name in (*DECIDED, PROBLEM):
                raise UnfitTable(f"the table has a column `{name}`, which is what it is to gain")
        wanted = ["subject.id", "resource.id"]
        if len(self._schema.actions) > 1:
            wanted.insert(0, "action")
        missing = [f"`{name}`" for name in wanted if name not in names]
        if missing:
            has = "the table has no columns" if not names else "the table has no column"
            raise UnfitTable(f"{has}: {', '.join(missing)} {'are' if missing[1:] else 'is'} needed")
        for part, inner in product(_ENTITIES, _OF_ENTITY):
            owner = next((t for t in self._types(part) if inner in t.by_name), None)
            if owner is not None and f"{part}.{inner}" in names:
                said = f"the column `{part}.{inner}` has two meanings"
                raise UnfitTable(f"{said}: `{owner.name}` has an attribute of that name")
        if "now" in names and not _is_moment(table.field("now").type):
            raise UnfitTable("the column `now` has no times, and no texts")
        known = self._known() | {*_WHOLE}
        for name in kept:
            if name in known:
                raise UnfitTable(f"the column `{name}` is a part of requests, and not only kept")
            if name not in names:
                raise UnfitTable(f"the table has no column `{shown(name)}` to keep")
        for name in names:
            if name in kept:
                continue
            if name not in known:
                hint = did_you_mean(name, known)
                said = f"the column `{shown(name)}` is no part of any request"
                raise UnfitTable(
                    f"{said}: {hint or 'if it is only kept, name it so (`--keep`, or a mapping of the others)'}"
                )
            if _loses_zone(table.field(name).type):
                raise UnfitTable(f"the times in the column `{name}` have no zone")
            if _has_nanoseconds(_in_microseconds(table.field(name).type)):
                said = f"the times in the column `{name}` are in nanoseconds, and in a form that is not read"
                raise UnfitTable(f"{said}: make them microseconds")

    def _known(self) -> set[str]:
        """Return the names of all columns that some request of the schema has below its parts."""
        known = {f"{part}.{name}" for part in _ENTITIES for name in _OF_ENTITY}
        for action in self._schema.actions.values():
            known |= {f"context.{attribute.name}" for attribute in action.context.attributes}
        for part in _ENTITIES:
            known |= {f"{part}.{name}" for type_ in self._types(part) for name in type_.by_name}
        return known

    def _types(self, part: str) -> Iterator[EntityType]:
        """Give the types that *part* of a request may have."""
        for action in self._schema.actions.values():
            for type_ in action.subjects if part == "subject" else action.resources:
                yield self._schema.entities[type_]

    def requests(self, batch: pa.RecordBatch, moment: str) -> Iterator[Arguments]:
        """Give the request of each row; *moment*: that of those that have none."""
        columns = {name: cells(batch.column(at)) for name, at in self._positions.items()}
        only = next(iter(self._schema.actions), None) if len(self._schema.actions) == 1 else None
        for row in range(batch.num_rows):
            action = columns["action"][row] if "action" in columns else only
            declared = self._schema.actions.get(action) if isinstance(action, str) else None
            request: Arguments = {"action": action}
            for part in _ENTITIES:
                given = {i: v for i, n in self._parts[part] if (v := columns[n][row]) is not None}
                request[part] = self._entity(part, given, declared)
            given = {i: v for i, n in self._parts["context"] if (v := columns[n][row]) is not None}
            known = declared.context.by_name if declared else {}
            request["context"] = self._attributes(given, known)
            request["fields"] = columns["fields"][row] if "fields" in columns else None
            own = columns["now"][row] if "now" in columns else None
            request["now"] = next(one for one in (self._now, own, moment) if one is not None)
            if "entities" in columns:
                request["entities"] = without_null(columns["entities"][row])
            yield request

    def _entity(
        self, part: str, given: dict[str, Any], action: ActionType | None
    ) -> dict[str, Any]:
        actions = self._schema.actions.values() if action is None else (action,)
        types = {
            type_
            for one in actions
            for type_ in (one.subjects if part == "subject" else one.resources)
        }
        entity: dict[str, Any] = {k: given.pop(k) for k in _OF_ENTITY if k in given}
        if "type" not in entity and len(types) == 1:
            entity["type"] = next(iter(types))
        type_ = entity.get("type")
        declared = self._schema.entities.get(type_) if isinstance(type_, str) else None
        entity["properties"] = self._attributes(given, declared.by_name if declared else {})
        return entity

    def _attributes(self, given: dict[str, Any], known: Mapping[str, Attribute]) -> dict[str, Any]:
        for name, value in given.items():
            declared = known.get(name)
            if declared is not None and isinstance(declared.type, _SHAPED):
                given[name] = _shaped(declared.type, value)
        return given


_SHAPED: Final = (EntityRefType, SetType, RecordType)
"""The types of which a cell may have another form than a request in JSON."""


def _shaped(type_: Type, value: Any) -> Any:
    """Return a cell as JSON has it: an id becomes a reference, and what is NULL in a record is left out."""
    match type_, value:
        case EntityRefType(name), str():
            return {"type": name, "id": value}
        case EntityRefType(), dict():
            return without_null(value)
        case SetType(element), list() if isinstance(element, _SHAPED):
            return [_shaped(element, part) for part in value]
        case RecordType(), dict():
            known = type_.by_name
            return {
                key: _shaped(known[key].type, part) if key in known else part
                for key, part in value.items()
                if part is not None
            }
        case _:
            return value


def without_null(value: Any) -> Any:
    """Return *value* without what is NULL in the structs in it."""
    if isinstance(value, dict):
        return {key: without_null(part) for key, part in value.items() if part is not None}
    return [*map(without_null, value)] if isinstance(value, list) else value


def _inner(name: str, head: str) -> Iterator[str]:
    first, dot, rest = name.partition(".")
    if dot and first == head:
        yield rest


def _is_moment(type_: pa.DataType) -> bool:
    """Whether values of *type_* may be moments: times or texts, or all are NULL."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        type_ = type_.value_type
    of = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_one(type_) for is_one in (*of, pa.types.is_timestamp, pa.types.is_null))


def _loses_zone(type_: pa.DataType) -> bool:
    """Whether values of *type_* have times without a zone in them."""
    if pa.types.is_timestamp(type_):
        return type_.tz is None
    return any(map(_loses_zone, _parts(type_)))


def _parts(type_: pa.DataType) -> list[pa.DataType]:
    """Return the types of which values of *type_* are made."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return [type_.value_type]
    return [type_.field(i).type for i in range(type_.num_fields)]


def cells(column: pa.Array) -> list[Any]:
    """Return the values of a column; what is none is a `Refused` in its place."""
    try:
        return _values(column)
    except (ValueError, ArithmeticError, pa.ArrowException):
        return [_cell(column.slice(row, 1)) for row in range(len(column))]


def _cell(column: pa.Array) -> Any:
    try:
        return _values(column)[0]
    except UnicodeDecodeError:
        return Refused("PE505", "this is not UTF-8")
    except (ValueError, ArithmeticError, pa.ArrowException):
        return Refused("PE505", "this value cannot be read")


def _values(column: pa.Array) -> list[Any]:
    if _has_nanoseconds(column.type):
        column = column.cast(_in_microseconds(column.type))  # raises where that loses any
    values: list[Any] = column.to_pylist()
    return values


def _has_nanoseconds(type_: pa.DataType) -> bool:
    if pa.types.is_timestamp(type_) or pa.types.is_duration(type_):
        return bool(type_.unit == "ns")
    return any(map(_has_nanoseconds, _parts(type_)))


def _in_microseconds(type_: pa.DataType) -> pa.DataType:
    """Return *type_* with all its times in microseconds, in which the engine counts."""
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", type_.tz)
    if pa.types.is_duration(type_):
        return pa.duration("us")
    if pa.types.is_struct(type_):
        return pa.struct(
            [
                type_.field(i).with_type(_in_microseconds(type_.field(i).type))
                for i in range(type_.num_fields)
            ]
        )
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_in_microseconds(type_.value_type)))
    return type_  # and the cast does nothing: the row is refused for what Python makes of it
