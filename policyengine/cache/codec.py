"""Write values as flat data, and make them again: closed lists of numbers and strings, no code.

A value is taken apart into *leaves* (strings, numbers) and *nodes* (a kind, and the numbers of its
parts). What is equal all through is written once, so rules that are alike in most share most. Nodes
are sorted by how high they stand above the leaves and by kind: a run of them is made in one sweep,
which is what makes a table of a hundred thousand entries load in a moment.

Only kinds that are known here and in `codec_types.py` can be written, and only those are made. What other
rooms know (the nodes of the compiler) they hand in as `Kinds`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import starmap
from typing import Any, Final, TypeAlias

import msgspec

from policyengine.model import needs, types

Maker: TypeAlias = Callable[..., object]
Kinds: TypeAlias = Mapping[str, type]
"""Classes by the name they are written under; their parts are what they are matched by."""

_LARGEST: Final = 1 << 62
"""Integers beyond this are written as text."""

_MODEL: Final[Kinds] = {
    class_.__name__: class_
    for class_ in (
        types.Primitive, types.EnumType, types.LevelsType, types.TaxonomyType, types.EntityRefType,
        types.SetType, types.Attribute, types.RecordType, types.EntityType, types.ActionType,
        types.GateType, types.ObligationType, types.Schema, needs.Needs, needs.RequestNeeds,
    )
}  # fmt: skip

_LEAVES: Final = frozenset({str, int, float, bool, type(None)})

_CONTAINERS: Final[Mapping[type, str]] = {
    tuple: "tuple", list: "list", frozenset: "frozenset", dict: "dict"
}  # fmt: skip


class UnknownKindError(Exception):
    """A value is of a kind that is not written."""


class Flat(msgspec.Struct, frozen=True):
    """What was written: *runs* are (kind, parts of each node, how many, numbers of all parts)."""

    leaves: list[str | int | float | bool | None]
    runs: list[tuple[str, int, int, bytes]]
    root: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Flat).decode


# ---- writing ----------------------------------------------------------------------------


def flatten(value: object, kinds: Kinds | None = None) -> bytes:
    """Return *value* as bytes. Raises `UnknownKindError` if something in it is of no known kind."""
    return _encode(_Writer({**_MODEL, **(kinds or {})}).write(value))


class _Writer:
    """Takes one value apart."""

    def __init__(self, kinds: Kinds) -> None:
        self._names = {class_: name for name, class_ in kinds.items()}
        self._leaves: dict[tuple[type, object], int] = {}
        self._nodes: dict[tuple[str, tuple[int, ...]], int] = {}
        self._heights: dict[int, int] = {}  # of nodes; leaves lie at 0 and have negative numbers
        self._seen: dict[int, tuple[int, object]] = {}

    def write(self, value: object) -> Flat:
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
        return Flat(leaves, written, places[root])

    def _number(self, value: object) -> int:
        """Return the number of *value*, after writing it: of a leaf less than 0."""
        class_ = type(value)
        if class_ in _LEAVES and not (class_ is int and abs(value) > _LARGEST):  # type: ignore[arg-type]
            return ~self._leaves.setdefault((class_, value), len(self._leaves))
        known = self._seen.get(id(value))
        if known is not None:
            return known[0]
        kind, parts = self._taken_apart(value)
        numbers = tuple([self._number(part) for part in parts])
        number = self._nodes.setdefault((kind, numbers), len(self._nodes))
        heights = self._heights
        if number not in heights:
            heights[number] = 1 + max((heights.get(part, 0) for part in numbers), default=0)
        self._seen[id(value)] = number, value  # which is kept, so that no other gets its id
        return number

    def _taken_apart(self, value: Any) -> tuple[str, Iterable[object]]:
        class_ = type(value)
        if class_ is dict:
            return "dict", [part for item in value.items() for part in item]
        if class_ in _CONTAINERS:
            return _CONTAINERS[class_], value
        if class_ in self._names:
            return self._names[class_], [getattr(value, part) for part in class_.__match_args__]
        if class_ is int:
            return "int", (str(value),)
        from policyengine.cache import codec_types  # most sets have none of these

        taken = codec_types.split_constants(value)
        if taken is None:
            raise UnknownKindError(class_.__name__)
        return taken


# ---- reading ----------------------------------------------------------------------------


def restore(data: bytes, kinds: Kinds | None = None) -> Any:
    """Return the value that was written as *data*; raises whatever comes of it if it is damaged."""
    flat = _decode(data)
    values: list[Any] = [*flat.leaves]
    known = {**_MODEL, **(kinds or {})}
    for kind, arity, count, raw in flat.runs:
        numbers = array("I")
        numbers.frombytes(raw)
        rows = zip(*[map(values.__getitem__, numbers)] * arity, strict=False)
        given: Iterable[tuple[Any, ...]] = rows if arity else [()] * count
        values += list(given if kind == "tuple" else starmap(_maker(kind, known), given))
    return values[flat.root]


def _maker(kind: str, known: Kinds) -> Maker:
    """Return what makes a value of that kind of its parts."""
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
}
