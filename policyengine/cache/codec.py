"""Encode values as data, and decode them: closed lists of numbers and strings, no code.

A value is split into *leaves* (strings, numbers) and *nodes* (a kind, and the numbers of its parts).
Equal parts are written once, so similar rules share most of theirs. Nodes are sorted by their height
above the leaves and by kind, and a run of them is made in one sweep. That is why a table of a hundred
thousand entries is loaded in a moment.

Only types that are known here and in `codec_types.py` can be encoded, and only those are decoded. Other
rooms pass their own (the nodes of the compiler) as `KnownTypes`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import starmap
from typing import Any, Final, TypeAlias

import msgspec

from policyengine.concurrency import cached_property
from policyengine.model import needs, types

Maker: TypeAlias = Callable[..., object]
KnownTypes: TypeAlias = Mapping[str, type]
"""Classes by their names in the data; their parts are their match arguments."""

_LARGEST: Final = 1 << 62
"""Integers beyond this are written as text."""

_MODEL: Final[KnownTypes] = {
    class_.__name__: class_
    for class_ in (
        types.Primitive, types.EnumType, types.LevelsType, types.TaxonomyType, types.EntityRefType,
        types.SetType, types.TableType, types.Count, types.Attribute, types.RecordType, types.EntityType, types.ActionType,
        types.GateType, types.ObligationType, types.Schema, needs.Needs, needs.RequestNeeds,
    )
}  # fmt: skip

_LEAVES: Final = frozenset({str, int, float, bool, type(None)})

_CONTAINERS: Final[Mapping[type, str]] = {
    tuple: "tuple", list: "list", frozenset: "frozenset", dict: "dict"
}  # fmt: skip


_COMMON: Final = _LEAVES | {*_CONTAINERS}


class UnknownTypeError(Exception):
    """A value is of a type that cannot be encoded."""


class Encoded(msgspec.Struct, frozen=True):
    """An encoded value: *runs* are (kind, parts of each node, number of nodes, numbers of all parts)."""

    leaves: list[str | int | float | bool | None]
    runs: list[tuple[str, int, int, bytes]]
    root: int


class LateMapping(Mapping[str, object]):
    """A mapping that is decoded when it is first read: deciding reads none, and rare types take long to import."""

    def __init__(self, data: str) -> None:
        self.data = data  # the bytes as characters, since leaves are text

    @cached_property
    def _values(self) -> Mapping[str, object]:
        values: Mapping[str, object] = decode(self.data.encode("latin-1"))
        return values

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Encoded).decode


# ---- writing ----------------------------------------------------------------------------


def encode(value: object, types_: KnownTypes | None = None) -> bytes:
    """Return *value* as bytes. Raises `UnknownTypeError` if a part of it is of no known type."""
    return _pack(_Writer({**_MODEL, **(types_ or {})}).write(value))


class _Writer:
    """Splits one value into leaves and nodes."""

    def __init__(self, types_: KnownTypes) -> None:
        self._names = {class_: name for name, class_ in types_.items()}
        self._leaves: dict[tuple[type, object], int] = {}
        self._nodes: dict[tuple[str, tuple[int, ...]], int] = {}
        self._heights: dict[int, int] = {}  # of nodes; leaves are at 0 and have negative numbers
        self._seen: dict[int, tuple[int, object]] = {}

    def write(self, value: object) -> Encoded:
        root = self._number(value)
        leaves: list[Any] = [leaf for _, leaf in self._leaves]
        runs: dict[tuple[int, str, int], list[int]] = {}
        for (kind, parts), number in self._nodes.items():
            runs.setdefault((self._heights[number], kind, len(parts)), []).append(number)
        places = {~leaf: leaf for leaf in range(len(leaves))}
        for numbers in map(runs.__getitem__, sorted(runs)):
            for number in numbers:
                places[number] = len(places)
        parts_of = [parts for _, parts in self._nodes]
        written: list[tuple[str, int, int, bytes]] = []
        for run in sorted(runs):
            of_all = array("I")
            for number in runs[run]:
                of_all.extend([places[part] for part in parts_of[number]])
            written.append((run[1], run[2], len(runs[run]), of_all.tobytes()))
        return Encoded(leaves, written, places[root])

    def _number(self, value: object) -> int:
        """Return the number of *value* once it is encoded; that of a leaf is negative."""
        class_ = type(value)
        if class_ in _LEAVES and not (class_ is int and abs(value) > _LARGEST):  # type: ignore[arg-type]  # an int
            return ~self._leaves.setdefault((class_, value), len(self._leaves))
        known = self._seen.get(id(value))
        if known is not None:
            return known[0]
        kind, parts = self._parts_of(value)
        numbers = tuple([self._number(part) for part in parts])
        number = self._nodes.setdefault((kind, numbers), len(self._nodes))
        heights = self._heights
        if number not in heights:
            heights[number] = 1 + max((heights.get(part, 0) for part in numbers), default=0)
        self._seen[id(value)] = number, value  # which is kept, so that no other gets its id
        return number

    def _parts_of(self, value: Any) -> tuple[str, Iterable[object]]:
        class_ = type(value)
        if class_ is dict:
            return "dict", [part for item in value.items() for part in item]
        if class_ in _CONTAINERS:
            return _CONTAINERS[class_], value
        if class_ is LateMapping:
            return "late", (value.data,)
        if class_ in self._names:
            parts = [getattr(value, part) for part in class_.__match_args__]
            return self._names[class_], map(_late, parts) if class_ is types.ActionType else parts
        if class_ is int:
            return "int", (str(value),)
        from policyengine.cache import codec_types  # most sets have none of these

        encoded = codec_types.encoded_parts(value)
        if encoded is None:
            raise UnknownTypeError(class_.__name__)
        return encoded


def _late(part: object) -> object:
    """Return a part of an action; one that has values of rare types (records, as constants) such that it is made late."""
    if type(part) is dict and not {type(value) for value in part.values()} <= _COMMON:
        return LateMapping(encode(part).decode("latin-1"))
    return part


# ---- reading ----------------------------------------------------------------------------


def decode(data: bytes, types_: KnownTypes | None = None) -> Any:
    """Return the value of *data*; raises some exception if it is damaged."""
    encoded = _unpack(data)
    values: list[Any] = [*encoded.leaves]
    known = {**_MODEL, **(types_ or {})}
    for kind, arity, count, raw in encoded.runs:
        numbers = array("I")
        numbers.frombytes(raw)
        rows = zip(*[map(values.__getitem__, numbers)] * arity, strict=False)
        given: Iterable[tuple[Any, ...]] = rows if arity else [()] * count
        values += list(given if kind == "tuple" else starmap(_maker(kind, known), given))
    return values[encoded.root]


def _maker(kind: str, known: KnownTypes) -> Maker:
    """Return the function that makes a value of that kind from its parts."""
    made = _MAKERS.get(kind) or known.get(kind)
    if made is None:
        from policyengine.cache import codec_types  # most sets have none of these

        made = codec_types.MAKERS[kind]
    return made


_MAKERS: Final[Mapping[str, Maker]] = {
    "list": lambda *parts: list(parts),
    "frozenset": lambda *parts: frozenset(parts),
    "dict": lambda *parts: dict(zip(parts[::2], parts[1::2], strict=True)),
    "int": int,
    "late": LateMapping,
}
