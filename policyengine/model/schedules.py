"""Define weekly schedules: `Mon-Fri 09:00-17:00, Sat 10:00-14:00 Europe/Berlin`.

An interval belongs to the day on which it begins, and may end on the next. It is half-open; intervals
are united. The clock on the wall of the zone decides, so changes of the clock need no choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.concurrency import cached_property

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

MINUTE: Final = 60_000_000
DAY: Final = 24 * 60 * MINUTE
WEEK: Final = 7 * DAY
FIVE_WEEKS: Final = 5 * WEEK
"""How far ahead the next opening or closing is looked for."""

Interval: TypeAlias = tuple[int, int, int]
"""The day on which it begins (0 is Monday), and the minutes of the day from and until which it lasts."""

_FORM: Final = "a schedule is written like `Mon-Fri 09:00-17:00, Sat 10:00-14:00 Europe/Berlin`"
_TIMES = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_LIKE_TIMES = re.compile(r"\d[\d:.h]*(?:-[\d:.h]*)?", re.ASCII)
_MIDNIGHT: Final = 24 * 60
_LAST_MINUTE: Final = 59
_MOST_INTERVALS: Final = 100


class ScheduleError(ValueError):
    """A text that is no schedule, since *part* of it is wrong."""

    def __init__(self, message: str, part: str, help: str) -> None:
        super().__init__(message)
        self.part = part
        self.help = help


class Schedule(Struct, frozen=True, dict=True, cache_hash=True):
    """The opening hours of a week in a time zone, as *text* says, with single spaces."""

    text: str
    zone: str
    intervals: tuple[Interval, ...]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read a schedule; `ScheduleError` says what is wrong. Whether there is such a zone is checked later."""
        for character in text:
            if not (character.isascii() and character.isprintable()):
                message = f"the character U+{ord(character):04X} is in no schedule"
                raise ScheduleError(message, character, _FORM)
        *given, zone = text.split() or [""]
        if not zone:
            raise ScheduleError("a schedule is not empty", text, _FORM)
        if _LIKE_TIMES.fullmatch(zone.rstrip(",")) or zone.endswith(","):
            raise ScheduleError("a schedule ends with its time zone", zone, _FORM)
        items = _items(" ".join(given))
        if len(items) > _MOST_INTERVALS:
            message = f"a schedule has at most {_MOST_INTERVALS} intervals between commas"
            raise ScheduleError(message, "", "unite some")
        intervals = tuple(interval for item in items for interval in _read(item.split()))
        return cls(" ".join(text.split()), zone, intervals)

    def __str__(self) -> str:
        return self.text

    @property
    def items(self) -> list[str]:
        """The days and times between commas, as they are written."""
        return _items(self.text.removesuffix(self.zone))

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The microseconds of the week at which it opens and closes, in turn, beginning on Monday."""
        spans: list[tuple[int, int]] = []
        for day, begin, end in self.intervals:
            first = day * DAY + begin * MINUTE
            last = day * DAY + end * MINUTE + (DAY if end < begin else 0)
            spans += [(first, min(last, WEEK))] + [(0, last - WEEK)] * (last > WEEK)
        ends: list[int] = []
        for first, last in sorted(spans):
            if ends and first <= ends[-1]:
                ends[-1] = max(ends[-1], last)
            else:
                ends += [first, last]
        return tuple(ends)


def _items(text: str) -> list[str]:
    return [" ".join(item.split()) for item in text.split(",")]


def days_of(text: str) -> tuple[int, ...] | None:
    """Return the days of `Mon` or `Sat-Mon`; None if it is neither."""
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        return None
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return tuple(day % 7 for day in range(begin, end + 1 + 7 * (end < begin)))


def _read(item: list[str]) -> Iterator[Interval]:
    """Give the intervals of what stands between two commas."""
    if not item:
        raise ScheduleError("between two commas of a schedule there are days and times", "", _FORM)
    *days, times = item
    if days_of(times) is not None:
        help = "days of one interval have spaces between them: `Mon Wed 09:00-17:00`"
        raise ScheduleError(f"`{' '.join(item)}` has no times", times, help)
    if "/" in times or times == "UTC":
        raise ScheduleError("the time zone of a schedule comes last, once", times, _FORM)
    begin, end = _times(times)
    for word in days or ["Mon-Sun"]:
        found = days_of(word)
        if found is None:
            raise ScheduleError(f"`{word}` is no day", word, f"days are {_listed()}")
        if "-" in word and len(found) == 1:
            raise ScheduleError(f"`{word}` is one day", word, f"write `{word[:3]}`, or `Mon-Sun`")
        for day in found:
            yield day, begin, end


def _times(text: str) -> tuple[int, int]:
    """Return the minutes of the day at which an interval begins and ends."""
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ScheduleError(f"`{text}` are no times of day", text, "times are like `09:00-17:00`")
    begin_hour, begin_minute, end_hour, end_minute = map(int, match.groups())
    begin, end = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute
    if max(begin_minute, end_minute) > _LAST_MINUTE or end > _MIDNIGHT or begin >= _MIDNIGHT:
        help = "a day begins at `00:00` and ends at `24:00`"
        raise ScheduleError(f"there are no such times of day: `{text}`", text, help)
    if begin == end:
        help = "a whole day is `00:00-24:00`"
        raise ScheduleError(f"`{text}` ends when it begins", text, help)
    return begin, end


def _listed() -> str:
    return ", ".join(f"`{day}`" for day in DAYS)


def times_without_days(schedule: Schedule) -> str | None:
    """Return the times of an item without days after one that has some; None if there is none."""
    for before, item in pairwise(schedule.items):
        if " " in before and " " not in item:
            return item
    return None
