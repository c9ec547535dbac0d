"""Define the canonical form of values, and convert it to text, to Python and to JSON.

Rules are evaluated on canonical values: whole numbers for decimals (ten-thousandths), moments and
spans (microseconds), numbers of months, positions for levels, strings for names, references and paths. A
canonical value does not show its type, so every function here takes both. What others write is decoded in
`intake/decode.py`; here is how each literal is written, in policies, in JSON and in Python strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_network,
)
from operator import attrgetter
from typing import Any, Final, NamedTuple, assert_never

from policyengine.model.limits import DECIMAL_PLACES, DIGITS
from policyengine.model.types import (
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
    table_given,
)


class Absent(Enum):
    """The class of `ABSENT`, the value of an attribute that is not given."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
"""The value of an optional attribute that is absent, and of one that was not given."""


class Invalid(Enum):
    """The class of `INVALID`, for a value that could not be read; its problem is reported already."""

    INVALID = "invalid"


INVALID: Final = Invalid.INVALID


def slot(name: str) -> str:
    """Return the Python attribute that holds the attribute *name* of a record or an entity."""
    return "v_" + name


def content_of(slots: list[str]) -> Callable[[Any], object]:
    """Return a static method that gives the values of *slots* of an object, to compare them."""
    return staticmethod(attrgetter(*slots) if slots else lambda _: ())


# ---- addresses --------------------------------------------------------------------------

_V4: Final = 4
_V6: Final = 6
_ADDRESS_BITS: Final = {_V4: 32, _V6: 128}
_MAPPED: Final = 0xFFFF << 32
"""The first IPv6 address that is mapped to an IPv4 one."""
_LONGEST_IP: Final = 64


class Ip(NamedTuple):
    """An address or a network: all addresses from *first* to *last*, the same for a host."""

    version: int
    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Ip:
        """Read `10.0.0.1`, `10.0.0.0/8` or an IPv6 form; `ValueError` says what is wrong."""
        address, slash, prefix = text.partition("/")
        well_formed = len(text) <= _LONGEST_IP and "%" not in text
        if not well_formed or (slash and not (prefix.isascii() and prefix.isdigit())):
            raise ValueError(_no_ip(text))
        try:
            host = ip_address(address)
            network = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(_no_ip(text)) from None
        if slash and network.network_address != host:
            raise ValueError(f"the address has bits beyond the prefix; the network is `{network}`")
        first, last = int(network[0]), int(network[-1])
        if network.version == _V6 and first >> 32 == last >> 32 == _MAPPED >> 32:
            return cls(_V4, first - _MAPPED, last - _MAPPED)
        return cls(network.version, first, last)

    def within(self, other: Ip) -> bool:
        """Whether every address of this one is an address of *other*."""
        return (
            self.version == other.version and other.first <= self.first <= self.last <= other.last
        )

    @property
    def is_host(self) -> bool:
        """Whether this is one address."""
        return self.first == self.last

    def __str__(self) -> str:
        version, first, last = self
        if version == _V4 and first == last:  # as most are
            return f"{first >> 24}.{first >> 16 & 255}.{first >> 8 & 255}.{first & 255}"
        return str(self.to_python())

    def to_python(self) -> IPv4Address | IPv6Address | IPv4Network | IPv6Network:
        """Return the address or network of the standard library."""
        prefix = _ADDRESS_BITS[self.version] - (self.last - self.first).bit_length()
        if self.version == _V4:
            return IPv4Address(self.first) if self.is_host else IPv4Network((self.first, prefix))
        return IPv6Address(self.first) if self.is_host else IPv6Network((self.first, prefix))


def _no_ip(text: str) -> str:
    """Return what is wrong with a text that is no address and no network."""
    message = "an ip is an address like `10.0.0.1` or a network like `10.0.0.0/8`"
    if len(text) > _LONGEST_IP:
        return message
    if "%" in text:
        return f"{message}, without a zone: leave out what begins with `%`"
    if "." in text.partition("/")[2]:
        try:
            return f"{message}: with its prefix and not with a mask, so `{ip_network(text, strict=False)}`"
        except ValueError:
            return message
    if text.count(":") == 1:
        return f"{message}, without a port"
    if "*" in text or "-" in text:
        return f"{message}: a range is a network, or a set of them"
    return message


