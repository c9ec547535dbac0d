"""What the analysis says of schedules and months: of one schedule everything, else nothing that may be false."""

from __future__ import annotations

import pytest

from policyengine.analysis.questions import Questions
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

WORDS = """\
package p
entity User { born: datetime, kept: months, ok: bool }
action read by User on User
const opening: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
const late: schedule = schedule "Mon-Fri 18:00-19:00 Europe/Berlin"
const always: schedule = schedule "00:00-24:00 UTC"
define open_at(t: datetime) = t within opening
"""


def never_holds(condition: str) -> bool | None:
    source = Source("p", f"{WORDS}permit r: read when {condition}\n")
    checked, found = check_sources({"p": source})
    assert checked is not None, found.items
    return Questions(checked).never_holds(checked.rules[0])


@pytest.mark.parametrize(
    ("condition", "never"),
    [
        ("now within opening", False),
        ("now not within opening", False),
        ("now within opening and now not within opening", True),
        ("now within opening and not (subject.ok or now within opening)", True),
        ("now within always", False),
        ("now not within always", True),
        # From here on nothing may be claimed that is not so.
        ("now within opening and now within late", None),
        ("now within opening and now < 1969-01-01", None),
        ("now within opening and open_at(now) and not open_at(now)", None),
        ("subject.born within opening and subject.born not within opening", None),
        ("now + 1h within opening and now + 1h not within opening", None),
        ("subject.born + 18y <= now and subject.born + 18y > now", None),
        ("subject.kept > 1y and subject.kept < 1mo", True),
        ("subject.kept > 1y", False),
    ],
)
def test_what_is_known_of_schedules_and_months(condition, never):
    found = never_holds(condition)
    assert found is never or (never is None and found is False)
