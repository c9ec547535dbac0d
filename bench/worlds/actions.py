"""Make a world of many actions with ten rules each, and a dict of their rules by hand."""

from __future__ import annotations

from random import Random

from bench.rules import Check, Parts, Plain, Rule, World, build_plain, in_files
from policyengine import PolicyEngine

_SEED = 20_261_131
_RULES_OF_AN_ACTION = 10
_PLANS = ("free", "basic", "pro", "enterprise")
_KINDS = ("post", "message", "profile", "list")


def make(size: int, count: int) -> World:
    """Return the world of *size* rules over a tenth as many actions, with *count* requests."""
    rng = Random(_SEED)
    actions = [f"act{number}" for number in range(max(1, size // _RULES_OF_AN_ACTION))]
    rows: dict[str, list[tuple[str, str, int]]] = {action: [] for action in actions}
    rules = []
    for number in range(size):
        action = actions[number % len(actions)]
        row = plan, kind, days = rng.choice(_PLANS), rng.choice(_KINDS), rng.randint(30, 365)
        rows[action].append(row)
        tests = (
            Check("==", "subject.plan", plan),
            Check("==", "resource.kind", kind),
            Check("<=", "subject.days", days),
        )
        rules.append(Rule(f"r{number}", True, (action,), tests))

    def by_hand(request: Plain) -> bool:
        app, kind = request["subject"], request["resource"]["kind"]
        for plan, wanted, days in rows[request["action"]]:
            if app["plan"] == plan and kind == wanted and app["days"] <= days:
                return True
        return False

    vocabulary = f"""package actions
entity App {{ plan: string, days: int }}
entity Item {{ kind: string }}
action {", ".join(actions)} by App on Item with {{ use: string }}"""
    requests = [_request(rng, actions, number) for number in range(count)]
    return World(in_files(vocabulary, rules), tuple(rules), requests, by_hand, build)


def _request(rng: Random, actions: list[str], number: int) -> Plain:
    plan, days = rng.choice(_PLANS), rng.randint(0, 300)
    return {
        "subject": {"id": f"app{rng.randrange(10_000)}", "plan": plan, "days": days},
        "action": rng.choice(actions),
        "resource": {"id": f"item{number}", "kind": rng.choice(_KINDS)},
        "context": {"use": "research"},
    }


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "App", "Item")
