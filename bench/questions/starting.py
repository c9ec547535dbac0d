"""Ask how long a process takes to be ready to decide, over one that does nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from bench.questions.answer import Answer, Scale
from bench.worlds.demo import POLICIES
from policyengine import PolicyEngine


def ask(scale: Scale) -> Iterator[Answer]:
    """Import the package and load policies/x from the cache, if there is one."""
    if "cache" not in inspect.signature(PolicyEngine.load).parameters:
        return
    with tempfile.TemporaryDirectory() as cache:
        load = f"from policyengine import PolicyEngine; PolicyEngine.load({str(POLICIES)!r}, "
        ready = ["-c", f"{load}cache={cache!r})"]
        _run(ready)
        more = [_run(ready) - _run(["-c", "pass"]) for _ in range(scale.rounds)]
    question = "import, and load policies/x warm, over `python -c pass`: milliseconds"
    yield Answer(question, median(more) * 1_000, 60, 30, unit="ms")


def _run(arguments: Sequence[str]) -> float:
    """Return the seconds that Python runs with *arguments*."""
    start = _spent()
    subprocess.run([sys.executable, *arguments], check=True)  # noqa: S603 - of ourselves
    return _spent() - start


def _spent() -> float:
    """Return the seconds that processes which this one waited for have used."""
    told = getrusage(RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime
