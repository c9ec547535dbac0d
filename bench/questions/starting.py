"""Ask how long a process takes to be ready to decide, over one that does nothing.

Python keeps the bytecode of the modules, as it does wherever packages are installed, even if the
environment of the measurement says otherwise: compiling them is not what is asked.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
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
        ready, nothing = f"{load}cache={str(Path(cache, 'sets'))!r})", "pass"
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(cache, "bytecode"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for code in (ready, ready, nothing):  # the first compiles the set, the second loads it
            _run(code, environment)
        more = [_run(ready, environment) - _run(nothing, environment) for _ in range(scale.rounds)]
    question = "import, and load policies/x warm, over `python -c pass`: milliseconds"
    yield Answer(question, median(more) * 1_000, 60, 30, unit="ms")


def _run(code: str, environment: Mapping[str, str]) -> float:
    """Return the seconds that Python takes for *code*."""
    start = _spent()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # noqa: S603 - of ourselves
    return _spent() - start


def _spent() -> float:
    """Return the seconds that processes which this one waited for have used."""
    told = getrusage(RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime
