"""Cedar, through cedarpy: policies and entities are handles, made before.

It has no handle for a context, so that is JSON, made before, which Cedar reads for each decision. Where a
rule is about one account, the account stands in the scope, as it would in Cedar.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench.contestants import Ready
from bench.rules import Check, Plain, Rule, World
from bench.worlds.sharing import Asked, SharingWorld, Thing, reference

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


# ---- where people share -----------------------------------------------------------------


def load_shared(
    world: SharingWorld,
) -> tuple[Callable[[Asked], dict[str, str]], Callable[[dict[str, str]], bool]]:
    """Return what prepares a request and what decides it; the policies and all entities are handles."""
    policies = _cedar.PolicySet.from_str(world.cedar)
    entities = _cedar.Entities.from_json_str(json.dumps([_shared(thing) for thing in world.things]))
    is_authorized = _cedar.is_authorized

    def prepare(asked: Asked) -> dict[str, str]:
        who, action, type_, id_ = asked
        return {
            "principal": f'User::"{who}"',
            "action": f'Action::"{action}"',
            "resource": f'{type_}::"{id_}"',
        }

    def decide(request: dict[str, str]) -> bool:
        allowed: bool = is_authorized(request, policies, entities).allowed
        return allowed

    return prepare, decide


def _shared(thing: Thing) -> dict[str, Any]:
    return {
        "uid": reference(thing.key),
        "attrs": thing.to_dict(lambda key: {"__entity": reference(key)}),
        "parents": [reference(parent) for parent in thing.parents],
    }
