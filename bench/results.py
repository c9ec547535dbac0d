"""Keep what was measured, with the machine, the versions and the command, in `bench/results/`.

A run in pieces adds to what is there: a row takes the place of the one with the same name.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policyengine import __version__

FOLDER = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Return what this runs on."""
    return {
        "policyengine": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor()
    lines = facts.read_text(encoding="utf-8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def run_facts(arguments: Iterable[str]) -> dict[str, Any]:
    """Return where and how a row was found; *arguments*: of `python -m bench`."""
    return {
        **machine(),
        "command": shlex.join(("python", "-m", "bench", *arguments)),
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "load": round(os.getloadavg()[0], 1),
    }


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a results file; none if there is no such file."""
    if not file.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return rows


def name(row: Mapping[str, Any]) -> str:
    """Return what a row is known by."""
    if "question" in row:
        return str(row["question"])
    return f"{row['world']}, {row['size']:,} rules: {row['contestant']}"


def add(file: Path, rows: Iterable[Mapping[str, Any]], run: Mapping[str, Any]) -> None:
    """Put *rows* into a results file."""
    kept = {name(row): row for row in read(file)}
    kept |= {name(row): {**row, "run": dict(run)} for row in rows}
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in kept.values())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
