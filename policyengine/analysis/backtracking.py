"""Choose one option after another, and go back to a choice that had a part in a failure.

A run asks for its choices in order. When it fails, it says on which of them the failure depends: the
others need not be tried otherwise, since it would fail again. So the next run differs from this one in
the last choice that matters, and a search over many rules does not try every combination of what has
nothing to do with it (conflict-directed backjumping).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from attrs import Factory, define


@define
class Backtracking:
    """The choices of one run, and what is known of each: what the failures below it depend on."""

    _options: list[Sequence[Any]] = Factory(list)
    _taken: list[int] = Factory(list)
    _blamed: list[set[int]] = Factory(list)
    _at: int = 0

    @property
    def made(self) -> int:
        """The number of choices that the run has asked for so far."""
        return self._at

    def choose(self, options: Sequence[Any]) -> tuple[Any, int]:
        """Return one of *options*, the same for the same path, and the number of the choice."""
        number = self._at
        if number == len(self._taken):
            self._options.append(options)
            self._taken.append(0)
            self._blamed.append(set())
        self._at += 1
        return self._options[number][self._taken[number]], number

    def go_back(self, blamed: Collection[int]) -> bool:
        """Turn to the next path that differs in one of the *blamed* choices; False if there is none."""
        blamed = set(blamed)
        self._at = 0
        while blamed:
            last = max(blamed)
            for items in (self._options, self._taken, self._blamed):
                del items[last + 1 :]
            self._blamed[last] |= blamed - {last}
            if self._taken[last] + 1 < len(self._options[last]):
                self._taken[last] += 1
                return True
            blamed = self._blamed[last]
        return False
