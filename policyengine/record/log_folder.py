"""Write lines to the files of a log's folder: one process at a time, and no line that is not whole.

What a crash cut stays as it is: lines then go on in another file, whose first line has the hash of the last whole
one. A write that fails is taken back. If somebody moved or changed the file that is written, another one is begun
after what was written last, so that a reader sees that something is amiss. If somebody removed the lock, it is made
again before anything is written, unless another process did so.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from policyengine.record.log_lines import (
    START,
    VERSION,
    chained,
    file_name,
    last_line,
    log_files,
    next_number,
    written_line,
)

_LOCK: Final = "lock"


class LogFolder:
    """The folder of a log that this process writes; *size*: bytes after which another file is begun.

    Raises `BlockingIOError` if it is written already, by whatever process, and `OSError` if it cannot be.
    """

    def __init__(self, path: Path, size: int) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._most = path, size
        self._lock: int | None = _locked(path / _LOCK)
        self._file: int | None = None
        self._at = path
        self._hash, self._size, self._is_unknown = START, 0, False
        try:
            self._go_on()
        except BaseException:
            self.close()
            raise

    def write(self, lines: Iterable[bytes], *, sync: bool) -> None:
        """Write *lines*, each as `encoded` returned it; *sync*: they are on the disk when this returns.

        Raises `OSError` if that cannot be, and then none of them is there for readers.
        """
        self._hold_lock()
        if self._is_unknown:
            self._go_on()
        if not self._is_as_written() or self._size >= self._most:
            self._begin()
        before, made = self._hash, []
        for rest in lines:
            before, line = chained(before, rest)
            made.append(line)
        text = b"".join(made)
        try:
            _write_all(self._writing(), text)
        except BaseException:
            self._take_back()
            raise
        if sync:
            try:
                os.fsync(self._writing())
            except BaseException:
                # What became of the lines is not known, and asking again says nothing.
                self._take_back()
                self._leave()
                raise
        self._hash, self._size = before, self._size + len(text)

    def close(self) -> None:
        """Close the files, so that another process may write here."""
        self._leave()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _hold_lock(self) -> None:
        """Hold the lock that is in the folder now: another may be, or another folder, and then others may have written meanwhile."""
        held, path = self._lock, self._path / _LOCK
        if held is None:
            raise ValueError("the log is closed")
        if not _is_at(held, path):
            self._lock = _locked(path)
            os.close(held)
            self._is_unknown = self._file is not None and _is_at(self._file, self._at)

    def _writing(self) -> int:
        assert self._file is not None
        return self._file

    def _is_as_written(self) -> bool:
        """Whether the file is where it was, and as long: nobody moved, cut or continued it."""
        file = self._file
        return file is not None and _is_at(file, self._at) and os.fstat(file).st_size == self._size

    def _go_on(self) -> None:
        """Find the last whole line, and go on after it: in another file if anything else comes after."""
        self._leave()
        files = log_files(self._path)
        line, at, cut = last_line(reversed(files))
        self._hash = START if line is None else line.hash or START
        self._size, self._is_unknown = 0, False
        if at is None or at != files[-1] or cut:
            self._begin()
            return
        self._file, self._at = os.open(at, os.O_WRONLY | os.O_APPEND), at
        self._size = os.fstat(self._file).st_size

    def _begin(self) -> None:
        """Begin another file."""
        if self._file is not None:
            os.fsync(self._file)
        self._leave()
        path = self._path / file_name(next_number(self._path))
        opened = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        header = {"log": {"version": VERSION, "before": self._hash, "opened": opened}}
        found, line = written_line(self._hash, header)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._at = path
        try:
            _write_all(self._file, line)
            os.fsync(self._file)
            _sync_folder(self._path)
        except BaseException:
            self._leave()
            with suppress(OSError):
                path.unlink()
            raise
        self._hash, self._size = found, len(line)

    def _leave(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)

    def _take_back(self) -> None:
        """Remove the lines that were not written whole; if they cannot be, what is there is looked for again."""
        try:
            os.ftruncate(self._writing(), self._size)
        except OSError:
            self._is_unknown = True
            self._leave()


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is the one that is at *path*."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except OSError:  # there is none
        return False


def _write_all(file: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(file, rest) :]


def _locked(path: Path) -> int:
    """Return the file of a lock that this process holds as long as it is open."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(file, path):  # somebody removed it since it was opened
            raise BlockingIOError(errno.EWOULDBLOCK, "another lock is there by now")
    except OSError as problem:
        os.close(file)
        raise BlockingIOError(
            problem.errno, "another process, or another log of this one, writes here", str(path)
        ) from None
    return file


def _sync_folder(path: Path) -> None:
    """Have the names of the files in a folder on the disk, where that can be asked for."""
    if sys.platform != "win32":
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
