"""Turn written, Python and JSON values into canonical ones, and back into text, Python and JSON.

Canonical values are what rules are evaluated on: bool, int and str as they are; a decimal as
ten-thousandths, a datetime as microseconds since 1970 UTC, a duration as microseconds, a level as
its position (all `int`); an enumerator or term as its name, an entity as its id (all `str`); an
`Ip`; a frozenset; a record of the class that `records` makes. Types are static, so that two sorts
of int never meet.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, Literal, NamedTuple

from policyengine.model.limits import DECIMAL_PLACES, DIGITS
from policyengine.model.records import slot
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)


class _Absent(Enum):
    """The one value of an optional attribute that is not there."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
AbsentType = Literal[_Absent.ABSENT]


class Ip(NamedTuple):
    """An address or network: its version (4 or 6), its first and its last address as numbers."""

    version: int
    first: int
    last: int

    def __str__(self) -> str:
        network = _network(self)
        return str(network.network_address) if self.first == self.last else str(network)


SCALE: Final = 10**DECIMAL_PLACES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = {
    "w": 604_800_000_000, "d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000,
    "s": 1_000_000, "ms": 1_000, "us": 1,
}  # fmt: skip
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2}))?"
)
_DURATION = re.compile(r"-?(?:\d+(?:us|ms|[wdhms]))+")
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")


# ---- reading text -----------------------------------------------------------------------


def parse_datetime(text: str) -> int:
    """Read ISO 8601 with an offset, or a bare date as midnight UTC. Raises `ValueError`."""
    if not _DATETIME.fullmatch(text):
        if "T" in text and _DATETIME.fullmatch(f"{text}Z"):
            raise ValueError(f"`{text}` has no offset; write `{text}Z` for UTC")
        raise ValueError(f"`{text}` is no date or time, such as `2026-09-01T10:00:00Z`")
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as problem:
        raise ValueError(f"there is no `{text}`: {problem}") from None
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def from_datetime(moment: datetime) -> int:
    """Return an aware datetime in microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def parse_duration(text: str) -> int:
    """Read a duration such as `24h` or `1d12h`. Raises `ValueError`."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"`{text}` is no duration, such as `24h` or `1d12h`")
    parts = re.findall(r"(\d+)(us|ms|[wdhms])", text)
    units = [unit for _, unit in parts]
    order = list(_UNITS)
    if [order.index(unit) for unit in units] != sorted({order.index(unit) for unit in units}):
        raise ValueError(f"`{text}` names its units twice or out of order, as in `1d12h`")
    if any(len(number) > DIGITS for number, _ in parts):
        raise ValueError(f"`{text[:40]}` is too long a duration")
    total = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if len(str(total)) > DIGITS:
        raise ValueError(f"`{text}` is too long a duration")
    return -total if text.startswith("-") else total


def parse_decimal(text: str) -> int:
    """Read a decimal of at most four fractional digits, in ten-thousandths. Raises `ValueError`."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"`{text[:40]}` is no decimal, such as `1.50`")
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(whole) > 1 and whole[0] == "0":
        raise ValueError(f"a decimal has no leading zero: `{text[:40]}`")
    if len(fraction) > DECIMAL_PLACES:
        raise ValueError(f"`{text[:40]}` has more than {DECIMAL_PLACES} fractional digits")
    if len(whole) + DECIMAL_PLACES > DIGITS:
        raise ValueError(f"a decimal has at most {DIGITS - DECIMAL_PLACES} digits before the point")
    value = int(whole) * SCALE + int(fraction.ljust(DECIMAL_PLACES, "0"))
    return -value if text.startswith("-") else value


def parse_ip(text: str) -> Ip:
    """Read an address or a network; an IPv4-mapped one is its IPv4 form. Raises `ValueError`."""
    try:
        return from_network(ipaddress.ip_network(text))
    except ValueError as problem:
        raise ValueError(f"{problem}".replace("'", "`")) from None


def from_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Ip:
    """Return the canonical form of a network."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 6 and first >> 32 == last >> 32 == 0xFFFF:
        return Ip(4, first & 0xFFFF_FFFF, last & 0xFFFF_FFFF)
    return Ip(network.version, first, last)


def _network(value: Ip) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    size = 32 if value.version == 4 else 128
    prefix = size - (value.last - value.first).bit_length()
    if value.version == 4:
        return ipaddress.IPv4Network((value.first, prefix))
    return ipaddress.IPv6Network((value.first, prefix))


