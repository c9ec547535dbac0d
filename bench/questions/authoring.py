"""Prepare sets of `worlds/authored.py` for the questions about the tools of authors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from bench.questions.loading import cpu_seconds
from bench.worlds import authored
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.semantics.checked import CheckedSet

NOW = 1_790_000_000_000_000
"""2026-09-21: the moment at which the tools run."""


def checked(text: str) -> CheckedSet:
    """Return a set that nobody has asked anything about yet."""
    found, _ = check_sources({"authored.policy": Source("authored.policy", text)})
    assert found is not None, "the set has an error"
    return found


@lru_cache(maxsize=4)
def three_of_eight(size: int) -> CheckedSet:
    """Return the set of so many rules; the tools keep nothing about it."""
    return checked(authored.three_of_eight(size))


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU time that *run* takes, processes that it starts included."""
    start = cpu_seconds()
    run()
    return cpu_seconds() - start
