"""Kill processes while they decide, and hold that no decision was answered without a record.

`python -m tests.kills --count 300`: a child process decides on several threads with a durable log, says which
decisions it was given, and is killed (SIGKILL) at a random moment. All children write one log, one after another.
Some are killed once more: their last line is cut at a random byte, as a loss of power might leave it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from random import Random
from threading import Thread
from time import sleep
from typing import NoReturn

from policyengine.record.decision_log import DecisionLog
from policyengine.record.log_lines import Line, log_files, read_lines
from policyengine.record.verify_log import Verified, verify_log
from tests.test_deciders import ASKED, ENGINE, UNFIT

_THREADS = 4
_ID = 32


def kill(count: int, path: Path, rng: Random) -> tuple[int, Verified]:
    """Kill *count* processes that write a log in *path*; return how many decisions were answered, and the log."""
    answered: set[str] = set()
    cut = 0
    for _ in range(count):
        answered |= _answered_before_death(path, rng)
        if rng.random() < 0.2:
            cut += _cut_a_line(path, rng)
    DecisionLog(path).close()  # which goes on after the last of them
    found = verify_log(path)
    recorded = {id_ for file in log_files(path) for id_ in _ids(file)}
    assert not found.faults, found.faults
    assert len(found.cut) >= cut, (found.cut, cut)
    assert answered <= recorded, f"{len(answered - recorded)} answered decisions have no record"
    return len(answered), found


def _answered_before_death(path: Path, rng: Random) -> set[str]:
    """Return the ids of the decisions that a process was given before it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _decide_for_ever(path, write)
    os.close(write)
    with os.fdopen(read, "rb") as given:
        first = given.read(1)  # it decides now
        sleep(rng.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        text = (first + given.read()).decode("ascii")
    whole = len(text) // _ID * _ID
    return {text[at : at + _ID] for at in range(0, whole, _ID)}


def _decide_for_ever(path: Path, given: int) -> NoReturn:
    engine = ENGINE.with_record(DecisionLog(path, size=200_000))
    asked = [*ASKED.values(), UNFIT[0]]

    def decide(number: int) -> None:
        while True:
            number += 1
            (decision,) = engine.decide_many([asked[number % len(asked)]])
            os.write(given, decision.id.encode())  # a pipe takes that many bytes whole

    for number in range(_THREADS):
        Thread(target=decide, args=(number,), daemon=True).start()
    while True:
        sleep(1)


def _cut_a_line(path: Path, rng: Random) -> int:
    """Add a beginning of the last line to the last file, as if more had been written; how many were cut."""
    file = log_files(path)[-1]
    lines = file.read_bytes().splitlines(keepends=True)
    if not lines:
        return 0
    with file.open("ab") as opened:
        opened.write(lines[-1][: rng.randrange(1, len(lines[-1]))])
    return 1


def _ids(file: Path) -> list[str]:
    with file.open("rb") as opened:
        return [id_ for line in read_lines(opened) for id_ in _id(line)]


def _id(line: Line) -> list[str]:
    content = line.content() or {}
    return [content["record"]["id"]] if line.is_whole and "record" in content else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        answered, found = kill(given.count, Path(folder), Random(given.seed))
    sys.stdout.write(
        f"{given.count:,} processes killed: {answered:,} decisions answered, 0 without a record;"
        f" {found.records:,} records in {found.files:,} files, {len(found.cut):,} cut, chain verified\n"
    )


if __name__ == "__main__":
    sys.exit(main())
