"""Ask what a decision about policies/x costs from dicts, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.platform import platform, told


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about all operations, from dicts with the people that they refer to as `entities`."""
    world = platform(scale.requests)
    decide = world.engine.decide
    world.compare(lambda a: told(decide(*a.dicts, now=a.now, entities=a.entities)))
    dicts = [(*asked.dicts, asked.now, asked.entities) for asked in world.asks]

    def ours() -> None:
        for subject, action, resource, context, now, entities in dicts:
            decide(subject, action, resource, context, now=now, entities=entities).allowed

    ratio = world.over_by_hand(ours, scale.rounds)
    question = f"policies/x, {len(world.operations)} operations, dicts with entities, over by hand"
    yield Answer(question, ratio, 7, 4)
