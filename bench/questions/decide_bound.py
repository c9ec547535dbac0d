"""Ask what a decision about a bound subject costs, beside a function written by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.small import small


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world, about subjects that are bound already."""
    world = small(scale.requests)
    subjects = {form.built[0].id: form.built[0] for form in world.forms}
    bound = {id: world.engine.bind(subject) for id, subject in subjects.items()}
    world.compare(lambda form: bound[form.built[0].id].decide(*form.built[1:]))
    asked = [(bound[form.built[0].id], *form.built[1:]) for form in world.forms]

    def ours() -> None:
        for subject, action, resource, context in asked:
            subject.decide(action, resource, context).allowed

    ratio = world.over_by_hand(ours, scale.rounds)
    yield Answer("decide of a bound subject, over by hand", ratio, 0.7, 0.4)
