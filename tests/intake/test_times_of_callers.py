"""A time that a caller gives must be one, whether or not a rule asks for it; where none does, it is not worked out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

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


class Moving(tzinfo):
    """A time zone that is another one whenever it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def utcoffset(self, _: datetime | None) -> timedelta:
        self.asked += 1
        return timedelta(hours=self.asked % 24)


def test_a_time_zone_is_asked_once_for_all_that_is_decided_at_one_moment():
    engine = PolicyEngine.from_text(SET)
    user = {"type": "User", "id": "u", "properties": {"ok": True, "until": "2300-01-01"}}
    asked = [(user, "timed", {**user, "id": f"u{n}"}, None) for n in range(4)]

    def now() -> datetime:
        return datetime(2026, 1, 1, tzinfo=Moving())

    for _ in range(2):  # in full, and then by the fast path
        for each in (
            engine.decide_many(asked, now=now()),
            engine.decide_many(asked, now=now(), entities=[{**user, "id": "other"}]),
            engine.bind(user).decide_many([one[1:] for one in asked], now=now()),
        ):
            assert len({decision.decided_at for decision in each}) == 1

    near = {**user, "properties": {"ok": False, "until": "2026-01-01T00:00:00Z"}}
    moments = PolicyEngine.from_text(
        "package p entity User { until: datetime } action a, b, c by User on User"
        " permit ok: any when now < resource.until"
    )
    of_moments = {**near, "properties": {"until": "2025-12-31T22:30:00Z"}}
    assert moments.actions(of_moments, of_moments, now=now()).items in ((), ("a", "b", "c"))
    left = moments.partial(action="a", subject=of_moments, now=now())
    assert {left.decide(resource=of_moments).decided_at for _ in range(3)} == {
        left.decide(resource=of_moments).decided_at
    }
