"""Prepare the worlds in which people share for the questions about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from attrs import frozen

from bench.questions.answer import DisagreementError
from bench.worlds.sharing import SharingWorld, make, reference
from policyengine import EntityStore, PolicyEngine

Parts: TypeAlias = tuple[Any, str, Any]


@frozen
class Shared:
    """An engine with a store, and requests that give types and ids."""

    world: SharingWorld
    store: EntityStore
    engine: PolicyEngine
    asked: Sequence[Parts]

    def compare(self, decide: Callable[..., bool], asked: Iterable[tuple[Any, ...]]) -> None:
        """Raise `DisagreementError` if *decide* answers one of *asked* otherwise than by hand.

        *asked*: the requests as *decide* takes them. Each is decided twice: the first may open the
        quick way for the second.
        """
        for request, parts in zip(self.world.requests, asked, strict=True):
            by_hand = self.world.by_hand(request)
            if not decide(*parts) == decide(*parts) == by_hand:
                raise DisagreementError(f"{request} is {by_hand} by hand, in {self.world.name}")

    def deciding(self, engine: PolicyEngine, asked: Sequence[Parts]) -> Callable[[], None]:
        """Return what decides *asked* by *engine*, as is done by hand."""
        decide = engine.decide
        self.compare(lambda *parts: decide(*parts).allowed, asked)

        def run() -> None:
            for subject, action, resource in asked:
                decide(subject, action, resource).allowed

        return run

    def decide_all(self) -> Callable[[], None]:
        """Return what decides all requests by type and id."""
        return self.deciding(self.engine, self.asked)


@lru_cache(maxsize=3)
def shared(name: str, requests: int) -> Shared:
    """Return the world *name* with requests, and half as many people."""
    world = make(name, max(20, requests // 2), requests)
    store = PolicyEngine.from_text(world.policy).store(world.entities())
    engine = PolicyEngine.from_text(world.policy, store=store)
    asked = [
        (reference(("User", who)), action, reference((type_, id_)))
        for who, action, type_, id_ in world.requests
    ]
    return Shared(world, store, engine, asked)
