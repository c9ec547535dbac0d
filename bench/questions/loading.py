"""Load a policy set in a process of its own, so that its time and memory are its own.

`python -m bench.questions.loading FOLDER [CACHE]` prints both as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import frozen

from bench.worker import memory
from policyengine import PolicyEngine


@frozen
class Loaded:
    """The seconds that loading took, and the most megabytes that the process had."""

    seconds: float
    megabytes: float


def load_apart(folder: Path, cache: Path | None = None) -> Loaded:
    """Load the policy set in *folder*, in another process."""
    command = [sys.executable, "-m", __name__, str(folder), *([str(cache)] if cache else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - of ourselves
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return Loaded(**found)


def load(folder: str, cache: str | None = None) -> Loaded:
    """Load the policy set in *folder*, here."""
    load_policies: Any = PolicyEngine.load
    more = {"cache": cache} if cache else {}
    start = cpu_seconds()
    load_policies(folder, **more)
    return Loaded(cpu_seconds() - start, memory("VmHWM"))


def cpu_seconds() -> float:
    """Return the time of this process and of those that it waited for; not of others."""
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


if __name__ == "__main__":
    found = load(*sys.argv[1:])
    print(json.dumps({"seconds": found.seconds, "megabytes": found.megabytes}))
