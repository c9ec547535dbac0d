"""State what private values must not change: every text about a request that is not for the auditor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from policyengine.explain import explain
from policyengine.model.types import Attribute, RecordType, SetType, Type, holds_private
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter, reasons
from tests.strategies.laws import Case
from tests.strategies.requests import Json, some_value


def with_other_secrets(rng: Random, case: Case) -> dict[str, Json]:
    """Return the request of *case* with other private values, or others of them left out."""
    schema, given = case.loaded.checked.schema, case.given
    entities = [
        {**e, "properties": _other(rng, schema.entities[e["type"]].attributes, e["properties"])}
        for e in given["entities"]
    ]
    by_key = {(e["type"], e["id"]): e for e in entities}
    context = schema.actions[given["action"]].context.attributes
    return {
        **given,
        "subject": by_key[given["subject"]["type"], given["subject"]["id"]],
        "resource": by_key[given["resource"]["type"], given["resource"]["id"]],
        "context": _other(rng, context, given["context"]),
        "entities": entities,
    }


def _other(rng: Random, attributes: tuple[Attribute, ...], given: dict[str, Json]) -> Json:
    made = {}
    for part in attributes:
        if not part.private:
            if part.name in given:
                made[part.name] = _other_inside(rng, part.type, given[part.name])
        elif not part.optional or rng.random() < 0.6:
            made[part.name] = some_value(rng, part.type)
    return made


def _other_inside(rng: Random, type_: Type, value: Json) -> Json:
    match type_:
        case RecordType(attributes):
            return _other(rng, attributes, value)
        case SetType(element) if holds_private(element):
            changed = [_other_inside(rng, element, one) for one in value]
            distinct = len({json.dumps(one, sort_keys=True) for one in changed}) == len(changed)
            return changed if distinct else value  # two that differ in private values alone
    return value


def texts(case: Case, request: ValidRequest, given: dict[str, Json]) -> Iterator[tuple[str, Any]]:
    """Give every text about a request that is not for the auditor, each with what it is."""
    loaded = case.loaded
    decision = loaded.program.decide(request)
    yield "reason", decision.reason
    yield "reason for a user", decision.reason_for("user")
    yield "valid until for a user", str(decision.valid_until_for("user"))
    yield "reason of the reference", reasons.reason(loaded.checked, request)
    yield "text of a decision", repr(decision)
    answer = json.loads(decision.to_bytes())
    del answer["context"]["valid_until"]  # for who caches; it is no text
    yield "JSON", answer
    yield (
        "text of a request",
        repr(request.subject) + repr(request.resource) + repr(request.context),
    )
    explanation = explain(loaded.checked, request)
    yield "text of an explanation", repr(explanation)
    for audience in ("user", "developer"):
        yield f"explanation for a {audience}", explanation.to_json(audience)
        yield f"lines for a {audience}", list(explanation.lines(audience))


def shown(case: Case, request: ValidRequest) -> tuple[object, ...]:
    """Return what the decision itself shows; of fields that are asked for, which rules give some, and which gates permit."""
    decision = interpreter.decide(case.loaded.checked, request)
    if request.fields is None:
        return (decision,)
    from policyengine.reference.evaluation import Env

    judged = interpreter.judge_all(case.loaded.checked, Env(request, case.loaded.checked.schema))
    permitting = {v.rule.gate for v in judged.verdicts if v.satisfied and v.rule.effect == "permit"}
    giving = tuple(v.satisfied for v in judged.verdicts if v.rule.fields is not None)
    return decision, giving, permitting


def private_values_show_in_no_text(case: Case) -> None:
    """Requests that differ in private values alone are told alike, unless the decision differs."""
    rng = Random(case.seed)
    for _ in range(3):
        given = with_other_secrets(rng, case)
        other = case.loaded.request(**given)
        if shown(case, case.request) != shown(case, other):
            continue
        pairs = zip(texts(case, case.request, case.given), texts(case, other, given), strict=True)
        for (what, one), (_, another) in pairs:
            assert one == another, f"{what} shows a private value: {one!r} is not {another!r}"
