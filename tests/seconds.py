"""Measure CPU time, where nothing that can be counted says whether something ends at all.

A limit is at least five times what is needed, and what counts coverage would slow the work down: a test
outside `properties/` that asks for seconds is marked `no_cover`. Whatever calls functions is counted: `calls.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* keeps the processor, in seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun
