"""Time decisions about a shipped set whose parts were built before, beside a hand-written function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from policyengine import Decision, PolicyEngine


class Ask(Protocol):
    """One request: what the hand-written function takes, the time last, and what the engine takes."""

    @property
    def by_hand(self) -> tuple[*tuple[Any, ...], datetime]: ...

    @property
    def built(self) -> tuple[Any, str, Any, Any]: ...


def built_before(
    policies: Path,
    requests: Callable[[PolicyEngine, int], Sequence[Ask]],
    by_hand: Callable[..., object],
    decided: Callable[[Decision], object],
    scale: Scale,
) -> Answer:
    """Return how many times as long as *by_hand*, which validates nothing, the engine takes.

    *decided* makes of a decision what *by_hand* gives. Raises `DisagreementError` if they answer a request differently.
    """
    engine = PolicyEngine.load(policies)
    asks = requests(engine, scale.requests)
    decide = engine.decide
    built = [(*one.built, one.by_hand[-1]) for one in asks]
    hands = [one.by_hand for one in asks]
    for parts, plain in zip(built, hands, strict=True):
        for decision in (decide(*parts[:4], now=parts[4]), decide(*parts[:4], now=parts[4])):
            if decided(decision) != by_hand(*plain):
                raise DisagreementError(f"{parts} is decided otherwise by hand: {decision.reason}")

    def hand() -> None:
        for plain in hands:
            by_hand(*plain)

    def ours() -> None:
        for subject, action, resource, context, now in built:
            decide(subject, action, resource, context, now=now).allowed

    ratio = side_by_side({"by hand": hand, "ours": ours}, len(asks), scale.rounds)["ours"].ratio
    return Answer(f"policies/{policies.name}, parts built before, over by hand", ratio, 2, 1.2)
