"""Say how columns hold values, and compare single columns with what is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple

from policyengine.filters.mapping import StoredColumn
from policyengine.filters.predicates import (
    FALSE,
    TRUE,
    Column,
    Compare,
    Comparison,
    Constant,
    IsLonger,
    IsPresent,
    Matches,
    Parameter,
    Predicate,
    Scalar,
    both,
    either,
    negated,
)
from policyengine.filters.ranges import Ranges
from policyengine.filters.row_paths import Cell, Unsayable
from policyengine.model.limits import DECIMAL_PLACES
from policyengine.model.types import (
    Enumeration,
    EnumType,
    LevelsType,
    Primitive,
    TaxonomyType,
    Type,
)
from policyengine.model.values import Ip, can_be_given, to_datetime

_MOST_TEXTS: Final = 1_000
"""The parts of a known text that a column is compared with."""


def stored_form(column: StoredColumn, type_: Type, value: object) -> Scalar | None:
    """Return how a column holds a canonical value; None if it can hold none that is equal."""
    match type_:
        case LevelsType(members=members):
            return (column.names or {})[members[whole(value)]]
        case EnumType() | TaxonomyType():
            return (column.names or {})[str(value)]
        case Primitive("decimal"):
            return Decimal(whole(value)).scaleb(-DECIMAL_PLACES)
        case Primitive("datetime"):
            return to_datetime(whole(value))
        case Primitive("ip"):
            demand_addresses(column)
            assert isinstance(value, Ip)
            return value
    if column.kind == "int" and isinstance(value, str):
        return _whole_id(value)
    assert isinstance(value, str | int)
    return value


def demand_addresses(column: StoredColumn) -> None:
    """Raise `Unsayable` if a column holds texts of addresses, which no filter reads."""
    if column.kind != "ip":
        raise Unsayable(
            "a text may write an address in several ways: a column of the type INET of PostgreSQL has the kind `ip`"
        )


def _whole_id(text: str) -> int | None:
    """Return the number whose text is an id, None if it is of none that a column holds."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER):
        return None
    number = int(text)
    return number if str(number) == text and -_64_BITS <= number < _64_BITS else None


_64_BITS: Final = 2**63
_LONGEST_NUMBER: Final = len(str(_64_BITS))


def values_of(type_: Enumeration) -> Iterable[object]:
    """Return the canonical values of an enumeration."""
    return range(len(type_.members)) if isinstance(type_, LevelsType) else type_.members


def is_true(cell: Cell) -> Predicate:
    """Return the predicate that a truth value is true."""
    return equals(cell.column, True)


def equals(column: Column, value: Scalar | None) -> Predicate:
    """Return the predicate that a column has a value; None is a value that no column has."""
    return FALSE if value is None else Compare("==", column, Parameter(value, column.kind))


def differs(type_: Type, value: object) -> Callable[[Cell], Predicate]:
    """Return the function that gives the predicate that a column has another value than a canonical one."""

    def differs(cell: Cell) -> Predicate:
        stored = stored_form(cell.stored, type_, value)
        if stored is None:
            return IsPresent(cell.column)
        return Compare("!=", cell.column, Parameter(stored, cell.column.kind))

    return differs


def cell_in_ranges(cell: Cell, ranges: Ranges) -> Predicate:
    """Return the predicate that a column is in *ranges*, of which only what a request may give matters."""
    column, type_ = cell.column, cell.type

    def compared(op: Comparison, value: int) -> Predicate:
        stored = stored_form(cell.stored, type_, value)
        assert stored is not None
        return Compare(op, column, Parameter(stored, column.kind))

    match ranges:
        case ((None, int(one)), (int(other), None)) if one + 1 == other and can_be_given(
            type_, one
        ):
            return compared("!=", one)
    cases: list[Predicate] = []
    for start, end in ranges:
        if start is not None and end == start + 1:
            cases.append(compared("==", start) if can_be_given(type_, start) else FALSE)
            continue
        ends: list[Predicate] = [IsPresent(column)]
        if start is not None:
            ends.append(_beyond(start, type_, compared, ">=", below=True))
        if end is not None:
            ends.append(_beyond(end, type_, compared, "<", below=False))
        cases.append(both(ends[1:]) if len(ends) > 1 else ends[0])
    made = either(cases)
    return IsPresent(column) if made == TRUE else made


def _beyond(
    end: int,
    type_: Type,
    compared: Callable[[Comparison, int], Predicate],
    op: Comparison,
    *,
    below: bool,
) -> Predicate:
    """Return the comparison with one end of a range; whether all numbers are on its side if none may be given."""
    if can_be_given(type_, end):
        return compared(op, end)
    return Constant((end < 0) == below)


