"""Load changed policies again and again, and measure the resident memory after each load."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Final

from bench.worker import memory
from policyengine import PolicyEngine

BAR: Final = 1.2
"""The most that memory may be after the last load, over that after the third."""

THIRD: Final = 3
"""The load after which everything is imported, and the allocator has what two engines need."""

_VOCABULARY = """package t
entity User { name: string }
entity Doc { m: int, s: string }
action read by User on Doc
"""


def reload(reloads: int, rules: int) -> Iterator[float]:
    """Load as many sets of *rules* rules as there are *reloads*, each instead of the one before.

    Give the megabytes after each, when a request was decided and its reason read.
    """
    user = {"type": "User", "id": "q", "properties": {"name": "n"}}
    doc = {"type": "Doc", "id": "q", "properties": {"m": 1, "s": "x"}}
    for version in range(reloads):
        engine = PolicyEngine.from_text(_VOCABULARY + "".join(_rules(version, rules)))
        assert engine.decide(user, "read", doc).reason
        del engine
        gc.collect()
        yield memory("VmRSS")


def _rules(version: int, rules: int) -> Iterator[str]:
    for i in range(rules):
        yield (
            f'permit p{i}: read when subject.name == "n{i}v{version}" and resource.m > {i}'
            f' and resource.s like "*k{i}*" because "v{version} {{subject.name}}"\n'
        )
