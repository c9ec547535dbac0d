"""Ask how long a rule takes from its text to its decision function, nothing being kept."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.questions.answer import Answer, Scale
from bench.questions.loading import cpu_seconds
from bench.worlds import customers
from policyengine import PolicyEngine

_RULES = 10_000
_TIMES = 3


def ask(scale: Scale) -> Iterator[Answer]:
    """Load rules from text and decide one request of every action, which makes its function."""
    size = min(_RULES, max(scale.sizes))
    world = customers.make(size, scale.requests)
    one_each = list({request["action"]: request for request in world.requests}.values())
    times = []
    for _ in range(_TIMES):
        start = cpu_seconds()
        engine = PolicyEngine.from_text(*world.policies)
        for request in one_each:
            engine.decide(*world.build(engine, request))
        times.append((cpu_seconds() - start) * 1_000 / size)
    question = f"cold compile of {size:,} rules, for each: milliseconds"
    yield Answer(question, median(times), 0.6, 0.3, unit="ms")
