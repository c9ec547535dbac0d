"""State the law of remembered decisions: they are what would be decided, whatever was asked before.

What does not fit is refused in the same words, before what fits was asked and remembered and after.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from policyengine import Decision, DecisionCache, InvalidRequest, PolicyEngine
from policyengine.model.values import moment_text
from tests.strategies.laws import Case, damaged


def remembered_is_as_decided(case: Case, caches: dict[PolicyEngine, DecisionCache]) -> bool:
    """A cache that saw other requests, and this one, answers like one that saw none."""
    engine, rng = case.loaded.engine, Random(case.seed)
    warm = caches.setdefault(engine, DecisionCache(engine))
    built = {
        **case.given,
        **{who: _built(engine, case.given[who]) for who in ("subject", "resource")},
        "context": engine.context(case.given["action"], case.given["context"]),
    }
    spoilt = [*damaged(case, rng), *_misfits(case, rng)]
    for given in map(_at, (*spoilt, case.given, built, *spoilt)):
        expected, problems = _asked(engine, given)
        size = len(warm)
        for _ in range(2):
            found, refusal = _asked(warm, given)
            assert refusal == problems
            _is_alike(found, expected)
        if expected is None:
            assert len(warm) == size, "what does not fit was remembered"
    return len(warm) > 0


def _misfits(case: Case, rng: Random) -> Iterator[dict[str, Any]]:
    """Give the request with a value, perhaps one that no rule reads, that fits nowhere."""
    places = [("subject", "properties"), ("resource", "properties"), ("context",)]
    places += [("entities", i, "properties") for i in range(len(case.given["entities"]))]
    for place in rng.sample(places, 2):
        given = copy.deepcopy(case.given)
        part = given
        for step in place:
            part = part[step]
        part[rng.choice([*part, "more"])] = rng.choice((1.5, None, object()))
        yield given


def _at(given: dict[str, Any]) -> dict[str, Any]:
    now = given.get("now")
    return {**given, "now": moment_text(now)} if isinstance(now, int) else given


def _built(engine: PolicyEngine, entity: dict[str, Any]) -> Any:
    parents = entity.get("parents")
    return engine.entity(entity["type"], entity["id"], entity["properties"], parents=parents)


def _asked(
    who: PolicyEngine | DecisionCache, given: dict[str, Any]
) -> tuple[Decision | None, list[str]]:
    """Return what *who* decides, or the problems that the request is refused for."""
    try:
        return who.decide(**given), []
    except InvalidRequest as refusal:
        return None, list(map(str, refusal.problems))


def _is_alike(found: Decision | None, expected: Decision | None) -> None:
    if found is None or expected is None:
        assert found is expected
        return
    assert found.outcome == expected.outcome
    if expected.valid_until is None:  # else the wording may be of another moment
        assert found.to_json() == expected.to_json()
