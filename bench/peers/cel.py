"""CEL in C++, through cel-expr-python: all rules in one expression where there are few of them.

CEL has expressions and no rules: a chain of conditions says which rule it is. Beyond thirty rules
each is a program of its own, tried in turn, forbids first; a chain of them would be no quicker. The
activation, which is what CEL reads of a request, is made before.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from bench.contestants import Ready
from bench.rules import Check, Plain, Rule, World

_cel = import_module("cel_expr_python.cel")
_FUSED = 30
"""At most so many rules are put into one expression."""


def load(world: World) -> Ready:
    """Load the rules."""
    dynamic, text = _cel.Type.DYN, _cel.Type.STRING
    environment = _cel.NewEnv(
        variables={"subject": dynamic, "action": text, "resource": dynamic, "context": dynamic}
    )

    def prepare(request: Plain) -> Any:
        return environment.Activation(json.loads(json.dumps(request, default=sorted)))

    ordered = sorted(world.rules, key=lambda rule: rule.permits)
    if len(ordered) <= _FUSED:
        chain = "".join(f"{_condition(rule)} ? {_literal(rule.permits)} : " for rule in ordered)
        evaluate = environment.compile(chain + "false").eval
        return Ready(prepare, lambda facts: evaluate(facts).value())
    programs = [(environment.compile(_condition(rule)).eval, rule.permits) for rule in ordered]

    def decide(facts: Any) -> bool:
        for evaluate, permits in programs:
            if evaluate(facts).value():
                return permits
        return False

    return Ready(prepare, decide)


def _condition(rule: Rule) -> str:
    tests = [_test(test) for test in rule.tests]
    if len(rule.actions) == 1:
        tests.insert(0, f"action == {_literal(rule.actions[0])}")
    elif rule.actions:
        tests.insert(0, f"action in {_literal(rule.actions)}")
    return " && ".join(tests)


def _literal(value: object) -> str:
    return json.dumps(value)


def _test(test: Check) -> str:
    match test.op:
        case "true":
            return test.path
        case "false":
            return f"!{test.path}"
        case "has":
            return f"{_literal(test.value)} in {test.path}"
        case "in":
            return f"{test.path} in {_literal(test.value)}"
        case "holds":
            return f"{test.value} in {test.path}"
        case "lacks":
            return f"!({test.value} in {test.path})"
        case "contains":
            return f"{test.path}.contains({_literal(test.value)})"
        case _:
            return f"{test.path} {test.op} {_literal(test.value)}"
