"""Ask what `require` costs, and the reason for a user, beside typed decisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from bench.questions.answer import Answer, Scale
from bench.questions.platform import platform
from bench.timing import side_by_side
from policyengine import Denied


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about all operations of policies/x, parts built before, as most of them are: denied."""
    world = platform(scale.requests)
    decide, require = world.engine.decide, world.engine.require
    world.compare_built()
    built = [(*asked.built, asked.now) for asked in world.asks]

    def decided() -> None:
        for subject, action, resource, context, now in built:
            decide(subject, action, resource, context, now=now)

    def required() -> None:
        for subject, action, resource, context, now in built:
            with suppress(Denied):
                require(subject, action, resource, context, now=now)

    def with_reason() -> None:
        for subject, action, resource, context, now in built:
            decide(subject, action, resource, context, now=now).reason_for("user")

    contestants = {"decided": decided, "required": required, "with reason": with_reason}
    found = side_by_side(contestants, len(built), scale.rounds)
    yield Answer("policies/x, require over decide", found["required"].ratio, 3, 1.5)
    reason = found["with reason"].ratio - 1
    yield Answer("policies/x, the reason for a user over decide", reason, 3, 2)
