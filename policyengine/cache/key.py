"""Find the key with which entries are written, and the default folder of entries.

The key is made when it is first needed. It must be a file of 32 bytes that belongs to the user of the
process, that nobody else may read, and that is outside the folder of entries: a person who can write
into that folder must not be able to bring a key along. Without such a key there is no cache.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Final

from policyengine.cache.folder import Cache, warn, write_whole
from policyengine.diagnostics.reading import open_regular, reason

FOLDER: Final = "POLICYENGINE_CACHE"
"""The environment variable for the folder of entries; `off` switches the cache off."""

KEY: Final = "POLICYENGINE_CACHE_KEY"
"""The environment variable for the file of the key."""

_SIZE: Final = 32


class NoKeyError(Exception):
    """There is no usable key; the text says why."""


def open_cache(folder: str | os.PathLike[str] | None = None) -> Cache | None:
    """Return the cache in *folder*, by default the user's; None, with a warning, without a key.

    None without a warning if the environment switches it off.
    """
    named = os.environ.get(FOLDER)
    if folder is None and named == "off":
        return None
    try:
        return _opened(folder or named)
    except NoKeyError as problem:
        warn(str(problem))
    except OSError as problem:
        warn(f"there is no key: {reason(problem)}")
    except ValueError:  # a name with a null character in it
        warn(f"{os.fspath(folder or named or '')!r} is not the name of a folder")
    return None


def _opened(folder: str | os.PathLike[str] | None) -> Cache:
    where = os.path.abspath(folder or _place("XDG_CACHE_HOME", ".cache"))
    given = os.environ.get(KEY)
    key = os.path.abspath(given or os.path.join(_place("XDG_STATE_HOME", ".local/state"), "key"))
    if _lies_in(key, where):
        raise NoKeyError(f"the key `{key}` is in the folder `{where}`")
    return Cache(where, _read(key))


def _place(variable: str, below_home: str) -> str:
    """Return our folder among the user's, by the XDG base directories."""
    given = os.environ.get(variable, "")
    if not os.path.isabs(given):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise NoKeyError("there is no home directory")
        given = os.path.join(home, below_home)
    return os.path.join(given, "policyengine")


def _lies_in(path: str, folder: str) -> bool:
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([path, folder]) == folder


def _read(path: str) -> bytes:
    """Return the key in the file *path*, which is made if it does not exist."""
    if not hasattr(os, "geteuid"):
        raise NoKeyError("this system does not say who may read a file")
    try:
        file = open_regular(path, links=False)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with suppress(FileExistsError):  # another process may be faster
            write_whole(path, (os.urandom(_SIZE),), replacing=False)
        file = open_regular(path, links=False)
    with file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid():
            raise NoKeyError(f"the key `{path}` belongs to somebody else")
        if stat.S_IMODE(status.st_mode) != stat.S_IRUSR | stat.S_IWUSR:
            raise NoKeyError(f"the key `{path}` must have the mode 0600")
        key = file.read(_SIZE + 1)
    if len(key) != _SIZE:
        raise NoKeyError(f"the key `{path}` is not of {_SIZE} bytes")
    return key
