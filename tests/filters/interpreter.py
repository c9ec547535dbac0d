"""Say what predicates mean, row by row in Python: every printing gives the rows that this gives."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias, assert_never

from policyengine.filters.predicates import (
    ELEMENT,
    ROWS,
    Ancestor,
    And,
    Column,
    Compare,
    Constant,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    IsWithin,
    Kind,
    Later,
    Matches,
    Not,
    OneOf,
    Or,
    Parameter,
    Part,
    Predicate,
    SetColumn,
    Term,
)
from policyengine.model.values import Ip
from policyengine.runtime.calendar_operations import add_months

Row: TypeAlias = Mapping[str, object]
"""The values of a row by column; NULL is `None`, and another value of a wrong type does not fit the column."""

Tables: TypeAlias = Mapping[str, Sequence[Row]]


class Indexed(dict[str, Sequence[Row]]):
    """Tables whose rows are found by what columns equal, which is looked for once: for many rows that are filtered."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._found: dict[tuple[str, tuple[str, ...]], dict[tuple[object, ...], list[Row]]] = {}

    def where(self, table: str, columns: Sequence[Column], values: tuple[object, ...]) -> list[Row]:
        """Return the rows of a table whose columns have the values."""
        key = table, tuple(column.name for column in columns)
        index = self._found.get(key)
        if index is None:
            index = self._found[key] = {}
            for row in self[table]:
                held = (_there(column, {column.alias: row}) for column in columns)
                index.setdefault(tuple(held), []).append(row)
        return index.get(values, [])


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND

_TYPES: Final[dict[Kind, type]] = {
    "text": str, "int": int, "decimal": Decimal, "bool": bool, "instant": datetime, "ip": Ip,
}  # fmt: skip


def holds(predicate: Predicate, row: Row, tables: Tables, others: Mapping[str, Row] = {}) -> bool:
    """Whether *predicate* is true of *row*, one of the rows that are filtered; *others* by their aliases."""
    return _holds(predicate, {ROWS: row, **others}, tables)


def _holds(predicate: Predicate, rows: Mapping[str, Row], tables: Tables) -> bool:
    """Whether *predicate* is true where *rows* are the rows that aliases stand for."""
    match predicate:
        case IsPresent(column):
            return _there(column, rows) is not None
        case IsOfKind(SetColumn() as column):
            return isinstance(_value(column, rows), list)
        case IsOfKind(Column(kind="json") as column):
            return isinstance(_there(column, rows), dict)
        case IsOfKind(column):
            return type(_value(column, rows)) is _TYPES[column.kind]
        case Compare(op, left, right):
            one, other = _value(left, rows), _value(right, rows)
            return one is not None and other is not None and _COMPARISONS[op](one, other)
        case OneOf(column, values):
            return _value(column, rows) in values  # `None` is no value
        case Matches(column, pieces):
            text = _value(column, rows)
            return isinstance(text, str) and _matches(text, pieces)
        case IsLonger(column, most):
            text = _value(column, rows)
            return isinstance(text, str) and len(text) > most
        case IsWithin(inner, outer):
            one, other = _value(inner, rows), _value(outer, rows)
            return isinstance(one, Ip) and isinstance(other, Ip) and one.within(other)
        case Exists(where=where):
            return any(_holds(where, inner, tables) for inner in _equal(predicate, rows, tables))
        case HasMore(column=column, most=most):
            values = {_value(column, inner) for inner in _equal(predicate, rows, tables)}
            return len(values - {None}) > most
        case Ancestor(alias=alias, where=where):
            return any(
                _holds(where, {**rows, alias: row}, tables)
                for row in _with_those_above(predicate, rows, tables)
            )
        case Not(operand):
            return not _holds(operand, rows, tables)
        case And(operands):
            return all(_holds(operand, rows, tables) for operand in operands)
        case Or(operands):
            return any(_holds(operand, rows, tables) for operand in operands)
        case Constant(value):
            return value
        case _:
            assert_never(predicate)