parse_ip: Callable[[str], Ip] = Ip.parse

ADDRESSES: Final = (
    IPv4Interface, IPv6Interface,  # which are addresses in Python, and not here unless they hold no network besides
    IPv4Address, IPv6Address, IPv4Network, IPv6Network,
)  # fmt: skip
"""Python's own classes of addresses and networks."""


def from_address(address: Any) -> Ip:
    """Return an address or a network of Python's own classes; `ValueError` if it is none that can be held."""
    texts = (base.__str__(address) for base in ADDRESSES if issubclass(type(address), base))
    return parse_ip(next(texts))  # a derived class may say something else


# ---- decimals ---------------------------------------------------------------------------

_SCALE: Final = 10**DECIMAL_PLACES
_BOUND: Final = 10**DIGITS
_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)
_TOO_LONG: Final = f"a number has at most {DIGITS} digits"
_TOO_FINE: Final = f"a decimal has at most {DECIMAL_PLACES} digits after the point"


class OutOfRange(ValueError):  # noqa: N818 - as the standard library names its own
    """A literal that is well written and means something too large."""


def check_digits(number: int) -> int:
    """Return *number*, or raise `OutOfRange` if it has too many digits."""
    if not -_BOUND < number < _BOUND:
        raise OutOfRange(_TOO_LONG)
    return number


def parse_decimal(text: str) -> int:
    """Read `1.50` as ten-thousandths; `ValueError` says what is wrong."""
    if len(text) > DIGITS + 4:
        raise OutOfRange(_TOO_LONG) if _DECIMAL.fullmatch(text) else ValueError(_DECIMAL_FORM)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(_DECIMAL_FORM)
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > DECIMAL_PLACES:
        raise ValueError(_TOO_FINE)
    number = int(whole) * _SCALE + int(fraction.ljust(DECIMAL_PLACES, "0"))
    return check_digits(-number if sign else number)


_DECIMAL_FORM: Final = "a decimal is written like `1.50`, without an exponent or leading zeros"


def from_decimal(number: Decimal) -> int:
    """Return a `Decimal` as ten-thousandths; `ValueError` if it is none that can be held."""
    if not number.is_finite():
        raise ValueError("a decimal is a finite number")
    if number and number.adjusted() >= DIGITS - DECIMAL_PLACES:
        raise OutOfRange(_TOO_LONG)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    extra = -exponent - DECIMAL_PLACES
    if any(digits[-extra:] if extra > 0 else ()):
        raise ValueError(_TOO_FINE)
    kept = digits[:-extra] if extra > 0 else digits + (0,) * -extra if number else ()
    scaled = int("".join(map(str, kept)) or "0")
    return -scaled if sign else scaled


def _to_decimal(value: int) -> Decimal:
    digits = tuple(map(int, str(abs(value))))
    return Decimal((int(value < 0), digits, -DECIMAL_PLACES))


def _decimal_text(value: int) -> str:
    whole, fraction = divmod(abs(value), _SCALE)
    text = f"{whole}.{fraction:0{DECIMAL_PLACES}}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


# ---- moments ----------------------------------------------------------------------------

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)
_DAYS_BEFORE_EPOCH: Final = EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_CYCLE: Final = 146_097 * 86_400_000_000
"""Microseconds after which the calendar repeats: 400 years."""

_DATETIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?([Zz]|[+-][\d:]*)?)?",
    re.ASCII,
)

_MONTHS_OF_YEAR: Final = 12

_OFFSET = re.compile(r"[+-]\d{2}:\d{2}", re.ASCII)

_WRITTEN_BY_PROGRAMS = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
    r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
).fullmatch
"""The form that programs write; of it, Python reads exactly what we do."""

