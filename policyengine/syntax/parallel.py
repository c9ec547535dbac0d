"""Parse many files, on several cores where that is worth starting processes.

Each worker process parses its share and sends the trees back; this process parses a share meanwhile.
Files without a tree, since a process could not be started or found a mistake, are parsed here. So
only the time depends on the processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final, TypeAlias

import msgspec

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.syntax.nodes import PolicyFile
from policyengine.syntax.parser import parse
from policyengine.syntax.tree_codec import decode

Parsed: TypeAlias = tuple[PolicyFile | None, tuple[Diagnostic, ...]]
Progress: TypeAlias = Callable[[int, int], None]
"""A callback that takes how many files are parsed, of how many."""

JOBS: Final = "POLICYENGINE_JOBS"
"""The environment variable for the number of processes that parse; by default that of cores."""

WORTH: Final = 500_000
"""The number of code points that are worth another process: it takes a third of a second."""

_MOST: Final = 8
_decode: Final = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def parse_all(sources: Sequence[Source], limits: Limits, progress: Progress) -> Iterator[Parsed]:
    """Parse *sources*; give the tree and the mistakes of each, in their order."""
    shares = _shares(sources)
    with _started(shares[1:], limits) as sent:
        found: dict[str, Parsed] = {}
        for number, source in enumerate(shares[0], 1):
            found[source.name] = parse(source, limits)
            # The other processes are as fast as this one.
            progress(number * len(sources) // len(shares[0]), len(sources))
        trees = {name: data for share in sent() for name, data in share.items()}
    for source in sources:
        data = trees.get(source.name)
        if data is not None:
            yield decode(data, source.name), ()
        else:
            yield found.get(source.name) or parse(source, limits)


def _shares(sources: Sequence[Source]) -> list[list[Source]]:
    """Distribute *sources* over processes, so that each has about the same work."""
    size = sum(len(source.text) for source in sources)
    processes = max(1, min(_cores(), _MOST, len(sources), size // WORTH))
    shares: list[list[Source]] = [[] for _ in range(processes)]
    sizes = [0] * processes
    for source in sorted(sources, key=lambda source: -len(source.text)):
        least = sizes.index(min(sizes))
        shares[least].append(source)
        sizes[least] += len(source.text)
    return shares


def _cores() -> int:
    given = os.environ.get(JOBS, "")
    if given.isdigit():
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _started(
    shares: Sequence[Sequence[Source]], limits: Limits
) -> Iterator[Callable[[], list[dict[str, bytes]]]]:
    """Start a process for each of *shares*; the function that is given waits for their trees."""
    sent: list[dict[str, bytes]] = []
    running: list[tuple[subprocess.Popen[bytes], Thread]] = []

    def talk(process: subprocess.Popen[bytes], work: bytes) -> None:
        answer, _ = process.communicate(work)
        if process.returncode == 0:
            sent.append(_decode(answer))

    def wait() -> list[dict[str, bytes]]:
        for _, thread in running:
            thread.join()
        return sent

    try:
        for share in shares:
            texts = [(source.name, source.text) for source in share]
            work = msgspec.msgpack.encode((limits, texts))
            try:
                process = _start()
            except OSError:  # no more processes may be allowed, or the interpreter may be missing
                continue
            thread = Thread(target=talk, args=(process, work), daemon=True)
            thread.start()
            running.append((process, thread))
        yield wait
    finally:
        for process, _ in running:
            process.kill()  # which does nothing to one that has ended
            process.wait()


def _start() -> subprocess.Popen[bytes]:
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        # Without the current directory on its path, which others may write to.
        [sys.executable, "-P", "-m", "policyengine.syntax.parse_worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
