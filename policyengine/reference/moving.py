"""Note when a comparison with the time would come out otherwise.

A `Moving` is a whole number that grows with the clock: `now` itself, and what is computed from it.
It behaves like any `int`, and besides notes in its `Clock` the first moment at which a comparison
with it would change its sign. The earliest of those is the end of what was decided: until then
every comparison comes out as it did, and so everything else does too. Where the value itself is
kept and not compared (a member of a set, the argument of an obligation) it is another one at the
next microsecond.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from attrs import define, field


@define(eq=False)
class Clock:
    """A time, and the later moments at which something that was asked of it changes.

    *keeps*: whether a moving value was kept, so that what was made of it is another one at once.
    """

    now: int
    turns: list[int] = field(factory=list)
    keeps: bool = False

    def moving(self) -> Moving:
        """Return the time as a number that moves with it."""
        return Moving.of(self, self.now, 1)

    def kept(self) -> None:
        """Note that a moving value was kept."""
        self.keeps = True

    def end(self) -> int | None:
        """Return the first moment at which something changes, None if nothing does."""
        turns = [*self.turns, self.now + 1] if self.keeps else self.turns
        return min(turns, default=None)

    def compared(self, distance: int, slope: int, holds: Callable[[int, int], bool]) -> bool:
        """Return whether *distance*, which grows by *slope* each microsecond, *holds* against 0.

        Note when that changes, which is where the distance is 0, or where its sign has changed.
        """
        here = holds(distance, 0)
        if slope != 0:
            zero = -distance // slope
            for steps in (zero, zero + 1):
                if steps > 0 and holds(distance + steps * slope, 0) != here:
                    self.turns.append(self.now + steps)
                    break
        return here


class Moving(int):
    """A whole number that grows by *slope* with each microsecond of *clock*."""

    clock: Clock
    slope: int

    @classmethod
    def of(cls, clock: Clock, value: int, slope: int) -> Moving:
        """Return *value*, growing by *slope*."""
        made = cls(value)
        made.clock, made.slope = clock, slope
        return made

    def turns(self, value: int) -> None:
        """Note that an answer changes when this, which grows as the clock does, comes to be *value*."""
        self.clock.turns.append(self.clock.now + value - int(self))

    def __neg__(self) -> Moving:
        return Moving.of(self.clock, -int(self), -self.slope)

    def __add__(self, other: int) -> Moving:
        return Moving.of(self.clock, int(self) + int(other), self.slope + _slope(other))

    __radd__ = __add__

    def __sub__(self, other: int) -> Moving:
        return self + -other

    def __rsub__(self, other: int) -> Moving:
        return -self + other

    def __mul__(self, other: int) -> Moving:
        return Moving.of(self.clock, int(self) * other, self.slope * other)

    __rmul__ = __mul__

    def __lt__(self, other: int) -> bool:
        return self._compared(other, operator.lt)

    def __le__(self, other: int) -> bool:
        return self._compared(other, operator.le)

    def __gt__(self, other: int) -> bool:
        return self._compared(other, operator.gt)

    def __ge__(self, other: int) -> bool:
        return self._compared(other, operator.ge)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self._compared(other, operator.eq)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        self.clock.kept()
        return hash(int(self))

    def _compared(self, other: int, holds: Callable[[int, int], bool]) -> bool:
        slope = self.slope - _slope(other)
        return self.clock.compared(int(self) - int(other), slope, holds)


def _slope(number: int) -> int:
    return number.slope if isinstance(number, Moving) else 0
