"""Try every way in which something that makes choices can go, each way once.

What makes choices is run again and again. It asks a `Choices` for each choice; the first run takes
the first option of each, and every further run goes like the one before up to the last choice that
has an option left, and takes that. So the ways are the leaves of a tree that is walked depth first,
and nothing is held but the path to the current leaf. A choice that is not asked for is not made:
where an evaluation stops early, all that it did not come to is settled at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from attrs import Factory, define

T = TypeVar("T")


_START = 10
"""What beginning a way costs, beside one for each choice on it."""


class TooManyWaysError(Exception):
    """There were more ways than the bound: nothing is known of those that were not tried."""


@define
class Patience:
    """How many choices may still be made, for one search and, by *whole*, for several together."""

    left: int
    whole: Patience | None = None

    def spend(self, cost: int) -> None:
        """Go on; `TooManyWaysError` if nothing is left."""
        if self.whole is not None:
            self.whole.spend(cost)
        self.left -= cost
        if self.left < 0:
            raise TooManyWaysError


@define
class Choices:
    """The choices of one run, in the order in which they are asked for."""

    _options: list[Sequence[Any]] = Factory(list)
    _taken: list[int] = Factory(list)
    _at: int = 0

    @property
    def made(self) -> int:
        """How many choices the run has asked for so far."""
        return self._at

    def choose(self, options: Sequence[T]) -> T:
        """Return one of *options*, of which there is at least one; the same for the same way."""
        if self._at == len(self._taken):
            self._options.append(options)
            self._taken.append(0)
        chosen: T = self._options[self._at][self._taken[self._at]]
        self._at += 1
        return chosen

    def go_on(self) -> bool:
        """Turn to the next way; False if there is none."""
        while self._taken and self._taken[-1] + 1 == len(self._options[-1]):
            self._taken.pop()
            self._options.pop()
        if not self._taken:
            return False
        self._taken[-1] += 1
        self._at = 0
        return True


def every_way(run: Callable[[Choices], T], most: int, patience: Patience) -> Iterator[T]:
    """Give what *run* returns for each way; `TooManyWaysError` once there were *most*."""
    choices = Choices()
    for _ in range(most):
        found = run(choices)
        patience.spend(_START + choices.made)
        yield found
        if not choices.go_on():
            return
    raise TooManyWaysError
