"""Do what generated readers cannot say in a line (`compiler.reader_codegen`). `QUICK` has all of it.

A value that needs a closer look fails here: then full validation takes the request, and reports what is
wrong, if anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from policyengine.model.entities import Closed, Key
from policyengine.model.path_syntax import parse_path
from policyengine.model.values import (
    ABSENT,
    from_datetime,
    from_decimal,
    from_timedelta,
    parse_datetime,
    parse_decimal,
    parse_duration,
    parse_ip,
    parse_months,
)
from policyengine.runtime import clock

_MOST_SETS: Final = 1_024
_MOST_MOMENTS: Final = 1_024
_LONGEST: Final = 1_024
"""Characters of the names of a set that is kept."""
_REFERENCE_SIZE: Final = 2
"""Names in a reference: `type` and `id`."""
_LISTS: Final = frozenset([list, tuple])
_SETS: Final = frozenset([list, tuple, set, frozenset])
_ADDRESSES: Final = frozenset([IPv4Address, IPv6Address, IPv4Network, IPv6Network])


text: Final = str.__str__
"""Returns the text of a string of somebody's class, such as a member of a `StrEnum`; fails for anything else."""
joined: Final = "\0".join
"""Makes one text of the names in a set, by what they are and not by what they say they equal."""


class Sets(dict[str | frozenset[str], frozenset[Any]]):
    """The canonical forms of sets of names, by frozensets, and by other sets' names joined with NUL.

    A name with a NUL in it makes a text of more names than were given, which the reader sees.

    *names*: the canonical form of each name; *most*: elements that a set may have.
    """

    __slots__ = ("_most", "_names")

    def __init__(self, names: Mapping[str, object], most: int) -> None:
        super().__init__()
        self._names = names
        self._most = most

    def __missing__(self, given: str | frozenset[str]) -> frozenset[Any]:
        names = (given.split("\0") if given else []) if isinstance(given, str) else list(given)
        if not all(type(name) is str for name in names):
            raise TypeError
        made = frozenset([self._names[name] for name in names])
        if len(made) != len(names) or len(made) > self._most:
            raise ValueError
        if len(self) < _MOST_SETS and len(given) < _LONGEST:
            self[given] = made
        return made


class Moments(dict[str, int]):
    """Datetimes by their texts: the same subjects and resources come again and again."""

    __slots__ = ()

    def __missing__(self, given: str) -> int:
        made = parse_datetime(given)
        if len(self) >= _MOST_MOMENTS:
            self.clear()
        self[given] = made
        return made


def as_set(given: Any) -> frozenset[Any]:
    """Return what is no frozenset as one, if no element is repeated in it."""
    if type(given) not in _SETS:
        raise TypeError
    made = frozenset(given)
    if len(made) != len(given):
        raise ValueError
    return made


def references(given: Any, type_: str, most: int, longest: int) -> frozenset[str]:
    """Read a set of references to entities of that type, as the set of their ids."""
    if type(given) not in _LISTS or len(given) > most:
        raise TypeError
    ids = []
    for one in given:
        if type(one) is not dict or len(one) != _REFERENCE_SIZE:
            raise TypeError
        named, id_ = one["type"], one["id"]
        if type(named) is not str or named != type_ or type(id_) is not str or len(id_) > longest:
            raise TypeError
        if not id_.isascii():
            id_.encode()
        ids.append(id_)
    made = frozenset(ids)
    if len(made) != len(ids):
        raise ValueError
    return made


def rest_of(
    raw: dict[Any, Any], id_: str, type_: str, above: frozenset[str], most: int, longest: int
) -> tuple[Any, bool, frozenset[Key] | None, frozenset[Key] | None]:
    """Read an entity that gives more or less than properties beside type and id.

    Returns the properties, whether they were given, the line and the parents, if these are known.
    """
    described, placed = "properties" in raw, "parents" in raw
    if len(raw) != _REFERENCE_SIZE + described + placed:
        raise ValueError
    given = raw["properties"] if described else {}
    parents = None if above else frozenset[Key]()
    if placed:
        parents = _parents(raw["parents"], above, most, longest)
    line = frozenset([(type_, id_)]) if parents is not None and not parents else None
    return given, described, line, parents


def _parents(given: Any, above: frozenset[str], most: int, longest: int) -> frozenset[Key]:
    """Read the parents of an entity, which are of the types *above*."""
    if type(given) not in _LISTS or len(given) > most:
        raise TypeError
    found = []
    for parent in given:
        type_, id_ = parent["type"], parent["id"]
        if type(parent) is not dict or len(parent) != _REFERENCE_SIZE or type(type_) is not str:
            raise TypeError
        if type_ not in above or type(id_) is not str or len(id_) > longest:
            raise TypeError
        if not id_.isascii():
            id_.encode()
        found.append((type_, id_))
    made = frozenset(found)
    if len(made) != len(found):
        raise ValueError
    return made


def elements(given: Any, read: Callable[[Any], Any], most: int) -> frozenset[Any]:
    """Read a set of other values; *read* reads one."""
    if type(given) not in _SETS or len(given) > most:
        raise TypeError
    if not given:
        return frozenset()
    made = frozenset(map(read, given))
    if len(made) != len(given) or None in made:
        raise ValueError
    return made


def number(given: Any) -> int:
    """Read a decimal."""
    return from_decimal(given) if type(given) is Decimal else parse_decimal(_text(given))


def span(given: Any) -> int:
    """Read a duration."""
    return from_timedelta(given) if type(given) is timedelta else parse_duration(_text(given))


def calendar_months(given: Any) -> int:
    """Read a number of months."""
    return parse_months(_text(given))


def address(given: Any) -> object:
    """Read an address or a network."""
    return parse_ip(str(given) if type(given) in _ADDRESSES else _text(given))


def path(given: Any) -> str:
    """Read a path."""
    return parse_path(_text(given))


def _text(given: Any) -> str:
    if type(given) is not str:
        raise TypeError
    return given


QUICK: Final[Mapping[str, Any]] = {
    "ABSENT": ABSENT, "Closed": Closed, "KeyError": KeyError, "EMPTY": frozenset(), "NONE": (), "NOTHING": {}, "NOBODY": Closed.of(()),
    "type": type, "len": len,
    "str": str, "int": int, "dict": dict, "list": list, "frozenset": frozenset,
    "text": text, "joined": joined, "SETS": _SETS, "as_set": as_set,
    "references": references, "elements": elements, "rest_of": rest_of, "datetime": datetime, "from_datetime": from_datetime, "clock": clock.now,
}  # fmt: skip

READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "decimal": number, "duration": span, "months": calendar_months,
    "ip": address, "path": path,
}  # fmt: skip
"""What reads each primitive type that is written as a string, but for datetimes."""
