"""Read time zones from the package `tzdata`, on every machine the same, and never from the system."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import tzdata  # type: ignore[import-untyped]  # it has no types

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

VERSION: Final[str] = tzdata.__version__
"""The version of the zone data: governments change zones, and then schedules mean something else."""


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(_file("zones").read_text("ascii").split())


def zone_data(name: str) -> bytes:
    """Return the data of one of `zone_names`, in the format TZif."""
    return _file("zoneinfo", *name.split("/")).read_bytes()


def _file(*path: str) -> Traversable:
    from importlib.resources import files  # which takes long, and most sets have no schedule

    return files(tzdata).joinpath(*path)
