"""Read files that may be anything: what is not a regular file, or too large, is refused unread."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from typing import Final

_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)  # fmt: skip
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


def open_regular(path: str | os.PathLike[str], *, links: bool = True) -> BufferedReader:
    """Open a regular file; raises `OSError` at once if it is anything else.

    *links*: whether it may be reached by a link. Opening a pipe would wait for somebody to write, and
    opening a device may do anything, so what it is is asked before, and again of what was opened.
    """
    name = os.fspath(path)
    try:
        _check(os.stat(name, follow_symlinks=links), name)
        descriptor = os.open(name, _FLAGS if links else _FLAGS | _NO_LINK)
    except ValueError:  # a name with a null character in it
        raise OSError(errno.EINVAL, "this is not the name of a file", name) from None
    try:
        _check(os.fstat(descriptor), name)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_regular(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """Read a regular file; raises `OSError` if it is not one, or has more than *most* bytes.

    A file that has too many is not read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = (
            b"" if most is not None and size > most else file.read(-1 if most is None else most + 1)
        )
        if most is not None and max(size, len(data)) > most:
            what = f"the file has more than {most:,} bytes"
            raise OSError(errno.EFBIG, what, os.fspath(path))
        return data


def reason(problem: OSError) -> str:
    """Return the message of the system in a few words."""
    return (problem.strerror or str(problem)).lower()


def _check(status: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", name)
