"""Say why a request is decided as it is: gate by gate, rule by rule, with the values that decided.

The reference interpreter evaluates every rule once more and is watched doing it, so the fast path
carries no tracing at all. What is private is named and not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from attrs import evolve, field, frozen

from policyengine.model.decision import Outcome
from policyengine.model.request import Request
from policyengine.model.values import text_of, to_datetime
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env, evaluate
from policyengine.semantics.checked import CheckedRule, CheckedSet, Typing, Value
from policyengine.semantics.flow import children, private_reads
from policyengine.syntax import nodes

State: TypeAlias = Literal["satisfied", "waived", "not satisfied", "failed", "not in force"]


@frozen
class Condition:
    """One condition of a rule.

    *text* as it was written; *wanted*: the value it must have; *holds*: whether it had it, None
    where evaluation did not come that far; *values*: what it read, each with its value in words.
    """

    text: str
    wanted: bool
    holds: bool | None
    values: tuple[tuple[str, str], ...]


@frozen
class RuleExplanation:
    """What came of one rule. *place* is `file:line`; *waivers* those that are in force for it."""

    id: str
    effect: str
    state: State
    advisory: bool
    place: str
    cites: str
    waivers: tuple[str, ...]
    conditions: tuple[Condition, ...]


@frozen
class GateExplanation:
    """One question, whether it was answered yes, and every rule of it that covers the request."""

    name: str
    question: str
    opened: bool
    rules: tuple[RuleExplanation, ...]


@frozen
class Explanation:
    """Why a request is decided as it is."""

    outcome: Outcome
    reason: str
    valid_until: str | None
    gates: tuple[GateExplanation, ...]
    policy: str

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as JSON values."""
        return {
            "decision": self.outcome.allowed,
            "cause": self.outcome.cause,
            "reason": self.reason,
            "rules": list(self.outcome.rules),
            "valid_until": self.valid_until,
            "gates": [_gate_json(gate) for gate in self.gates],
            "policy": self.policy,
        }

    def lines(self) -> Iterator[str]:
        """Give the explanation as text, line by line."""
        yield f"{'allow' if self.outcome.allowed else 'deny'} ({self.outcome.cause}): {self.reason}"
        if self.valid_until:
            yield f"valid until {self.valid_until}"
        for gate in self.gates:
            yield ""
            yield f"gate {gate.name}: {'opened' if gate.opened else 'shut'} — {gate.question}"
            if not gate.rules:
                yield "  no rule covers the request"
            for rule in gate.rules:
                yield from _rule_lines(rule)


def explain(checked: CheckedSet, request: Request) -> Explanation:
    """Explain the decision on *request*."""
    outcome = interpreter.decide(checked, request)
    until = interpreter.valid_until(checked, request)
    moment = None if until is None else to_datetime(until)
    opened = dict(outcome.gates)
    env = Env(request, checked.schema)
    rules: dict[str, list[RuleExplanation]] = {gate: [] for gate in checked.schema.gates}
    for rule in checked.rules_for(env.target):
        rules[rule.gate].append(_explain_rule(checked, rule, env))
    return Explanation(
        outcome,
        interpreter.reason(checked, request),
        moment.isoformat().replace("+00:00", "Z") if moment else None,
        tuple(
            GateExplanation(name, gate.question, opened[name], tuple(rules[name]))
            for name, gate in sorted(checked.schema.gates.items())
        ),
        checked.digest,
    )


def _explain_rule(checked: CheckedSet, rule: CheckedRule, env: Env) -> RuleExplanation:
    source = checked.sources[rule.node.span.file]
    waivers = interpreter.waivers(checked, rule, env)
    conditions: tuple[Condition, ...] = ()
    state: State = "not in force"
    if rule.in_force(env.request.now):
        verdict = interpreter.judge(rule, waivers, env)
        conditions = tuple(_conditions(checked, rule, env))
        if verdict.failed:
            state = "failed"
        elif verdict.satisfied:
            state = "satisfied" if verdict.holds else "waived"
        else:
            state = "not satisfied"
    return RuleExplanation(
        rule.id,
        rule.effect,
        state,
        rule.advisory,
        f"{source.name}:{source.position(rule.node.span.start)[0]}",
        rule.cites,
        tuple(waiver.name for waiver in waivers),
        conditions,
    )


def _conditions(checked: CheckedSet, rule: CheckedRule, env: Env) -> Iterator[Condition]:
    """Evaluate the conditions in order, watching; those after the first false one are not reached."""
    typing = rule.typings[env.target]
    reached = True
    for conjunct in rule.conjuncts:
        watch = _Watch()
        holds: bool | None = None
        if reached:
            watching = evolve(env, trace=watch.see)
            try:
                value = evaluate(conjunct.expr, typing, watching)
                holds = bool(value) == conjunct.wanted
            except Exception:  # noqa: BLE001 - a rule that fails is what is to be explained
                reached = False
        values = tuple(_values(checked, conjunct.expr, typing, watch.seen))
        yield Condition(_text(checked, conjunct.expr), conjunct.wanted, holds, values)
        reached = reached and bool(holds)


@frozen
class _Watch:
    seen: dict[int, object] = field(factory=dict)

    def see(self, node: nodes.Expr, value: object) -> None:
        """Keep the value of *node*; the last one, where it was evaluated several times."""
        self.seen[id(node)] = value


def _values(
    checked: CheckedSet, node: nodes.Expr, typing: Typing, seen: Mapping[int, object]
) -> Iterator[tuple[str, str]]:
    """Give each attribute and variable that *node* reads, with its value, once."""
    given: set[str] = set()
    stack = [node]
    while stack:
        inner = stack.pop()
        if isinstance(typing.binding_of(inner), Value):
            continue
        if isinstance(inner, nodes.Attr | nodes.Name):
            text = _text(checked, inner)
            if id(inner) in seen and text not in given:
                given.add(text)
                hidden = any(True for _ in private_reads(inner, typing, checked.schema))
                value = text_of(typing.type_of(inner), seen[id(inner)])
                yield text, "(private)" if hidden else value
            continue
        stack += reversed(children(inner))


def _text(checked: CheckedSet, node: nodes.Expr) -> str:
    text = checked.sources[node.span.file].text[node.span.start : node.span.end]
    return " ".join(text.split())


def _rule_lines(rule: RuleExplanation) -> Iterator[str]:
    trial = "advisory " if rule.advisory else ""
    yield f"  {trial}{rule.effect} {rule.id} ({rule.place}): {rule.state}"
    if rule.waivers:
        yield f"      waived by {', '.join(rule.waivers)}"
    for condition in rule.conditions:
        mark = {True: "✓", False: "✗", None: "·"}[condition.holds]
        yield f"      {mark} {'' if condition.wanted else 'unless '}{condition.text}"
        for text, value in condition.values:
            yield f"          {text} = {value}"
    if rule.cites:
        yield f"      cites {rule.cites}"


def _gate_json(gate: GateExplanation) -> dict[str, Any]:
    return {
        "gate": gate.name,
        "question": gate.question,
        "opened": gate.opened,
        "rules": [
            {
                "rule": rule.id,
                "effect": rule.effect,
                "state": rule.state,
                "advisory": rule.advisory,
                "place": rule.place,
                "cites": rule.cites,
                "waivers": list(rule.waivers),
                "conditions": [
                    {
                        "text": condition.text,
                        "wanted": condition.wanted,
                        "holds": condition.holds,
                        "values": dict(condition.values),
                    }
                    for condition in rule.conditions
                ],
            }
            for rule in gate.rules
        ],
    }
