"""Keep entries in a folder that others may write to, and trust only those written with our key.

An entry is a file: a mark, a code of authentication, a *header*, and *pieces* that are read when they
are needed. The code (HMAC-SHA256) covers the header and the entry's name, and the header has the hash
of each piece. An entry that does not match was not written by us, is not whole, or is another entry
under that name, and counts as absent. Failures are one warning in the log, and never an exception.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from io import BufferedReader
from typing import Final, NoReturn

import msgspec

from policyengine.diagnostics.reading import open_regular, reason

_MARK: Final = b"policyengine cache 1\n"
_CODE_SIZE: Final = 32
_START: Final = len(_MARK) + _CODE_SIZE + 8
"""The offset of the header: after the mark, the code, and the size of the header."""

_MOST_HEADER: Final = 1 << 26
_MOST_PIECE: Final = 1 << 30
"""The most bytes of a header and of a piece; larger ones are not read."""

_DAY: Final = 86_400
_KEPT: Final = 30 * _DAY
"""The seconds for which an entry is kept that is not used."""

_MOST_KEPT: Final = 1 << 30
"""The most bytes of all entries; beyond that, the least recently used are removed first."""

_OURS: Final = r"[0-9a-f]{64}\."
"""A pattern for the names of entries, and of files that were to become entries."""


class _Header(msgspec.Struct, frozen=True, array_like=True):
    """The data about an entry, and the offset, the length and the hash of each piece."""

    about: bytes
    pieces: list[tuple[int, int, bytes]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Header).decode


class DamagedError(Exception):
    """An entry is not as it was written."""


class Entry:
    """An entry that was found: the data *about* it, and its pieces, which are read one by one."""

    def __init__(self, path: str, start: int, header: _Header) -> None:
        self.about = header.about
        self._path = path
        self._start = start
        self._pieces = header.pieces

    def piece(self, number: int) -> bytes:
        """Read a piece; raises `OSError` or `DamagedError` if it is not as it was written."""
        begin, length, written = self._pieces[number]
        if length > _MOST_PIECE:
            raise DamagedError
        with open_regular(self._path, links=False) as file:
            file.seek(self._start + begin)
            data = file.read(length)
        if not hmac.compare_digest(sha256(data).digest(), written):
            raise DamagedError
        return data


class Cache:
    """The entries in *folder* that were written with *key*. Processes and threads may share them.

    The name of an entry begins with a hash in hexadecimal digits and a dot.
    """

    def __init__(self, folder: str, key: bytes) -> None:
        self._folder = folder
        self._key = key
        self._warned = False

    def __reduce__(self) -> NoReturn:
        raise TypeError("a cache is neither copied nor pickled, since it has a key: open it again")

    def find(self, name: str) -> Entry | None:
        """Return the entry of that name, None if there is none that we wrote."""
        path = os.path.join(self._folder, name)
        try:
            with open_regular(path, links=False) as file:
                raw = self._header(name, file)
                if time.time() - os.fstat(file.fileno()).st_mtime > _DAY:
                    os.utime(path)  # it is used: see `tidy`
        except FileNotFoundError:
            return None
        except OSError as problem:
            self.warn(f"`{path}` cannot be read: {reason(problem)}")
            return None
        except DamagedError:
            self.warn(f"`{path}` is damaged, or was not written with this key")
            return None
        return Entry(path, _START + len(raw), _decode(raw))

    def _header(self, name: str, file: BufferedReader) -> bytes:
        """Read the header of an entry; raises `DamagedError` if it is not what we wrote."""
        head = file.read(_START)
        size = int.from_bytes(head[-8:], "big")
        if len(head) == _START and head.startswith(_MARK) and size <= _MOST_HEADER:
            raw = file.read(size)
            code = head[len(_MARK) : len(_MARK) + _CODE_SIZE]
            if hmac.compare_digest(self._code(name, raw), code):
                return raw
        raise DamagedError

    def write(self, name: str, about: bytes, pieces: Sequence[bytes] = ()) -> bool:
        """Write an entry, whole or not at all; return whether that could be done."""
        places: list[tuple[int, int, bytes]] = []
        begin = 0
        for piece in pieces:
            places.append((begin, len(piece), sha256(piece).digest()))
            begin += len(piece)
        raw = _encode(_Header(about, places))
        head = _MARK + self._code(name, raw) + len(raw).to_bytes(8, "big")
        path = os.path.join(self._folder, name)
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            write_whole(path, (head, raw, *pieces))
        except OSError as problem:
            self.warn(f"`{path}` cannot be written: {reason(problem)}")
            return False
        return True

    def warn(self, message: str) -> None:
        """Write one warning to the log about why the cache is not used."""
        if not self._warned:
            self._warned = True
            warn(message)

    def _code(self, name: str, header: bytes) -> bytes:
        return hmac.digest(self._key, b"%b\0%b" % (name.encode(), header), "sha256")

    def tidy(self) -> None:
        """Remove entries that were not used for a long time; the folder may have other files, too."""
        with suppress(OSError), os.scandir(self._folder) as found:
            ours = [entry for entry in found if re.match(_OURS, entry.name)]
            files = [entry for entry in ours if entry.is_file(follow_symlinks=False)]
            files.sort(key=lambda entry: -entry.stat(follow_symlinks=False).st_mtime)
            oldest, size = time.time() - _KEPT, 0
            for file in files:
                status = file.stat(follow_symlinks=False)
                size += status.st_size
                if status.st_mtime < oldest or size > _MOST_KEPT:
                    os.unlink(file.path)


def write_whole(path: str, parts: Sequence[bytes], *, replacing: bool = True) -> None:
    """Write a file that only its owner may read, whole or not at all.

    If it is not *replacing*, an existing file is kept. Raises `OSError`.
    """
    beside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(beside, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
        if replacing:
            os.replace(beside, path)
        else:
            os.link(beside, path)
            os.unlink(beside)
    except BaseException:
        os.unlink(beside)
        raise


def warn(message: str) -> None:
    """Write a warning to the log `policyengine.cache`."""
    from logging import getLogger  # which most runs never need

    getLogger("policyengine.cache").warning("the compile cache is not used: %s", message)
