"""State the law of clocks: whatever is kept of a decision holds at no moment but those it is for.

Bound subjects, decision caches and batches are asked again and again while the clock goes forward, back
and stands, also to the very moments at which decisions turn. Each answer must be that of an engine
which keeps nothing, and agree with itself: allowed, cause, rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from policyengine import Decision, DecisionCache, PolicyEngine
from policyengine.model.limits import Limits
from policyengine.model.values import from_datetime
from tests.strategies.laws import Case
from tests.strategies.requests import MOMENTS, microseconds

_SPANS = (1, 10**6, 3_600 * 10**6, 86_400 * 10**6, 400 * 86_400 * 10**6)
_JUMPS = 10


def what_is_kept_holds_from_a_moment_until_a_moment(case: Case) -> None:
    """Ask holders of state at moments that jump; compare them with an engine that keeps nothing."""
    rng, given, loaded = Random(case.seed), case.given, case.loaded
    store = loaded.engine.store(given["entities"])
    engine = PolicyEngine(loaded.program, loaded.engine._checked, limits=Limits(), store=store)
    parts = {who: {k: given[who][k] for k in ("type", "id")} for who in ("subject", "resource")}
    parts |= {"action": given["action"], "context": given["context"]}
    holders = list(_holders(engine, **parts))
    clock = SimpleNamespace(now=given["now"], time_ns=lambda: clock.now * 1000)
    turns: list[int] = []
    with mock.patch("policyengine.runtime.clock.time", clock):
        for _ in range(_JUMPS):
            request = loaded.validator.validate_parts(store, **parts, now=clock.now)
            expected = _seen(loaded.program.decide(request))
            for name, ask in holders * 2:
                decision = ask()
                assert _seen(decision) == expected, (name, clock.now)
                until = decision.valid_until
                turns += [] if until is None else [from_datetime(until), from_datetime(until) - 1]
            clock.now = rng.choice([*_moments(clock.now, rng), *turns, clock.now])


def _seen(decision: Decision) -> Any:
    """Return what must agree: the decision, and what it says of itself."""
    return (
        decision.allowed,
        decision.cause,
        decision.rules,
        decision.obligations,
        decision.exposed,
        decision.masks,
    )


def _holders(
    engine: PolicyEngine, subject: Any, action: str, resource: Any, context: Any
) -> Iterator[tuple[str, Callable[[], Decision]]]:
    """Give what answers a request and keeps something for the next time."""
    bound, narrow, cache = engine.bind(subject), engine.bind(subject, action), DecisionCache(engine)
    yield "engine", lambda: engine.decide(subject, action, resource, context)
    yield "many", lambda: engine.decide_many([(subject, action, resource, context)])[0]
    yield "bound", lambda: bound.decide(action, resource, context)
    yield "bound, many", lambda: bound.decide_many([(action, resource, context)])[0]
    yield "bound to an action", lambda: narrow.decide(resource, context)
    yield "cache", lambda: cache.decide(subject, action, resource, context)


def _moments(now: int, rng: Random) -> Iterator[int]:
    """Give moments around now, and others of which policies speak."""
    for span in _SPANS:
        yield now + span
        yield now - span
    yield from map(microseconds, rng.sample(MOMENTS, 2))
