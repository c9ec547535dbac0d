"""Ask what a decision about policies/x costs from dicts, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.platform import platform
from bench.worlds import demo


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about all operations, from dicts with the people that they refer to as `entities`."""
    world = platform(scale.requests)
    decide = world.engine.decide

    def found(asked: demo.Ask) -> tuple[bool, str]:
        decision = decide(*asked.dicts, asked.now, None, asked.entities)
        return decision.allowed, decision.reason

    world.compare(found)
    dicts = [(*asked.dicts, asked.now, asked.entities) for asked in world.asks]

    def ours() -> None:
        for subject, action, resource, context, now, entities in dicts:
            decide(subject, action, resource, context, now, None, entities).allowed

    ratio = world.over_by_hand(ours, scale.rounds)
    yield Answer(
        f"policies/x, {len(world.operations)} operations, dicts with entities, over by hand",
        ratio,
        7,
        4,
    )
