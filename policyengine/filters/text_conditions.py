"""Print patterns and lengths of texts for databases, by code points and with U+0000.

SQLite's own functions on texts end at U+0000, so there the bytes of UTF-8 are compared, in which nothing but
the same code points looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
)  # fmt: skip

from policyengine.filters.predicates import NotPushable
from policyengine.filters.stored_columns import Dialect, exact

_MOST_PIECES: Final = 6  # of a pattern in SQLite, where the condition doubles with each


def matches(
    column: ColumnElement[Any], pieces: Sequence[str], dialect: Dialect
) -> ColumnElement[bool]:
    """Return whether the text of a stored column is *pieces* with any text between them."""
    if dialect == "sqlite":
        return _matches_bytes(column, pieces)
    pattern = "%".join(re.sub(r"[!%_\\]", r"!\g<0>", piece) for piece in pieces)
    return exact(column, dialect).like(pattern, escape="!" if "!" in pattern else None)


def _matches_bytes(column: ColumnElement[Any], pieces: Sequence[str]) -> ColumnElement[bool]:
    plain = pieces[0] == pieces[-1] == "" and len({*pieces[1:-1]}) == 1
    if plain and len(pieces[1]) == 1 and pieces[1] != "\0":
        return _has(column, pieces[1], len(pieces) - 2)
    if len(pieces) > _MOST_PIECES:
        reason = (
            f"a pattern has more than {_MOST_PIECES - 1} wildcards: say it with several patterns"
        )
        raise NotPushable("*".join(pieces), (), "SQLite", reason)
    first, *middle, last = (piece.encode() for piece in pieces)
    if first == last == b"" and len(middle) == 1:  # which needs no copy
        return func.instr(column, pieces[1], type_=Integer) > 0
    conditions = _starts_with(column, pieces[0])
    left: ColumnElement[Any] = cast(column, LargeBinary)
    if last:
        conditions.append(func.substr(left, -len(last), type_=LargeBinary) == literal(last))
    if middle or last:
        conditions.append(func.length(left, type_=Integer) >= len(first) + len(last))
    if middle and (first or last):  # what is cut from nothing is NULL
        size = func.length(left, type_=Integer) - len(first) - len(last)
        left = func.substr(left, len(first) + 1, size, type_=LargeBinary)
    for piece in filter(None, middle):
        at = func.instr(left, literal(piece), type_=Integer)
        conditions.append(at > 0)
        left = func.substr(left, at + len(piece), type_=LargeBinary)
    return and_(*conditions) if conditions else column.is_not(None)


def _has(column: ColumnElement[Any], character: str, times: int) -> ColumnElement[bool]:
    """Return whether a text has a character so many times."""
    rest = func.replace(column, literal(character, Text()), "")
    whole, others = (func.length(cast(one, LargeBinary), type_=Integer()) for one in (column, rest))
    return whole - others >= len(character.encode()) * times


def _starts_with(column: ColumnElement[Any], prefix: str) -> list[ColumnElement[bool]]:
    """Return the bounds between which all texts and only those start with *prefix*: an index serves them."""
    if not prefix:
        return []
    binary = exact(column, "sqlite")
    beyond = prefix.rstrip(chr(0x10FFFF))
    if not beyond:
        return [binary >= prefix]
    after = chr(ord(beyond[-1]) + 1)
    after = "\ue000" if after == "\ud800" else after  # halves of surrogate pairs are in no text
    return [binary >= prefix, binary < beyond[:-1] + after]


def is_longer(column: ColumnElement[Any], most: int, dialect: Dialect) -> ColumnElement[bool]:
    """Return whether the text of a stored column has more than *most* code points."""
    if dialect != "sqlite":
        return func.length(column, type_=Integer) > most
    return or_(
        func.length(column, type_=Integer) > most,
        and_(func.instr(column, func.char(0), type_=Integer) > 0, _length(column) > most),
    )


def _length(column: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the code points of a text, which is counted from one U+0000 to the next."""
    nul = literal(b"\0")

    def counted(rest: ColumnElement[Any]) -> ColumnElement[int]:
        return func.length(cast(rest, Text), type_=Integer)

    whole = cast(column, LargeBinary)
    first = select(whole.label("rest"), counted(whole).label("size")).correlate_except(None)
    parts = first.cte("parts", recursive=True, nesting=True)
    rest = func.substr(parts.c.rest, func.instr(parts.c.rest, nul) + 1, type_=LargeBinary)
    more = select(rest, parts.c.size + 1 + counted(rest)).where(func.instr(parts.c.rest, nul) > 0)
    parts = parts.union_all(more)
    return select(func.max(parts.c.size)).scalar_subquery()
