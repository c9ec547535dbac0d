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
from bench.worlds.platform import POLICIES
from policyengine import PolicyEngine

_REQUEST = POLICIES / "requests" / "1-research-search-is-allowed.json"
_BEFORE = 150
"""What both took when all that requests need was loaded with the package: what starting saves must not
be what the first decision then takes."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Import the package and load policies/x from the cache, if there is one; then decide, too."""
    if "cache" not in inspect.signature(PolicyEngine.load).parameters:
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Path(folder, "cache"))
        load = f"engine = PolicyEngine.load({str(POLICIES)!r}, cache={cache!r})"
        ready = f"from policyengine import PolicyEngine; {load}"
        file = f"with open({str(_REQUEST)!r}, 'rb') as file:"
        decided = f"{ready}\n{file} engine.decide_json(file.read(), accept_now=True)"
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        codes = "pass", ready, decided
        for code in (decided, *codes):  # the first compiles the set and keeps it
            _run(code, environment)
        taken = [[_run(code, environment) for code in codes] for _ in range(scale.rounds)]
    question = "import, and load policies/x warm, over `python -c pass`: milliseconds"
    yield Answer(question, median(r - n for n, r, _ in taken) * 1_000, 60, 30, unit="ms")
    question = (
        "import, load, and decide a first request in JSON, over `python -c pass`: milliseconds"
    )
    yield Answer(question, median(d - n for n, _, d in taken) * 1_000, _BEFORE, 75, unit="ms")


def _run(code: str, environment: Mapping[str, str]) -> float:
    """Return the seconds that Python takes for *code*."""
    start = _spent()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # noqa: S603 - of ourselves
    return _spent() - start


def _spent() -> float:
    """Return the seconds that processes which this one waited for have used."""
    told = getrusage(RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime
