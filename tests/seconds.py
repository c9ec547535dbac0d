"""Measure the processor's time without what counts coverage, which makes everything slower."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* keeps the processor, in seconds."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        begun = time.process_time()
        work()
        return time.process_time() - begun
    finally:
        sys.settrace(trace)
