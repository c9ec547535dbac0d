"""Ask what a decision about policies/x costs whose reason is read, beside both by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.platform import platform
from bench.worlds import platform_by_hand as by_hand
from bench.worlds import platform_why


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about all operations, parts built before, and read every reason."""
    world = platform(scale.requests)
    decide = world.engine.decide
    world.compare_built()
    built = [(*asked.built, asked.now) for asked in world.asks]
    plain = [asked.by_hand for asked in world.asks]

    def ours() -> None:
        for subject, action, resource, context, now in built:
            decide(subject, action, resource, context, now=now).reason

    def hand() -> None:
        for parts in plain:
            by_hand.allows(*parts)
            platform_why.why(*parts)

    ratio = world.over(hand, ours, scale.rounds)
    yield Answer("policies/x, the same, and its reason read, over both by hand", ratio, 3, 1.5)
