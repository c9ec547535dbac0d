"""Prepare worlds of any size for the questions about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from attrs import frozen

from bench import worlds
from bench.questions.answer import DisagreementError
from bench.rules import Parts, World
from bench.timing import side_by_side
from policyengine import PolicyEngine


@frozen
class Grown:
    """A world whose rules are loaded, and whose requests are decided as they are by hand."""

    world: World
    engine: PolicyEngine
    built: Sequence[Parts]

    @classmethod
    def make(cls, name: str, size: int, requests: int) -> Self:
        """Make the world *name*; raises `DisagreementError` if it is decided otherwise by hand."""
        world = worlds.make(name, size, requests)
        engine = PolicyEngine.from_text(*world.policies)
        built = [world.build(engine, request) for request in world.requests]
        for request, parts in zip(world.requests, built, strict=True):
            by_hand = world.by_hand(request)
            for _ in range(2):  # the first may open the quick way
                if engine.decide(*parts).allowed != by_hand:
                    raise DisagreementError(f"{request} is decided otherwise by hand")
        return cls(world, engine, built)

    def decide_all(self) -> None:
        """Decide all requests."""
        decide = self.engine.decide
        for subject, action, resource, context in self.built:
            decide(subject, action, resource, context).allowed

    def over_by_hand(self, rounds: int) -> float:
        """Return how many times as long as by hand deciding takes."""
        by_hand, requests = self.world.by_hand, self.world.requests

        def look() -> None:
            for request in requests:
                by_hand(request)

        contestants: Mapping[str, Callable[[], Any]] = {"by hand": look, "ours": self.decide_all}
        return side_by_side(contestants, len(requests), rounds)["ours"].ratio