_LONGEST_DATETIME: Final = 64
_MICROSECOND_DIGITS: Final = 6
_DAY: Final = 86_400_000_000


def parse_datetime(text: str) -> int:
    """Read `2026-09-01T10:00:00Z` or `2026-09-01` (midnight UTC) as microseconds since 1970.

    `ValueError` says what is wrong; times need an offset, years go from 1 to 9999.
    """
    if _WRITTEN_BY_PROGRAMS(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass  # there is no such day: said below
        else:
            return check_moment(_since_epoch(moment))
    match = _DATETIME.fullmatch(text) if len(text) <= _LONGEST_DATETIME else None
    if match is None:
        raise ValueError("a datetime is written like `2026-09-01` or `2026-09-01T10:00:00Z`")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if hour is not None and offset is None:
        raise ValueError(f"a time needs an offset from UTC, as in `{text}Z` or `{text}+01:00`")
    if len(fraction or "") > _MICROSECOND_DIGITS:
        raise ValueError("a time has at most six digits after the point")
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "").ljust(6, "0")), UTC,
        )  # fmt: skip
    except ValueError:
        raise ValueError(_no_moment(int(year), int(month), int(day))) from None
    return check_moment(_since_epoch(moment) - _offset(offset or "Z"))


def _no_moment(year: int, month: int, day: int) -> str:
    """Return what is wrong with a date or a time that does not exist."""
    from calendar import monthrange  # what exists needs none

    what = "times go from `00:00:00` to `23:59:59`"
    if year == 0:
        what = "years go from 0001 to 9999"
    elif not 1 <= month <= _MONTHS_OF_YEAR:
        what = "months go from 01 to 12"
    elif not 1 <= day <= monthrange(year, month)[1]:
        what = f"the last day of that month is `{year:04}-{month:02}-{monthrange(year, month)[1]}`"
    return f"there is no such date or time: {what}"


def _since_epoch(moment: datetime) -> int:
    since = datetime.__sub__(moment, EPOCH)  # the class may be derived
    # Quicker than to divide by a microsecond.
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _offset(text: str) -> int:
    if text in ("Z", "z"):
        return 0
    if not _OFFSET.fullmatch(text):
        raise ValueError(f"an offset from UTC is written like `+01:00` or `Z`, and not `{text}`")
    hours, minutes = int(text[1:3]), int(text[4:6])
    microseconds = (hours * 60 + minutes) * 60_000_000
    if minutes >= 60 or microseconds >= _DAY:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"there is no such offset from UTC: `{text}`")
    return -microseconds if text[0] == "-" else microseconds


def check_moment(value: int) -> int:
    """Return *value*, or raise `OutOfRange` if it is no moment of the years 1 to 9999."""
    if not _FIRST <= value <= _LAST:
        raise OutOfRange("a datetime is in the years 1 to 9999, in UTC")
    return value


def from_datetime(moment: datetime) -> int:
    """Return an aware `datetime` as microseconds since 1970; `ValueError` if it is naive."""
    if type(moment) is datetime and moment.tzinfo is UTC:  # as most are: in range, nothing derived
        since = moment - EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if moment.utcoffset() is None:
        raise ValueError("a datetime needs a time zone, as in `datetime(…, tzinfo=UTC)`")
    return check_moment(_since_epoch(moment))


def to_datetime(value: int) -> datetime:
    """Return an aware `datetime`; a moment beyond its years becomes its first or last."""
    return EPOCH + timedelta(microseconds=max(_FIRST, min(value, _LAST)))


def moment_text(value: int) -> str:
    """Return `2026-09-01T10:00:00Z`; a year that has not four digits is signed (`+12345-…`)."""
    if _FIRST <= value <= _LAST:
        text = (_NAIVE_EPOCH + timedelta(0, 0, int(value))).isoformat()  # quicker than `strftime`
        return f"{text.rstrip('0') if '.' in text else text}Z"
    cycles, rest = divmod(int(value) - _FIRST, _CYCLE)
    text = moment_text(_FIRST + rest)
    return f"{int(text[:4]) + 400 * cycles:+05}{text[4:]}"


