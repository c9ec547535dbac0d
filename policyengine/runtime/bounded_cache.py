"""Keep what was asked for last, up to a bound."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values of which those go first that were not asked for the longest.

    *most*: what all may weigh together; each weighs 1 unless *weigh* says otherwise. Threads may share
    it without a lock, which a forked child might find held: every step is one of a dict, and a thread that
    comes between two steps finds less, never anything else.
    """

    def __init__(self, most: int, weigh: Callable[[V], int] | None = None) -> None:
        self._most = most
        self._weigh = weigh
        self._kept: dict[K, V] = {}  # those that were asked for last are last

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """Return the value of *key*, if it is kept."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._kept[key] = found
            self._trim()  # others may have come meanwhile
        return found

    def __setitem__(self, key: K, value: V) -> None:
        self._kept.pop(key, None)
        self._kept[key] = value
        self._trim()

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def _trim(self) -> None:
        while self._weight() > self._most:
            with suppress(StopIteration, RuntimeError):  # another thread trims it, too
                self._kept.pop(next(iter(self._kept)), None)

    def _weight(self) -> int:
        return (
            len(self._kept)
            if self._weigh is None
            else sum(map(self._weigh, [*self._kept.values()]))
        )
