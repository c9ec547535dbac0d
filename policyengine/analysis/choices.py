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


class TooManyWaysError(Exception):
    """There were more ways than the bound: nothing is known of those that were not tried."""


@define
class Choices:
    """The choices of one run, in the order in which they are asked for."""

    _options: list[Sequence[Any]] = Factory(list)
    _taken: list[int] = Factory(list)
    _at: int = 0

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


def every_way(run: Callable[[Choices], T], most: int) -> Iterator[T]:
    """Give what *run* returns for each way; `TooManyWaysError` once there were *most*."""
    choices = Choices()
    for _ in range(most):
        yield run(choices)
        if not choices.go_on():
            return
    raise TooManyWaysError(most)
