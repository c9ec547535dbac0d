"""Run a function that makes choices once for every path that its choices can take.

The function is run again and again. It asks a `Choices` for each choice; the first run takes the
first option of each, and every further run repeats the one before up to the last choice that has an
option left, and takes that. So the paths are the leaves of a tree that is walked depth first, and
only the path to the current leaf is held. A choice that is not asked for is not made: where an
evaluation stops early, all choices that it did not come to are covered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

from attrs import Factory, define

from policyengine.analysis.budget import Budget, OutOfBudgetError

T = TypeVar("T")


_START = 10
"""The cost of beginning a path, beside one for each choice on it."""


@define
class Choices:
    """The choices of one run, in the order in which they are asked for."""

    _options: list[Sequence[Any]] = Factory(list)
    _taken: list[int] = Factory(list)
    _at: int = 0
    _random: Random | None = None

    @property
    def made(self) -> int:
        """The number of choices that the run has asked for so far."""
        return self._at

    def choose(self, options: Sequence[T]) -> T:
        """Return one of *options*, of which there is at least one; the same for the same path."""
        if self._at == len(self._taken):
            self._options.append(options)
            self._taken.append(self._random.randrange(len(options)) if self._random else 0)
        chosen: T = self._options[self._at][self._taken[self._at]]
        self._at += 1
        return chosen

    def continued(self, random: Random) -> Choices:
        """Return choices that are the same as far as these go, and random beyond."""
        return Choices(self._options[: self._at], self._taken[: self._at], random=random)

    def go_on(self) -> bool:
        """Turn to the next path; False if there is none."""
        while self._taken and self._taken[-1] + 1 == len(self._options[-1]):
            self._taken.pop()
            self._options.pop()
        if not self._taken:
            return False
        self._taken[-1] += 1
        self._at = 0
        return True


def every_path(run: Callable[[Choices], T], most: int, budget: Budget) -> Iterator[T]:
    """Give what *run* returns for each path; raise `OutOfBudgetError` after *most* of them."""
    choices = Choices()
    for _ in range(most):
        found = run(choices)
        budget.spend(_START + choices.made)
        yield found
        if not choices.go_on():
            return
    raise OutOfBudgetError
