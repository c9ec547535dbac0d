"""Look up no row twice: put together what is asked of the same rows of another table.

An entity that is referred to is one row. If it must exist anyway, whatever else is asked of it goes where that
is asked. Of two questions whether some row of the same rows satisfies something, either of which is enough, one
question is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from policyengine.filters.predicates import (
    FALSE,
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
    Matches,
    Not,
    OneOf,
    Or,
    Parameter,
    Predicate,
    Source,
    Term,
    both,
    either,
    negated,
)

Ids: TypeAlias = Collection[tuple[str, str]]
"""Tables and their columns of which no two rows have the same value."""


def merged(predicate: Predicate, ids: Ids) -> Predicate:
    """Return a predicate of the same rows, which looks up fewer."""
    match predicate:
        case And(operands):
            return _all(operands, ids)
        case Or(operands):
            return either(merged(one, ids) for one in _either(operands))
        case Not(operand):
            return negated(merged(operand, ids))
        case Exists() | Ancestor():
            where = merged(predicate.where, ids)
            return FALSE if where == FALSE else replace(predicate, where=where)
        case _:
            return predicate


def _all(operands: tuple[Predicate, ...], ids: Ids) -> Predicate:
    none = [one.operand for one in operands if isinstance(one, Not)]
    rest: list[Predicate] = [one for one in operands if not isinstance(one, Not)]
    rest += [negated(one) for one in _either(none)]
    for at, one in enumerate(rest):
        if not (isinstance(one, Exists) and _is_one_row(one, ids)):
            continue
        asked: list[Predicate] = [one.where]
        others: list[Predicate] = []
        for other in (*rest[:at], *rest[at + 1 :]):
            made = _with_row(other, one)
            (others if made == other else asked).append(made)
        if len(asked) > 1:
            return merged(both([*others, replace(one, where=both(asked))]), ids)
    return both(merged(one, ids) for one in rest)


def _is_one_row(row: Exists, ids: Ids) -> bool:
    match row.on:
        case ((Column(alias, name), _),):
            return alias == row.alias and (row.table, name) in ids
        case _:
            return False


def _with_row(predicate: Predicate, row: Exists) -> Predicate:
    """Return *predicate* for where *row* exists: what is asked of that row is asked there."""
    match predicate:
        case Exists() if _shape(predicate) == _shape(row):
            return _with_row(_renamed(predicate.where, predicate.alias, row.alias), row)
        case Not(operand):
            return negated(_with_row(operand, row))
        case And(operands):
            return both(_with_row(one, row) for one in operands)
        case Or(operands):
            return either(_with_row(one, row) for one in operands)
        case Exists() | Ancestor():
            where = _with_row(predicate.where, row)
            return FALSE if where == FALSE else replace(predicate, where=where)
        case _:
            return predicate


def _either(operands: Iterable[Predicate]) -> list[Predicate]:
    """Return operands of `Or` of which those that ask the same rows are one."""
    made: list[Predicate] = []
    places: dict[object, int] = {}
    for one in operands:
        if not isinstance(one, Exists | Ancestor):
            made.append(one)
            continue
        shape = _shape(one)
        if shape not in places:
            places[shape] = len(made)
            made.append(one)
            continue
        first = made[places[shape]]
        assert isinstance(first, Exists | Ancestor)
        where = either([first.where, _renamed(one.where, one.alias, first.alias)])
        made[places[shape]] = replace(first, where=where)
    return made


def _shape(predicate: Exists | Ancestor) -> object:
    """Return which rows are asked, whatever they are called."""
    return _renamed(replace(predicate, where=Constant(True), alias=""), predicate.alias, "")


def _renamed(predicate: Predicate, alias: str, name: str) -> Predicate:
    """Return *predicate* in which the row *alias* is called *name*."""

    def column(of: Column) -> Column:
        return replace(of, alias=name) if of.alias == alias else of

    return _with_columns(predicate, column)


def _with_columns(predicate: Predicate, change: Callable[[Column], Column]) -> Predicate:
    """Return *predicate* with every column changed."""

    def term(of: Term) -> Term:
        return of if isinstance(of, Parameter) else change(of)

    def source(of: Source) -> Source:
        made = of if isinstance(of, str) else change(of)
        assert isinstance(made, Source)
        return made

    def inner(of: Predicate) -> Predicate:
        return _with_columns(of, change)

    match predicate:
        case Constant():
            return predicate
        case IsPresent() | IsOfKind() | OneOf() | Matches() | IsLonger():
            return replace(predicate, column=change(predicate.column))
        case Compare(_, left, right):
            return replace(predicate, left=term(left), right=term(right))
        case IsWithin(one, other):
            return replace(predicate, inner=term(one), outer=term(other))
        case Not(operand):
            return Not(inner(operand))
        case And(operands) | Or(operands):
            return replace(predicate, operands=tuple(map(inner, operands)))
        case Exists(table, on=on, where=where):
            pairs = tuple((change(one), change(other)) for one, other in on)
            return replace(predicate, table=source(table), on=pairs, where=inner(where))
        case HasMore(table, on=on, column=column):
            pairs = tuple((change(one), change(other)) for one, other in on)
            return replace(predicate, table=source(table), on=pairs, column=change(column))
        case Ancestor(start=start, id=own, parent=parent, where=where):
            return replace(
                predicate,
                start=change(start),
                id=change(own),
                parent=change(parent),
                where=inner(where),
            )
        case _:
            assert_never(predicate)