# ---- spans of time ----------------------------------------------------------------------

_UNITS: Final[Mapping[str, int]] = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_SHOWN_UNITS: Final = tuple((name, size) for name, size in _UNITS.items() if name != "w")
_DURATION = re.compile(
    "(-?)" + "".join(rf"(?:(0|[1-9][0-9]{{0,{DIGITS - 1}}}){unit})?" for unit in _UNITS), re.ASCII
)
_LONGEST_DURATION: Final = 200
_DURATION_FORM: Final = (
    "a duration is written like `1d12h`, its units in the order w d h m s ms us, each at most once"
)


def parse_duration(text: str) -> int:
    """Read `1d12h` as microseconds; `ValueError` says what is wrong."""
    match = _DURATION.fullmatch(text) if len(text) <= _LONGEST_DURATION else None
    if match is None or not any(match.groups()[1:]):
        raise ValueError(_DURATION_FORM)
    sign, *counts = match.groups()
    total = sum(int(count or 0) * size for count, size in zip(counts, _UNITS.values(), strict=True))
    if total >= _BOUND:
        raise OutOfRange("a duration is shorter than 10^18 microseconds (31,000 years)")
    return -total if sign else total


def from_timedelta(span: timedelta) -> int:
    """Return a `timedelta` as microseconds; `OutOfRange` if it is too long."""
    value = timedelta.__floordiv__(span, _MICROSECOND)  # the class may be derived
    if not -_BOUND < value < _BOUND:
        raise OutOfRange("a duration is shorter than 10^18 microseconds (31,000 years)")
    return value


def _to_timedelta(value: int) -> timedelta:
    longest = timedelta.max // _MICROSECOND
    return timedelta(microseconds=max(-longest, min(value, longest)))


def _duration_text(value: int) -> str:
    if abs(value) == _UNITS["d"]:
        return "24h" if value > 0 else "-24h"  # what people write for a deadline of one day
    parts, rest = [], abs(value)
    for name, size in _SHOWN_UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{name}")
    return ("-" if value < 0 else "") + ("".join(parts) or "0s")


_MONTHS = re.compile(r"(-?)(?:(0|[1-9][0-9]{0,5})y)?(?:(0|[1-9][0-9]{0,5})mo)?", re.ASCII)
_LONGEST_MONTHS: Final = 20
_MONTHS_FORM: Final = "months are written like `18y`, `6mo` or `1y6mo`"
MOST_MONTHS: Final = 120_000
"""Ten thousand years."""


def parse_months(text: str) -> int:
    """Read `1y6mo` as a number of months; `ValueError` says what is wrong."""
    match = _MONTHS.fullmatch(text) if len(text) <= _LONGEST_MONTHS else None
    if match is None or not any(match.groups()[1:]):
        raise ValueError(_MONTHS_FORM)
    total = 12 * int(match[2] or 0) + int(match[3] or 0)
    if total > MOST_MONTHS:
        raise OutOfRange("there are at most 120,000 months, 10,000 years")
    return -total if match[1] else total


def _months_text(value: int) -> str:
    years, months = divmod(abs(value), 12)
    text = (f"{years}y" if years else "") + (f"{months}mo" if months or not years else "")
    return f"-{text}" if value < 0 else text


def can_be_given(type_: Type, value: int) -> bool:
    """Whether a request may hold a number of that type, or it is too large."""
    if type_ == Primitive("months"):
        return abs(value) <= MOST_MONTHS
    if type_ == Primitive("datetime"):
        return bool(_FIRST <= value <= _LAST)
    return bool(-_BOUND < value < _BOUND)


# ---- any value --------------------------------------------------------------------------


def entity_text(type_: str, id_: str) -> str:
    """Return how policies write a reference: `App "a1"`."""
    escaped = id_.replace("\\", "\\\\").replace('"', '\\"')
    return f'{type_} "{escaped}"'


