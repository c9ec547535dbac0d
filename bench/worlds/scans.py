"""Make a world without any equality: each rule looks for a word within a string.

This is what no index here helps with: every rule is a question of its own.
"""

from __future__ import annotations

from random import Random

from bench.rules import Check, Parts, Plain, Rule, World, build_plain, in_files
from policyengine import PolicyEngine

_SEED = 20_261_130
_VOCABULARY = """package scans
entity App { plan: string }
entity Item { path: string }
action read by App on Item with { use: string }"""


def make(size: int, count: int) -> World:
    """Return the world of *size* rules, with *count* requests; half of them hold no word."""
    words = [f"-{number}-" for number in range(size)]
    rules = tuple(
        Rule(f"r{number}", True, ("read",), (Check("contains", "resource.path", word),))
        for number, word in enumerate(words)
    )

    def by_hand(request: Plain) -> bool:
        path = request["resource"]["path"]
        for word in words:  # noqa: SIM110 - a loop is quicker than `any`
            if word in path:
                return True
        return False

    return World(in_files(_VOCABULARY, rules), rules, _requests(words, count), by_hand, build)


def _requests(words: list[str], count: int) -> list[Plain]:
    rng = Random(_SEED)
    return [
        {
            "subject": {"id": f"app{rng.randrange(1_000)}", "plan": "pro"},
            "action": "read",
            "resource": {
                "id": f"item{number}",
                "path": f"inbox/{rng.choice(words) if number % 2 else 'x'}/{number}",
            },
            "context": {"use": "research"},
        }
        for number in range(count)
    ]


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "App", "Item")
