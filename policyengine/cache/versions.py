"""Say under which versions an entry was written: another version of anything finds another entry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from policyengine.semantics.digest import LANGUAGE_VERSION
from policyengine.version import __version__

_FORMAT = 1
"""Grows when entries are written otherwise."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_MEANING = (
    "cache", "compiler", "diagnostics", "grammar", "model", "runtime", "semantics", "syntax",
    os.path.join("..", "grammar"),
)  # fmt: skip
"""Rooms of which every file has a part in what an entry says, or in how it is read."""


@cache
def versions() -> tuple[object, ...]:
    """Return what entries hang on beside their content: all that reads, writes and means them."""
    python = sys.implementation.cache_tag, sys.version_info[:3], sys.byteorder
    return _FORMAT, __version__, LANGUAGE_VERSION, *python, sorted(_files())


def _files() -> Iterator[tuple[str, int, int]]:
    """Give size and time of our files: in a checkout they change without a new version."""
    for room in _MEANING:
        with suppress(FileNotFoundError), os.scandir(os.path.join(_PACKAGE, room)) as found:
            for file in found:
                if file.name.endswith((".py", ".lark")):
                    status = file.stat()
                    yield f"{room}/{file.name}", status.st_size, status.st_mtime_ns
