"""Say under which versions an entry was written: another version of anything finds another entry."""

from __future__ import annotations

import os
import sys
from functools import cache

from policyengine import __version__
from policyengine.semantics.digest import LANGUAGE_VERSION

_FORMAT = 1
"""Grows when entries are written otherwise."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@cache
def versions() -> tuple[object, ...]:
    """Return what entries hang on beside their content: all that reads, writes and means them."""
    python = sys.implementation.cache_tag, sys.version_info[:3], sys.byteorder
    return _FORMAT, __version__, LANGUAGE_VERSION, *python, *_files()


def _files() -> list[tuple[str, int, int]]:
    """Return size and time of every file of ours: a checkout changes without a new version."""
    found: list[tuple[str, int, int]] = []
    for folder, _, names in os.walk(_PACKAGE):
        for name in names:
            if name.endswith((".py", ".lark")):
                path = os.path.join(folder, name)
                status = os.stat(path)
                found.append((os.path.relpath(path, _PACKAGE), status.st_size, status.st_mtime_ns))
    return sorted(found)
