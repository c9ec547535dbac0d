"""Ask what a decision costs from the bytes of a request to the bytes of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.questions.small import small
from bench.timing import each, side_by_side
from bench.worlds import apps


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world, beside the function by hand with two libraries for JSON."""
    world = small(scale.requests)
    decide_json = world.engine.decide_json
    wires = [form.wire for form in world.forms]
    for request, wire in zip(world.requests, wires, strict=True):
        expected, _ = apps.decide_by_hand(request)
        for answer in (decide_json, decide_json, apps.WITH_JSON, apps.WITH_MSGSPEC):
            if json.loads(answer(wire))["decision"] != expected:
                raise DisagreementError(f"{request} is decided otherwise by {answer}")
    for name, by_hand, bar, aim in (
        ("json.loads, by hand, json.dumps", apps.WITH_JSON, 1.5, 0.8),
        ("msgspec decode, by hand, msgspec encode", apps.WITH_MSGSPEC, 2, 1.5),
    ):
        contestants = {"by hand": each(by_hand, wires), "ours": each(decide_json, wires)}
        found = side_by_side(contestants, len(wires), scale.rounds)
        yield Answer(f"JSON to JSON, over {name}", found["ours"].ratio, bar, aim)
