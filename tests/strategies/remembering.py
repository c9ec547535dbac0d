"""State the law of remembered decisions: they are what would be decided, whatever was asked before."""

from __future__ import annotations

from random import Random
from typing import Any

from policyengine import Decision, DecisionCache, InvalidRequest, PolicyEngine
from policyengine.model.values import moment_text
from tests.strategies.laws import Case, damaged


def remembered_is_as_decided(case: Case, caches: dict[PolicyEngine, DecisionCache]) -> bool:
    """A cache that saw other requests, and this one, answers like one that saw none."""
    engine = case.loaded.engine
    warm = caches.setdefault(engine, DecisionCache(engine))
    built = {
        **case.given,
        **{who: _built(engine, case.given[who]) for who in ("subject", "resource")},
        "context": engine.context(case.given["action"], case.given["context"]),
    }
    was_allowed = engine.decide(**_at(case.given)).allowed
    for given in map(_at, (case.given, built, *damaged(case, Random(case.seed)))):
        try:
            expected = engine.decide(**given)
        except InvalidRequest:  # perhaps for something that is not read
            expected = _decided(DecisionCache(engine), given)
            assert expected is None or was_allowed or not expected.allowed, "that opened it"
        size = len(warm)
        for _ in range(2):
            _is_alike(_decided(warm, given), expected)
        if expected is None:
            assert len(warm) == size, "what does not fit was remembered"
    return len(warm) > 0


def _at(given: dict[str, Any]) -> dict[str, Any]:
    now = given.get("now")
    return {**given, "now": moment_text(now)} if isinstance(now, int) else given


def _built(engine: PolicyEngine, entity: dict[str, Any]) -> Any:
    parents = entity.get("parents")
    return engine.entity(entity["type"], entity["id"], entity["properties"], parents=parents)


def _decided(cache: DecisionCache, given: dict[str, Any]) -> Decision | None:
    try:
        return cache.decide(**given)
    except InvalidRequest:
        return None


def _is_alike(found: Decision | None, expected: Decision | None) -> None:
    if found is None or expected is None:
        assert found is expected
        return
    assert found.outcome() == expected.outcome()
    if expected.valid_until is None:  # else the wording may be of another moment
        assert found.to_json() == expected.to_json()
