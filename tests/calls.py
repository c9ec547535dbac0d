"""Count the calls that work makes, of Python and of C: as many on every machine, unlike seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import FrameType


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called while *work* runs; a generator that goes on counts as well."""
    return len(_events(work, {"call", "c_call"}))


def called(work: Callable[[], object]) -> list[str]:
    """Return the names of the functions of Python that are called while *work* runs."""
    return _events(work, {"call"})


def _events(work: Callable[[], object], kinds: Collection[str]) -> list[str]:
    names: list[str] = []

    def event(frame: FrameType, kind: str, _argument: object) -> None:
        if kind in kinds:
            names.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(event)
    try:
        work()
    finally:
        sys.setprofile(before)
    return names
