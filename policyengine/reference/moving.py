"""Note when a comparison with the time would come out otherwise.

A `Moving` is a whole number that grows with the clock: `now` itself, and what is computed from it.
It behaves like any `int`, and besides notes in its `Clock` the first moment at which a comparison
with it would change its sign. The earliest of those is the end of what was decided: until then
every comparison comes out as it did, and so everything else does too. Where the value itself is
kept and not compared (a member of a set, the argument of an obligation) it is another one at the
next microsecond.
"""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class Clock:
    """A time, and the later moments at which something that was asked of it changes."""

    now: int
    turns: list[int] = field(factory=list)

    def moving(self) -> Moving:
        """Return the time as a number that moves with it."""
        return Moving.of(self, self.now, 1)

    def kept(self) -> None:
        """Note that a moving value was kept: it is another one at once."""
        self.turns.append(self.now + 1)

    def compared(self, distance: int, slope: int) -> None:
        """Note when *distance*, which grows by *slope* each microsecond, changes its sign."""
        if distance == 0 and slope != 0:
            self.kept()
        elif distance * slope < 0:
            self.turns.append(self.now - -abs(distance) // abs(slope))


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
        return self._distance(other) < 0

    def __le__(self, other: int) -> bool:
        return self._distance(other) <= 0

    def __gt__(self, other: int) -> bool:
        return self._distance(other) > 0

    def __ge__(self, other: int) -> bool:
        return self._distance(other) >= 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self._distance(other) == 0

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        self.clock.kept()
        return hash(int(self))

    def _distance(self, other: int) -> int:
        distance = int(self) - int(other)
        self.clock.compared(distance, self.slope - _slope(other))
        return distance


def _slope(number: int) -> int:
    return number.slope if isinstance(number, Moving) else 0
