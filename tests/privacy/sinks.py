"""List every place where something that a request says is written: a new one belongs in here."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

from policyengine import Denied, InvalidRequest, PolicyEngine, StaleSubject
from policyengine.adapters.enforcement import EnforcementPoint
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.refusal import Refusal
from policyengine.explain import AUDIENCES

Asked: TypeAlias = Mapping[str, Any]
"""What `PolicyEngine.decide` takes, by name, all of it JSON."""

Sink: TypeAlias = Callable[[PolicyEngine, Asked], str]

_LAST = datetime(9999, 12, 31, tzinfo=UTC)


def document(asked: Asked) -> dict[str, Any]:
    """Return a request as it goes over the wire."""
    return {**asked, "action": {"name": asked["action"]}}


def _refusal(engine: PolicyEngine, asked: Asked) -> InvalidRequest | None:
    try:
        engine.decide(**asked)
    except InvalidRequest as refusal:
        return refusal
    return None


def _problems(engine: PolicyEngine, asked: Asked) -> str:
    refusal = _refusal(engine, asked)
    if refusal is None:
        return ""
    each = [*map(str, refusal.problems), *map(repr, refusal.problems), repr(refusal)]
    return "\n".join([str(refusal), *each, *traceback.format_exception_only(refusal)])


def _of_decision(say: Callable[[Any], str]) -> Sink:
    def sink(engine: PolicyEngine, asked: Asked) -> str:
        return "" if _refusal(engine, asked) else say(engine.decide(**asked))

    return sink


def _explained(say: Callable[[Any, Any], str]) -> Callable[[Any], Sink]:
    def of(audience: Any) -> Sink:
        def sink(engine: PolicyEngine, asked: Asked) -> str:
            return "" if _refusal(engine, asked) else say(engine.explain(**asked), audience)

        return sink

    return of


def _parts(engine: PolicyEngine, asked: Asked) -> str:
    if _refusal(engine, asked):
        return ""
    made = [engine.entity(*_built(asked[name])) for name in ("subject", "resource")]
    context = engine.context(asked["action"], asked["context"])
    return "\n".join(map(repr, (*made, context, engine.store(made), made, context)))


def _built(entity: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    return entity["type"], entity["id"], entity["properties"]


def _store(engine: PolicyEngine, asked: Asked) -> str:
    subject = asked["subject"]
    try:
        engine.store([subject, {**subject, "properties": {**subject["properties"], "n": 2}}])
    except InvalidRequest as refusal:
        return str(refusal)
    return ""


def _pages(engine: PolicyEngine, asked: Asked) -> str:
    """What reverse questions say, of a store with subject and resource, and of what does not fit."""
    subject, action, resource, context = (
        asked[n] for n in ("subject", "action", "resource", "context")
    )
    texts: list[str] = []
    for store in ([subject, resource], []):
        for ask in (
            lambda made: engine.actions(subject, resource, context, entities=made),
            lambda made: engine.resources(
                subject, action, resource["type"], context, entities=made
            ),
            lambda made: engine.subjects(action, resource, subject["type"], context, entities=made),
        ):
            try:
                page = ask(engine.store(store))
                texts += [repr(page), str(page)]
            except InvalidRequest as refusal:
                texts.append(str(refusal))
    return "\n".join(texts)


def _answer_without_time(answer: bytes) -> str:
    context = json.loads(answer)
    context["context"].pop("valid_until")  # for the service that keeps it, not for people
    context["context"].pop("obligations")  # values that the service acts on, not texts
    return json.dumps(context, ensure_ascii=False)


def _json(engine: PolicyEngine, asked: Asked) -> str:
    return _answer_without_time(engine.decide_json(json.dumps(document(asked)), accept_now=True))


def _logged(engine: PolicyEngine, asked: Asked) -> str:
    """The records of decisions, of one that is refused as well."""
    records: list[Any] = []
    engine = engine.with_record(lambda decision: records.append(decision.to_log()))
    _refusal(engine, asked)
    engine.decide_request(document(asked), accept_now=True)
    for record in records:
        for name in ("id", "time", "latency_us"):
            record.pop(name)
    return json.dumps(records)


def _residual(engine: PolicyEngine, asked: Asked) -> str:
    """What is left where one part is unknown, whatever is known of the others."""
    texts: list[str] = []
    for unknown in ("subject", "resource", "context"):
        known = {name: part for name, part in asked.items() if name != unknown}
        types = {f"{name}_type": asked[name]["type"] for name in ("subject", "resource")}
        try:
            left = engine.partial(**known, **types)
        except InvalidRequest as refusal:
            texts.append(str(refusal))
        else:
            document = left.to_dict()
            document.pop("valid_until")  # as above
            texts += [repr(left), left.text, json.dumps(document, ensure_ascii=False)]
    return "\n".join(texts)


def _refused(engine: PolicyEngine, asked: Asked) -> str:
    """What an adapter tells a client, with all that it may be told, and what it writes to the log."""
    decider = SimpleNamespace(
        decide=lambda *parts: engine.decide(
            *parts, now=asked.get("now"), entities=asked.get("entities")
        ),
        engine=engine,
    )
    point = EnforcementPoint(decider, explain=ExplainBudget(5.0))
    try:
        point.enforce(asked["subject"], asked["action"], asked["resource"], asked.get("context"))
    except Refusal as refusal:
        problem = {name: said for name, said in refusal.problem.items() if name != "instance"}
        return json.dumps(problem, ensure_ascii=False) + f"{refusal} {refusal!r}"
    return ""


def _requestable(engine: PolicyEngine, asked: Asked) -> str:
    """What AuthZEN's draft for access requests says, without the name of the decision."""
    if _refusal(engine, asked):
        return ""
    decision = engine.decide(**asked)
    said = engine.explain(decision.request).access_request(decision, expires_at=_LAST)
    return json.dumps(said and said["access_request"])


OPEN: dict[str, Sink] = {
    "access request": _requestable,
    "residual": _residual,
    "pages": _pages,
    "reason": _of_decision(lambda decision: decision.reason),
    **{
        f"reason for a {audience}": _of_decision(
            lambda d, audience=audience: d.reason_for(audience)
        )
        for audience in AUDIENCES
    },
    "request": _of_decision(lambda decision: f"{decision.request} {decision.id}"),
    "batch": lambda engine, asked: repr(
        engine.evaluations({"evaluations": [document(asked), {}]}, accept_now=True)
    ),
    "refusal of a service": _refused,
    "denied": _of_decision(lambda decision: f"{Denied(decision)} {Denied(decision)!r}"),
    "decision": _of_decision(lambda decision: f"{decision} {decision!r} {decision.outcome}"),
    "referrals": _of_decision(lambda decision: "\n".join(decision.referrals)),
    "JSON": _of_decision(lambda decision: _answer_without_time(decision.to_bytes())),
    "JSON to JSON": _json,
    "log": _logged,
    "problems": _problems,
    "problems of a store": _store,
    "parts": _parts,
    "stale": lambda _, asked: str(StaleSubject(asked["subject"]["type"], asked["subject"]["id"])),
    **{
        f"{what} for a {audience}": of(audience)
        for audience in ("user", "developer")
        for what, of in (
            ("lines", _explained(lambda e, audience: "\n".join(e.lines(audience)))),
            ("explanation", _explained(lambda e, audience: json.dumps(e.to_json(audience)))),
        )
    },
    "explanation": _explained(lambda e, _: repr(e))(None),
    "notebook": _of_decision(lambda decision: decision._repr_html_()),
    "notebook, explained": _explained(lambda e, _: e._repr_html_())(None),
}
"""The sinks that show nothing private."""


def _timeline(engine: PolicyEngine, asked: Asked) -> str:
    if _refusal(engine, asked):
        return ""
    found = engine.timeline(**{name: part for name, part in asked.items() if name != "now"})
    return "\n".join(found.lines())


ALL: dict[str, Sink] = {
    **OPEN,
    "timeline": _timeline,  # its moments may follow from private values
    **{
        f"lines for an {audience}": _explained(lambda e, audience: "\n".join(e.lines(audience)))(
            audience
        )
        for audience in AUDIENCES
        if audience == "auditor"
    },
}
"""All sinks: in each of them, what a request says takes one line."""
