"""Bound the number of questions that a report asks, and say what was left out when they were used up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from policyengine.model.types import TargetKey

QUESTIONS: Final = 400_000
"""The number of questions of a report, if no other is given."""

TESTS: Final = "requests of tests"
EXAMPLES: Final = "an allowed request"
COMPARED: Final = "which answers have changed"
CONTROLS: Final = "what the controls of persons change"
CONTROLS_ELSEWHERE: Final = "what controls change in requests of further tests"
ABOUT_ME: Final = "what several controls change together"
WHAT_IF: Final = "what names and controls change together"
FACTS: Final = "what other values change"


def about_names(enumeration: str) -> str:
    """Return what is left out of the page of an enumeration."""
    return f"what the names of {enumeration} lead to"


@define(eq=False)
class ReportBudget:
    """The number of questions that may be asked, *most*: a decision is one, and the judgement of a single rule.

    No clock is asked, so a set has the same report on every machine, however busy. *lacking*: what was left out
    when the questions were used up, with the actions for which it was.
    """

    most: int = QUESTIONS
    asked: int = 0
    lacking: dict[str, dict[str, None]] = field(factory=dict)

    def spend(self, questions: int = 1) -> None:
        """Note that questions are asked."""
        self.asked += questions

    @property
    def is_spent(self) -> bool:
        """Whether nothing may be asked any more."""
        return self.asked >= self.most

    def leave_out(self, what: str, actions: Iterable[str]) -> None:
        """Note that *what* is not worked out for some actions."""
        self.lacking.setdefault(what, {}).update(dict.fromkeys(actions))

    def affordable(self, what: str, targets: Iterable[TargetKey]) -> Iterator[TargetKey]:
        """Give the targets until the questions are used up; *what* is then left out for the others."""
        left = list(targets)
        for number, target in enumerate(left):
            if self.is_spent:
                self.leave_out(what, (action for action, _, _ in left[number:]))
                return
            yield target
