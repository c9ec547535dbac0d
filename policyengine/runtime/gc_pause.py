"""Let garbage wait while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from policyengine.concurrency import ForkSafeLock, in_forked_child


class _Pauses:
    """The pauses that are going on. *collect*: whether garbage is to be looked for after the last."""

    def __init__(self) -> None:
        self._guard = ForkSafeLock()
        self._running: set[object] = set()
        self._collect = False
        in_forked_child(self._end_all)  # the threads that were to end them are not there

    def begin(self, pause: object) -> None:
        with self._guard.lock:
            self._running.add(pause)
            if gc.isenabled():
                self._collect = True
                gc.disable()

    def end(self, pause: object) -> None:
        with self._guard.lock:
            self._running.discard(pause)
            if self._collect and not self._running:
                self._collect = False
                gc.enable()

    def _end_all(self) -> None:
        self._running.clear()
        self.end(None)


_PAUSES: Final = _Pauses()


@contextmanager
def gc_paused() -> Iterator[None]:
    """Let garbage wait: trees are large and hold none, and looking for it takes half of the time."""
    pause = object()
    _PAUSES.begin(pause)
    try:
        yield
    finally:
        _PAUSES.end(pause)
