"""Name what a filter says of rows: a small relational tree, which every printing prints.

Every node is two-valued: it is true or false of every row, whatever the row holds, and never unknown. An atom
one of whose columns is NULL is false. So `Not` is exactly the complement, and a printing must make each atom
total before it negates it. Constants are folded by `both`, `either` and `negated`: a `Constant` is only ever
the whole of a predicate, or of the `where` of an `Exists` or `Ancestor`, and no junction or list is empty.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from policyengine.model.errors import PolicyError
from policyengine.model.values import Ip

Kind: TypeAlias = Literal["text", "int", "decimal", "bool", "instant", "ip", "json"]
"""How a column holds its values: text by code points; whole numbers of 64 bits; decimals of a fixed scale (up
to 18 digits, 4 of them after the point); truth values; moments with a time zone, to the microsecond;
addresses and networks, of which an IPv4-mapped one is its IPv4 one; records, as
objects of JSON without two equal keys, which are compared with nothing."""

Scalar: TypeAlias = str | int | bool | Decimal | datetime | Ip
"""A value of a kind: `str`, `int`, `Decimal`, `bool`, an aware `datetime` in UTC, an `Ip`."""

ROWS: Final = "rows"
"""The alias of the table whose rows are filtered."""

SUBJECT: Final = "subject"
"""The alias of the row of the subject, where a predicate is of any; all of its columns are NULL if there is none."""

CONTEXT: Final = "context"
"""The alias of the context, where rows are requests."""

CLOCK: Final = "clock"
"""The alias of what has the time, in its column `now`, where a predicate is of any time."""


# ---- terms ------------------------------------------------------------------------------


class Column(Struct, frozen=True):
    """The column *name* of the row that *alias* stands for; it may be NULL."""

    alias: str
    name: str
    kind: Kind


class Later(Column, frozen=True):
    """The moment that is *months* (in UTC, each time cut to the last day of a month) and microseconds later.

    It is only in predicates of any time, where it is compared with the time, or is that.
    """

    months: tuple[int, ...]
    microseconds: int


class Part(Column, frozen=True):
    """What is at *path*, keys of one object in another, in the JSON of a column; absent where nothing or null is.

    It is NULL as well, but present, where something is that is not of its kind. Values are texts, whole numbers, truth
    values; of keys that are equal, no object has two.
    """

    path: tuple[str, ...]


class SetColumn(Column, frozen=True):
    """A column that holds a set, of elements of its kind: an array, or one of JSON; it is of its kind if it holds one.

    The elements are like rows of a table with the column `ELEMENT`, which is NULL in one that is not of the kind. There
    are none where there is no array. A null of JSON is NULL. *path*: where the array is, in the JSON of the column.
    """

    json: bool
    path: tuple[str, ...] = ()


def plain(column: Column) -> Column:
    """Return the column itself, of one that may be `Later`, or a part of one."""
    match column:
        case Later():
            return Column(column.alias, column.name, column.kind)
        case Part() | SetColumn(path=(_, *_)):
            return Column(column.alias, column.name, "json")
        case _:
            return column


ELEMENT: Final = "element"
"""The column with the element of a set that is in a column."""


class _Known(Struct, frozen=True):
    """The base of what holds values, which may be private ones of a subject: a text of it does not show them."""

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("shown", repr(self))]


class Parameter(_Known, frozen=True):
    """A known value, which is bound and never NULL."""

    value: Scalar
    kind: Kind

    def __repr__(self) -> str:
        return f"Parameter(…, {self.kind!r})"


Term: TypeAlias = Column | Parameter


# ---- atoms ------------------------------------------------------------------------------


class IsPresent(Struct, frozen=True):
    """Whether the column is not NULL."""

    column: Column


class IsOfKind(Struct, frozen=True):
    """Whether the column is not NULL and holds a value of its kind.

    That is `IsPresent` where the engine holds columns to their types. Where it does not (SQLite), it asks
    for it: an integer for int, 0 or 1 for bool, text for text. An instant is in the years 1 to 9999, which
    must be asked where there are others, or infinity (PostgreSQL). A network has no bits beyond its prefix.
    """

    column: Column


Comparison: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]

OPERATORS: Final[Mapping[Comparison, Callable[[Any, Any], Any]]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
"""Python's operator of each, which databases' libraries have for their columns."""


class Compare(Struct, frozen=True):
    """Whether two terms of one kind compare so; false if either is NULL, `!=` too.

    At least one is a column. Text, bool and ip are only compared by `==` and `!=`; text by code points, with
    case, accents and spaces, whatever the collation.
    """

    op: Comparison
    left: Term
    right: Term


class OneOf(_Known, frozen=True):
    """Whether the column is one of *values*, of which there is at least one; false if it is NULL.

    Values are of the column's kind, different, and in a fixed order. They are compared as `Compare` does.
    """

    column: Column
    values: tuple[Scalar, ...]

    def __repr__(self) -> str:
        return f"OneOf({self.column!r}, …)"


class Matches(_Known, frozen=True):
    """Whether the text of the column is *pieces* with any text between them; false if it is NULL.

    There are two pieces at least, of which each may be empty: `("a", "")` is what starts with `a`, `("",
    "b")` what ends with `b`, `("", "c", "")` what contains `c`. They are literal, with case: `%`, `_`, `*`
    stand for themselves. "Any text" may be empty and may contain line ends.
    """

    column: Column
    pieces: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Matches({self.column!r}, …)"


class IsLonger(Struct, frozen=True):
    """Whether the text of the column has more than *most* code points; false if it is NULL."""

    column: Column
    most: int


class IsWithin(Struct, frozen=True):
    """Whether an address or network lies within another, or is that; false if either is NULL.

    Both are of the kind ip, and at least one is a column.
    """

    inner: Term
    outer: Term


# ---- rows of other tables ---------------------------------------------------------------


Source: TypeAlias = str | SetColumn
"""Where rows are: in the table of a name, or in a set in a column."""


class Exists(Struct, frozen=True):
    """Whether some row of *table*, called *alias* in *where*, equals the outer row in *on*, and satisfies *where*.

    *on*: pairs of a column of the alias and a column of a row outside, which are equal as `Compare` says, so
    that none is NULL. It may be empty. *where* may speak of every alias around. Aliases differ in the whole
    of a predicate.
    """

    table: Source
    alias: str
    on: tuple[tuple[Column, Column], ...]
    where: Predicate


class HasMore(Struct, frozen=True):
    """Whether the rows of *table* that equal the outer row in *on* have more than *most* values of *column*.

    Different ones, NULL aside. *column* and the first of each pair are of *alias*; else as in `Exists`.
    """

    table: Source
    alias: str
    on: tuple[tuple[Column, Column], ...]
    column: Column
    most: int


class Ancestor(Struct, frozen=True):
    """Whether some row satisfies *where* among that whose *id* is *start*, and those above it in *table*.

    The row above another is the one whose column *id* equals its column *parent*, as `Compare` says; none if
    that is NULL or there is no such row. A cycle ends the way, and there are no rows above *start* if it is NULL or
    leads nowhere. In *where* the row is called *alias*; *id* and *parent* are columns of that alias. No more
    than the first *most* rows of the way are asked.
    """

    table: str
    alias: str
    start: Column
    id: Column
    parent: Column
    where: Predicate
    most: int = 1_000


# ---- junctions --------------------------------------------------------------------------


class Not(Struct, frozen=True):
    """Whether *operand*, which is no `Not` and no `Constant`, is false."""

    operand: Predicate


class And(Struct, frozen=True):
    """Whether all operands, of which there are two at least, are true."""

    operands: tuple[Predicate, ...]


class Or(Struct, frozen=True):
    """Whether one of the operands, of which there are two at least, is true."""

    operands: tuple[Predicate, ...]


class Constant(Struct, frozen=True):
    """True or false of every row."""

    value: bool


Predicate: TypeAlias = (
    IsPresent | IsOfKind | Compare | OneOf | Matches | IsLonger | IsWithin | Exists | HasMore | Ancestor | Not | And
    | Or | Constant
)  # fmt: skip

TRUE: Final = Constant(True)
FALSE: Final = Constant(False)


def both(predicates: Iterable[Predicate]) -> Predicate:
    """Return the predicate that all *predicates* hold."""
    return _junction(And, predicates, TRUE)


def either(predicates: Iterable[Predicate]) -> Predicate:
    """Return the predicate that one of *predicates* holds."""
    return _junction(Or, predicates, FALSE)


def _junction(of: type[And | Or], predicates: Iterable[Predicate], neutral: Constant) -> Predicate:
    found: dict[Predicate, None] = {}
    for predicate in predicates:
        if predicate == negated(neutral):
            return predicate
        parts = predicate.operands if isinstance(predicate, of) else (predicate,)
        found |= dict.fromkeys(part for part in parts if part != neutral)
    if len(found) <= 1:
        return next(iter(found), neutral)
    return of(tuple(found))


def negated(predicate: Predicate) -> Predicate:
    """Return the predicate that *predicate* does not hold."""
    match predicate:
        case Constant(value):
            return Constant(not value)
        case Not(operand):
            return operand
        case _:
            return Not(predicate)


def exists(
    table: Source, alias: str, on: tuple[tuple[Column, Column], ...], where: Predicate
) -> Predicate:
    """Return the predicate that there is such a row, which there is not if *where* is false."""
    return FALSE if where == FALSE else Exists(table, alias, on, where)


def ancestor(
    table: str, alias: str, start: Column, id_: Column, parent: Column, where: Predicate, most: int
) -> Predicate:
    """Return the predicate that there is such an ancestor, which there is not if *where* is false."""
    return FALSE if where == FALSE else Ancestor(table, alias, start, id_, parent, where, most)


def one_of(column: Column, values: Iterable[Scalar]) -> Predicate:
    """Return the predicate that a column is one of *values*, which may be none."""
    ordered = tuple(sorted(set(values)))  # they are of one kind
    match ordered:
        case ():
            return FALSE
        case (value,):
            return Compare("==", column, Parameter(value, column.kind))
        case _:
            return OneOf(column, ordered)


def walk(predicate: Predicate) -> Iterator[Predicate]:
    """Give *predicate* and every predicate in it, outer ones first."""
    yield predicate
    match predicate:
        case Not(inner) | Exists(where=inner) | Ancestor(where=inner):
            yield from walk(inner)
        case And(operands) | Or(operands):
            for operand in operands:
                yield from walk(operand)


def columns_of(node: Predicate) -> Iterator[Column]:
    """Give the columns of which *node* itself speaks, and no predicate in it."""
    match node:
        case Compare(_, left, right) | IsWithin(left, right):
            yield from (term for term in (left, right) if isinstance(term, Column))
        case Exists(table, on=on):
            yield from _column_in(table)
            yield from (column for pair in on for column in pair)
        case HasMore(table, on=on, column=column):
            yield from _column_in(table)
            yield column
            yield from (column for pair in on for column in pair)
        case Ancestor(start=start, id=own, parent=parent):
            yield from (start, own, parent)
        case (
            IsPresent(column)
            | IsOfKind(column)
            | OneOf(column)
            | Matches(column)
            | IsLonger(column)
        ):
            yield column


def refuse_parts(predicate: Predicate, target: str) -> None:
    """Raise `NotPushable` if *predicate* asks of a set, of a record or of an address that is in a column."""
    for node in walk(predicate):
        for column in columns_of(node):
            if isinstance(column, SetColumn):
                said = "it is not asked for elements in a column: map the set to a `SetTable`"
                raise NotPushable(column.name, (), target, said)
            if isinstance(column, Part) or column.kind == "json":
                said = "it is not asked for parts of JSON: map the record to a column for each part"
                raise NotPushable(column.name, (), target, said)
            if column.kind == "ip":
                said = "it is not asked for addresses: SQLAlchemy and SQL are, in PostgreSQL"
                raise NotPushable(column.name, (), target, said)


def _column_in(source: Source) -> tuple[SetColumn, ...]:
    return () if isinstance(source, str) else (source,)


def tables_asked(predicate: Predicate) -> set[str]:
    """Return the tables of which *predicate* asks, besides that of the rows."""
    found = (of.table for of in walk(predicate) if isinstance(of, Exists | HasMore | Ancestor))
    return {table for table in found if isinstance(table, str)}


class NotPushable(PolicyError):  # noqa: N818 - it says what is so, as the language says it
    """Raised for a clause that a target cannot say exactly.

    *clause*: in the policy language. *rules*: the ids of those that it may be of. *target*: what cannot say
    it: the mapping, or a database. *reason*: why, and what to do instead.
    """

    def __init__(self, clause: str, rules: tuple[str, ...], target: str, reason: str) -> None:
        self.clause, self.rules, self.target, self.reason = clause, rules, target, reason
        of = f" of {', '.join(rules)}" if rules else ""
        super().__init__(f"{target} cannot say `{clause}`{of}: {reason}")
