"""Prepare policies/x, with requests over all its operations, for the questions about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from attrs import frozen

from bench.questions.answer import DisagreementError
from bench.timing import side_by_side
from bench.worlds import platform_asked, platform_why
from bench.worlds import platform_by_hand as by_hand
from bench.worlds.platform import POLICIES, Ask, requests
from policyengine import Decision, PolicyEngine

_REQUESTS = 4
"""So many times as many requests as elsewhere: there are 178 operations."""


@frozen
class Platform:
    """The engine, the requests in every form, and the operations as who decides by hand knows them."""

    engine: PolicyEngine
    asks: Sequence[Ask]
    operations: Mapping[str, platform_asked.Operation]

    def compare(self, decide: Callable[[Ask], tuple[bool, str]]) -> None:
        """Raise `DisagreementError` if *decide* answers otherwise than by hand, or for other reasons.

        Each is decided twice: the first may open the quick way for the second.
        """
        for ask in self.asks:
            expected = by_hand.allows(*ask.by_hand), said(platform_why.why(*ask.by_hand))
            for allowed, reason in (decide(ask), decide(ask)):
                if (allowed, said(reason)) != expected:
                    found = f"{expected} by hand, and {allowed}, {reason}"
                    raise DisagreementError(f"{ask.wire.decode()} is {found}")

    def compare_built(self) -> None:
        """Raise `DisagreementError` if parts that were built are decided otherwise than by hand."""
        decide = self.engine.decide
        self.compare(lambda ask: told(decide(*ask.built, now=ask.now)))

    def over(self, hand: Callable[[], object], ours: Callable[[], object], rounds: int) -> float:
        """Return how many times as long as *hand* *ours* takes for all requests."""
        return side_by_side({"by hand": hand, "ours": ours}, len(self.asks), rounds)["ours"].ratio

    def over_by_hand(self, ours: Callable[[], object], rounds: int) -> float:
        """Return how many times as long as the decision by hand *ours* takes for all requests."""
        asked = [ask.by_hand for ask in self.asks]

        def hand() -> None:
            for parts in asked:
                by_hand.allows(*parts)

        return self.over(hand, ours, rounds)


def told(decision: Decision) -> tuple[bool, str]:
    """Return what is compared of a decision."""
    return decision.allowed, decision.reason


def said(reason: str) -> list[str]:
    """Return what a reason says, in whatever order."""
    return sorted(reason.split("; "))


@lru_cache(maxsize=2)
def platform(count: int) -> Platform:
    """Return policies/x with requests, in proportion to *count*."""
    engine = PolicyEngine.load(POLICIES)
    operations = platform_asked.operations(engine.schema.actions)
    return Platform(engine, requests(engine, _REQUESTS * count), operations)
