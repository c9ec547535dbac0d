"""Ask what a decision costs from the bytes of a request to the bytes of the answer, also of a request that was parsed and of many in a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.questions.small import small
from bench.timing import each, side_by_side
from bench.worlds import apps

_BATCH = 50


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
    documents = [json.loads(wire) for wire in wires]
    together = json.dumps({"evaluations": documents[:_BATCH]}).encode()
    decide_request, evaluations = world.engine.decide_request, world.engine.evaluations

    def parsed() -> None:
        for document in documents:
            decide_request(document).to_bytes()

    def batch() -> None:
        for _ in range(len(wires) // _BATCH):
            evaluations(together).to_bytes()

    rest = {"single": each(decide_json, wires), "parsed": parsed}
    found = side_by_side(rest, len(wires), scale.rounds)
    yield Answer("a request that was parsed, over JSON to JSON", found["parsed"].ratio, 2, 1)
    few = wires[:_BATCH] * (len(wires) // _BATCH)
    found = side_by_side({"single": each(decide_json, few), "batch": batch}, len(few), scale.rounds)
    yield Answer(
        "each of 50 requests in a batch, over JSON to JSON", found["batch"].ratio, 2.5, 1.5
    )
