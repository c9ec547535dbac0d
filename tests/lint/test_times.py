"""Slips with months and schedules that lint knows."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.linter import lint
from policyengine.pipeline import check_sources

WORDS = """\
package docs
entity User { born: datetime, seen: datetime }
action read by User on User
define age_of(u: User) = now - u.born
"""


def found(text: str, slug: str) -> list[str]:
    source = Source("a.policy", WORDS + text)
    checked, diagnostics = check_sources({"a.policy": source})
    assert checked is not None, diagnostics.items
    items = lint(checked, Configuration(frozenset({slug})), now=0).items
    return [source.text[d.span.start : d.span.end] for d in items]


@pytest.mark.parametrize(
    ("rules", "slips"),
    [
        ("permit p: any when now - subject.seen < 15m", []),
        ("permit p: any when subject.seen + 6m > now", []),
        ("permit p: any when subject.seen + 6m > now and subject.born + 18y < now", []),
        ("permit p: any when subject.seen + 6m > now permit q: any when subject.seen + 1y > now", ["6m"]),
        ("permit p: any when subject.seen - 6m > now permit q: any when now - subject.seen > 30d", ["6m"]),
        ("permit p: any when now - subject.seen > 6m permit q: any when subject.seen - 2d < now", ["6m"]),
        ("permit p: any when subject.seen + 360s > now permit q: any when subject.seen + 1y > now", []),
        ("permit p: any when subject.seen + 6m30s > now permit q: any when subject.seen + 1y > now", []),
        (("permit p: any when subject.born + 18m < now\n"
         'test "t" { expect deny read by User "u" { born: 2001-01-01 } on User "u" }'), ["18m"]),
        (("permit p: any when subject.born + 18m < now\n"
         'test "t" { expect deny read by User "u" { born: 2001-01-01T10:00:00Z } on User "u" }'), []),
    ],
)  # fmt: skip
def test_minutes_for_months(rules, slips):
    assert found(rules, "minutes-for-months") == slips


@pytest.mark.parametrize(
    ("schedule", "count"),
    [
        ("09:00-12:00, 13:00-17:00 UTC", 0),
        ("Mon 09:00-12:00, Mon 13:00-17:00 UTC", 0),
        ("09:00-12:00, Mon 13:00-17:00 UTC", 0),
        ("Mon 09:00-12:00, 13:00-17:00 UTC", 1),
        ("Mon 09:00-12:00, 13:00-17:00, 18:00-19:00 UTC", 1),
    ],
)
def test_days_are_not_carried_on(schedule, count):
    text = f'const hours: schedule = schedule "{schedule}"\npermit p: any when now within hours'
    assert len(found(text, "every-day-interval")) == count
