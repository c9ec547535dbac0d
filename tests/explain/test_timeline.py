"""Timelines: when the answer to a request changes, which rule changes it, and to what."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from policyengine import InvalidRequest, PolicyEngine
from policyengine.explain import answers_over_time
from tests.strategies import seeds
from tests.strategies.over_time import timelines_say_what_is_decided
from tests.whole import share

WORDS = """
package p
entity App { reviewed: datetime, days: set<datetime> }
entity Post { text: string, place: string }
action read by App on Post with { wait: duration }
obligation delete_by(moment: datetime)
"""


def timeline(rules, since="2018-01-01", until=None, **attributes):
    app = {"reviewed": "2026-09-01", "days": []} | attributes
    return PolicyEngine.from_text(WORDS + rules).timeline(
        {"type": "App", "id": "a", "properties": app},
        "read",
        {"type": "Post", "id": "b", "properties": {"text": "t", "place": "p"}},
        {"wait": "1h"},
        since=since,
        until=until,
    )


def shown(rules, **parts):
    return list(timeline(rules, **parts).lines())


def test_dates_of_rules_and_waivers():
    found = timeline(
        """
        permit early: read until 2023-03-29 because "it was free"
        permit late: read when context.wait > 1d from 2025-01-01 waivable otherwise "wait"
        forbid closed: read from 2027-06-01 because "it is closed"
        waiver w of late for App "a" until 2027-01-01 ticket "T" approved_by "B"
        """
    )
    assert list(found.lines()) == [
        "since 2018-01-01",
        "  allow (permitted): it was free",
        "",
        "from 2023-03-29",
        "  access.early is no longer in force",
        "  deny (not_permitted): no rule of `access` permits `read`",
        "",
        "from 2025-01-01",
        "  access.late comes into force",
        "  allow (permitted): every gate permits it",
        "",
        "from 2027-01-01",
        "  access.late is no longer waived by w",
        "  deny (not_permitted): wait",
        "",
        "from 2027-06-01",
        "  access.closed comes into force",
        "  deny (forbidden): it is closed",
    ]
    assert found.at(datetime(2026, 1, 1, tzinfo=UTC)).rules == ("access.late",)
    with pytest.raises(ValueError, match="does not say"):
        found.at(datetime(2017, 1, 1, tzinfo=UTC))
    assert copy.deepcopy(found) == found == pickle.loads(pickle.dumps(found))


def test_what_is_compared_with_the_time_turns_at_its_microsecond():
    assert shown(
        """
        define stale(app: App) = now - app.reviewed > 365d
        permit p: read when not stale(subject) unless now < subject.reviewed - context.wait otherwise "no"
        """
    ) == [
        "since 2018-01-01",
        "  deny (not_permitted): no",
        "",
        "from 2026-08-31T23:00:00Z",
        "  access.p is satisfied: `unless now < subject.reviewed - context.wait`",
        "  allow (permitted): every gate permits it",
        "",
        "from 2027-09-01T00:00:00.000001Z",
        "  access.p is no longer satisfied: `not stale(subject)`",
        "  deny (not_permitted): no",
    ]


def test_schedules_are_conditions():
    found = timeline(
        """
        permit p: read when now within schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
        permit q: read when now + 30m within schedule "Sat 10:00-12:00 UTC" from 2020-01-01
        """
    )
    first, second = found.to_json()["periods"]
    assert [(case["when"], case["decision"]) for case in first["answers"]] == [
        ([{"condition": OFFICE, "holds": True}], True),
        ([{"condition": OFFICE, "holds": False}], False),
    ]
    assert second["changes"] == [
        {"rule": "access.q", "change": "comes into force", "condition": None}
    ]
    assert len(second["answers"]) == 4
    assert "  while not now + 30m within" in "\n".join(found.lines())
    assert found.at(datetime(2026, 11, 23, 9, tzinfo=UTC)).allowed
    assert not found.at(datetime(2026, 11, 23, 17, tzinfo=UTC)).allowed


OFFICE = 'now within schedule "Mon-Fri 09:00-17:00 Europe/Berlin"'


def test_what_is_owed_by_a_time_that_moves_is_no_change():
    found = timeline(
        "permit p: read oblige delete_by(if now < subject.reviewed then now + 24h else subject.reviewed)"
    )
    assert [period.moment for period in found.periods] == [
        "2018-01-01T00:00:00Z",
        "2026-09-01T00:00:00Z",
    ]
    assert found.periods[1].changes[0].what == "owes something else"
    assert list(found.lines())[2] == "    owes delete_by(2018-01-02)"


def test_the_time_in_a_set_is_found_at_its_microsecond():
    found = timeline("permit p: read when now in subject.days", days=["2020-01-01", "2019-01-01"])
    assert [(period.moment, period.cases[0].answer.allowed) for period in found.periods] == [
        ("2018-01-01T00:00:00Z", False),
        ("2019-01-01T00:00:00Z", True),
        ("2019-01-01T00:00:00.000001Z", False),
        ("2020-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00.000001Z", False),
    ]
    with pytest.raises(ValueError, match="a rule compares a set with the time in it"):
        timeline("permit p: read when {now} overlaps subject.days")


def test_only_a_part_of_the_time():
    rules = "permit p: read when now < subject.reviewed"
    assert len(timeline(rules, until="2026-09-01").periods) == 1
    ended = timeline(rules, until=datetime(2026, 9, 2, tzinfo=UTC))
    assert [period.moment for period in ended.periods][1:] == ["2026-09-01T00:00:00Z"]
    assert ended.to_json()["until"] == "2026-09-02T00:00:00Z"
    with pytest.raises(ValueError, match="does not say"):
        ended.at(datetime(2026, 9, 2, tzinfo=UTC))
    with pytest.raises(ValueError, match="ends after it begins"):
        timeline(rules, until="2018-01-01")
    with pytest.raises(ValueError, match="a datetime is written like"):
        timeline(rules, until="soon")
    with pytest.raises(InvalidRequest, match="now"):
        timeline(rules, since="soon")
    assert shown(rules, since="2027-01-01")[-1] == "the answer does not change"


def test_too_many_schedules_are_refused():
    hours = (f'now within schedule "Mon 0{n}:00-0{n + 1}:00 UTC"' for n in range(6))
    with pytest.raises(ValueError, match="more than 5 conditions on schedules"):
        timeline(f"permit p: read when {' or '.join(hours)}")


def test_it_is_json():
    assert json.loads(json.dumps(timeline("permit p: read").to_json()))["periods"][0] == {
        "from": "2018-01-01T00:00:00Z",
        "changes": [],
        "answers": [
            {
                "when": [], "decision": True, "cause": "permitted", "reason": "every gate permits it",
                "rules": ["access.p"], "shut": [], "exposed": None, "masks": {}, "obligations": [],
                "referrals": [],
            }
        ],
    }  # fmt: skip


@settings(max_examples=share(30, 3))
@given(seeds.SEEDS)
def test_between_two_moments_the_answer_is_the_same(seed):
    timelines_say_what_is_decided(seed, 3)


def test_the_law_bites(monkeypatch):
    monkeypatch.setattr("policyengine.explain.answers_over_time._LAST", 1_600_000_000_000_000)
    with pytest.raises((AssertionError, ValueError), match=r"timeline|since"):
        [timelines_say_what_is_decided(seed, 3) for seed in range(20)]


def test_what_takes_too_long_to_decide_at_each_moment_is_refused(monkeypatch):
    """At each of the dates in a set, all of them are looked at."""
    rule = "permit due: read when every day in subject.days: now - day > 1d"
    days = [f"2020-01-01T00:{n:02}:00Z" for n in range(50)]
    assert timeline(rule, days=days).periods
    monkeypatch.setattr(answers_over_time, "MOST_LOOKED_AT", 50)
    with pytest.raises(ValueError, match="so many elements"):
        timeline(rule, days=days)
