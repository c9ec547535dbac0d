"""Apply masks to the values of a document.

Values are as JSON or Python has them, and a mask keeps the form: of a `Decimal` it makes a `Decimal`, of a
text a text. A value, or a part of a record, that is not of its type is left out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, assert_never

from policyengine.model.entities import Entity
from policyengine.model.limits import DECIMAL_PLACES
from policyengine.model.masks import PRESENT, PSEUDONYM, MaskedField
from policyengine.model.path_syntax import parse_path
from policyengine.model.records import Record
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
)
from policyengine.model.values import (
    ABSENT,
    from_datetime,
    from_decimal,
    from_timedelta,
    moment_text,
    parse_datetime,
    parse_decimal,
    parse_duration,
    parse_ip,
    parse_months,
    to_json,
    to_python,
)

SHORTEST_KEY: Final = 16
"""Bytes that a key of pseudonyms has at least: a shorter one could be guessed, and the ids with it."""

_PSEUDONYM_DIGITS: Final = 32
_DATE_LENGTHS: Final = {"year": 4, "month": 7, "day": 10}
"""How much of `2026-09-01T…` each mask of a moment keeps."""


def redacted(
    document: Mapping[str, Any], masks: tuple[MaskedField, ...], key: bytes | None
) -> dict[str, Any]:
    """Return the masked fields of *document*.

    Raises `TypeError` if a pseudonym is needed and there is no *key*, `ValueError` if it is too short.
    """
    given = [field for field in masks if field.name in document]
    if any(field.mask == PSEUDONYM for field in given):
        _check_key(key, next(field.name for field in given if field.mask == PSEUDONYM))
    shown = {f.name: _masked(f.type, f.mask, document[f.name], key or b"") for f in given}
    return {name: value for name, value in shown.items() if value is not ABSENT}


def _check_key(key: object, name: str) -> None:
    if not isinstance(key, bytes):
        got = "none was given" if key is None else f"not {type(key).__name__}"
        raise TypeError(
            f"`{name}` is shown as a pseudonym, which needs a key of bytes, {got}:"
            " `decision.redact(document, key=…)`"
        )
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"a key of pseudonyms has at least {SHORTEST_KEY} bytes")


def pseudonym(key: bytes, type_: str, value: str) -> str:
    """Return the name that stands for *value*: an HMAC of its type and itself under *key*."""
    text = f"{type_}\0{value}".encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:_PSEUDONYM_DIGITS]


def _masked(type_: Type, mask: str, value: Any, key: bytes) -> Any:
    """Return what *mask* leaves of a value, `ABSENT` if it is not of its type."""
    if isinstance(value, Record):
        value = to_python(value.record_type, value)
    try:
        if mask == PRESENT:
            return True if _fits(type_, value) else ABSENT
        match type_:
            case RecordType(attributes) if isinstance(value, Mapping):
                parts = {
                    a.name: _masked(a.type, mask, value[a.name], key)
                    for a in attributes
                    if a.name in value
                }
                return {name: part for name, part in parts.items() if part is not ABSENT}
            case EntityRefType(name):
                return _reference(name, value, key)
            case Primitive("string") if isinstance(value, str):
                return pseudonym(key, "string", value)
            case Primitive("datetime"):
                return moment_text(_moment(value))[: _DATE_LENGTHS[mask]]
            case Primitive("decimal"):
                return _cut(value, int(mask.removeprefix("digits(")[0]))
    except Exception:  # noqa: BLE001, S110 - whatever it is, it is not of its type, and not shown
        pass
    return ABSENT


def _reference(type_: str, value: Any, key: bytes) -> Any:
    if isinstance(value, str):  # the id of the resource itself
        return pseudonym(key, type_, value)
    if isinstance(value, Entity):
        value = {"type": value.type, "id": value.id}
    if value["type"] != type_ or not isinstance(value["id"], str):
        return ABSENT
    return {"type": type_, "id": pseudonym(key, type_, value["id"])}


def _moment(value: Any) -> int:
    return parse_datetime(value) if isinstance(value, str) else from_datetime(value)


def _number(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, str):
        return parse_decimal(value)
    return from_decimal(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))


def _cut(value: Any, digits: int) -> Any:
    """Return a decimal with fewer digits, cut toward zero, in the form that it had."""
    whole = 10 ** (DECIMAL_PLACES - digits)
    number = _number(value)
    kept = abs(number) // whole * whole * (-1 if number < 0 else 1)
    decimal = Primitive("decimal")
    if isinstance(value, str):
        return to_json(decimal, kept)
    cut = to_python(decimal, kept)
    return cut if isinstance(value, Decimal) else type(value)(cut)


# ---- whether a value is of its type -----------------------------------------------------

_READ: Final[Mapping[str, Callable[[Any], object]]] = {
    "datetime": _moment,
    "decimal": _number,
    "duration": lambda v: parse_duration(v) if isinstance(v, str) else from_timedelta(v),
    "months": parse_months,
    "path": parse_path,
}
_CLASSES: Final[Mapping[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "string": (str,),
    "ip": (IPv4Address, IPv6Address, IPv4Network, IPv6Network),
    "datetime": (str, datetime),
    "decimal": (str, int, float, Decimal),
    "duration": (str, timedelta),
    "months": (str,),
    "path": (str,),
}


def _fits(type_: Type, value: Any) -> bool:
    """Whether a value is of *type_*; it may raise something if it is not."""
    match type_:
        case Primitive("int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case Primitive("ip") if isinstance(value, str):
            return bool(parse_ip(value))
        case Primitive(name):
            if not isinstance(value, _CLASSES[name]):
                return False
            if name in _READ:
                _READ[name](value)
            return True
        case EnumType() | LevelsType() | TaxonomyType():
            return value in type_.positions
        case EntityRefType():
            return _reference(type_.name, value, b"") is not ABSENT
        case SetType(element):
            is_set = isinstance(value, list | tuple | set | frozenset)
            return is_set and all(_fits(element, one) for one in value)
        case RecordType(attributes):
            return isinstance(value, Mapping) and all(
                _fits(a.type, value[a.name]) for a in attributes if a.name in value
            )
        case TableType():
            return False
        case _:
            assert_never(type_)
