"""Accounts: what determined a decision, why, and how long it holds."""

from __future__ import annotations

from typing import Any

import pytest

from policyengine.model.values import parse_datetime
from tests.calls import called
from tests.compiler.world import request, user, world
from tests.strategies import laws

GATES = 'gate a "a" field gate b "b"\n'


def decided(text: str, **changes: Any) -> Any:
    """Return a decision after comparing it with that of the reference."""
    loaded = world(text)
    asked = request(loaded, **changes)
    laws.compiled_agrees(laws.Case(None, loaded, {}, asked, 1))
    laws.compiled_holds_until(laws.Case(None, loaded, {}, asked, 1))
    return loaded.program.decide(asked)


def numbered(count: int, written: str) -> str:
    """Return *count* rules of which each says its number."""
    return "\n".join(written.format(number) for number in range(1_000, 1_000 + count))


@pytest.mark.parametrize(
    ("count", "more"), [(9, ""), (10, ""), (11, "; and 1 more"), (1_015, "; and 1,005 more")]
)
@pytest.mark.parametrize(
    "written",
    [
        'permit p{0}: act when subject.age > 99 otherwise "{0}"',
        'permit p{0}: act when subject.ok forbid f{0}: act when subject.ok because "{0}"',
    ],
)
def test_a_reason_tells_ten_texts_at_most_and_how_many_come_after(count, more, written):
    decision = decided(numbered(count, written))
    expected = "; ".join(str(number) for number in range(1_000, 1_000 + min(count, 10)))
    assert decision.reason == expected + more
    assert len(decision.rules) == count


def test_equal_texts_count_once_until_a_reason_is_full():
    same = numbered(20, 'permit a{0}: act when subject.age > 99 otherwise "no"\n')
    others = numbered(11, 'permit p{0}: act when subject.age > 99 otherwise "{0}"')
    expected = "no; 1000; 1001; 1002; 1003; 1004; 1005; 1006; 1007; 1008; and 2 more"
    assert decided(same + others).reason == expected


@pytest.mark.parametrize(
    ("text", "cause", "rules", "reason"),
    [
        ("permit p: act", "permitted", ["p"], "every gate permits it"),
        (
            (
                'permit p: act because "b" permit o: act because "a {subject.age}" permit n: act '
                "when not subject.ok"
            ),
            "permitted",
            ["o", "p"],
            "a 30",
        ),
        ("permit p: act forbid f: act", "forbidden", ["f"], "`access.f` forbids it"),
        (
            (
                'permit p: act forbid f: act because "no" forbid e: act because "no" '
                'forbid g: act when subject.age > 99 forbid h: act because "{subject.name}"'
            ),
            "forbidden",
            ["e", "f", "h"],
            "no; Ada",
        ),
        (
            "forbid f: act when not subject.ok",
            "not_permitted",
            [],
            "no rule of `access` permits `act`",
        ),
        (
            (
                'permit p: act when not subject.ok otherwise "{subject} is not ok"\n'
                "permit o: act when subject.ok and subject.age > 40 and not subject.ok"
            ),
            "not_permitted",
            ["o", "p"],
            'your age is 30; it must be above 40; User "u1" is not ok',
        ),
        *(
            (f"permit p: act when {condition}", "not_permitted", ["p"], reason)
            for condition, reason in (
                ('subject.name endswith "z"', "your name is Ada; it must end with z"),
                (
                    'subject.name not startswith "A"',
                    "your name is Ada; it must not start with A",
                ),
                ('subject.name contains "z"', "your name is Ada; it must contain z"),
                ('not (subject.name contains "d")', "your name is Ada; it must not contain d"),
                ('lower(subject.name) == "z"', "your name in lower case is ada; it must be z"),
                ("size(subject.name) > 9", "the length of your name is 3; it must be above 9"),
                ("subject.age not in {30}", "your age is 30; it must not be one of {30}"),
                ('subject.name not like "A*"', 'your name is Ada; it must not match "A*"'),
                ('not (subject.name not like "z*")', 'your name is Ada; it must match "z*"'),
                ('not subject.name like "A*"', 'your name is Ada; it must not match "A*"'),
            )
        ),
        (
            "permit p: act until 2020-01-01",
            "not_permitted",
            [],
            "no rule of `access` permits `act`",
        ),
        (
            'permit p: act when not subject.ok otherwise "{if subject.ok then {1, 2} else {3}}"',
            "not_permitted",
            ["p"],
            "{1, 2}",
        ),
    ],
)
def test_rules_and_reasons(text: str, cause: str, rules: list[str], reason: str):
    decision = decided(text)
    assert decision.cause == cause
    assert decision.rules == tuple(f"access.{name}" for name in rules)
    assert decision.reason == reason
    assert decision.gates == {"access": cause in ("permitted", "forbidden")}


