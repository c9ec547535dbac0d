"""Make a world of folders thirty deep and rules about them, and a walk up the folders by hand."""

from __future__ import annotations

from random import Random
from typing import Any

from bench.rules import Check, Parts, Plain, Rule, World, in_files
from policyengine import PolicyEngine

_SEED = 20_261_129
_ACTIONS = ("read", "search", "export", "write")
_DEPTH = 30

_VOCABULARY = f"""package ancestors
entity App {{ plan: string }}
entity Folder in Folder
entity Item in Folder {{ kind: string }}
action {", ".join(_ACTIONS)} by App on Item with {{ use: string }}"""


def make(size: int, count: int) -> World:
    """Return the world of *size* rules, with *count* requests for items in chains of folders."""
    rng = Random(_SEED)
    chains, plans = max(1, size // 20), max(2, size // 50)
    shared: set[tuple[str, str, str]] = set()
    rules = []
    for number in range(size):
        action, plan = rng.choice(_ACTIONS), f"plan{rng.randrange(plans)}"
        folder = _folder(rng.randrange(chains), rng.randrange(_DEPTH))
        shared.add((action, plan, folder))
        tests = Check("==", "subject.plan", plan), Check("has", "resource.line", folder)
        rules.append(Rule(f"r{number}", True, (action,), tests))

    def by_hand(request: Plain) -> bool:
        action, plan = request["action"], request["subject"]["plan"]
        return any((action, plan, folder) in shared for folder in request["resource"]["line"])

    return World(
        policies=in_files(_VOCABULARY, rules, {"resource.line": 'resource within Folder "{}"'}),
        rules=tuple(rules),
        requests=[_request(rng, rules, plans, chains, number) for number in range(count)],
        by_hand=by_hand,
        build=build,
    )


def _folder(chain: int, depth: int) -> str:
    return f"f{chain}-{depth}"


def _request(rng: Random, rules: list[Rule], plans: int, chains: int, number: int) -> Plain:
    """Return a request: every other one for an item at the end of a chain that a rule is about."""
    action, plan, chain = rng.choice(_ACTIONS), f"plan{rng.randrange(plans)}", rng.randrange(chains)
    if number % 2:
        rule = rng.choice(rules)
        action, plan = rule.actions[0], rule.tests[0].value
        chain = int(rule.tests[1].value[1:].partition("-")[0])
    line = frozenset(_folder(chain, depth) for depth in range(_DEPTH))
    return {
        "subject": {"id": f"app{rng.randrange(10_000)}", "plan": plan},
        "action": action,
        "resource": {"id": f"item{number}", "kind": "post", "chain": chain, "line": line},
        "context": {"use": "research"},
    }


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before; the item brings its folders along."""
    asks, about = request["subject"], request["resource"]
    above: list[Any] = []
    for depth in range(_DEPTH):
        above = [engine.entity("Folder", _folder(about["chain"], depth), parents=above)]
    return (
        engine.entity("App", asks["id"], plan=asks["plan"]),
        request["action"],
        engine.entity("Item", about["id"], kind=about["kind"], parents=above),
        engine.context(request["action"], request["context"]),
    )
