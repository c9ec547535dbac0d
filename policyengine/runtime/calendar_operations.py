"""Do what depends on the calendar: months, and weekly schedules in time zones."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import Final

from policyengine.model.schedules import DAY, FIVE_WEEKS, WEEK, Schedule
from policyengine.runtime.time_zones import zone_of

_MONDAY: Final = 3 * DAY
"""From Monday to the first day of 1970, a Thursday."""

_LENGTHS: Final = (31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28)
"""The days of each month, beginning with March."""

_DAYS_BEFORE_1970: Final = 719_468
"""Days from the first of March of the year 0 on."""

_DAYS_OF_ERA: Final = 146_097
"""The days of 400 years."""

_FEBRUARY: Final = 11


def within_schedule(moment: int, schedule: Schedule) -> bool:
    """Whether the clocks in the zone of *schedule* show a time within it at *moment*."""
    zone = zone_of(schedule.zone)
    first, until, offset = zone.last
    if not first <= moment < until:
        _, _, offset = zone.span(moment)
    return bisect_right(schedule.ends, (moment + offset + _MONDAY) % WEEK) & 1 == 1


def next_turn(moment: int, schedule: Schedule) -> int:
    """Return the first moment after *moment* at which the schedule opens or closes, or five weeks later."""
    zone, ends = zone_of(schedule.zone), schedule.ends
    is_open, at, last = within_schedule(moment, schedule), moment, moment + FIVE_WEEKS
    while at < last:
        _, until, offset = zone.span(at)
        shown = (at + offset + _MONDAY) % WEEK
        following = bisect_right(ends, shown)
        after = (ends[following] if following < len(ends) else WEEK) - shown
        at = min(until, at + after)
        if within_schedule(at, schedule) != is_open:
            return min(at, last)
    return last


def watch_schedule(moment: int, schedule: Schedule, now: int, turns: list[int]) -> bool:
    """Return the same as `within_schedule`; note in *turns* when that changes, if *moment* goes with *now*."""
    turns.append(now - moment + next_turn(moment, schedule))
    return within_schedule(moment, schedule)


def add_months(moment: int, months: int) -> int:
    """Return *moment* so many months later, the day cut to the last of the month."""
    days, time = divmod(moment, DAY)
    return _day_later(days, months) * DAY + time


@lru_cache(maxsize=4_096)  # a service asks about the same days of birth and of review again
def _day_later(days: int, months: int) -> int:
    era, day = divmod(days + _DAYS_BEFORE_1970, _DAYS_OF_ERA)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year, month = divmod((400 * era + year) * 12 + month + months, 12)
    leap = (
        month == _FEBRUARY
        and (year + 1) % 4 == 0
        and ((year + 1) % 100 != 0 or (year + 1) % 400 == 0)
    )
    day = min(day, _LENGTHS[month] - 1 + leap)
    era, year = divmod(year, 400)
    day += 365 * year + year // 4 - year // 100 + (153 * month + 2) // 5
    return era * _DAYS_OF_ERA + day - _DAYS_BEFORE_1970
