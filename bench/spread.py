"""Take apart why a decision costs more among the rules of ten times as many tenants: the rules, or what they lie in.

The same number of requests is asked of few tenants, of many, and of a tenth of the many, of which nothing
differs but how much memory is visited; and the functions by hand are asked what the first two are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.rules import Parts
from bench.timing import Measured, side_by_side
from bench.worlds import tenants
from policyengine import PolicyEngine


def measure(requests: int, rounds: int) -> list[dict[str, Measured]]:
    """Return what decisions take, over those of few tenants; then what is by hand takes, over the same."""
    few, many = tenants.make(200, requests), tenants.make(2_000, requests)
    of_few, of_many = _built(few), _built(many)
    engine = of_many[0]
    asked = sorted({parts[0].tenant for parts in of_many[1]})
    some = set(asked[: len(asked) // 10])
    tenth = [parts for parts in of_many[1] if parts[0].tenant in some]
    tenth = (tenth * (requests // len(tenth) + 1))[:requests]
    ours = {
        "few tenants": _deciding(*of_few),
        "ten times as many": _deciding(*of_many),
        "a tenth of these, asked as often": _deciding(engine, tenth),
    }
    hand = {
        "few tenants, by hand": lambda: [few.by_hand(request) for request in few.requests],
        "ten times as many, by hand": lambda: [many.by_hand(request) for request in many.requests],
    }
    return [side_by_side(contestants, requests, rounds) for contestants in (ours, hand)]


def _built(world: tenants.TenantsWorld) -> tuple[PolicyEngine, Sequence[Parts]]:
    engine = PolicyEngine.from_text(*world.policies)
    built = [tenants.build(engine, request) for request in world.requests]
    for parts in built:  # the first of each action compiles it
        engine.decide(*parts)
    return engine, built


def _deciding(engine: PolicyEngine, built: Sequence[Parts]) -> Callable[[], None]:
    decide = engine.decide

    def run() -> None:
        for subject, action, resource, context in built:
            decide(subject, action, resource, context).allowed

    return run
