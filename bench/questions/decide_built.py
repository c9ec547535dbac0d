"""Ask what a decision costs whose parts were built before, beside a function written by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.small import small


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world; the function by hand validates nothing."""
    world = small(scale.requests)
    decide = world.engine.decide
    world.compare(lambda form: decide(*form.built))
    built = [form.built for form in world.forms]

    def ours() -> None:
        for subject, action, resource, context in built:
            decide(subject, action, resource, context).allowed

    ratio = world.over_by_hand(ours, scale.rounds)
    yield Answer("decide, parts built before, over by hand", ratio, 1.5, 1.0)
