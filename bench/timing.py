"""Time several ways to do the same, side by side, so that one run's figures can be compared.

Each round times every contestant once, in an order that rotates, so that a machine that slows down
slows all of them. A ratio is the median over the rounds of the ratios within a round, and what one
takes more than another the median of the differences. What is measured is the time of this process, so that waiting for
others does not count.

But a core of a shared machine takes up to twice as long for the same, for seconds at a time; ratios bear that,
differences in microseconds double. So a fixed loop is timed before each contestant, and rounds in which it took longer
than in others do not count, whatever the contestants took in them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Final, TypeVar

from attrs import frozen

ROUNDS = 15
_SECONDS = 0.05
"""How long one contestant runs in one round, about."""


_LOOP: Final = 20_000
_SLOWER: Final = 1.2
"""How many times as long as at its best the fixed loop may take in a round that counts."""

_LEAST: Final = 3
"""At least one of so many rounds counts, the quickest first."""

_T = TypeVar("_T")


@frozen
class Measured:
    """Microseconds for one call, how many times as long as the first contestant, and how many more than it."""

    microseconds: float
    ratio: float
    more: float


def each(function: Callable[[_T], object], given: Iterable[_T]) -> Callable[[], None]:
    """Return what calls *function* with each of *given*."""

    def run() -> None:
        for value in given:
            function(value)

    return run


def side_by_side(
    contestants: Mapping[str, Callable[[], object]],
    calls: int,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Measured]:
    """Time *contestants*, each of which does *calls* calls when it is called."""
    repeats = {name: _repeats(run, clock) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    paces: list[float] = []
    gc.disable()
    try:
        for _ in range(rounds):
            pace = 0.0
            for name in order:
                pace = max(pace, _time(_fixed_loop, 1, clock))
                times[name].append(_time(contestants[name], repeats[name], clock) / calls * 1e6)
            paces.append(pace)
            order = [*order[1:], order[0]]
    finally:
        gc.enable()
    counting = rounds_that_count(paces)
    times = {name: [found[n] for n in counting] for name, found in times.items()}
    base = times[next(iter(contestants))]
    return {
        name: Measured(
            median(found),
            median(t / b for t, b in zip(found, base, strict=True)),
            median(t - b for t, b in zip(found, base, strict=True)),
        )
        for name, found in times.items()
    }


def rounds_that_count(paces: Sequence[float]) -> list[int]:
    """Return the numbers of the rounds in which the machine was as quick as it can be; *paces*: what the fixed loop took in each."""
    quickest = sorted(range(len(paces)), key=paces.__getitem__)
    least = max(1, len(paces) // _LEAST)
    most = min(paces) * _SLOWER
    return sorted(n for place, n in enumerate(quickest) if place < least or paces[n] <= most)


def _fixed_loop() -> None:
    for _ in range(_LOOP):
        pass


def _repeats(run: Callable[[], object], clock: Callable[[], float]) -> int:
    """Return how often *run* fits into a round; running it also warms it up."""
    _time(run, 1, clock)
    return max(1, int(_SECONDS / max(_time(run, 1, clock), 1e-6)))


def _time(run: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Return the seconds that one run takes."""
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats
