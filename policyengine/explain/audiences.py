"""Show the evidence for a decision to one audience, as JSON or as lines of text.

* The *user* is the person who was refused: sees the reason, and what would allow it.
* The *developer* of the app sees the rules that decided or came nearest, and those of their
  conditions that depend on the request, the app and its context.
* The *auditor* sees evidence.

Values of `private` attributes, and of entities other than the subject, are for the auditor alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from policyengine.explain.evidence import (
    Audience,
    Condition,
    Evidence,
    GateExplanation,
    OfferedChange,
    Offers,
    Reading,
    RuleExplanation,
)
from policyengine.model.types import Changer

_WHO: Final[Mapping[Changer, str]] = {
    "caller": "the caller",
    "person": "the person concerned",
    "platform": "the platform",
    "nobody": "nobody",
}


# ---- as JSON ----------------------------------------------------------------------------


def to_json(explanation: Evidence, audience: Audience) -> dict[str, Any]:
    """Return what *audience* may see as JSON values."""
    outcome = explanation.outcome
    document: dict[str, Any] = {
        "audience": audience,
        "decision": outcome.allowed,
        "cause": outcome.cause,
        "reason": _reason(explanation, audience),
    }
    if audience == "auditor" or not explanation.until_hidden:
        document["valid_until"] = explanation.valid_until
    if audience != "user":
        gates = (_gate_json(gate, audience) for gate in explanation.gates)
        document |= {"rules": list(outcome.rules), "gates": list(gates)}
    offers = _offers(explanation, audience)
    document["would_allow"] = [
        [_change_json(change, audience) for change in changes] for changes in offers.changes
    ]
    return {
        **document,
        "depends_on_hidden": offers.depends_on_hidden,
        "tried_all": offers.tried_all,
        "policy": explanation.policy,
    }


def _offers(explanation: Evidence, audience: Audience) -> Offers:
    return explanation.offers if audience == "auditor" else explanation.public_offers


def _reason(explanation: Evidence, audience: Audience) -> str:
    return explanation.reason if audience == "auditor" else explanation.public_reason


def _gate_json(gate: GateExplanation, audience: Audience) -> dict[str, Any]:
    return {
        "gate": gate.name,
        "question": gate.question,
        "opened": gate.opened,
        "rules": [_rule_json(rule, audience) for rule in _rules(gate, audience)],
    }


def _rules(gate: GateExplanation, audience: Audience) -> Iterator[RuleExplanation]:
    """Give the rules of a gate that concern *audience*, those that decided or came nearest first."""
    relevant = [
        r
        for r in gate.rules
        if _nearest(r, audience) or (r.decided and (gate.opened or r.effect == "forbid"))
    ]
    yield from relevant
    if audience == "auditor":
        yield from (rule for rule in gate.rules if rule not in relevant)


def _nearest(rule: RuleExplanation, audience: Audience) -> bool:
    return rule.nearest if audience == "auditor" else rule.seems_nearest


def _conditions(rule: RuleExplanation, audience: Audience) -> tuple[Condition, ...]:
    return rule.conditions if audience == "auditor" else rule.seen


def _rule_json(rule: RuleExplanation, audience: Audience) -> dict[str, Any]:
    document: dict[str, Any] = {
        "rule": rule.id,
        "effect": rule.effect,
        "state": rule.state,
        "nearest": _nearest(rule, audience),
        "cites": rule.cites,
    }
    conditions = [_condition_json(c, audience) for c in _conditions(rule, audience)]
    hidden = len(rule.conditions) - len(conditions)
    if audience == "auditor":
        document |= {
            "advisory": rule.advisory,
            "decided": rule.decided,
            "place": rule.place,
            "waivers": list(rule.waivers),
        }
    return {**document, "conditions": conditions, "hidden_conditions": hidden}


def _condition_json(condition: Condition, audience: Audience) -> dict[str, Any]:
    return {
        "text": condition.text,
        "wanted": condition.wanted,
        "holds": condition.holds,
        "values": _values_json(condition.values, audience),
        "failing": [
            {
                "text": operand.text,
                "value": operand.value,
                "values": _values_json(operand.values, audience),
            }
            for operand in condition.failing
        ],
    }


def _values_json(values: Iterable[Reading], audience: Audience) -> dict[str, str]:
    return {v.text: v.value for v in values if audience == "auditor" or not v.hidden}


def _change_json(change: OfferedChange, audience: Audience) -> dict[str, Any]:
    if change.hidden and audience != "auditor":
        return {"by": change.by}
    document = {"by": change.by, "what": change.text, "from": change.before}
    if not change.gives_away or audience == "auditor":
        document["to"] = change.after
    return document


# ---- as text ----------------------------------------------------------------------------


def lines(explanation: Evidence, audience: Audience) -> Iterator[str]:
    """Give what *audience* may see as text, line by line."""
    outcome = explanation.outcome
    verdict = "allow" if outcome.allowed else "deny"
    yield f"{verdict} ({outcome.cause}): {_reason(explanation, audience)}"
    if explanation.valid_until and (audience == "auditor" or not explanation.until_hidden):
        yield f"valid until {explanation.valid_until}"
    if not outcome.allowed:
        yield ""
        yield from _offer_lines(explanation, audience)
    if audience == "user":
        return
    for gate in explanation.gates:
        yield ""
        yield f"gate {gate.name}: {'opened' if gate.opened else 'shut'} — {gate.question}"
        rules = list(_rules(gate, audience))
        if not gate.rules:
            yield "  no rule covers the request"
        for rule in rules:
            yield from _rule_lines(rule, audience)


def _offer_lines(explanation: Evidence, audience: Audience) -> Iterator[str]:
    offers = _offers(explanation, audience)
    said = [" and ".join(_said(c, audience) for c in offer) for offer in offers.changes]
    if said and offers.depends_on_hidden:
        yield "any of these would allow it, if what is not shown to you is as it must be:"
    elif said:
        yield "any of these would allow it:"
    if said:
        yield from (f"  → {text}" for text in dict.fromkeys(said))
    elif offers.tried_all:
        yield "no change of one or two values was found that would allow it"
    else:
        yield "no change was found that would allow it"
    if not offers.tried_all:
        yield "not every change could be tried: there may be others"


def _said(change: OfferedChange, audience: Audience) -> str:
    who = _WHO[change.by]
    if change.hidden and audience != "auditor":
        return f"{who}: something that is not shown to you"
    can = f"{who} can change" if change.by == "nobody" else f"{who}:"
    if change.gives_away and audience != "auditor":
        return f"{can} another {change.text} (now {change.before})"
    return f"{can} {change.text} = {change.after} (now {change.before})"


def _rule_lines(rule: RuleExplanation, audience: Audience) -> Iterator[str]:
    trial = "advisory " if rule.advisory else ""
    place = f" ({rule.place})" if audience == "auditor" else ""
    near = ", the nearest to being so" if _nearest(rule, audience) else ""
    yield f"  {trial}{rule.effect} {rule.id}{place}: {rule.state}{near}"
    if rule.waivers and audience == "auditor":
        yield f"      waived by {', '.join(rule.waivers)}"
    shown = _conditions(rule, audience)
    for condition in shown:
        mark = {True: "✓", False: "✗", None: "·"}[condition.holds]
        yield f"      {mark} {'' if condition.wanted else 'unless '}{condition.text}"
        for reading in condition.values:
            yield f"          {reading.text} = {reading.value}"
        for operand in condition.failing:
            if operand.text != condition.text:
                yield f"          {'true' if operand.value else 'false'}: {operand.text}"
    if len(shown) < len(rule.conditions):
        yield "      (and what is not shown to you)"
    if rule.cites:
        yield f"      cites {rule.cites}"
