"""Load one contestant in a process of its own, and time it whenever the parent asks.

`python -m bench.worker WORLD SIZE REQUESTS CONTESTANT` loads the rules and answers the requests once,
then tells both in one line of JSON. For each line that comes in, it decides for a twentieth of a second
and tells the microseconds that one decision took. All times are the process's own, so that waiting for
other processes does not count.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from bench import worlds
from bench.contestants import CONTESTANTS, Ready

ANSWERING = 5.0
"""Seconds after which who is slow answers no more requests to be compared; ten, whatever it takes."""

_SLICE = 0.05
_PASS = 0.005
"""Seconds between two looks at the clock, at least."""
_LEAST = 10


def main(arguments: Sequence[str], asked: IO[str], told: IO[str]) -> int:
    """Serve until *asked* ends."""
    name, size, requests, who = arguments
    contestant = CONTESTANTS[who]
    contestant.make_ready(worlds.make(name, 10, 1))  # what it imports does not count
    world = worlds.make(name, int(size), int(requests))
    gc.collect()
    before, start = memory("VmRSS"), time.process_time()
    ready = contestant.make_ready(world)
    loaded = time.process_time() - start
    prepared, answers, first = _answered(ready, world.requests)
    _tell(
        told,
        version=contestant.version,
        load_seconds=loaded,
        first_seconds=first,
        megabytes=max(0.0, memory("VmHWM") - before),
        answers="".join("01"[answer] for answer in answers),
    )
    timed = Slices(ready, prepared)
    gc.collect()
    gc.freeze()
    for _ in asked:
        _tell(told, microseconds=timed.time())
    return 0


def _answered(ready: Ready, requests: Sequence[Any]) -> tuple[list[Any], list[bool], float]:
    """Return the requests as prepared, the answers, and the seconds that answering took."""
    prepared: list[Any] = []
    answers: list[bool] = []
    seconds = 0.0
    last: deque[float] = deque(maxlen=_LEAST)
    for request in requests:
        # The first answers may be slow because functions are compiled; others tell who is slow.
        slow = seconds > ANSWERING and min(last) * len(requests) > ANSWERING
        if slow and len(answers) >= _LEAST:
            break
        prepared.append(ready.prepare(request))
        start = time.process_time()
        answers.append(bool(ready.decide(prepared[-1])))
        last.append(time.process_time() - start)
        seconds += last[-1]
    return prepared, answers, seconds


class Slices:
    """Decides again and again, as many requests at a time as fit into a slice."""

    def __init__(self, ready: Ready, prepared: list[Any]) -> None:
        self._ready = ready
        self._prepared = prepared
        self._next = 0
        self._count = _LEAST
        while self.time() * self._count < _PASS * 1e6 and self._count < len(prepared):
            self._count = min(2 * self._count, len(prepared))  # this warms it up, too

    def time(self) -> float:
        """Return the microseconds of one decision, over a slice."""
        spent, calls = 0.0, 0
        while spent < _SLICE:
            part = self._prepared[self._next : self._next + self._count]
            self._next = (self._next + self._count) % len(self._prepared)
            start = time.process_time()
            self._ready.run(part)
            spent += time.process_time() - start
            calls += len(part)
        return spent / calls * 1e6


def memory(what: str) -> float:
    """Return the megabytes of this process: `VmRSS` now, `VmHWM` at most so far; 0 if not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    lines = dict(line.partition(":")[::2] for line in status.read_text().splitlines())
    return int(lines[what].split()[0]) / 1024


def _tell(told: IO[str], **facts: object) -> None:
    told.write(json.dumps(facts) + "\n")
    told.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout))
