"""Cedar, through cedarpy: policies, entities and context are all made before.

Where a rule is about one account, the account stands in the scope, as it would in Cedar.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from bench.contestants import Ready
from bench.rules import Check, Plain, Rule, World

_cedar = import_module("cedarpy")
_ROOTS = {"subject": "principal", "resource": "resource", "context": "context"}
_ACCOUNT = "subject.account"


def load(world: World) -> Ready:
    """Load the rules."""
    policies = _cedar.PolicySet.from_str("\n".join(_policy(rule) for rule in world.rules))
    is_authorized = _cedar.is_authorized

    def decide(prepared: tuple[dict[str, str], Any]) -> bool:
        allowed: bool = is_authorized(prepared[0], policies, prepared[1]).allowed
        return allowed

    return Ready(_prepare, decide)


def _policy(rule: Rule) -> str:
    principal, tests = "principal", list(rule.tests)
    if tests and (tests[0].op, tests[0].path) == ("==", _ACCOUNT):
        principal = f'principal == App::"{tests.pop(0).value}"'
    actions = ", ".join(f'Action::"{name}"' for name in rule.actions)
    action = f"action in [{actions}]" if len(rule.actions) > 1 else "action"
    if len(rule.actions) == 1:
        action = f"action == {actions}"
    conditions = " && ".join(map(_condition, tests)) or "true"
    effect = "permit" if rule.permits else "forbid"
    return f'@id("{rule.name}")\n{effect}({principal}, {action}, resource) when {{ {conditions} }};'


def _condition(test: Check) -> str:
    left, value = _path(test.path), test.value
    literal = f'"{value}"' if isinstance(value, str) else str(value)
    match test.op:
        case "true":
            return left
        case "false":
            return f"!{left}"
        case "has":
            return f"{left}.contains({literal})"
        case "in":
            members = ", ".join(f'"{member}"' for member in value)
            return f"[{members}].contains({left})"
        case "holds":
            return f"{left}.contains({_path(value)})"
        case "lacks":
            return f"!{left}.contains({_path(value)})"
        case "contains":
            return f'{left} like "*{value}*"'
        case _:
            return f"{left} {test.op} {literal}"


def _path(path: str) -> str:
    root, _, name = path.partition(".")
    return f"{_ROOTS[root]}.{name}"


def _prepare(request: Plain) -> tuple[dict[str, str], Any]:
    subject, resource = request["subject"], request["resource"]
    entities = [
        {"uid": {"type": type_, "id": part["id"]}, "attrs": part, "parents": []}
        for type_, part in (("App", subject), ("Item", resource))
    ]
    asked = {
        "principal": f'App::"{subject["id"]}"',
        "action": f'Action::"{request["action"]}"',
        "resource": f'Item::"{resource["id"]}"',
        "context": json.dumps(request["context"], default=sorted),
    }
    return asked, _cedar.Entities.from_json_str(json.dumps(entities, default=sorted))