def test_each_gate_that_is_shut_says_why():
    text = GATES + (
        'gate a { permit p: act when not subject.ok otherwise "not ok" }'
        'gate b { expose e: act fields age permit q: act when subject.age < 3 otherwise "old" }'
    )
    decision = decided(text)
    assert decision.reason == "not ok; old"
    assert decision.gates == {"a": False, "b": False}
    assert decision.rules == ("a.p", "b.q")
    assert decision.exposed == frozenset()


def test_a_gate_that_lacks_only_fields_says_which():
    text = (
        GATES
        + "gate a { permit p: act } gate b { permit q: act fields id permit r: act fields age }"
    )
    assert decided(text, fields=["age", "id"]).allowed
    decision = decided(text, fields=["tier", "name", "id"])
    assert decision.reason == "`b` does not expose name, tier"
    assert (decision.cause, decision.rules) == ("not_permitted", ("b.q", "b.r"))


def test_only_those_refer_who_determine_a_deny():
    text = """permit p: act when not subject.ok refer "one {subject.age}"
        permit q: act when not subject.ok refer "one 30"
        permit r: act when subject.age > 99 refer "another"
        advisory permit s: act when subject.age > 99 refer "none"
        forbid f: act when subject.age > 99 refer "none" """
    assert decided(text).referrals == ("another", "one 30")
    assert decided(text, subject=user(age=100)).referrals == ("none",)
    assert decided(text, subject=user(ok=False)).referrals == ()


WAIVED = """
permit p: act when not subject.ok waivable oblige keep(if subject.ok then 1d else 2d)
permit q: act when subject.age > 40
waiver v of p for User "u1" until 2026-03-01 ticket "T" approved_by "B"
waiver u of p for User "u1" until 2026-06-01 ticket "T" approved_by "B"
waiver w of p for User "u9" until 2026-06-01 ticket "T" approved_by "B"
"""


def test_waivers_matter_where_nothing_else_opens_the_gate():
    decision = decided(WAIVED)
    assert (decision.allowed, decision.waivers) == (True, ("u", "v"))
    assert decision._until() == parse_datetime("2026-03-01")
    assert [str(o) for o in decision.obligations] == ["keep(24h)"]
    assert decided(WAIVED, now="2026-04-01").waivers == ("u",)
    assert decided(WAIVED, subject=user(age=50)).waivers == ()
    assert decided(WAIVED, subject=user(ok=False)).waivers == ()
    assert not decided(WAIVED, now="2026-06-01").allowed


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("permit p: act", None),
        ("permit p: act from 2020-01-01", None),
        ("permit p: act from 2027-01-01", "2027-01-01"),
        ("permit p: act until 2027-01-01", "2027-01-01"),
        ("advisory permit p: act until 2027-01-01", None),
        ("permit p: act when now < context.when", "2026-03-01"),
        ("permit p: act when now - subject.since <= 31d", "2026-02-01T00:00:00.000001Z"),
        ("permit p: act when (now - subject.since) * 2 < 100d", "2026-02-20"),
        ("permit p: act when now > context.when", "2026-03-01T00:00:00.000001Z"),
        ("permit p: act when subject.age > 99 and now < context.when", None),
        ("permit p: act until 2026-01-01 when now < context.when", None),
        ("permit p: act oblige keep(now - subject.since)", "2026-02-01T00:00:00.000001Z"),
        ("permit p: act when not subject.ok oblige keep(now - subject.since)", None),
        ('permit p: act when not subject.ok refer "{now}"', "2026-02-01T00:00:00.000001Z"),
        ('permit p: act refer "{now}"', None),
        ('permit p: act because "{now}"', None),
    ],
)
def test_how_long_a_decision_holds(text: str, until: str | None):
    expected = None if until is None else parse_datetime(until)
    decision = decided(text)
    assert decision._until() == expected
    assert decision.outcome.cause  # which makes its details
    assert decision._until() == expected


def test_when_conditions_turn_is_asked_once_for_all_rules():
    text = """permit p: act when subject.since + 1y <= now
        permit q: act when subject.since + 1y <= now and subject.ok
        forbid f: act when now > context.when
        forbid g: act from 2027-01-01 when subject.since + 2y <= now
        advisory permit h: act when subject.since + 3y <= now"""
    decision = decided(text)
    decision.valid_until  # noqa: B018 - which makes the function
    again = world(text).program.decide(request(world(text)))
    asked = called(lambda: again.valid_until)
    assert again.valid_until == decision.valid_until
    assert [name for name in asked if name == "turning" or name.startswith("turns")] == ["turning"]
    assert "make_details" not in asked
    assert asked.count("add_months") == 1  # what several conditions compute is computed once


def test_an_account_is_kept():
    loaded = world("permit p: act")
    details = loaded.program.decide(request(loaded))._worked_out().details
    assert details.case is details.case


def test_a_rule_on_trial_needs_nothing_of_a_request():
    text = "permit p: act advisory forbid f: act when subject.age > 3 and resource.ok"
    ada = user()
    assert decided(text).advisories[0].outcome == "satisfied"
    del ada["properties"]["age"]
    assert decided(text, subject=ada).advisories[0].outcome == "unknown"
    assert decided(text, subject=ada).allowed
