"""pycasbin: its FastEnforcer, which looks rules up by two columns and tries what it finds.

Where all rules ask the same, as one for each customer does, each is a line of constants, found by the
account and the action. Elsewhere a line holds a condition, which is evaluated for every line of the
action; rules for any action stand once for each.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.contestants import Ready
from bench.rules import Check, Plain, Rule, World

_fast = import_module("casbin.fast_enforcer")
_EFFECT = "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))"


def load(world: World) -> Ready:
    """Load the rules."""
    for name in ("casbin", "casbin.enforcer", "casbin.policy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    columns = [(test.op, test.path) for test in world.rules[0].tests]
    alike = all(
        [(test.op, test.path) for test in rule.tests] == columns and len(rule.actions) == 1
        for rule in world.rules
    )
    if alike and columns[0] == ("==", "subject.account"):
        return _by_columns(world.rules, columns)
    return _by_conditions(world)


def _by_columns(rules: Sequence[Rule], columns: Sequence[tuple[str, str]]) -> Ready:
    names = [path.replace(".", "_") for _, path in columns]
    asked = ", ".join((names[0], "action", *names[1:]))
    tests = " && ".join(
        f"r.{name} == p.{name}" if op == "==" else f"r.{name} {op} number(p.{name})"
        for name, (op, _) in zip(names, columns, strict=True)
    )
    enforcer = _enforcer(
        f"r = {asked}", f"p = {asked}, eft", f"m = r.action == p.action && {tests}"
    )
    enforcer.add_function("number", int)
    lines = []
    for rule in rules:
        first, *rest = (str(test.value) for test in rule.tests)
        lines.append([first, rule.actions[0], *rest, "allow" if rule.permits else "deny"])
    enforcer.add_policies(lines)
    enforce = enforcer.enforce
    keys = [test.keys for test in rules[0].tests]

    def prepare(request: Plain) -> tuple[Any, ...]:
        first, *rest = (request[part][name] for part, name in keys)
        return (first, request["action"], *rest)

    return Ready(prepare, lambda request: enforce(*request))


def _by_conditions(world: World) -> Ready:
    enforcer = _enforcer(
        "r = action, any, subject, resource, context",
        "p = action, any, condition, eft, id",
        "m = eval(p.condition)",
    )
    actions = sorted({request["action"] for request in world.requests})
    enforcer.add_policies(list(_lines(world.rules, actions)))
    enforce = enforcer.enforce

    def prepare(request: Plain) -> tuple[Any, ...]:
        parts = (SimpleNamespace(**request[part]) for part in ("subject", "resource", "context"))
        return (request["action"], "any", *parts)

    return Ready(prepare, lambda request: enforce(*request))


def _lines(rules: Sequence[Rule], actions: Sequence[str]) -> Iterator[list[str]]:
    for rule in rules:
        condition = " and ".join(map(_condition, rule.tests))
        for action in rule.actions or actions:
            effect = "allow" if rule.permits else "deny"
            yield [action, "any", condition, effect, rule.name]


def _condition(test: Check) -> str:
    left = f"r.{test.path}"
    match test.op:
        case "true":
            return left
        case "false":
            return f"not {left}"
        case "in":
            return f"{left} in {tuple(test.value)!r}"
        case "has" | "contains":
            return f"{test.value!r} in {left}"
        case "holds":
            return f"r.{test.value} in {left}"
        case "lacks":
            return f"r.{test.value} not in {left}"
        case _:
            return f"{left} {test.op} {test.value!r}"


def _enforcer(asked: str, policy: str, matcher: str) -> Any:
    model = (
        f"[request_definition]\n{asked}\n[policy_definition]\n{policy}\n"
        f"[policy_effect]\n{_EFFECT}\n[matchers]\n{matcher}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "model.conf"), Path(folder, "policy.csv")
        files[0].write_text(model, encoding="utf-8")
        files[1].touch()
        enforcer = _fast.FastEnforcer(*map(str, files), cache_key_order=[0, 1])
    enforcer.enable_auto_save(False)
    return enforcer
