"""Do what readers of plain requests cannot say in a line (`compiler.reading`). `QUICK` is all.

Whatever is not plain fails: then the thorough way is taken, which says what is wrong, if anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from policyengine.model.values import (
    ABSENT,
    from_datetime,
    parse_datetime,
    parse_decimal,
    parse_duration,
    parse_ip,
)

_MOST_SETS: Final = 1_024
_REFERENCE_SIZE: Final = 2
"""Names in a reference: `type` and `id`."""


class Sets(dict[Any, frozenset[Any]]):
    """The canonical forms of sets of names, by what was given: lists as tuples, and frozensets.

    *names*: the canonical form of each name; *most*: elements that a set may have.
    """

    __slots__ = ("_most", "_names")

    def __init__(self, names: Mapping[str, object], most: int) -> None:
        super().__init__()
        self._names = names
        self._most = most

    def __missing__(self, given: tuple[str, ...] | frozenset[str]) -> frozenset[Any]:
        made = frozenset([self._names[name] for name in given])
        if len(made) != len(given) or len(given) > self._most:
            raise ValueError
        if len(self) < _MOST_SETS:
            self[given] = made
        return made


def strings(given: Any, most: int, longest: int) -> frozenset[str]:
    """Read a set of strings, of which all together are no longer than one may be."""
    if type(given) is not list and type(given) is not frozenset:
        raise TypeError
    made = frozenset(given)
    joined = "".join(made)
    if len(made) != len(given) or len(made) > most or len(joined) > longest:
        raise ValueError
    if not joined.isascii():
        joined.encode()
    for string in made:
        if type(string) is not str:
            raise TypeError
    return made


def references(given: Any, type_: str, most: int, longest: int) -> frozenset[str]:
    """Read a set of references to entities of that type, as the set of their ids."""
    if type(given) is not list:
        raise TypeError
    for reference in given:
        if (
            type(reference) is not dict
            or len(reference) != _REFERENCE_SIZE
            or reference["type"] != type_
        ):
            raise ValueError
    return strings([reference["id"] for reference in given], most, longest)


def moment(given: Any) -> int:
    """Read a datetime."""
    return from_datetime(given) if type(given) is datetime else parse_datetime(_text(given))


def number(given: Any) -> int:
    """Read a decimal."""
    return parse_decimal(_text(given))


def span(given: Any) -> int:
    """Read a duration."""
    return parse_duration(_text(given))


def address(given: Any) -> object:
    """Read an address or a network."""
    return parse_ip(_text(given))


def _text(given: Any) -> str:
    if type(given) is not str:
        raise TypeError
    return given


QUICK: Final[Mapping[str, Any]] = {
    "ABSENT": ABSENT, "EMPTY": frozenset(), "NONE": (), "type": type, "len": len, "tuple": tuple,
    "str": str, "int": int, "dict": dict, "list": list, "frozenset": frozenset,
    "strings": strings, "references": references, "moment": moment, "number": number,
    "span": span, "address": address,
}  # fmt: skip

READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "datetime": moment, "decimal": number, "duration": span, "ip": address,
}  # fmt: skip
"""What reads each primitive type that is written as a string."""
