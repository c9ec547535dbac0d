"""Collect the versions under which an entry is written: another version finds another entry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from policyengine.semantics.digest import LANGUAGE_VERSION
from policyengine.version import __version__

_FORMAT = 1
"""The version of the format of entries."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_MEANING = (
    "cache", "compiler", "diagnostics", "grammar", "model", "runtime", "semantics", "syntax",
    os.path.join("..", "grammar"),
)  # fmt: skip
"""The rooms whose files all affect the content of an entry, or how it is read."""


@cache
def versions() -> tuple[object, ...]:
    """Return the versions on which entries depend beside their content."""
    python = sys.implementation.cache_tag, sys.version_info[:3], sys.byteorder
    return _FORMAT, __version__, LANGUAGE_VERSION, *python, sorted(_files())


def _files() -> Iterator[tuple[str, int, int]]:
    """Give the sizes and times of our files, which change in a checkout without a new version."""
    for room in _MEANING:
        with suppress(FileNotFoundError), os.scandir(os.path.join(_PACKAGE, room)) as found:
            for file in found:
                if file.name.endswith((".py", ".lark")):
                    status = file.stat()
                    yield f"{room}/{file.name}", status.st_size, status.st_mtime_ns