def counted(more_than: Callable[[int], Predicate], ranges: Ranges) -> Predicate:
    """Return the predicate that a count is in *ranges*: from one number on, and not from another on."""

    def at_least(count: int | None) -> Predicate:
        return TRUE if count is None or count <= 0 else more_than(count - 1)

    return either(
        both([at_least(start), TRUE if end is None else negated(at_least(end))])
        for start, end in ranges
    )


def lengths(column: Column) -> Callable[[int], Predicate]:
    """Return the function that gives the predicate that a text is longer than a number."""
    return lambda most: IsLonger(column, most)


def within_path(column: Column, path: str) -> Predicate:
    """Return the predicate that the path in *column* is *path* or is below it."""
    if path == "/":
        return IsPresent(column)
    return either([equals(column, path), Matches(column, (f"{path}/", ""))])


def like_path(column: Column, pattern: Sequence[str]) -> Predicate:
    """Return the predicate that the path in *column* is a pattern of these segments.

    Paths have no empty segments. So of a pattern without `**`, no star takes a `/` in a path that has no more
    of these; and beside `**`, which takes whole segments, a star takes what is left of one.
    """
    if "**" in pattern:
        return either(_matches_path(column, pieces) for pieces in _ways(_runs(pattern)))
    text = "".join(f"/{segment}" for segment in pattern)
    deeper = Matches(column, ("", *"/" * (len(pattern) + 1), ""))
    return both([_matches_path(column, tuple(_STARS.split(text))), negated(deeper)])


_STARS: Final = re.compile(r"\*+")
_MOST_GAPS: Final = 4


class _Run(NamedTuple):
    """Segments between two `**` of a pattern: their text, and whether a star was cut off before and behind it."""

    text: str
    after_star: bool
    before_star: bool


def _runs(pattern: Sequence[str]) -> list[_Run]:
    """Cut a pattern at each `**`."""
    runs = [[*run] for is_gap, run in groupby(pattern, lambda part: part == "**") if not is_gap]
    starts, ends = pattern[0] != "**", pattern[-1] != "**"
    made = [_Run("", after_star=False, before_star=False)] * (not starts)
    for at, run in enumerate(runs):
        text = "".join(f"/{segment}" for segment in run)
        after = run[0].startswith("*") and not (starts and at == 0)
        if after:
            text = text[1:].lstrip("*")
        before = text.endswith("*") and not (ends and at == len(runs) - 1)
        text = text.rstrip("*") if before else text
        if "*" in text:
            raise Unsayable("beside `**`, stars are said at the ends of what is between them only")
        made.append(_Run(text, after, before))
    made += [_Run("", after_star=False, before_star=False)] * (not ends)
    if len(made) > _MOST_GAPS + 1:
        raise Unsayable(f"a pattern has more than {_MOST_GAPS} `**`: say it with several patterns")
    return made


def _ways(runs: Sequence[_Run]) -> Iterator[tuple[str, ...]]:
    """Give pieces of a text, for each choice of which `**` take no segment."""
    if len(runs) == 1:
        yield (runs[0].text,)
        return
    first, second, *others = runs
    for head, *tail in _ways([second, *others]):
        match first.before_star, second.after_star:
            case False, False:
                yield (first.text + head, *tail)
                yield (f"{first.text}/", head, *tail)
            case True, False:
                yield (first.text, head, *tail)
            case False, True:
                yield (f"{first.text}/", head, *tail)
            case _:
                yield (first.text, "/", head, *tail)


def _matches_path(column: Column, pieces: tuple[str, ...]) -> Predicate:
    """Return the predicate that a path is *pieces* with any text between them."""
    if len(pieces) == 1:
        return equals(column, pieces[0] or "/")
    found = Matches(column, pieces)
    if "".join(pieces) != "/":
        return found
    return both([found, negated(equals(column, "/"))])  # which has no segments


def parts_of(text: str, op: str) -> list[str]:
    """Return the texts that *text* starts with, ends with or contains."""
    ends = range(len(text) + 1)
    match op:
        case "startswith":
            found = {text[:end] for end in ends}
        case "endswith":
            found = {text[start:] for start in ends}
        case _ if len(text) ** 2 > 2 * _MOST_TEXTS:
            raise Unsayable("the known text is too long to try each part of it")
        case _:
            found = {text[start:end] for start in ends for end in ends if start <= end}
    if len(found) > _MOST_TEXTS:
        raise Unsayable("the known text is too long to try each part of it")
    return sorted(found)


def whole(value: object) -> int:
    """Return a canonical value that is a whole number."""
    assert isinstance(value, int)
    return value
