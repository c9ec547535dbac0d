"""Ask how long a set takes to load for the first time: without a cache, and while it is kept in one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.questions.answer import Answer, Scale
from bench.questions.loading import load_apart
from bench.worlds import tenants

_RULES = 5_000
_TIMES = 3


def ask(scale: Scale) -> Iterator[Answer]:
    """Load a file for each tenant, in a process each."""
    world = tenants.make(max(2, min(_RULES, scale.loaded) // tenants.RULES), 0)
    without, kept = [], []
    with tempfile.TemporaryDirectory() as folder:
        policies, cache = Path(folder, "policies"), Path(folder, "cache")
        policies.mkdir()
        for number, text in enumerate(world.policies):
            (policies / f"{number:04}.policy").write_text(text, encoding="utf-8")
        for _ in range(_TIMES):
            without.append(load_apart(policies).seconds)
            kept.append(load_apart(policies, cache).seconds)
            shutil.rmtree(cache)
    rules = f"{world.rules:,} rules of tenants"
    found = median(with_it / alone for with_it, alone in zip(kept, without, strict=True))
    yield Answer(f"first load of {rules}, kept in a cache, over not kept", found, 1.3, 1.1)
    each = median(without) * 1_000 / world.rules
    yield Answer(f"load of {rules}, for each: milliseconds", each, 0.3, 0.15, unit="ms")
