"""Ask what a decision costs from the bytes of a request to the bytes of the answer."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.questions.small import small
from bench.timing import side_by_side
from bench.worlds import apps


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world, beside json.loads, the function by hand and json.dumps."""
    world = small(scale.requests)
    decide_json = world.engine.decide_json
    wires = [form.wire for form in world.forms]
    for request, wire in zip(world.requests, wires, strict=True):
        answer = apps.decide_by_hand(request)
        for told in (decide_json(wire), decide_json(wire), apps.answer_wire_by_hand(wire)):
            if (b'"decision":true' in told.replace(b": ", b":")) != answer[0]:
                raise DisagreementError(f"{request} is {answer} by hand, and {told!r}")

    def by_hand() -> None:
        for wire in wires:
            apps.answer_wire_by_hand(wire)

    def ours() -> None:
        for wire in wires:
            decide_json(wire)

    found = side_by_side({"by hand": by_hand, "ours": ours}, len(wires), scale.rounds)
    question = "JSON to JSON, over json.loads, by hand, json.dumps"
    yield Answer(question, found["ours"].ratio, 1.5, 0.8)
