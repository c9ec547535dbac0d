"""Time what a decision that is remembered costs, beside deciding: where does a `DecisionCache` pay?

Few requests at a time, again and again, and the quickest of many rounds: a hit validates the request
and makes its key anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import worlds
from bench.worlds import apps, platform
from policyengine import DecisionCache, PolicyEngine

_REQUESTS = 10
_ROUNDS = 300
_RULES = 1_000


def measure() -> Iterator[tuple[str, float, float]]:
    """Give what is asked, and the microseconds of the engine and of a hit."""
    engine = PolicyEngine.load(apps.POLICY)
    forms = apps.in_all_forms(engine, apps.make_requests(_REQUESTS))
    yield "27 rules, parts built before", *_beside(engine, [(form.built, {}) for form in forms])
    yield "27 rules, dicts", *_beside(engine, [(form.dicts, {}) for form in forms])
    engine = PolicyEngine.load(platform.POLICIES)
    documents = [json.loads(ask.wire) for ask in platform.requests(engine, _REQUESTS)]
    asked = [
        (
            (d["subject"], d["action"]["name"], d["resource"], d["context"]),
            {"now": d["now"], "entities": d["entities"]},
        )
        for d in documents
    ]
    yield "policies/x, dicts and other entities", *_beside(engine, asked)
    for name in ("ancestors", "scans"):
        world = worlds.make(name, _RULES, _REQUESTS)
        engine = PolicyEngine.from_text(*world.policies)
        parts: list[tuple[Any, dict[str, Any]]] = [
            (world.build(engine, request), {}) for request in world.requests
        ]
        yield f"{name}, {_RULES:,} rules", *_beside(engine, parts)


def _beside(
    engine: PolicyEngine, asked: Sequence[tuple[Any, dict[str, Any]]]
) -> tuple[float, float]:
    cache = DecisionCache(engine)
    for parts, more in asked:
        if cache.decide(*parts, **more).outcome != engine.decide(*parts, **more).outcome:
            raise AssertionError("what is remembered is not what is decided")
    return _quickest(engine.decide, asked), _quickest(cache.decide, asked)


def _quickest(decide: Callable[..., Any], asked: Sequence[tuple[Any, dict[str, Any]]]) -> float:
    quickest = float("inf")
    for _ in range(_ROUNDS):
        start = time.process_time()
        for parts, more in asked:
            decide(*parts, **more)
        quickest = min(quickest, time.process_time() - start)
    return quickest / len(asked) * 1e6
