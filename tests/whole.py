"""Say how much is tried of what is long: a share by `make test`, all of it by `make whole`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar

_T = TypeVar("_T")

WHOLE: Final = os.environ.get("WHOLE") == "1"


def share(count: int, of: int) -> int:
    """Return one in *of* of *count*, at least one; *count* where all is tried."""
    return count if WHOLE else max(1, count // of)


def some(values: Sequence[_T], of: int) -> Sequence[_T]:
    """Return one in *of* of *values*, the first among them; all where all is tried."""
    return values if WHOLE else values[::of]
