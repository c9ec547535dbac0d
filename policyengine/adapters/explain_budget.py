"""Bound what it costs a service to tell callers what would allow what they were denied."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic
from typing import Final

from policyengine.concurrency import OwnLock
from policyengine.model.settings import check_count, check_seconds

_WINDOW: Final = 60.0


class ExplainBudget:
    """How much callers may read of what would allow a request: it is searched for, which takes time.

    *seconds*: for how long to search for one refusal; if the rest takes longer than that, nothing is said.
    *per_caller*: the refusals in a minute of one subject for which it is; *in_all*: of all subjects, which
    bounds the memory as well. Threads may share one.
    """

    def __init__(self, seconds: float = 0.05, *, per_caller: int = 5, in_all: int = 60) -> None:
        check_seconds("seconds", seconds)
        check_count("per_caller", per_caller)
        check_count("in_all", in_all)
        self.seconds = seconds
        self._per_caller = per_caller
        self._in_all = in_all
        self._lock = OwnLock()
        self._since = monotonic()
        self._left = in_all
        self._taken: dict[Hashable, int] = {}

    def take(self, caller: Hashable) -> bool:
        """Whether there is something left for *caller* in this minute; it is then taken."""
        with self._lock.lock:
            now = monotonic()
            if not self._since <= now < self._since + _WINDOW:
                self._since, self._left, self._taken = now, self._in_all, {}
            taken = self._taken.get(caller, 0)
            if taken >= self._per_caller or not self._left:
                return False
            self._taken[caller] = taken + 1
            self._left -= 1
            return True
