"""vakt: a guard over rules in memory; tests across attributes extend its `Rule`, as it documents."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from bench.contestants import Ready
from bench.rules import Check, Plain, Rule, World

_vakt = import_module("vakt")
_rules = import_module("vakt.rules")
_Rule: Any = import_module("vakt.rules.base").Rule


class _Among(_Rule):  # type: ignore[misc]  # a class of theirs
    """Whether what is tested stands in a set of the inquiry, or does not."""

    def __init__(self, path: str, *, among: bool) -> None:
        self.part, _, self.name = path.partition(".")
        self.among = among

    def satisfied(self, what: object, inquiry: Any = None) -> bool:
        return (what in getattr(inquiry, self.part)[self.name]) is self.among


def load(world: World) -> Ready:
    """Load the rules."""
    logging.getLogger("vakt").setLevel(logging.ERROR)
    storage = _vakt.MemoryStorage()
    for rule in world.rules:
        storage.add(_policy(rule))
    is_allowed = _vakt.Guard(storage, _vakt.RulesChecker()).is_allowed
    inquiry = _vakt.Inquiry

    def decide(request: Plain) -> bool:
        allowed: bool = is_allowed(
            inquiry(
                action=request["action"],
                subject=request["subject"],
                resource=request["resource"],
                context=request["context"],
            )
        )
        return allowed

    return Ready(lambda request: json.loads(json.dumps(request, default=sorted)), decide)


def _policy(rule: Rule) -> Any:
    parts: dict[str, dict[str, Any]] = {"subject": {}, "resource": {}, "context": {}}
    for test in rule.tests:
        path, asked = _test(test)
        part, _, name = path.partition(".")
        asked = _rules.And(parts[part][name], asked) if name in parts[part] else asked
        parts[part][name] = asked
    return _vakt.Policy(
        rule.name,
        actions=_actions(rule.actions),
        subjects=[parts["subject"] or _rules.Any()],
        resources=[parts["resource"] or _rules.Any()],
        context=parts["context"],
        effect=_vakt.ALLOW_ACCESS if rule.permits else _vakt.DENY_ACCESS,
    )


def _actions(actions: Sequence[str]) -> list[Any]:
    if not actions:
        return [_rules.Any()]
    return [_rules.Eq(actions[0])] if len(actions) == 1 else [_rules.In(*actions)]


def _test(test: Check) -> tuple[str, Any]:
    """Return which attribute is tested, and how."""
    value = test.value
    match test.op:
        case "holds" | "lacks":
            return value, _Among(test.path, among=test.op == "holds")
        case "true" | "false":
            return test.path, _rules.Eq(test.op == "true")
        case "has":
            return test.path, _rules.AnyIn(value)
        case "in":
            return test.path, _rules.In(*value)
        case "contains":
            return test.path, _rules.Contains(value)
        case _:
            return test.path, _COMPARED[test.op](value)


_COMPARED = {
    "==": _rules.Eq,
    "<": _rules.Less,
    "<=": _rules.LessOrEqual,
    ">": _rules.Greater,
    ">=": _rules.GreaterOrEqual,
}
