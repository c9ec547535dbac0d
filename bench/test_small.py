"""Time small things with pytest-benchmark: `pytest bench`, `pytest bench --benchmark-autosave`.

`pytest bench --benchmark-compare` then tells what changed since the last run that was saved. All answers
are compared before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench import worlds
from bench.contestants import BOUND, BY_HAND, CONTESTANTS, DECIDE
from bench.questions.small import small
from bench.worlds import apps

pytest.importorskip("pytest_benchmark")

_REQUESTS = 200


@pytest.mark.parametrize("contestant", [BY_HAND, DECIDE, BOUND])
@pytest.mark.parametrize("world", worlds.NAMES)
def test_a_hundred_rules(world: str, contestant: str, benchmark: Any) -> None:
    """Decide two hundred requests."""
    made = worlds.make(world, 100, _REQUESTS)
    ready = CONTESTANTS[contestant].make_ready(made)
    prepared = [ready.prepare(request) for request in made.requests]
    assert [ready.decide(parts) for parts in prepared] == list(map(made.by_hand, made.requests))
    benchmark(ready.run, prepared)


@pytest.mark.parametrize("form", ["dicts", "wire"])
def test_the_small_world_validated(form: str, benchmark: Any) -> None:
    """Decide two hundred requests from dicts, or from JSON to JSON."""
    world = small(_REQUESTS)
    engine = world.engine
    decide: Callable[[], list[object]]
    if form == "dicts":
        world.compare(lambda request: engine.decide(*request.dicts))
        dicts = [request.dicts for request in world.forms]

        def decide() -> list[object]:
            return [engine.decide(*parts) for parts in dicts]
    else:
        wires = [request.wire for request in world.forms]
        expected = [apps.decide_by_hand(request)[0] for request in world.requests]
        assert [b'"decision":true' in engine.decide_json(wire) for wire in wires] == expected

        def decide() -> list[object]:
            return [engine.decide_json(wire) for wire in wires]

    benchmark(decide)
