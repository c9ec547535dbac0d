"""A time that a caller gives must be one, whether or not a rule asks for it; where none does, it is not worked out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from policyengine import InvalidRequest, PolicyEngine

SET = """package times
entity User { ok: bool, until: datetime }
action untimed by User on User
action timed by User on User
gate access "who" for any
gate access {
    permit ok: untimed when resource.ok
    permit still: timed when now < resource.until
}
"""
MOMENTS = [
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(1971, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    "2026-01-01T00:00:00Z",
    None,
]
NO_MOMENTS = [5, 1.5, True, "soon", datetime(2026, 1, 1), timedelta(1)]  # noqa: DTZ001 - naive is the point


@pytest.mark.parametrize("action", ["untimed", "timed"])
def test_what_is_no_time_is_refused_and_what_is_one_changes_nothing_that_no_rule_asks(action):
    engine = PolicyEngine.from_text(SET)
    users = [
        engine.entity(
            "User", f"u{ok}", ok=ok, until=datetime(2300 if ok else 1960, 1, 1, tzinfo=UTC)
        )
        for ok in (True, False)
    ]
    for _ in range(2):  # in full, and then by the fast path
        for user, expected in zip(users, (True, False), strict=True):
            for now in MOMENTS:
                decision = engine.decide(user, action, user, now=now)
                assert decision.allowed is expected
                assert (decision.decided_at is None) is (action == "untimed")
        for now in NO_MOMENTS:
            with pytest.raises(InvalidRequest) as refused:
                engine.decide(users[0], action, users[0], now=now)
            assert [problem.path for problem in refused.value.problems] == ["now"]
