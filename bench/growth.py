"""Race contestants in worlds of more and more rules, each beside what is written by hand.

Every contestant loads in a process of its own, so that its load time and memory are its own. It must
answer like the hand-written function before it is timed; then the two take turns, a twentieth of a
second each. A ratio is the median over the turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from types import TracebackType
from typing import Any, Self

from attrs import asdict, frozen

from bench.contestants import BY_HAND, CONTESTANTS

REQUESTS = 2_000
ROUNDS = 15
SIZES = (10, 100, 1_000, 10_000, 100_000)
PATIENCE = 150.0
"""Seconds: who would load longer, as it did at the size before, is not raced."""

DISAGREES = "answers otherwise than by hand"

_SLOW = 50_000.0
_FEW_ROUNDS = 3
"""Who takes longer than so many microseconds for a decision is timed in so few rounds."""


@frozen
class Row:
    """What was found of one contestant in one world, or why nothing was (*skipped*).

    *microseconds*: of a decision; *ratio*: over what is written by hand; *load_seconds*: without what is
    worked out at the first decisions, *first_seconds*: answering *checked* requests for the first time;
    *megabytes*: how much the process grew by loading, at most.
    """

    world: str
    size: int
    contestant: str
    version: str = ""
    microseconds: float = 0.0
    ratio: float = 0.0
    load_seconds: float = 0.0
    first_seconds: float = 0.0
    megabytes: float = 0.0
    checked: int = 0
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a results file."""
        return asdict(self)


class WorkerError(Exception):
    """A contestant's process ended with an error."""


class Worker:
    """A contestant in a process of its own."""

    def __init__(self, world: str, size: int, requests: int, contestant: str) -> None:
        command = [
            sys.executable,
            "-m",
            "bench.worker",
            world,
            str(size),
            str(requests),
            contestant,
        ]
        self._process = subprocess.Popen(  # noqa: S603 - of ourselves
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self.loaded = self._heard()
        except WorkerError:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def time(self) -> float:
        """Return the microseconds of a decision, over one turn."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        microseconds: float = self._heard()["microseconds"]
        return microseconds

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            lines = self._process.stderr.read().strip().splitlines() or ["it ended"]
            raise WorkerError(lines[-1])
        heard: dict[str, Any] = json.loads(line)
        return heard


def race(
    world: str,
    sizes: Sequence[int] = SIZES,
    contestants: Iterable[str] = tuple(CONTESTANTS),
    requests: int = REQUESTS,
    rounds: int = ROUNDS,
    patience: float = PATIENCE,
) -> Iterator[Row]:
    """Give a row for each contestant at each size, as it is found; by hand first."""
    out = {name: "not installed" for name in contestants if not CONTESTANTS[name].is_here}
    for size in sizes:
        with Worker(world, size, requests, BY_HAND) as by_hand:
            alone = [by_hand.time() for _ in range(rounds)]
            yield _row(world, size, BY_HAND, by_hand, alone, alone)
            for name in contestants:
                if name == BY_HAND:
                    continue
                if name in out:
                    row = Row(world, size, name, skipped=out[name])
                else:
                    row = _beside(by_hand, world, size, name, requests, rounds)
                    seconds = row.load_seconds
                    if row.skipped:
                        out[name] = row.skipped
                    elif seconds * 10 > patience:
                        out[name] = f"loading took {seconds:.0f} s at {size:,} rules"
                yield row


def _beside(by_hand: Worker, world: str, size: int, name: str, requests: int, rounds: int) -> Row:
    try:
        with Worker(world, size, requests, name) as worker:
            answers = worker.loaded["answers"]
            if not by_hand.loaded["answers"].startswith(answers):
                return Row(world, size, name, skipped=DISAGREES)
            times, beside = [], []
            for _ in range(rounds):
                times.append(worker.time())
                beside.append(by_hand.time())
                if times[-1] > _SLOW and len(times) == _FEW_ROUNDS:
                    break
            return _row(world, size, name, worker, times, beside)
    except WorkerError as problem:
        return Row(world, size, name, skipped=str(problem))


def _row(
    world: str,
    size: int,
    name: str,
    worker: Worker,
    times: Sequence[float],
    beside: Sequence[float],
) -> Row:
    facts = worker.loaded
    return Row(
        world,
        size,
        name,
        facts["version"],
        median(times),
        median(t / b for t, b in zip(times, beside, strict=True)),
        facts["load_seconds"],
        facts["first_seconds"],
        facts["megabytes"],
        len(facts["answers"]),
    )
