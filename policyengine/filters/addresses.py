"""Say of columns of PostgreSQL that hold addresses and networks how these are equal, and within others.

To PostgreSQL, an IPv4-mapped address is one of IPv6, and to rules it is the IPv4 address. A column is
compared with what is known in both forms, so that indexes serve; of two columns, each is changed to IPv4
where it is mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    not_,
    or_,
)
from sqlalchemy.dialects.postgresql import INET

from policyengine.filters.predicates import Scalar
from policyengine.model.values import Ip, parse_ip

_MAPPED: Final = parse_ip("::fffe:0:0/95")
"""The smallest network with the mapped addresses that is not one of them itself."""

_PREFIX, _IPV4 = 96, 4
_FIRST: ColumnElement[Any] = literal_column("inet '::ffff:0.0.0.0'", INET())
_ALL: ColumnElement[Any] = literal_column(f"inet '::ffff:0.0.0.0/{_PREFIX}'", INET())
_BITS: ColumnElement[Any] = literal_column("128")
_BEFORE: ColumnElement[Any] = literal_column(str(_PREFIX))
_ZERO: ColumnElement[Any] = literal_column("inet '0.0.0.0'", INET())


def _inet(text: str) -> ColumnElement[Any]:
    return cast(literal(text, Text()), INET())


def _is_mapped(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return _is_within(column, _ALL)


def _is_within(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    return one.op("<<=", is_comparison=True)(other)


def written(value: Scalar) -> Iterator[ColumnElement[Any]]:
    """Give the forms in which a column may hold an address or a network."""
    assert isinstance(value, Ip)
    yield _inet(str(value))
    if value.version == _IPV4:
        yield _mapped(value)


def _mapped(value: Ip) -> ColumnElement[Any]:
    network, _, prefix = str(value).partition("/")
    return _inet(f"::ffff:{network}/{_PREFIX + int(prefix or 32)}")


def without_mapped(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column with IPv4 in the place of what is mapped."""
    number = cast(func.set_masklen(column, _BITS).op("-")(_FIRST), BigInteger)
    plain = func.set_masklen(_ZERO.op("+")(number), func.masklen(column) - _BEFORE)
    return cast(case((_is_mapped(column), plain), else_=column), INET())


def column_within(column: ColumnElement[Any], around: Scalar) -> ColumnElement[bool]:
    """Return whether a column is within a known network."""
    assert isinstance(around, Ip)
    found = or_(*(_is_within(column, one) for one in written(around)))
    return and_(found, not_(_is_mapped(column))) if _MAPPED.within(around) else found


def is_within_column(one: Scalar, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a known address or network is within a column."""
    assert isinstance(one, Ip)
    found = _is_within(_inet(str(one)), column)
    if one.version != _IPV4:
        return found
    return or_(found, and_(_is_within(_mapped(one), column), _is_mapped(column)))


def columns_within(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a column is within another."""
    return _is_within(without_mapped(one), without_mapped(other))
