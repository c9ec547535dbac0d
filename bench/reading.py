"""Take the reading of a request apart: what each part takes as a dict, and each step from JSON to JSON.

In the small world, and requests as a whole of policies/x. A part is told by a request in which the others are
built: what it takes more than one that is built altogether.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from bench.questions.platform import platform
from bench.questions.small import small
from bench.timing import Measured, each, side_by_side
from bench.worlds import apps
from bench.worlds import platform_by_hand as platform_hand
from bench.worlds.platform_json_by_hand import read

_NOW = "2026-01-01T00:00:00Z"


def measure(requests: int, rounds: int) -> tuple[dict[str, Measured], dict[str, Measured]]:
    """Return what was found of dicts, over the function by hand, and of JSON, over that of JSON."""
    world = small(requests)
    decide, decide_json = world.engine.decide, world.engine.decide_json
    entity, context_of = world.engine.entity, world.engine.context
    forms = world.forms
    wires = [form.wire for form in forms]

    def deciding(pick: Callable[[apps.Forms], tuple[Any, Any, Any, Any]]) -> Callable[[], None]:
        asked = [pick(form) for form in forms]
        for parts in asked:  # the first make the readers
            decide(*parts)

        def run() -> None:
            for subject, action, resource, context in asked:
                decide(subject, action, resource, context).allowed

        return run

    def by_hand() -> None:
        for request in world.requests:
            apps.decide_by_hand(request)[0]

    def with_time() -> None:
        for subject, action, resource, context in [form.dicts for form in forms]:
            decide(subject, action, resource, context, now=_NOW).allowed

    def looked_up() -> None:
        for subject, _, resource, context in [form.dicts for form in forms]:
            app, item = subject["properties"], resource["properties"]
            (
                subject["type"], subject["id"], app["days_since_review"], app["scopes"],
                app["status"], app["tier"], app["uses"], resource["type"], resource["id"],
                item["kind"], item["located"], item["opted_out"], item["owner"],
                item["protected"], context["agreed"], context["derives"],
                context["matches_elsewhere"], context["use"],
            )  # fmt: skip

    def building() -> None:
        for form in forms:
            _, action, item, context = form.dicts
            resource = entity("Item", item["id"], item["properties"])
            decide(form.built[0], action, resource, context_of(action, context)).allowed

    dicts = {
        "by hand": by_hand,
        "looking up all values": looked_up,
        "all parts built": deciding(lambda f: f.built),
        "the subject as a dict": deciding(lambda f: (*f.dicts[:2], *f.built[2:])),
        "the resource as a dict": deciding(lambda f: (*f.built[:2], f.dicts[2], f.built[3])),
        "the context as a dict": deciding(lambda f: (*f.built[:3], f.dicts[3])),
        "all parts as dicts": deciding(lambda f: f.dicts),
        "the same, and a time": with_time,
        "the resource and the context, built for it": building,
        "with full validation": deciding(lambda f: (*f.dicts[:3], OrderedDict(f.dicts[3]))),
    }
    decode = msgspec.json.Decoder().decode
    parsed = [decode(wire) for wire in wires]
    plain = [(d["subject"], d["action"]["name"], d["resource"], d["context"]) for d in parsed]

    def decided() -> None:
        for subject, action, resource, context in plain:
            decide(subject, action, resource, context)

    def answered() -> None:
        for subject, action, resource, context in plain:
            decide(subject, action, resource, context).to_bytes()

    steps = {
        "by hand, with json": each(apps.WITH_JSON, wires),
        "by hand, with msgspec": each(apps.WITH_MSGSPEC, wires),
        "parsing": each(decode, wires),
        "reading and deciding": decided,
        "reading, deciding and answering": answered,
        "JSON to JSON": each(decide_json, wires),
    }
    return (
        side_by_side(dicts, len(forms), rounds),
        side_by_side(steps, len(forms), rounds),
    )


def measure_platform(requests: int, rounds: int) -> dict[str, Measured]:
    """Return what requests of policies/x take, over the function by hand, to which objects are given."""
    world = platform(requests)
    decide, operations = world.engine.decide, world.operations
    world.compare_built()
    documents = [json.loads(asked.wire) for asked in world.asks]

    def made_by_hand() -> None:
        for document in documents:
            platform_hand.allows(*read(document, operations))

    def built() -> None:
        for asked in world.asks:
            decide(*asked.built, now=asked.now).allowed

    def dicts() -> None:
        for asked in world.asks:
            decide(*asked.dicts, now=asked.now, entities=asked.entities).allowed

    dicts()  # which makes the readers
    contestants = {
        "by hand": lambda: [platform_hand.allows(*asked.by_hand) for asked in world.asks],
        "objects made of dicts by hand, unchecked": made_by_hand,
        "all parts built": built,
        "all parts as dicts, and entities": dicts,
    }
    return side_by_side(contestants, len(world.asks), rounds)
