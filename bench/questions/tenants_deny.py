"""Ask what it costs to say why a tenant is denied something, where there are many."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.tenants import many
from bench.timing import side_by_side

_DENIES = 200


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide what is not permitted, read the reason, and write the answer as JSON."""
    made = many(scale)
    decide, denied = made.engine.decide, made.denied[:_DENIES]
    length = 0
    for parts in denied:
        decision = decide(*parts)
        decision.reason
        length = max(length, len(decision.to_bytes()))

    def told() -> None:
        for subject, action, resource, context in denied:
            decision = decide(subject, action, resource, context)
            decision.reason
            decision.to_bytes()

    found = side_by_side({"told": told}, len(denied), scale.rounds)["told"]
    question = f"reason and JSON of a deny, tenants with {made.rules:,} rules"
    yield Answer(f"{question}: microseconds", found.microseconds, 100, 30, unit="µs")
    yield Answer(f"{question}: kilobytes", length / 1_000, 8, 8, unit="kB")
