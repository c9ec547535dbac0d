"""Ask what a decision about policies/x costs from the bytes of a request to those of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.platform import platform
from bench.timing import each
from bench.worlds import platform_by_hand as by_hand
from bench.worlds import platform_why
from bench.worlds.platform import Ask
from bench.worlds.platform_json_by_hand import read


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about all operations, beside json.loads, the function by hand and json.dumps."""
    world = platform(scale.requests)
    decide_json, operations = world.engine.decide_json, world.operations

    def answered_by_hand(wire: bytes) -> bytes:
        asked = read(json.loads(wire), operations)
        return json.dumps({"decision": by_hand.allows(*asked)}).encode()

    def explained_by_hand(wire: bytes) -> bytes:
        asked = read(json.loads(wire), operations)
        return json.dumps(
            {"decision": by_hand.allows(*asked), "reason": platform_why.why(*asked)}
        ).encode()

    def found(asked: Ask) -> tuple[bool, str]:
        answer = json.loads(decide_json(asked.wire, accept_now=True))
        alike = json.loads(answered_by_hand(asked.wire))["decision"] == answer["decision"]
        return answer["decision"], answer["context"]["reason"] if alike else "not by hand"

    world.compare(found)
    wires = [asked.wire for asked in world.asks]

    def ours() -> None:
        for wire in wires:
            decide_json(wire, accept_now=True)

    ratio = world.over(each(answered_by_hand, wires), ours, scale.rounds)
    question = "policies/x, JSON to JSON, over json.loads, by hand, json.dumps"
    yield Answer(question, ratio, 3, 1.5)
    ratio = world.over(each(explained_by_hand, wires), ours, scale.rounds)
    yield Answer("policies/x, the same, with a reason in both answers", ratio, 3, 1.5)
