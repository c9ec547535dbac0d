"""Find intervals of a schedule that have no days, after one that has."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.model.schedules import Schedule, times_without_days
from policyengine.syntax import nodes
from policyengine.syntax.node import walk


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each schedule in which days seem to be left out."""
    for file in subject.files:
        for node in walk(file):
            match node:
                case nodes.Literal("schedule", Schedule() as schedule):
                    times = times_without_days(schedule)
                    if times:
                        yield warning(
                            "PE438", node.span, f"`{times}` is on every day, whatever days are before it",
                            f"write its days, or `Mon-Sun {times}`",
                        )  # fmt: skip


_WORDS = """\
package docs
entity User
action read by User on User
"""

RULE = LintRule(
    Code(
        "PE438", "every-day-interval", "An interval without days after one that has some.",
        "Days are not carried on from one interval to the next: without days it is every day, Sundays included.",
        _WORDS + 'permit p: read when now within schedule "Mon-Fri 09:00-12:00, 13:00-17:00 UTC"\n',
        _WORDS + 'permit p: read when now within schedule "Mon-Fri 09:00-12:00, Mon-Fri 13:00-17:00 UTC"\n',
    ),
    find,
)  # fmt: skip
