"""Ask what a decision about policies/x costs whose parts were built before, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.platform import platform


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about all operations; the function by hand validates nothing."""
    world = platform(scale.requests)
    decide = world.engine.decide
    world.compare_built()
    built = [(*asked.built, asked.now) for asked in world.asks]

    def ours() -> None:
        for subject, action, resource, context, now in built:
            decide(subject, action, resource, context, now=now).allowed

    ratio = world.over_by_hand(ours, scale.rounds)
    question = f"policies/x, {len(world.operations)} operations, parts built before, over by hand"
    yield Answer(question, ratio, 2, 1.2)
