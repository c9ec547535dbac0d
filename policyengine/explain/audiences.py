"""Show the evidence for a decision to one audience, as JSON or as lines of text.

* The *user* is the person who was refused: sees the reason, and what would allow it.
* The *developer* of the app sees the rules that decided or came nearest, and those of their
  conditions that depend on the request, the app and its context.
* The *auditor* sees evidence.

Values of `private` attributes, and of entities other than the subject, are for the auditor alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from policyengine.analysis.places import NOW
from policyengine.explain.evidence import (
    Condition,
    Evidence,
    GateExplanation,
    Inside,
    OfferedChange,
    Offers,
    Operand,
    Reading,
    RuleExplanation,
    State,
)
from policyengine.model.outcome import Audience
from policyengine.model.request_messages import MOST_LISTED_RULES
from policyengine.model.shown import plural
from policyengine.model.types import Changer
from policyengine.semantics.visibility import PRIVATE

_WHO: Final[Mapping[Changer, str]] = {
    "caller": "the caller",
    "person": "the person concerned",
    "platform": "the platform",
    "nobody": "nobody",
}

_OF_FORBIDS: Final[Mapping[str, str]] = {"satisfied": "applies", "not satisfied": "does not apply"}
"""The states of rules as they are called of a forbid."""

_COUNTING: Final = ("satisfied", "waived")
"""The states in which a permit opens its gate."""

_OTHERS: Final = "what rules here are for"
"""The kind of conditions that name what other requests have."""

_MOST_NAMED: Final = 8
"""The number of places that a line names."""

_TRUTH: Final[Mapping[str, bool]] = {"true": True, "false": False}

Tone: TypeAlias = Literal["plain", "title", "allow", "deny", "good", "bad"]
"""The meaning of a line, which a terminal shows as a colour."""


@frozen
class Line:
    """A line of an explanation."""

    text: str
    tone: Tone = "plain"


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
        gates = [_gate_json(gate, audience) for gate in explanation.gates]
        rules = _determining(explanation, audience)
        more = len(outcome.rules) - len(rules)
        document |= {"rules": rules, "more_rules": more, "gates": gates}
    offers = _offers(explanation, audience)
    document["would_allow"] = [
        [_change_json(change, audience) for change in changes] for changes in offers.changes
    ]
    return {
        **document,
        "depends_on_hidden": offers.depends_on_hidden,
        "tried_all": offers.tried_all,
        "not_tried": list(_not_tried(offers, audience)),
        "policy": explanation.policy,
    }


def _determining(explanation: Evidence, audience: Audience) -> list[str]:
    """Return the determining rules; of many, but to the auditor, some of those that are for the request."""
    ids = explanation.outcome.rules
    if audience == "auditor" or len(ids) <= MOST_LISTED_RULES:
        return list(ids)
    others = {rule.id for gate in explanation.gates for rule in gate.rules if rule.for_others}
    return [id_ for id_ in ids if id_ not in others][:MOST_LISTED_RULES]


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
        "more_rules": _for_others(gate, audience),
    }


def _rules(gate: GateExplanation, audience: Audience) -> Iterator[RuleExplanation]:
    """Give the rules of a gate that concern *audience*, those that decided or came nearest first."""
    relevant = [rule for rule in gate.rules if _is_relevant(rule, gate, audience)]
    if audience == "auditor":
        yield from relevant
        yield from (rule for rule in gate.rules if rule not in relevant)
    else:
        yield from (rule for rule in relevant if not rule.for_others)


def _for_others(gate: GateExplanation, audience: Audience) -> int:
    """Count the rules of a shut gate that are not shown to *audience*, since they are for other requests."""
    if audience == "auditor" or gate.opened:
        return 0
    return sum(rule.for_others for rule in gate.rules)


def _is_relevant(rule: RuleExplanation, gate: GateExplanation, audience: Audience) -> bool:
    return _nearest(rule, audience) or (rule.decided and (gate.opened or rule.effect == "forbid"))


def _nearest(rule: RuleExplanation, audience: Audience) -> bool:
    return rule.nearest if audience == "auditor" else rule.seems_nearest


def _state_of(rule: RuleExplanation, audience: Audience) -> State:
    return rule.state if audience == "auditor" else rule.seems


def _conditions(rule: RuleExplanation, audience: Audience) -> tuple[Condition, ...]:
    if audience == "auditor":
        return rule.conditions
    return tuple([condition for condition in rule.seen if not condition.names_others])


def _rule_json(rule: RuleExplanation, audience: Audience) -> dict[str, Any]:
    document: dict[str, Any] = {
        "rule": rule.id,
        "effect": rule.effect,
        "state": _state_of(rule, audience),
        "nearest": _nearest(rule, audience),
        "cites": rule.cites,
        "against": rule.against,
    }
    conditions = [_condition_json(c) for c in _conditions(rule, audience)]
    if audience == "auditor":
        document |= {
            "advisory": rule.advisory,
            "decided": rule.decided,
            "place": rule.place,
            "waivers": list(rule.waivers),
        }
    hidden = len(rule.conditions) - len(conditions)
    kinds = list(_hidden_kinds(rule)) if hidden else []
    return {
        **document,
        "conditions": conditions,
        "hidden_conditions": hidden,
        "hidden_kinds": kinds,
    }


def _hidden_kinds(rule: RuleExplanation) -> Iterator[str]:
    """Name the kinds of the values that the hidden conditions of a rule depend on, each once."""
    kinds = dict.fromkeys(kind for condition in rule.conditions for kind in condition.hidden)
    yield from kinds
    if any(condition.names_others for condition in rule.conditions):
        yield _OTHERS


def _condition_json(condition: Condition) -> dict[str, Any]:
    return {
        "text": condition.text,
        "wanted": condition.wanted,
        "holds": condition.holds,
        "values": _values_json(condition.values),
        "failing": list(map(_operand_json, condition.failing)),
        "inside": list(map(_inside_json, condition.inside)),
    }


def _operand_json(operand: Operand) -> dict[str, Any]:
    return {
        "text": operand.text,
        "value": operand.value,
        "values": _values_json(operand.values),
    }


def _inside_json(inside: Inside) -> dict[str, Any]:
    return {
        "text": inside.text,
        "value": inside.value,
        "values": _values_json(inside.values),
        "failing": list(map(_operand_json, inside.failing)),
        "inside": list(map(_inside_json, inside.inside)),
    }


def _values_json(values: Iterable[Reading]) -> dict[str, str]:
    return {v.text: v.value for v in values}


def _change_json(change: OfferedChange, audience: Audience) -> dict[str, Any]:
    if change.hidden and audience != "auditor":
        return {"by": change.by, "kind": change.kind}
    document = {"by": change.by, "what": change.text, "from": change.before}
    if not change.gives_away or audience == "auditor":
        document["to"] = change.after
    return document


# ---- as text ----------------------------------------------------------------------------


def lines(explanation: Evidence, audience: Audience) -> Iterator[Line]:
    """Give what *audience* may see as text, line by line."""
    outcome = explanation.outcome
    verdict: Tone = "allow" if outcome.allowed else "deny"
    text = f"{verdict} ({outcome.cause}): {_reason(explanation, audience)}"
    yield Line(text, verdict)
    if explanation.valid_until and (audience == "auditor" or not explanation.until_hidden):
        yield Line(f"valid until {explanation.valid_until}")
    if not outcome.allowed:
        yield Line("")
        yield from map(Line, _offer_lines(explanation, audience))
    if audience == "user":
        return
    for gate in explanation.gates:
        yield Line("")
        state, tone = _state(gate)
        yield Line(f"gate {gate.name}: {state} — {gate.question}", tone)
        rules = list(_rules(gate, audience))
        if not gate.rules:
            yield Line("  no rule covers the request")
        for rule in rules:
            yield from _rule_lines(rule, audience)
        others = _for_others(gate, audience)
        if others:
            yield Line(f"  and {plural(others, 'rule')} for other requests")


def _state(gate: GateExplanation) -> tuple[str, Tone]:
    if gate.opened:
        return "opened", "title"
    permitted = any(
        r.effect == "permit" and r.state in _COUNTING and not r.advisory for r in gate.rules
    )
    return ("opened, but not for all fields asked for" if permitted else "shut"), "deny"


def _offer_lines(explanation: Evidence, audience: Audience) -> Iterator[str]:
    offers = _offers(explanation, audience)
    said = [" and ".join(_said(c, audience) for c in offer) for offer in offers.changes]
    said = list(dict.fromkeys(said))
    if said:
        would = f"{'any of these' if len(said) > 1 else 'this'} would allow it"
        private = ", if private values are as they must be" if offers.depends_on_hidden else ""
        yield f"{would}{private}:"
        yield from (f"  → {text}" for text in said)
    elif offers.tried_all:
        yield "no change of one or two values was found that would allow it"
    else:
        yield "no change was found that would allow it"
    if not offers.tried_all:
        not_tried = list(_not_tried(offers, audience))
        if not_tried:
            more = f" and {len(not_tried) - _MOST_NAMED} more" * (len(not_tried) > _MOST_NAMED)
            some = ", ".join(not_tried[:_MOST_NAMED])
            yield f"there may be others: not every value was tried of {some}{more}"
        else:
            yield "there may be others: they are too many to try all"


def _not_tried(offers: Offers, audience: Audience) -> Iterator[str]:
    """Name the places of which not every value was tried, each once."""
    seen = audience == "auditor"
    yield from dict.fromkeys(
        place.words
        if place == NOW
        else place.text
        if seen or not place.hidden
        else PRIVATE
        if place.private
        else place.words
        for place in offers.not_tried
    )


def _said(change: OfferedChange, audience: Audience) -> str:
    who = _WHO[change.by]
    if change.text == NOW.text and not change.hidden:  # nobody changes it, and it comes by itself
        shown = not change.gives_away or audience == "auditor"
        return f"wait until {change.after if shown else 'a later time'} (now {change.before})"
    can = f"{who} can change" if change.by == "nobody" else f"{who}:"
    if change.hidden and audience != "auditor":
        return f"{can} {change.kind}"
    text = change.text
    if change.gives_away and audience != "auditor":
        return (
            f"{can} {text} to another value (now {change.before})"
            if change.by == "nobody"
            else (f"{can} another {text} (now {change.before})")
        )
    return f"{can} {text} = {change.after} (now {change.before})"


def _rule_lines(rule: RuleExplanation, audience: Audience) -> Iterator[Line]:
    trial = "advisory " if rule.advisory else ""
    place = f" ({rule.place})" if audience == "auditor" else ""
    state = _state_of(rule, audience)
    failing = state == "not satisfied"  # of a gate that only lacks fields, the nearest one is not
    near = ", the nearest to being so" if failing and _nearest(rule, audience) else ""
    forbids = rule.effect == "forbid"
    counts = state in (*_COUNTING, "failed")
    said = _OF_FORBIDS.get(state, state) if forbids else state
    tone: Tone = _tone(holds=counts, forbids=forbids) if counts or forbids else "plain"
    yield Line(f"  {trial}{rule.effect} {rule.id}{place}: {said}{near}", tone)
    if rule.waivers and audience == "auditor":
        yield Line(f"      waived by {', '.join(rule.waivers)}")
    shown = _conditions(rule, audience)
    for condition in shown:
        # The mark says whether what is written holds, the tone whether the rule gets what it asks for.
        holds = condition.holds
        mark = _mark(None if holds is None else holds is condition.wanted)
        text = f"{'' if condition.wanted else 'unless '}{condition.text}"
        yield Line(
            f"      {mark} {text}",
            "plain" if holds is None else _tone(holds=holds, forbids=forbids),
        )
        yield from _under(condition, 10)
    if len(shown) < len(rule.conditions):
        kinds = ", ".join(_hidden_kinds(rule))
        yield Line(f"      · and what depends on {kinds}")
    if rule.cites:
        yield Line(f"      cites {rule.cites}{f', against {rule.against}' if rule.against else ''}")


def _under(evaluated: Condition | Inside, indent: int) -> Iterator[Line]:
    """Give the lines under a condition: what it read, what failed, and what happened inside."""
    margin = " " * indent
    for reading in evaluated.values:
        yield Line(f"{margin}{reading.text} = {reading.value}")
    for operand in evaluated.failing:
        if operand.text != evaluated.text:
            yield Line(f"{margin}{_mark(operand.value)} {operand.text}")
    for inside in evaluated.inside:
        truth = _TRUTH.get(inside.value)
        value = f" = {inside.value}" if truth is None else ""
        mark = "·" if truth is None else _mark(truth)
        yield Line(f"{margin}{mark} {inside.text}{value}")
        yield from _under(inside, indent + 4)


def _mark(holds: object) -> str:
    return "·" if holds is None else "✓" if holds else "✗"


def _tone(*, holds: bool, forbids: bool) -> Tone:
    return "bad" if holds is forbids else "good"
