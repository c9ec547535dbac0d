"""Collect the evidence for a decision: gate by gate, rule by rule, with the values that decided.

The reference interpreter evaluates every rule once more (`tracing.py`), so the compiled functions need no
tracing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

from attrs import define, evolve, field
from msgspec.structs import replace

from policyengine.explain.evidence import (
    Condition,
    Evidence,
    GateExplanation,
    Inside,
    Operand,
    Reading,
    RuleExplanation,
    State,
)
from policyengine.explain.explanation import Explanation
from policyengine.explain.offers import offered, offered_to_all
from policyengine.explain.tracing import Trace
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import moment_text
from policyengine.reference import interpreter, reasons
from policyengine.reference.evaluation import Env, evaluate, meaning_of
from policyengine.semantics.checked import CheckedRule, CheckedSet, Conjunct, Definition, Typing
from policyengine.semantics.keys import Key, comparisons, keys_of
from policyengine.semantics.visibility import hidden_kinds, is_hidden, times_hidden
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions


def explain(
    checked: CheckedSet, request: ValidRequest, *, seconds: float | None = None
) -> Explanation:
    """Explain the decision on *request*; what would allow it is searched for so many *seconds* at most."""
    env = Env(request, checked.schema, meaning=_each_set_once(request))
    case = interpreter.judge_all(checked, env)
    outcome = interpreter.decided(case)
    until = interpreter.valid_until(checked, request, env.meaning)
    rules: dict[str, list[RuleExplanation]] = {gate: [] for gate, _ in outcome.gates}
    contested = {gate: reasons.contested_paths(case, gate) for gate, _ in outcome.gates}
    explainer = _RuleExplainer(checked, env, frozenset(outcome.rules), outcome.waivers, contested)
    shut = [gate for gate, opened in outcome.gates if not opened]
    nearest, seeming = explainer.nearest(shut), explainer.nearest(shut, seen=True)
    for rule in checked.rules_for(env.target):
        rules[rule.gate].append(explainer.rule(rule, nearest, seeming))
    reason, public_reason = reasons_of(case)
    deadline = None if seconds is None else monotonic() + seconds
    naming_others = frozenset().union(*contested.values())
    offers = offered(checked, request, naming_others, deadline)
    evidence = Evidence(
        outcome,
        reason,
        public_reason,
        None if until is None else moment_text(until),
        any(times_hidden(r, env.target, checked.schema) for r in checked.rules_for(env.target)),
        tuple(
            GateExplanation(name, checked.schema.gates[name].question, opened, tuple(rules[name]))
            for name, opened in outcome.gates
        ),
        offers,
        offered_to_all(checked, request, outcome, naming_others, deadline) or offers,
        checked.digest,
    )
    return Explanation(evidence)


def _each_set_once(request: ValidRequest) -> Callable[[nodes.Expr, Typing, Env], Any]:
    """Return a meaning for one request that goes over sets once, and not again for each part of an explanation.

    What reads the time is worked out again where that is another number, as one that moves.
    """
    known: dict[tuple[int, int], Any] = {}
    timed: dict[tuple[int, int], bool] = {}

    def meaning(expr: nodes.Expr, typing: Typing, env: Env) -> Any:
        if env.variables or env.trace or not isinstance(expr, (nodes.Quantified, nodes.Call)):
            return meaning_of(expr, typing, env)
        mark = id(expr), id(typing)
        if env.request is not request:
            if mark not in timed:
                timed[mark] = _reads_time(expr, typing)
            if timed[mark]:
                return meaning_of(expr, typing, env)
        if mark not in known:
            known[mark] = meaning_of(expr, typing, env)
        return known[mark]

    return meaning


def _reads_time(expr: nodes.Expr, typing: Typing) -> bool:
    """Whether *expr*, or a definition that it calls, reads the time."""
    for inner in walk_expressions([expr]):
        called = typing.binding_of(inner)
        if isinstance(inner, nodes.Name) and inner.name == "now":
            return True
        if isinstance(called, Definition) and _reads_time(called.body, called.typing):
            return True
    return False


def reasons_of(case: interpreter.JudgedRequest) -> tuple[str, str]:
    """Return the reason for the auditor, and the one without what is hidden from others."""
    hid = False

    def hides(expr: nodes.Expr, typing: Typing) -> bool:
        nonlocal hid
        hidden = is_hidden(expr, typing, case.env.schema)
        hid = hid or hidden
        return hidden

    public = reasons.reason_of(evolve(case, env=evolve(case.env, hides=hides)))
    return reasons.reason_of(case) if hid else public, public


@define
class _RuleExplainer:
    """Explains the rules for one request.

    *decided*: the ids of the determining rules; *mattering*: the waivers of the outcome; *contested*: the
    paths by which permits of each gate are for different requests.
    """

    checked: CheckedSet
    env: Env
    decided: frozenset[str]
    mattering: Collection[str]
    contested: Mapping[str, Collection[str]]
    kinds: dict[int, tuple[str, ...]] = field(factory=dict)
    held: dict[int, bool] = field(factory=dict)

    def rule(
        self, rule: CheckedRule, nearest: frozenset[str], seeming: frozenset[str]
    ) -> RuleExplanation:
        """Return the explanation of *rule*."""
        source = self.checked.sources[rule.node.span.file]
        waivers = interpreter.waivers(self.checked, rule, self.env)
        conditions: tuple[Condition, ...] = ()
        seen: tuple[Condition, ...] = ()
        state: State = "not in force"
        seems: State | None = None
        if rule.in_force(self.env.request.now):
            verdict = interpreter.judge(rule, waivers, self.env)
            conditions = tuple(self._conditions(rule, rule.conjuncts))
            shown = self._shows_all(rule)
            seen = conditions if shown else tuple(self._conditions(rule, self._seen(rule)))
            if verdict.failed:
                state = "failed"
            elif verdict.satisfied:
                state = "satisfied" if verdict.holds else "waived"
                # Whether a waiver stands in for hidden conditions is known only where it matters.
                if not shown and not any(waiver.name in self.mattering for waiver in waivers):
                    seems = "satisfied"
            else:
                state = "not satisfied"
        return RuleExplanation(
            rule.id,
            rule.effect,
            state,
            rule.advisory,
            rule.id in self.decided,
            rule.id in nearest,
            f"{source.name}:{source.position(rule.node.span.start)[0]}",
            rule.cites,
            rule.against,
            tuple(waiver.name for waiver in waivers),
            conditions,
            rule.id in seeming,
            seems or state,
            seen,
            self._is_for_others(rule),
        )

    def _is_for_others(self, rule: CheckedRule) -> bool:
        """Whether the request lacks a value that *rule* is for, of those that may be shown."""
        contested = self._contested(rule)
        keys = keys_of(rule, self.env.target, self.checked.schema) if contested else ()
        return any(k.shown and k.path in contested and not self._has(k, rule) for k in keys)

    def _has(self, key: Key, rule: CheckedRule) -> bool:
        return reasons.key_holds(key, rule, self.env)

    def _contested(self, rule: CheckedRule) -> Collection[str]:
        return self.contested.get(rule.gate, ()) if rule.effect == "permit" else ()

    def _names_others(self, rule: CheckedRule, conjunct: Conjunct) -> bool:
        """Whether a condition names a constant of other requests, and not only one that this is seen to have."""
        contested, target = self._contested(rule), self.env.target
        read = comparisons(conjunct.expr, rule.typings[target]) if contested else ()
        if not any(path in contested for path, _ in read):
            return False
        keys = keys_of(replace(rule, conjuncts=(conjunct,)), target, self.checked.schema)
        return not any(k.shown and len(k.constants) == 1 and self._has(k, rule) for k in keys)

    def _seen(self, rule: CheckedRule) -> list[Conjunct]:
        """Return the conditions that depend on nothing hidden."""
        return [c for c in rule.conjuncts if not self._kinds(rule, c)]

    def _kinds(self, rule: CheckedRule, conjunct: Conjunct) -> tuple[str, ...]:
        """Return the kinds of what is hidden in a condition."""
        mark = id(conjunct)
        if mark not in self.kinds:
            typing = rule.typings[self.env.target]
            found = hidden_kinds(conjunct.expr, typing, self.checked.schema)
            self.kinds[mark] = tuple(found)
        return self.kinds[mark]

    def nearest(self, shut: Iterable[str], *, seen: bool = False) -> frozenset[str]:
        """Return the permits of each shut gate of which the fewest conditions fail, or *seen* ones."""
        found: set[str] = set()
        counting = interpreter.candidates(self.checked, self.env, advisory=False)
        for gate in shut:
            permits = [rule for rule in counting if (rule.gate, rule.effect) == (gate, "permit")]
            if seen and any(map(self._is_satisfied, permits)):  # it lacks fields, and no permit
                permits = [r for r in permits if r.fields is not None or self._shows_all(r)]
            lacking = {
                # Where none of those seen fails, one of the others does.
                rule.id: max(1, self._lacking(rule, self._seen(rule)))
                if seen
                else self._lacking(rule, rule.conjuncts)
                for rule in permits
            }
            least = min(lacking.values(), default=0)
            found |= {id_ for id_, count in lacking.items() if count == least}
        return frozenset(found)

    def _is_satisfied(self, rule: CheckedRule) -> bool:
        waivers = interpreter.waivers(self.checked, rule, self.env)
        return interpreter.judge(rule, waivers, self.env).satisfied

    def _shows_all(self, rule: CheckedRule) -> bool:
        """Whether no condition depends on anything hidden."""
        return len(self._seen(rule)) == len(rule.conjuncts)

    def _lacking(self, rule: CheckedRule, conjuncts: Iterable[Conjunct]) -> int:
        """Count the conditions that fail; one that cannot be evaluated after a false one fails, too."""
        return sum(not self._holds(rule, conjunct) for conjunct in conjuncts)

    def _holds(self, rule: CheckedRule, conjunct: Conjunct) -> bool:
        mark = id(conjunct)
        if mark not in self.held:
            try:
                found = evaluate(conjunct.expr, rule.typings[self.env.target], self.env)
                self.held[mark] = bool(found) == conjunct.wanted
            except Exception:  # noqa: BLE001 - its guard is false: it asks of what is not there
                self.held[mark] = False
        return self.held[mark]

    def _conditions(self, rule: CheckedRule, conjuncts: Iterable[Conjunct]) -> Iterator[Condition]:
        """Evaluate the conditions in order, with a trace; those after the first false one do not count."""
        trace = Trace(self.checked.sources, rule.typings[self.env.target], self.env)
        reached = True
        for conjunct in conjuncts:
            expr = conjunct.expr
            holds: bool | None = None
            values: tuple[Reading, ...] = ()
            failing: tuple[Operand, ...] = ()
            inside: tuple[Inside, ...] = ()
            if reached:
                try:
                    holds = bool(trace.value(expr)) == conjunct.wanted
                    values, inside = trace.readings(expr), trace.inside(expr)
                    failing = () if holds else trace.blamed(expr)
                except Exception:  # noqa: BLE001 - a rule that fails is what is to be explained
                    reached = False
            yield Condition(
                trace.text(expr),
                conjunct.wanted,
                holds,
                values,
                failing,
                inside,
                self._kinds(rule, conjunct),
                self._names_others(rule, conjunct),
            )
            reached = reached and bool(holds)
