"""Until when a decision holds: dates, waivers, and every comparison with the time."""

from __future__ import annotations

import pytest

from policyengine.model.values import from_datetime, parse_datetime, parse_duration
from policyengine.reference.interpreter import valid_until
from policyengine.reference.moving import Clock
from tests.strategies.loading import load

VOCABULARY = """
package p
entity User { joined: datetime, waits: duration, dates: set<datetime>, ok: bool }
obligation due(moment: datetime)
obligation within_time(span: duration)
action read by User on User
define age(u: User) = now - u.joined
"""

NOW = "2026-06-01"


def until(rules, now=NOW):
    loaded = load({"p": VOCABULARY + rules})
    properties = {"joined": "2026-01-01", "waits": "1d", "dates": ["2026-03-01"], "ok": True}
    subject = {"type": "User", "id": "u", "properties": properties}
    request = loaded.request(subject=subject, action="read", resource=subject, now=now)
    compiled = loaded.program.decide(request).valid_until
    found = valid_until(loaded.checked, request)
    assert found == (None if compiled is None else from_datetime(compiled))
    return found


def day(text):
    return parse_datetime(text)


JUST_AFTER = day(NOW) + 1


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("permit a: any when subject.ok", None),
        ("permit a: any from 2026-07-01", day("2026-07-01")),
        ("permit a: any from 2026-01-01", None),
        ("permit a: any until 2026-07-01", day("2026-07-01")),
        ("permit a: any until 2026-01-01", None),
        ("permit a: any from 2026-05-01 until 2026-07-01", day("2026-07-01")),
        ("permit a: any from 2026-07-01 until 2026-08-01 forbid b: any until 2026-07-15",
         day("2026-07-01")),
        ("permit a: any when now < 2026-07-01", day("2026-07-01")),
        ("permit a: any when 2026-07-01 >= now", day("2026-07-01") + 1),
        ("permit a: any when now > 2026-05-01", None),
        ("permit a: any when now == 2026-06-01", JUST_AFTER),
        ("permit a: any when now >= 2026-06-01", None),
        ("permit a: any when now < 2026-06-01", None),
        ("permit a: any when now <= 2026-06-01", JUST_AFTER),
        ("permit a: any when now > 2026-06-01", JUST_AFTER),
        ("permit a: any when now > 2026-07-01", day("2026-07-01") + 1),
        ("permit a: any when 2 * (now - 2026-06-01) == 1us", None),
        ("permit a: any when 2 * (now - 2026-06-01) == 2us", JUST_AFTER),
        ("permit a: any when now != 2026-06-02", day("2026-06-02")),
        ("permit a: any when now - subject.joined < 365d", day("2027-01-01")),
        ("permit a: any when age(subject) < 365d", day("2027-01-01")),
        ("permit a: any when subject.joined - now > -365d", day("2027-01-01")),
        ("permit a: any when now + 1d < 2026-07-01", day("2026-06-30")),
        ("permit a: any when (now - 2d) + 1d < 2026-07-01", day("2026-07-02")),
        ("permit a: any when 2 * (now - subject.joined) < 730d", day("2027-01-01")),
        ("permit a: any when (now - subject.joined) * 3 < 1095d", day("2027-01-01")),
        ("permit a: any when -(now - subject.joined) < subject.waits", None),
        ("permit a: any when now - now < 1d", None),
        ("permit a: any when now in subject.dates", JUST_AFTER),
        ("permit a: any when {now} == subject.dates", JUST_AFTER),
        ("permit a: any when some d in {now}: d < 2027-01-01", JUST_AFTER),
        ("permit a: any when if subject.ok then true else now < 2026-07-01", None),
        ("permit a: any when subject.ok or now < 2026-07-01", None),
        ("permit a: any oblige due(now + 1d)", JUST_AFTER),
        ("permit a: any oblige due(subject.joined)", None),
        ("permit a: any oblige due(if now < 2026-07-01 then subject.joined else 2026-05-01)",
         day("2026-07-01")),
        ("permit a: any oblige due(if now < 2026-07-01 then subject.joined else now)",
         day("2026-07-01")),
        ("permit a: any oblige due(if now < 2026-05-01 then subject.joined else now)", JUST_AFTER),
        ("permit a: any oblige due(if subject.ok or now < 2026-07-01 then subject.joined else now)",
         None),
        ("permit a: any oblige within_time((if now < 2026-07-01 then 1d else 2d) + subject.waits)",
         day("2026-07-01")),
        ("permit a: any oblige within_time(now - subject.joined)", JUST_AFTER),
        ('permit a: any when not subject.ok refer "{if now < 2026-07-01 then 1d else 2d}"',
         day("2026-07-01")),
        ('permit a: any because "{now}"', None),
        ('permit a: any permit b: any when not subject.ok otherwise "{now}"', None),
        ('permit a: any when not subject.ok refer "since {now}"', JUST_AFTER),
        ("permit a: any advisory forbid b: any when now < 2026-07-01", None),
        ("permit a: any advisory forbid b: any until 2026-07-01", None),
        ("permit a: any waivable " + 'waiver w of a for User "u" until 2026-07-01'
         ' ticket "T" approved_by "B"', day("2026-07-01")),
        ("permit a: any waivable " + 'waiver w of a for User "v" until 2026-07-01'
         ' ticket "T" approved_by "B"', None),
    ],
)  # fmt: skip
def test_valid_until(rules, expected):
    assert until(rules) == expected


def test_a_moving_number_is_an_ordinary_number_that_grows():
    clock = Clock(100)
    now = clock.moving()
    values = [now, now + 5, 5 + now, now - 5, 5 - now, -now, now * 2, 2 * now, now - now]
    assert [int(v) for v in values] == [100, 105, 105, 95, -95, -100, 200, 200, 0]
    assert [v.slope for v in values] == [1, 1, 1, 1, -1, -1, 2, 2, 0]
    assert clock.turns == []


def test_the_turn_of_a_comparison_is_where_its_sign_changes():
    for op in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
        clock = Clock(100)
        assert getattr(clock.moving() * 3, op)(310) is getattr(300, op)(310)
        assert clock.turns == ([104] if op not in ("__eq__", "__ne__") else [])
        assert getattr(clock.moving() * 3, op)(309) is getattr(300, op)(309)
        assert clock.turns[-1] == (104 if op in ("__gt__", "__le__") else 103)
    clock = Clock(100)
    assert clock.moving() != "100"
    assert clock.turns == []


def test_a_day_is_a_day():
    assert parse_duration("1d") == 86_400_000_000
