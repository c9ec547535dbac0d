"""Ask what a decision from plain dicts costs, which are validated each time."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.small import small


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world; the function by hand validates nothing."""
    world = small(scale.requests)
    decide = world.engine.decide
    world.compare(lambda form: decide(*form.dicts))
    dicts = [form.dicts for form in world.forms]

    def ours() -> None:
        for subject, action, resource, context in dicts:
            decide(subject, action, resource, context).allowed

    ratio = world.over_by_hand(ours, scale.rounds)
    yield Answer("decide from dicts, validated, over by hand", ratio, 6, 4)