# ---- writing ----------------------------------------------------------------------------


def text_of(type_: Type, value: object) -> str:
    """Return *value* as a person reads it in a reason; never raises for a value of that type."""
    match type_, value:
        case _, _Absent():
            return "nothing"
        case (EnumType() | TaxonomyType(), str()) | (Primitive("string"), str()):
            return value
        case EntityRefType(name), str():
            return f'{name} "{value}"'
        case LevelsType(members=members), int():
            return members[value]
        case SetType(element), frozenset():
            return "{" + ", ".join(sorted(text_of(element, item) for item in value)) + "}"
        case RecordType(attributes), _:
            parts = ((a, getattr(value, slot(a.name))) for a in attributes)
            shown = (f"{a.name}: {text_of(a.type, v)}" for a, v in parts if v is not ABSENT)
            return "{" + ", ".join(shown) + "}"
        case Primitive(), _:
            return _primitive_text(type_, value)
    raise TypeError(f"{value!r} is no {type_}")


def _primitive_text(type_: Primitive, value: object) -> str:
    if type_ is BOOL:
        return "true" if value else "false"
    if isinstance(value, Ip):
        return str(value)
    assert isinstance(value, int)
    if type_ is DECIMAL:
        sign, (whole, fraction) = "-" * (value < 0), divmod(abs(value), SCALE)
        return f"{sign}{whole}.{fraction:0{DECIMAL_PLACES}}".rstrip("0").rstrip(".")
    if type_ is DATETIME:
        return _datetime_text(value)
    if type_ is DURATION:
        return _duration_text(value)
    return str(value)


def _datetime_text(value: int) -> str:
    try:
        moment = _EPOCH + value * _MICROSECOND
    except OverflowError:  # computed, and beyond what a calendar shows
        return "a moment after the year 9999" if value > 0 else "a moment before the year 1"
    if value % _UNITS["d"] == 0:
        return moment.date().isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def _duration_text(value: int) -> str:
    rest, text = abs(value), ""
    for unit, size in _UNITS.items():
        if unit == "w":  # `365d` reads better than `52w1d`
            continue
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return "-" * (value < 0) + (text or "0s")


def to_datetime(value: int) -> datetime | None:
    """Return the moment, or None for one beyond the calendar."""
    try:
        return _EPOCH + value * _MICROSECOND
    except OverflowError:
        return None


def to_json(type_: Type, value: object) -> object:
    """Return *value* as it stands in JSON: the inverse of reading it."""
    match type_, value:
        case Primitive("bool" | "int" | "string"), _:
            return value
        case EntityRefType(name), _:
            return {"type": name, "id": value}
        case SetType(element), frozenset():
            return [to_json(element, item) for item in in_order(element, value)]
        case RecordType(attributes), _:
            parts = ((a, getattr(value, slot(a.name))) for a in attributes)
            return {a.name: to_json(a.type, v) for a, v in parts if v is not ABSENT}
        case _:
            return text_of(type_, value)


def to_python(type_: Type, value: object) -> object:
    """Return *value* as a Python programmer expects it.

    A `Decimal`, an aware `datetime`, a `timedelta`, an `ipaddress` network or address, a frozenset
    (a tuple of dicts for records), a dict; an entity as `{"type", "id"}`; names as `str`.
    """
    match type_, value:
        case Primitive("decimal"), int():
            return Decimal(value) / SCALE
        case Primitive("datetime"), int():
            return to_datetime(value) or text_of(type_, value)
        case Primitive("duration"), int():
            try:
                return timedelta(microseconds=value)
            except OverflowError:
                return text_of(type_, value)
        case Primitive("ip"), Ip():
            network = _network(value)
            return network.network_address if value.first == value.last else network
        case LevelsType(members=members), int():
            return members[value]
        case EntityRefType(name), _:
            return {"type": name, "id": value}
        case SetType(EntityRefType() | RecordType() | SetType() as element), frozenset():
            return tuple(to_python(element, item) for item in in_order(element, value))
        case SetType(element), frozenset():
            return frozenset(to_python(element, item) for item in value)
        case RecordType(attributes), _:
            parts = ((a, getattr(value, slot(a.name))) for a in attributes)
            return {a.name: to_python(a.type, v) for a, v in parts if v is not ABSENT}
        case _:
            return value


def in_order(type_: Type, values: Iterable[object]) -> list[object]:
    """Return the elements of a set in the order of their texts."""
    return sorted(values, key=lambda value: text_of(type_, value))
