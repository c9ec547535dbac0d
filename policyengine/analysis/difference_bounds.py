"""Keep what is known of numbers: the most by which one may be above another.

The bounds are closed at all times: what follows from several of them together is among them. So a
comparison of two numbers is settled by one look, and numbers within the bounds can be picked one after
another, each within what is left for it.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf

from attrs import Factory, define

ZERO = "zero"
"""The number that constants are compared with."""


@define
class DifferenceBounds:
    """For each two numbers, by name, the most by which the first is above the second."""

    _numbers: dict[Hashable, int] = Factory(dict)
    _most: list[list[float]] = Factory(list)

    def _number(self, name: Hashable) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._most)
            for row in self._most:
                row.append(inf)
            self._most.append([inf] * len(self._most) + [0])
        return self._numbers[name]

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The names of the numbers of which something is known."""
        return tuple(self._numbers)

    def most(self, one: Hashable, other: Hashable = ZERO) -> float:
        """Return the most by which *one* can be above *other*: `inf` where there is no bound."""
        numbers = self._numbers
        if one == other:
            return 0
        if one not in numbers or other not in numbers:
            return inf
        return self._most[numbers[one]][numbers[other]]

    def least(self, one: Hashable, other: Hashable = ZERO) -> float:
        """Return the least by which *one* is above *other*; below it where that is negative."""
        return -self.most(other, one)

    def bound(self, one: Hashable, other: Hashable, most: int) -> None:
        """Note that *one* is above *other* by *most* at most; that must be possible."""
        i, j = self._number(one), self._number(other)
        table = self._most
        if table[i][j] <= most:
            return
        after = list(enumerate(table[j]))
        for row in table:
            through = row[i] + most
            if through < inf:
                for at, further in after:
                    row[at] = min(row[at], through + further)

    def pin(self, one: Hashable, value: int) -> None:
        """Note that *one* is *value*, which must be within its bounds."""
        self.bound(one, ZERO, value)
        self.bound(ZERO, one, -value)
