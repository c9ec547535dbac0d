"""Write `decide`, the one function that decides about a target.

It returns `FORBIDDEN` at the first forbid that is satisfied, `NOT_PERMITTED` at the first gate that
is shut, else the satisfied rules that give something, a bit each. What takes least is tried first,
for nothing that is left out could change the answer: a forbid that fails is looked at more closely
whenever it is reached, and a permit that fails is not satisfied anyway. Rules that ask whether one
value is among those they know become one question, and permits that cannot hold are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import define, evolve, field

from policyengine.compiler import ir
from policyengine.compiler.expressions import (
    Emitter,
    Module,
    Shares,
    assign,
    attribute,
    compare,
    conjunction,
    counted,
    disjunction,
    identifier,
    name,
    negated,
)
from policyengine.compiler.lower import Rule
from policyengine.compiler.simplify import FALSE, TRUE, joined

DECIDE: Final = "decide"
GIVEN: Final = "given"
"""The variable that collects the bits."""


@define(eq=False)
class DecisionWriter:
    """Writes the function for the *rules* that count; *gates* says of each if it is a field gate.

    *giving*: the rules that have a bit, in the order of the bits.
    """

    rules: Sequence[Rule]
    gates: Mapping[str, bool]
    giving: list[Rule] = field(factory=list, init=False)
    _forbids: list[Rule] = field(init=False)
    _permits: dict[str, list[Rule]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.rules = [
            evolve(rule, conditions=tuple(c for c in rule.conditions if c != TRUE))
            for rule in self.rules
        ]
        self._forbids = _combined(self._of("forbid"))
        for gate in sorted(self.gates):
            permits = self._of("permit", gate)
            if self._gives(gate):
                self.giving += permits + self._of("expose", gate)
            self._permits[gate] = permits if self._gives(gate) else _combined(permits)

    def write(self, module: Module) -> None:
        """Add the function: in a first run, to see what is shared, to a module of no account."""
        tested = self._forbids + self.giving
        for gate, permits in self._permits.items():
            tested += [] if self._gives(gate) else permits
        shares = Shares(counted(c for rule in tested for c in rule.conditions))
        self._body(Emitter(Module(), DECIDE, shares, careful=False))
        bits = "".join(f" + {self._bit(rule)} for {rule.id}" for rule in self.giving)
        says = f"Return FORBIDDEN, NOT_PERMITTED, or on an allow 0{bits}."
        body = self._body(Emitter(module, DECIDE, shares.again(), careful=False))
        module.function(DECIDE, says, body)

    def _of(self, effect: str, gate: str | None = None) -> list[Rule]:
        """Return the rules of that effect that may be satisfied; a forbid may at least fail."""
        return [
            rule
            for rule in self.rules
            if rule.effect == effect and gate in (None, rule.gate)
            if effect == "forbid" or rule.waivers or FALSE not in rule.conditions
        ]

    def _gives(self, gate: str) -> bool:
        """Whether it matters which rules of *gate* are satisfied, beyond that it is open."""
        rules = self._of("permit", gate) + self._of("expose", gate)
        return self.gates[gate] or any(rule.duties for rule in rules)

    def _body(self, emitter: Emitter) -> list[ast.stmt]:
        body: list[ast.stmt] = []
        for forbid in self._forbids:
            test = self._satisfied(forbid, emitter)
            body.append(ast.If(test, [ast.Return(name("FORBIDDEN"))], []))
        body.append(assign(GIVEN, ast.Constant(0)))
        for gate in sorted(self.gates, key=self._gate_work):
            if self._gives(gate):
                body += self._collect(gate, emitter)
                bits = sum(map(self._bit, self._permits[gate]))
                opened: ast.expr = ast.BinOp(name(GIVEN), ast.BitAnd(), ast.Constant(bits))
            else:
                opened = self._any(self._permits[gate], emitter)
            body.append(ast.If(negated(opened), [ast.Return(name("NOT_PERMITTED"))], []))
        return [*body, ast.Return(name(GIVEN))]

    def _gate_work(self, gate: str) -> tuple[bool, int, str]:
        """Return what to sort gates by: those that give nothing, and take least, come first."""
        return self._gives(gate), sum(_work(rule)[0] for rule in self._permits[gate]), gate

    def _bit(self, rule: Rule) -> int:
        return 1 << next(i for i, other in enumerate(self.giving) if other is rule)

    def _collect(self, gate: str, emitter: Emitter) -> list[ast.stmt]:
        """Add the bits of the satisfied rules of *gate* to `given`."""
        body: list[ast.stmt] = []
        for rule in self._of("permit", gate) + self._of("expose", gate):
            given = ast.Name(GIVEN, ast.Store())
            add = ast.AugAssign(given, ast.BitOr(), ast.Constant(self._bit(rule)))
            test = self._satisfied(rule, emitter)
            always = isinstance(test, ast.Constant) and test.value is True
            body.append(add if always else ast.If(test, [add], []))
        return body

    def _any(self, permits: Sequence[Rule], emitter: Emitter) -> ast.expr:
        tests = [self._satisfied(permit, emitter) for permit in permits[:1]]
        with emitter.uncertain():
            tests += [self._satisfied(permit, emitter) for permit in permits[1:]]
        return disjunction(tests)

    def _satisfied(self, rule: Rule, emitter: Emitter) -> ast.expr:
        """Return whether *rule* is in force and satisfied, by its conditions or by a waiver."""
        tests = _dates(rule)
        if not (tests or rule.waivers):
            return conjunction(emitter.in_order(rule.conditions))
        with emitter.uncertain():
            held = emitter.in_order(rule.conditions)
        if rule.waivers and held:
            held = [disjunction([_waived(rule, emitter.module), conjunction(held)])]
        return conjunction(tests + held)


def _combined(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules of which some one is satisfied if and only if one of *rules* is, least first."""
    alone = [r for r in rules if len(r.conditions) != 1 or _dates(r) or r.waivers]
    others = [rule for rule in rules if rule not in alone]
    if others:
        conditions = joined([rule.conditions[0] for rule in others])
        alone += [evolve(others[0], conditions=(condition,)) for condition in conditions]
    return sorted(alone, key=_work)


def _waived(rule: Rule, module: Module) -> ast.expr:
    """Return the test whether a waiver stands in for the conditions of *rule*."""
    until: dict[str, int] = {}
    for _, subject, moment in rule.waivers:
        until[subject] = max(moment, until.get(subject, moment))
    latest = attribute(module.named(identifier("waived", rule.id), rule.id, until), "get")
    found = ast.Call(latest, [attribute(name("subject"), "id"), name("now")], [])
    return compare(name("now"), ast.Lt(), found)


def _dates(rule: Rule) -> list[ast.expr]:
    """Return the test whether *rule* is in force, if it is not always."""
    bounds: list[ast.expr] = [name("now")]
    if rule.valid_from is not None:
        bounds.insert(0, ast.Constant(rule.valid_from))
    if rule.valid_until is not None:
        bounds.append(ast.Constant(rule.valid_until))
    operators: list[ast.cmpop] = [ast.Lt() for _ in bounds[1:]]
    if rule.valid_from is not None:
        operators[0] = ast.LtE()
    return [ast.Compare(bounds[0], operators, bounds[1:])] if operators else []


def _work(rule: Rule) -> tuple[int, str]:
    """Return what to sort rules by, so that what takes least comes first."""
    size = sum(1 for condition in rule.conditions for _ in ir.walk(condition))
    return size, f"{rule.id} {rule.conditions}"
