"""Write and read the lines of a log, of which each has a hash of itself and the line before.

A line is JSON, and begins with the hash: of the hash before, and of all that comes after it in the line. So it is
checked byte by byte, and nothing need be decoded. A file begins with a line that has the hash before it, so that
the chain goes on over files. Whoever reads a log trusts none of it: lines are bounded, and what is no line is one.
"""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterable, Iterator
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Final

from msgspec import Struct

from policyengine.diagnostics.reading import open_regular

VERSION: Final = 1
LONGEST_LINE: Final = 1_000_000
"""Bytes of a line at most; a record has less than half of that."""

START: Final = "0" * 64
"""The hash before the first line."""

_OPEN: Final = b'{"hash":"'
_CLOSE: Final = b'",'
_FRONT: Final = len(_OPEN) + len(START) + len(_CLOSE)
_DEEPEST: Final = 100
"""Levels of objects and lists in a line at most: types may have records in records, and a few more are around them."""
_CHUNK: Final = 1 << 16


def written_line(before: str, content: dict[str, Any]) -> tuple[str, bytes]:
    """Return the line of *content*, and its hash. *before*: that of the line before."""
    rest = encoded(content)
    return chained(before, rest)


def encoded(content: dict[str, Any]) -> bytes:
    """Return *content* as it is in a line, without the brace at its front: ASCII, in one line."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)[1:].encode("ascii") + b"\n"


def chained(before: str, rest: bytes) -> tuple[str, bytes]:
    """Return the hash of a line, and the line, of what `encoded` returned."""
    found = _hash(before, rest)
    return found, b"".join((_OPEN, found.encode(), _CLOSE, rest))


def _hash(before: str, rest: bytes) -> str:
    return sha256(before.encode() + rest).hexdigest()


class Line(Struct, frozen=True):
    """A line as it was read. *text*: of at most `LONGEST_LINE` bytes, else empty; *is_whole*: whether it ended."""

    number: int
    text: bytes
    is_whole: bool
    too_long: bool = False

    @property
    def hash(self) -> str | None:
        """The hash that the line says it has; None if it is no line of a log."""
        text = self.text
        if (
            len(text) <= _FRONT
            or text[: len(_OPEN)] != _OPEN
            or text[_FRONT - 2 : _FRONT] != _CLOSE
        ):
            return None
        return text[len(_OPEN) : _FRONT - 2].decode("ascii", "replace")

    def follows(self, before: str) -> bool:
        """Whether the line is as it was written after that of the hash *before*, but for its end if it is not whole."""
        end = b"" if self.is_whole else b"\n"
        return not self.too_long and self.hash == _hash(before, self.text[_FRONT:] + end)

    def content(self) -> dict[str, Any] | None:
        """Return what the line says, None if it is no object in JSON, or deeper than a record is."""
        try:
            found = json.loads(self.text, parse_constant=_finite, parse_float=_finite)
        except (ValueError, RecursionError):  # not UTF-8 as well
            return None
        return found if isinstance(found, dict) and _is_within(found, _DEEPEST) else None


def _finite(text: str) -> float:
    """Read a number that JSON can write: Python reads others, `NaN` and `1e999`."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _is_within(value: Any, depth: int) -> bool:
    """Whether a value has no more levels than that."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return depth > 0 and all(_is_within(one, depth - 1) for one in value)


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Give the lines of a file, in bounded memory."""
    number = 0
    while text := file.readline(LONGEST_LINE):
        number += 1
        if text.endswith(b"\n"):
            yield Line(number, text, is_whole=True)
        elif len(text) < LONGEST_LINE:
            yield Line(number, text, is_whole=False)
        else:
            yield Line(number, b"", _skip_rest(file), too_long=True)


def _skip_rest(file: BinaryIO) -> bool:
    """Read to the end of a line; whether it ends with one."""
    while text := file.readline(_CHUNK):
        if text.endswith(b"\n"):
            return True
    return False


class LogEntries(Struct, frozen=True):
    """What a folder has by the names of files of a log, each in order: the *files*, and the *others*, which are none.

    Others are folders, pipes, and links that lead to no file: where one is, a file may have been.
    """

    files: tuple[Path, ...]
    others: tuple[Path, ...] = ()


def log_entries(path: Path) -> LogEntries:
    """Return the entries of the log in a folder, or the one file that *path* is; raises `OSError` if it cannot be read."""
    if _is_regular(path):
        return LogEntries((path,))
    found: dict[bool, list[Path]] = {True: [], False: []}
    named = (one for one in path.iterdir() if is_log_file(one.name))
    for one in sorted(named, key=lambda one: (int(one.stem), one.name)):
        is_regular = _is_regular(one)
        if is_regular is not None:
            found[is_regular].append(one)
    return LogEntries((*found[True],), (*found[False],))


def _is_regular(path: Path) -> bool | None:
    """Whether a regular file is at *path*; None if nothing is. Raises `OSError` if that cannot be found out."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as problem:
        if problem.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return False if path.is_symlink() else None


def log_files(path: Path) -> list[Path]:
    """Return the files of the log in a folder, in order, or the one file that *path* is."""
    return [*log_entries(path).files]


def is_log_file(name: str) -> bool:
    """Whether a file of that name is of a log: `00000001.jsonl`."""
    return name.endswith(".jsonl") and name[:-6].isdecimal() and name.isascii()


def next_number(path: Path) -> int:
    """Return the number of the next file in a folder: nothing in it has a later one."""
    return 1 + max((int(n[:-6]) for one in path.iterdir() if is_log_file(n := one.name)), default=0)


def file_name(number: int) -> str:
    """Return the name of the file of that number."""
    return f"{number:08}.jsonl"


def last_line(files: Iterable[Path]) -> tuple[Line | None, Path | None, bool]:
    """Return the last whole line of some files, latest first, its file, and whether anything came after it."""
    cut = False
    for path in files:
        last, is_cut = None, False
        with open_regular(path) as file:
            for line in read_lines(file):
                is_cut = not line.is_whole or line.hash is None
                last = last if is_cut else line
        cut = cut or is_cut
        if last is not None:
            return last, path, cut
    return None, None, cut
