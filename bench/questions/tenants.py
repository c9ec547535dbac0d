"""Prepare sets of few and of many tenants for the questions about them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Self

from attrs import frozen

from bench.questions.answer import DisagreementError, Scale
from bench.rules import Parts
from bench.worlds import tenants
from policyengine import PolicyEngine

_MOST = 50_000
_TIMES = 10
"""So many times as many tenants are many."""


@frozen
class Tenants:
    """A set that was loaded, requests of it as built parts, and which of them are not permitted.

    *first_reasons*: the seconds that the first reason of each action took, after a first decision.
    """

    rules: int
    engine: PolicyEngine
    built: Sequence[Parts]
    denied: Sequence[Parts]
    first_reasons: Sequence[float]

    @classmethod
    def make(cls, rules: int, requests: int) -> Self:
        """Load so many rules; raises `DisagreementError` if they decide otherwise than by hand."""
        world = tenants.make(max(2, rules // tenants.RULES), requests)
        engine = PolicyEngine.from_text(*world.policies)
        built = [tenants.build(engine, request) for request in world.requests]
        causes = [world.by_hand(request) for request in world.requests]
        decide = engine.decide
        for _ in range(2):  # the first may open the quick way
            allowed = [decide(*parts).allowed for parts in built]
            if allowed != [cause == "permitted" for cause in causes]:
                raise DisagreementError("tenants are decided otherwise by hand")
        denied = [p for p, cause in zip(built, causes, strict=True) if cause == "not_permitted"]
        one_each = {parts[1]: parts for parts in denied}
        reasons = [_seconds_of_reason(engine, parts) for parts in one_each.values()]
        if [decide(*parts).cause for parts in built] != causes:
            raise DisagreementError("tenants are decided for other causes by hand")
        return cls(world.rules, engine, built, denied, reasons)

    def decide_all(self) -> None:
        """Decide all requests."""
        decide = self.engine.decide
        for subject, action, resource, context in self.built:
            decide(subject, action, resource, context).allowed


def _seconds_of_reason(engine: PolicyEngine, parts: Parts) -> float:
    decision = engine.decide(*parts)
    start = time.process_time()
    decision.reason
    return time.process_time() - start


@lru_cache(maxsize=1)
def many(scale: Scale) -> Tenants:
    """Return the set of 2,000 tenants, or as many as *scale* has rules for."""
    return Tenants.make(min(_MOST, scale.loaded), scale.requests)


@lru_cache(maxsize=1)
def few(scale: Scale) -> Tenants:
    """Return the set of a tenth as many."""
    return Tenants.make(min(_MOST, scale.loaded) // _TIMES, scale.requests)
