"""Ask what a decision costs whose resource and context are built for it, beside the same as dicts."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.small import small
from bench.timing import side_by_side
from bench.worlds import apps
from policyengine import Decision


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world, about subjects that were built before."""
    world = small(scale.requests)
    decide, entity, context_of = world.engine.decide, world.engine.entity, world.engine.context

    def build_and_decide(form: apps.Forms) -> Decision:
        _, action, item, context = form.dicts
        resource = entity("Item", item["id"], item["properties"])
        return decide(form.built[0], action, resource, context_of(action, context))

    world.compare(build_and_decide)
    world.compare(lambda form: decide(form.built[0], *form.dicts[1:]))
    asked = [(form.built[0], *form.dicts[1:]) for form in world.forms]

    def as_dicts() -> None:
        for subject, action, resource, context in asked:
            decide(subject, action, resource, context).allowed

    def built() -> None:
        for subject, action, item, context in asked:
            resource = entity("Item", item["id"], item["properties"])
            decide(subject, action, resource, context_of(action, context)).allowed

    found = side_by_side({"as dicts": as_dicts, "built": built}, len(asked), scale.rounds)
    question = "entity(), context() and decide, over the same dicts given to decide"
    yield Answer(question, found["built"].ratio, 1.5, 1)
