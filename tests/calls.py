"""Count the calls that work makes, of Python and of C: as many on every machine, unlike seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called while *work* runs; a generator that goes on counts as well."""
    count = 0

    def event(_frame: FrameType, kind: str, _argument: object) -> None:
        nonlocal count
        count += kind in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(event)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
