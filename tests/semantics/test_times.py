"""Schedules and months as authors get them wrong: each has a code, a place and advice."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

WORDS = """\
package p
entity User { born: datetime, kept: months, waits: duration, dates: set<datetime>, ok: bool }
action read by User on User
const opening: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
define later(t: datetime) = t + 6mo
define open_at(t: datetime) = t within opening
define cut(t: datetime) = later(t) > 2026-01-01
define moved(t: datetime, d: duration) = t + d
define among(dates: set<datetime>) = some d in dates: d + 1mo > 2026-01-01
define unused(t: datetime) = true
define either(b: bool, u: User) = (if b then u.born else 2026-01-01) + 1y > 2026-01-01
define at_noon(s: schedule) = 2026-01-01T12:00:00Z within s
"""


def found_in(text: str, words: str = WORDS):
    checked, found = check_sources({"p": Source("p", words + text)})
    assert (checked is None) == any(d.code for d in found.errors)
    return [
        (d.code, (words + text)[d.span.start : d.span.end], d.message, d.help) for d in found.errors
    ]


GOOD = [
    "subject.born + 18y > now",
    "now < subject.born + subject.kept",
    "subject.born - subject.kept <= now",
    "later(subject.born) > now",
    "cut(subject.born + 1d)",
    "subject.kept > 6mo",
    "subject.kept == -6mo",
    "-subject.kept < 0mo",
    "subject.born + (if now > 2026-01-01 then 1mo else 2mo) > now",
    "unused(now) and subject.born + 1mo + 1d > now",
    "among(subject.dates)",
    "some d in subject.dates: d + 1y > now",
    "now within opening",
    "now + 1h within opening",
    "(now - 1h) + subject.waits within opening",
    "moved(now, 1h) within opening",
    "open_at(now) and open_at(now - 8h) and open_at(subject.born + 1mo)",
    "subject.born within opening",
    "not (now within opening) and now not within opening",
    'now within (if subject.ok then opening else schedule "Sun 10:00-12:00 UTC")',
    'at_noon(opening) or at_noon(schedule "00:00-24:00 UTC")',
    "either(subject.ok, subject)",
    "{1mo, 12mo} == {1y, 1mo}",
]  # fmt: skip


@pytest.mark.parametrize("condition", GOOD)
def test_what_may_be_written(condition):
    assert found_in(f"permit r: any when {condition}") == []


ON_CLOCK = [
    ("now - 6mo < subject.born", "now - 6mo"),
    ("now + subject.kept > subject.born", "now + subject.kept"),
    ("(now + 1d) - 6mo < subject.born", "(now + 1d) - 6mo"),
    ("subject.born + (now - subject.born) + 1mo > now", "subject.born + (now - subject.born) + 1mo"),
    ("(if now > subject.born then subject.born else 2026-01-01) + 1mo > now",
     "(if now > subject.born then subject.born else 2026-01-01) + 1mo"),
    ("later(now) > subject.born", "now"),
    ("cut(now - 1d)", "now - 1d"),
    ("later(moved(subject.born, now - subject.born)) > now",
     "moved(subject.born, now - subject.born)"),
    ("among({now})", "{now}"),
    ("either(now > 2026-01-01, subject)", "now > 2026-01-01"),
    ("some d in {now, subject.born}: d + 1mo > now", "d + 1mo"),
    ("{a: now}.a + 1mo > subject.born", "{a: now}.a + 1mo"),
    ("subject.born + 1mo + (now - subject.born) + 1mo > now",
     "subject.born + 1mo + (now - subject.born) + 1mo"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "place"), ON_CLOCK)
def test_months_are_not_added_to_what_reads_now(condition, place):
    [(code, where, _, help)] = found_in(f"permit r: any when {condition}")
    assert (code, where) == ("PE342", place)
    assert "which is the same but for the ends of months" in help


@pytest.mark.parametrize(
    ("condition", "instead"),
    [
        ("now - 6mo < subject.born", "now < subject.born + 6mo"),
        ("subject.born > now - 18y", "subject.born + 18y > now"),
        ("2026-01-31 >= now + 1mo", "2026-01-31 - 1mo >= now"),
        ("now + subject.kept == subject.born", "now == subject.born - subject.kept"),
    ],
)
def test_instead_the_months_are_added_to_the_other_side(condition, instead):
    [(*_, help)] = found_in(f"permit r: any when {condition}")
    assert help == f"write `{instead}`, which is the same but for the ends of months"
    assert found_in(f"permit r: any when {instead}") == []


def test_without_another_side_the_help_is_general():
    [(*_, help)] = found_in("permit r: any when later(now) > subject.born")
    assert "instead of `now - 6mo < x` write `x + 6mo > now`" in help


def test_months_on_now_are_found_in_definitions_obligations_and_texts():
    for text, place in (
        ("define bad() = now + 1mo permit r: any when bad() > 2026-01-01", "now + 1mo"),
        ("obligation due(day: datetime) permit r: any oblige due(now + 1mo)", "now + 1mo"),
        ('permit r: any because "{now + 1mo}"', "now + 1mo"),
        ("invariant i: never allow any when now + 1mo > 2026-01-01", "now + 1mo"),
        ("permit r: any advisory permit s: any when now + 1mo > 2026-01-01", "now + 1mo"),
    ):
        assert [(code, where) for code, where, *_ in found_in(text)] == [("PE342", place)]


UNSTEADY = [
    ("(if subject.ok then now else subject.born) within opening",
     "if subject.ok then now else subject.born"),
    ("open_at(if subject.ok then now else now)", "if subject.ok then now else now"),
    ("subject.born + (now - subject.born) within opening", "subject.born + (now - subject.born"),
    ("some d in {now}: d within opening", "d"),
    ("{a: now}.a within opening", "{a: now}.a"),
    ("open_at(moved(subject.born, now - subject.born))", "moved(subject.born, now - subject.born"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "place"), UNSTEADY)
def test_what_is_before_a_schedule_goes_with_the_clock(condition, place):
    [(code, where, _, _)] = found_in(f"permit r: any when {condition}")
    assert (code, where.strip("()")) == ("PE341", place)


@pytest.mark.parametrize(
    ("declaration", "code"),
    [
        ("entity A { opening: schedule }", "PE340"),
        ("entity A { openings: set<schedule> }", "PE340"),
        ("entity A { a: { b?: schedule } }", "PE340"),
        ("action act by User on User with { opening: schedule }", "PE340"),
        ("group g having { opening: schedule }", "PE340"),
        ("obligation o(opening: schedule)", "PE340"),
        ("const many: set<schedule> = {}", "PE340"),
        ("define f(many: set<schedule>) = true", "PE340"),
        ("define f() = now within {opening}", "PE340"),
        ("define f() = now within {a: opening}.a", "PE340"),
        ("define f() = opening == opening", "PE306"),
        ("define f() = opening != opening", "PE306"),
        ("define f() = opening < opening", "PE306"),
        ("define f() = opening in {opening}", "PE340"),
        ("define f() = 1d within opening", "PE306"),
        ("define f() = {now} within opening", "PE306"),
        ("define f() = opening within opening", "PE306"),
        ("define f() = opening within now", "PE306"),
        ("define f() = schedule", "PE201"),
        ("define f() = opening.zone", "PE305"),
        ("define f() = opening", ""),
        ("entity schedule", "PE213"),
        ("enum months = ab | cd", "PE213"),
        ("taxonomy schedule { ab }", "PE213"),
        ("define f() = 1mo + 1d", "PE306"),
        ("define f() = 1d + 1mo", "PE306"),
        ("define f() = 1mo + 1mo", "PE306"),
        ("define f() = 2 * 1mo", "PE306"),
        ("define f() = 1mo + 2026-01-01", "PE306"),
        ("define f() = 1mo < 30d", "PE303"),
        ("define f(u: User) = now - u.born > 18y", "PE303"),
        ("define f() = 12", ""),
        ("const c: months = 30d", "PE305"),
        ("const c: duration = 1mo", "PE305"),
        ("const c: months = 10001y", "PE120"),
        ("const c: months = 6mo1y", "PE120"),
        ("const c: months = 1y1d", "PE120"),
        ("const c: months = 1.5y", "PE120"),
        ("const c: months = 01y", "PE120"),
        ("const c: months = 1mo1mo", "PE120"),
    ],
)
def test_where_schedules_and_months_cannot_be(declaration, code):
    assert [found[0] for found in found_in(declaration)] == ([code] if code else [])
