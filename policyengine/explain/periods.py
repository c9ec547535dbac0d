"""Offer the answers to one request over time to integrators: as values, as JSON and as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from policyengine.explain.audiences import Line
from policyengine.model.outcome import Cause, Obligation
from policyengine.model.schedules import Schedule
from policyengine.model.types import DURATION
from policyengine.model.values import moment_text, text_of, to_datetime
from policyengine.reference.calendar import is_within

_MICROSECOND = 1_000_000
_MIDNIGHT = "T00:00:00Z"


@frozen(order=True)
class ScheduleCondition:
    """The condition that the time, and *ahead* microseconds, is within a schedule."""

    text: str
    schedule: Schedule
    ahead: int

    @classmethod
    def of(cls, schedule: Schedule, ahead: int) -> ScheduleCondition:
        """Return the condition, in words of the policy language."""
        sign = f" {'+' if ahead > 0 else '-'} {text_of(DURATION, abs(ahead))}" if ahead else ""
        return cls(f'now{sign} within schedule "{schedule}"', schedule, ahead)

    def holds(self, now: datetime) -> bool:
        """Whether it holds at the moment *now*, which has an offset from UTC."""
        since = now - to_datetime(0)
        whole = (since.days * 86_400 + since.seconds) * _MICROSECOND + since.microseconds
        return is_within(whole + self.ahead, self.schedule)


@frozen
class Answer:
    """The answer to the request: what a service acts on, with the reason as it is worded at first.

    *rules*: those that forbid, or that permit and expose; none where a gate is *shut*. *exposed*: None where no
    field gate asks. Of an obligation that follows the clock, *obligations* has the first.
    """

    allowed: bool
    cause: Cause
    reason: str
    rules: tuple[str, ...]
    shut: tuple[str, ...]
    exposed: tuple[str, ...] | None
    masks: tuple[tuple[str, str], ...]
    obligations: tuple[Obligation, ...]
    referrals: tuple[str, ...]

    if not TYPE_CHECKING:  # so that mypy reports `if answer:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError("an answer is neither true nor false: ask `answer.allowed`")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "decision": self.allowed,
            "cause": self.cause,
            "reason": self.reason,
            "rules": list(self.rules),
            "shut": list(self.shut),
            "exposed": None if self.exposed is None else list(self.exposed),
            "masks": dict(self.masks),
            "obligations": [owed.to_json() for owed in self.obligations],
            "referrals": list(self.referrals),
        }


@frozen
class Case:
    """The answer of a period while each of some conditions on schedules is, or is not, so."""

    conditions: tuple[tuple[ScheduleCondition, bool], ...]
    answer: Answer

    def applies(self, now: datetime) -> bool:
        """Whether this is the case at the moment *now*."""
        return all(condition.holds(now) is wanted for condition, wanted in self.conditions)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        when = [{"condition": c.text, "holds": wanted} for c, wanted in self.conditions]
        return {"when": when, **self.answer.to_json()}


@frozen
class Change:
    """What became of a rule, or of a *condition* of it, that changed the answer."""

    rule: str
    what: str
    condition: str | None = None

    def __str__(self) -> str:
        asked = "" if self.condition is None else f": `{self.condition}`"
        return f"{self.rule} {self.what}{asked}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"rule": self.rule, "change": self.what, "condition": self.condition}


@frozen
class Period:
    """A time in which the answer does not change, but for schedules: from *begin* to that of the next one."""

    begin: datetime
    moment: str
    changes: tuple[Change, ...]
    cases: tuple[Case, ...]

    def answer(self, now: datetime) -> Answer:
        """Return the answer at a moment of the period."""
        return next(case.answer for case in self.cases if case.applies(now))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "from": self.moment,
            "changes": [change.to_json() for change in self.changes],
            "answers": [case.to_json() for case in self.cases],
        }


@frozen
class Timeline:
    """The answers to one request over time. *until*: the moment to which was looked, None for ever."""

    periods: tuple[Period, ...]
    until: datetime | None
    policy: str

    if not TYPE_CHECKING:  # so that mypy reports `if timeline:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError("a timeline is neither true nor false: ask `timeline.at(now).allowed`")

    def at(self, now: datetime) -> Answer:
        """Return the answer at a moment; `ValueError` for one before the first period, or after the last."""
        found = [period for period in self.periods if period.begin <= now]
        if not found or (self.until is not None and now >= self.until):
            raise ValueError(f"the timeline does not say what the answer is at {now.isoformat()}")
        return found[-1].answer(now)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        until = None if self.until is None else self.until.isoformat().replace("+00:00", "Z")
        periods = [period.to_json() for period in self.periods]
        return {"policy": self.policy, "until": until, "periods": periods}

    def lines(self) -> Iterator[str]:
        """Give it as text, line by line."""
        return (line.text for line in self.toned_lines())

    def toned_lines(self) -> Iterator[Line]:
        """Give the same lines, each with what it means: for a terminal."""
        for number, period in enumerate(self.periods):
            if number:
                yield Line("")
            yield Line(f"{'from' if number else 'since'} {day_or_moment(period.moment)}", "title")
            yield from (Line(f"  {change}") for change in period.changes)
            for case in period.cases:
                yield from _case_lines(case)
        if len(self.periods) == 1:
            yield Line("")
            yield Line("the answer does not change")


def day_or_moment(moment: str) -> str:
    """Return the text of a moment; of midnight, the day."""
    return moment.removesuffix(_MIDNIGHT)


def _case_lines(case: Case) -> Iterator[Line]:
    indent = "  "
    if case.conditions:
        texts = (c.text if wanted else f"not {c.text}" for c, wanted in case.conditions)
        yield Line(f"  while {' and '.join(texts)}:")
        indent = "    "
    answer = case.answer
    verdict = "allow" if answer.allowed else "deny"
    yield Line(
        f"{indent}{verdict} ({answer.cause}): {answer.reason}",
        "allow" if answer.allowed else "deny",
    )
    parts = [*(answer.exposed or ()), *(f"{name} as {mask}" for name, mask in answer.masks)]
    if answer.allowed and answer.exposed is not None:
        yield Line(f"{indent}  shows {_listed(parts) or 'nothing'}")
    if answer.obligations:
        yield Line(f"{indent}  owes {_listed(map(str, answer.obligations))}")


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def moment_of(now: int) -> tuple[datetime, str]:
    """Return a moment as Python has it, and as text."""
    return to_datetime(now), moment_text(now)
