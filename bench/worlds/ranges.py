"""Make a world of rules that permit what lies between two bounds, and sorted bounds by hand."""

from __future__ import annotations

from bisect import bisect_right
from random import Random

from bench.rules import Check, Parts, Plain, Rule, World, build_plain, in_files, merged
from policyengine import PolicyEngine

_SEED = 20_261_127
_ACTIONS = ("read", "search", "export", "write")
_WIDEST = 1_000_000_000

_VOCABULARY = f"""package ranges
entity App {{ score: int }}
entity Item {{ size: int }}
action {", ".join(_ACTIONS)} by App on Item with {{ amount: int }}"""


def make(size: int, count: int) -> World:
    """Return the world of *size* rules, with *count* requests; about half are allowed."""
    rng = Random(_SEED)
    ranges: dict[str, list[tuple[int, int]]] = {action: [] for action in _ACTIONS}
    rules = []
    for number in range(size):
        action, low = rng.choice(_ACTIONS), rng.randrange(_WIDEST)
        high = low + rng.randint(1, 4 * _WIDEST // size)
        ranges[action].append((low, high))
        tests = Check(">=", "resource.size", low), Check("<", "resource.size", high)
        rules.append(Rule(f"r{number}", True, (action,), tests))
    bounds = {action: merged(found) for action, found in ranges.items()}

    def by_hand(request: Plain) -> bool:
        size = request["resource"]["size"]
        return bisect_right(bounds[request["action"]], size) % 2 == 1

    return World(in_files(_VOCABULARY, rules), tuple(rules), _requests(count), by_hand, build)


def _requests(count: int) -> list[Plain]:
    rng = Random(_SEED + 1)
    return [
        {
            "subject": {"id": f"app{rng.randrange(1_000)}", "score": rng.randrange(100)},
            "action": rng.choice(_ACTIONS),
            "resource": {"id": f"item{number}", "size": rng.randrange(_WIDEST)},
            "context": {"amount": rng.randrange(100)},
        }
        for number in range(count)
    ]


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "App", "Item")
