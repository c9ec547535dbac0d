"""Ask what `require` costs, and the reason for a user, beside typed decisions, in worlds that differ in kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from bench.questions.answer import Answer, Scale
from bench.questions.kinds_of_worlds import AskedWorld, kinds_of_worlds
from bench.timing import side_by_side
from policyengine import Denied


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about requests whose parts were built before, or are in a store; of policies/x, most are denied."""
    for world in kinds_of_worlds(scale):
        found = side_by_side(_contestants(world), len(world.asked), scale.rounds)
        yield Answer(f"{world.name}, require over decide", found["required"].ratio, 3, 1.5)
        reason = found["with reason"].ratio - 1
        yield Answer(f"{world.name}, the reason for a user over decide", reason, 3, 2)


def _contestants(world: AskedWorld) -> dict[str, Callable[[], None]]:
    decide, require = world.engine.decide, world.engine.require
    asked = [(*parts, now) for parts, now in zip(world.asked, world.moments, strict=True)]

    def decided() -> None:
        for subject, action, resource, context, now in asked:
            decide(subject, action, resource, context, now=now)

    def required() -> None:
        for subject, action, resource, context, now in asked:
            with suppress(Denied):
                require(subject, action, resource, context, now=now)

    def with_reason() -> None:
        for subject, action, resource, context, now in asked:
            decide(subject, action, resource, context, now=now).reason_for("user")

    return {"decided": decided, "required": required, "with reason": with_reason}
