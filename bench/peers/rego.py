"""Rego, through regorus: its bytecode where there are few rules, else its interpreter.

A policy file may have a mebibyte, so many rules are spread over files; the bytecode of a program has a
length that some thousand rules exceed.
"""

from __future__ import annotations

import json
from importlib import import_module

from bench.contestants import Ready
from bench.rules import Check, Plain, Rule, World

_regorus = import_module("regorus")
_COMPILED = 1_000
_RULES_IN_A_FILE = 2_000
_HEAD = "package bench\nimport rego.v1\n"
_DECISION = """default allowed := false
allowed if {
    count(forbid) == 0
    count(permit) > 0
}
permit contains "" if false
forbid contains "" if false
"""
_ASKED = "data.bench.allowed"


def load(world: World) -> Ready:
    """Load the rules."""
    files = [("decision.rego", _HEAD + _DECISION)]
    for start in range(0, len(world.rules), _RULES_IN_A_FILE):
        rules = world.rules[start : start + _RULES_IN_A_FILE]
        files.append((f"rules{start}.rego", _HEAD + "\n".join(map(_rule, rules))))
    return _compiled(files) if len(world.rules) <= _COMPILED else _interpreted(files)


def _compiled(files: list[tuple[str, str]]) -> Ready:
    machine = _regorus.Rvm()
    machine.load_program(_regorus.Program.compile_from_modules("{}", files, [_ASKED]))
    machine.set_data_json("{}")
    set_input, execute = machine.set_input_json, machine.execute

    def decide(request: str) -> bool:
        set_input(request)
        return bool(execute() == "true")

    return Ready(lambda request: json.dumps(request, default=sorted), decide)


def _interpreted(files: list[tuple[str, str]]) -> Ready:
    engine = _regorus.Engine()
    for file in files:
        engine.add_policy(*file)
    set_input, evaluate = engine.set_input, engine.eval_rule

    def decide(request: Plain) -> bool:
        set_input(request)
        return bool(evaluate(_ASKED))

    return Ready(lambda request: json.loads(json.dumps(request, default=sorted)), decide)


def _rule(rule: Rule) -> str:
    tests = [_test(test) for test in rule.tests]
    if len(rule.actions) == 1:
        tests.insert(0, f"input.action == {json.dumps(rule.actions[0])}")
    elif rule.actions:
        tests.insert(0, f"input.action in {{{json.dumps(rule.actions)[1:-1]}}}")
    effect = "permit" if rule.permits else "forbid"
    return f"{effect} contains {json.dumps(rule.name)} if {{ {'; '.join(tests)} }}"


def _test(test: Check) -> str:
    left, literal = f"input.{test.path}", json.dumps(test.value)
    match test.op:
        case "true":
            return left
        case "false":
            return f"not {left}"
        case "has":
            return f"{literal} in {left}"
        case "in":
            return f"{left} in {{{literal[1:-1]}}}"
        case "holds":
            return f"input.{test.value} in {left}"
        case "lacks":
            return f"not input.{test.value} in {left}"
        case "contains":
            return f"contains({left}, {literal})"
        case _:
            return f"{left} {test.op} {literal}"