def text_of(type_: Type, value: object) -> str:
    """Return the text of a canonical value as reasons show it; private attributes as `…`."""
    match type_:
        case Primitive(name):
            return PRIMITIVE_TEXT[name](value)
        case EnumType() | TaxonomyType():
            return str(value)
        case LevelsType():
            return type_.members[_whole(value)]
        case EntityRefType(name):
            return entity_text(name, str(value))
        case SetType(element):
            return "{" + ", ".join(sorted(text_of(element, v) for v in _elements(value))) + "}"
        case RecordType(attributes):
            given = [(a, part) for a in attributes if (part := _part(value, a.name)) is not ABSENT]
            shown = (f"{a.name}: {'…' if a.private else text_of(a.type, v)}" for a, v in given)
            return "{" + ", ".join(shown) + "}"
        case TableType():
            raise table_given(type_)
        case _:
            assert_never(type_)


def to_python(type_: Type, value: object) -> object:
    """Return the Python value of a canonical value.

    `Decimal`, aware `datetime` in UTC, `timedelta`, an address or network of `ipaddress`, months and
    schedules as text, the name of a level, `frozenset` (`list` where its elements are dicts), `dict` for
    a record, and `{"type", "id"}` for a reference. What a computed moment or span has beyond the range of
    `datetime` or `timedelta` is cut off.
    """
    match type_:
        case Primitive(name):
            return _PRIMITIVE_PYTHON[name](value)
        case EnumType() | TaxonomyType():
            return value
        case LevelsType():
            return type_.members[_whole(value)]
        case EntityRefType(name):
            return {"type": name, "id": value}
        case SetType(element):
            parts = [to_python(element, v) for v in sorted(_elements(value), key=_order(element))]
            return parts if _unhashable(element) else frozenset(parts)
        case RecordType(attributes):
            return {
                a.name: to_python(a.type, part)
                for a in attributes
                if (part := _part(value, a.name)) is not ABSENT
            }
        case TableType():
            raise table_given(type_)
        case _:
            assert_never(type_)


def to_json(type_: Type, value: object) -> object:
    """Return a canonical value as JSON has it, sets as sorted arrays."""
    match type_:
        case Primitive("bool" | "int"):
            return value
        case SetType(element):
            return [to_json(element, v) for v in sorted(_elements(value), key=_order(element))]
        case RecordType(attributes):
            return {
                a.name: to_json(a.type, part)
                for a in attributes
                if (part := _part(value, a.name)) is not ABSENT
            }
        case EntityRefType(name):
            return {"type": name, "id": value}
        case _:
            return text_of(type_, value)


def _order(element: Type) -> Callable[[object], str]:
    return lambda value: text_of(element, value)


def _unhashable(type_: Type) -> bool:
    match type_:
        case SetType(element):
            return _unhashable(element)
        case _:
            return isinstance(type_, RecordType | EntityRefType)


def _part(record: object, name: str) -> object:
    return getattr(record, slot(name))


def _elements(value: object) -> frozenset[object]:
    assert isinstance(value, frozenset)
    return value


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _date_text(value: int) -> str:
    if value % _DAY == 0 and _FIRST <= value <= _LAST:  # as dates in policies are
        return date.fromordinal(value // _DAY + _DAYS_BEFORE_EPOCH).isoformat()
    return moment_text(value).removesuffix("T00:00:00Z")


PRIMITIVE_TEXT: Final[Mapping[str, Callable[..., str]]] = {
    "bool": lambda value: "true" if value else "false",
    "int": str,
    "decimal": _decimal_text,
    "string": str,
    "datetime": _date_text,
    "duration": _duration_text,
    "months": _months_text,
    "ip": str,
    "schedule": str,
    "path": str,
}

_PRIMITIVE_PYTHON: Final[Mapping[str, Callable[..., object]]] = {
    "bool": bool,
    "int": int,
    "decimal": _to_decimal,
    "string": str,
    "datetime": to_datetime,
    "duration": _to_timedelta,
    "months": _months_text,
    "ip": Ip.to_python,
    "schedule": str,
    "path": str,
}