def _value(term: Term, rows: Mapping[str, Row]) -> Any:
    if isinstance(term, Parameter):
        return term.value
    found = _there(term, rows)
    if isinstance(term, Part) and type(found) is not _TYPES.get(term.kind):
        return None
    if not isinstance(term, Later) or found is None:
        return found
    assert isinstance(found, datetime)
    moment = (found - _EPOCH) // _MICROSECOND
    for months in term.months:
        moment = add_months(moment, months)
    moment += term.microseconds
    return min(max(moment, _FIRST), _LAST) * _MICROSECOND + _EPOCH


def _there(column: Term, rows: Mapping[str, Row]) -> Any:
    """Return what a column holds; of JSON what is there at the path, whatever it is."""
    assert isinstance(column, Column)
    found = rows[column.alias][column.name]
    in_json = column.json if isinstance(column, SetColumn) else column.kind == "json"
    if not in_json and not isinstance(column, Part):
        return _address(found) if column.kind == "ip" else found
    if isinstance(found, str):
        found = _document(found)
    for key in column.path if isinstance(column, Part | SetColumn) else ():
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _address(written: Any) -> Any:
    """Return the address or network that is written, or those of a set; the text itself if it is none."""
    if isinstance(written, list):
        return [*map(_address, written)]
    try:
        return Ip.parse(written) if isinstance(written, str) else written
    except ValueError:
        return written


def _document(text: str) -> Any:
    r"""Return what a text of JSON says; the text itself if it is none, or has `\u0000`."""

    def read(pairs: list[tuple[str, Any]]) -> Any:
        return dict(pairs) if len(dict(pairs)) == len(pairs) else tuple(pairs)

    try:
        found = json.loads(text, object_pairs_hook=read)
    except ValueError:
        return text
    return text if "\\u0000" in text.replace("\\\\", "") else found


def _matches(text: str, pieces: Sequence[str]) -> bool:
    """Whether *text* is *pieces* with any text between: all but the last are taken where they come first."""
    first, *middle, last = pieces
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return text.endswith(last) and len(text) - len(last) >= at


def _equal(
    of: Exists | HasMore, rows: Mapping[str, Row], tables: Tables
) -> Iterator[Mapping[str, Row]]:
    """Give *rows* with each row of the table that equals the outer rows in *on*."""
    if isinstance(tables, Indexed) and isinstance(of.table, str) and of.on:
        values = tuple(_value(outer, rows) for _, outer in of.on)
        if None not in values:
            mine = [own for own, _ in of.on]
            yield from ({**rows, of.alias: row} for row in tables.where(of.table, mine, values))
        return
    for row in tables[of.table] if isinstance(of.table, str) else _elements(of.table, rows):
        inner = {**rows, of.alias: row}
        if all(_holds(Compare("==", mine, outer), inner, tables) for mine, outer in of.on):
            yield inner


def _elements(column: SetColumn, rows: Mapping[str, Row]) -> Iterator[Row]:
    """Give the elements of the set in a column."""
    found = _value(column, rows)
    for one in found if isinstance(found, list) else ():
        wanted = dict if column.kind == "json" else _TYPES[column.kind]
        yield {ELEMENT: one if type(one) is wanted else None}


def _with_those_above(ancestor: Ancestor, rows: Mapping[str, Row], tables: Tables) -> Iterator[Row]:
    """Give the row where the way begins and those above it, each once, as many as may be asked."""
    at, seen = _value(ancestor.start, rows), set()
    while at is not None and at not in seen and len(seen) < ancestor.most:
        seen.add(at)
        found = _named(at, ancestor, tables)
        yield from found
        at = found[0][ancestor.parent.name] if found else None


def _named(at: object, ancestor: Ancestor, tables: Tables) -> Sequence[Row]:
    """Return the rows whose id is *at*."""
    if isinstance(tables, Indexed):
        return tables.where(ancestor.table, [ancestor.id], (at,))
    return [row for row in tables[ancestor.table] if row[ancestor.id.name] == at]
