"""Ask how long a large policy set takes to load that was compiled before, and how much memory."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.questions.answer import Answer, Scale
from bench.questions.loading import load_apart
from bench.worlds import customers
from policyengine import PolicyEngine


def ask(scale: Scale) -> Iterator[Answer]:
    """Load a rule for each customer twice, in a process each; the second finds it in the cache."""
    if "cache" not in inspect.signature(PolicyEngine.load).parameters:
        return
    size = scale.loaded
    with tempfile.TemporaryDirectory() as folder:
        policies, cache = Path(folder, "policies"), Path(folder, "cache")
        policies.mkdir()
        for number, text in enumerate(customers.make(size, 0).policies):
            (policies / f"{number:02}.policy").write_text(text, encoding="utf-8")
        load_apart(policies, cache)
        warm = load_apart(policies, cache)
    question = f"load of {size:,} rules, warm cache"
    yield Answer(f"{question}: seconds", warm.seconds, 1, 0.3, unit="s")
    yield Answer(f"{question}: megabytes", warm.megabytes, 300, 300, unit="MB")
