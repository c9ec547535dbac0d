"""Compare texts in the databases of Ibis by code points, whatever the collations, of which Ibis knows nothing.

A database that has collations compares the bytes of UTF-8. SQLite's functions on texts end at U+0000, and those on
bytes do not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any, Final, Literal, TypeAlias

try:
    import ibis
except ImportError:
    raise ImportError("filters for Ibis need it: install `policyengine-dsl[tables]`") from None

Backend: TypeAlias = Literal["duckdb", "polars", "postgres", "pyspark", "sqlite"]
"""A database, as Ibis calls it."""

_BYTES: Final = "binary"


def exact(text: Any, backend: Backend) -> Any:
    """Return what is equal of two texts only if they are."""
    match backend:
        case "duckdb":
            return encode(text)
        case "postgres":
            return convert_to(text, "UTF8")
        case "pyspark":
            return encode_as(text, "UTF-8")
        case "sqlite":
            return text.cast(_BYTES)
        case "polars":
            return text


def bound(text: str, backend: Backend) -> Any:
    """Return a known text as `exact` has it, or the bytes of one."""
    if "\0" in text and backend in {
        "duckdb",
        "pyspark",
        "sqlite",
    }:  # a statement with U+0000 may be refused
        return ibis.literal(text.encode(), type=_BYTES)
    return exact(ibis.literal(text, type="string"), backend)


def may_be_stored(text: str, backend: Backend) -> bool:
    """Whether there can be such a text: PostgreSQL has none with U+0000."""
    return backend != "postgres" or "\0" not in text


def equals(column: Any, text: str, backend: Backend) -> Any:
    """Return whether the text of a column is *text*."""
    compared = exact(column, backend) == bound(text, backend)
    return compared if backend == "polars" or "\0" in text else (column == text) & compared


def is_one_of(column: Any, texts: Sequence[str], backend: Backend) -> Any:
    """Return whether the text of a column is one of *texts*."""
    compared = exact(column, backend).isin([bound(text, backend) for text in texts])
    plain = backend != "polars" and not any("\0" in text for text in texts)
    return column.isin(texts) & compared if plain else compared


def matches(column: Any, pieces: Sequence[str], backend: Backend) -> Any:
    """Return whether the text of a column is *pieces* with any text between them."""
    match backend:
        case "postgres":
            pattern = "%".join(_escaped(piece, "\\%_") for piece in pieces)
            return bytealike(exact(column, backend), bound(pattern, backend))
        case "sqlite":
            return _sqlite_matches(column, pieces)
    text = _uncollated(exact(column, backend), backend)
    match pieces:
        case [prefix, ""]:
            return text.startswith(_plain(prefix, backend))
        case ["", suffix]:
            return text.endswith(_plain(suffix, backend))
        case ["", part, ""]:
            return text.contains(_plain(part, backend))
        case _:
            between = ".*".join(map(_as_pattern, pieces))
            return text.re_search(rf"(?s)\A{between}\z")


def _uncollated(data: Any, backend: Backend) -> Any:
    """Return the text of what `exact` or `bound` gave, which has no collation."""
    match backend:
        case "duckdb":
            return decode(data)
        case "pyspark":
            return decode_as(data, "UTF-8")
        case _:
            return data


def _plain(text: str, backend: Backend) -> Any:
    return _uncollated(bound(text, backend), backend) if "\0" in text else text


def _escaped(piece: str, special: str) -> str:
    return "".join(f"\\{char}" if char in special else char for char in piece)


def _as_pattern(piece: str) -> str:
    """Return the regular expression that matches *piece*, of which only ASCII means something in one."""
    plain = (char.isalnum() or char > "\x7f" for char in piece)
    return "".join(
        char if each else f"\\x{{{ord(char):x}}}" for char, each in zip(piece, plain, strict=True)
    )


def _sqlite_matches(column: Any, pieces: Sequence[str]) -> Any:
    data = exact(column, "sqlite")
    match pieces:
        case ["", part, ""]:
            return instr(data, bound(part, "sqlite")) > 0
        case [prefix, suffix]:
            start, end = len(prefix.encode()), len(suffix.encode())
            said = [length(data) >= start + end]
            said += [substr(data, 1, start) == bound(prefix, "sqlite")] * bool(prefix)
            said += [substr(data, -end, end) == bound(suffix, "sqlite")] * bool(suffix)
            return reduce(and_, said)
        case _:
            return are_in_turn(column, json.dumps(pieces))


def is_longer(column: Any, most: int, backend: Backend) -> Any:
    """Return whether the text of a column has more than *most* code points."""
    match backend:
        case "polars":  # whose length is that in bytes
            return column.substr(most, 1) != ""
        case "sqlite":
            has_nul = instr(exact(column, backend), bound("\0", backend)) > 0
            return (column.length() > most) | (has_nul & (code_points(column) > most))
        case "duckdb" | "postgres" | "pyspark":
            return column.length() > most


# ---- functions of the databases ---------------------------------------------------------


def _function(name: str, takes: tuple[str, ...], gives: str) -> Any:
    """Return a function of a database."""
    return ibis.udf.scalar.builtin(
        (lambda _: ..., lambda _, __: ..., lambda _, __, ___: ...)[len(takes) - 1],
        name=name,
        signature=(takes, gives),
    )


encode: Final = _function("encode", ("string",), _BYTES)
decode: Final = _function("decode", (_BYTES,), "string")
encode_as: Final = _function("encode", ("string", "string"), _BYTES)
decode_as: Final = _function("decode", (_BYTES, "string"), "string")
convert_to: Final = _function("convert_to", ("string", "string"), _BYTES)
bytealike: Final = _function("bytealike", (_BYTES, _BYTES), "boolean")
instr: Final = _function("instr", (_BYTES, _BYTES), "int64")
substr: Final = _function("substr", (_BYTES, "int64", "int64"), _BYTES)
length: Final = _function("length", (_BYTES,), "int64")


def _code_points(text: str) -> int:
    """Return how many code points a text has."""
    return len(text)


def _are_in_turn(text: str, pieces: str) -> bool:
    """Return whether a text is *pieces*, a list in JSON, with any text between them."""
    first, *middle, last = json.loads(pieces)
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return text.endswith(last) and len(text) - len(last) >= at


code_points: Final = ibis.udf.scalar.python(_code_points)
are_in_turn: Final = ibis.udf.scalar.python(_are_in_turn)
