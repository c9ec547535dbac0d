"""Give the current time as rules read it."""

from __future__ import annotations

import time


def now() -> int:
    """Return the microseconds since 1970 UTC."""
    return time.time_ns() // 1000
