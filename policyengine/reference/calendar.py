"""Say what months and schedules mean, by the dates and time zones of the standard library.

These know the years 1 to 9999 and fail near their ends. The calendar repeats after 400 years, and long
before 1800 and after 2100 the rules of each zone do not change any more: a moment far away is first
brought near, by whole cycles.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from io import BytesIO
from zoneinfo import ZoneInfo

from policyengine.model.schedules import Schedule
from policyengine.model.zones import zone_data

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_CYCLE = 146_097 * _DAY
_FAR_PAST = (datetime(400, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_FAR_FUTURE = (datetime(2800, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_AHEAD = timedelta(weeks=5) // _MICROSECOND


def add_months(moment: int, months: int) -> int:
    """Return *moment* so many months later; the day is cut to the last of the month."""
    near = _near(moment)
    then = _EPOCH + near * _MICROSECOND
    cycles, month = divmod((then.year - 400) * 12 + then.month - 1 + months, 400 * 12)
    year, month = 400 + month // 12, month % 12 + 1
    day = min(then.day, monthrange(year, month)[1])
    moved = then.replace(year=year, month=month, day=day)
    return (moved - _EPOCH) // _MICROSECOND + cycles * _CYCLE + (moment - near)


def is_within(moment: int, schedule: Schedule) -> bool:
    """Whether the clock on the wall shows a time within *schedule* at *moment*."""
    wall = _wall(_near(moment), schedule.zone)
    minute = wall.hour * 60 + wall.minute
    for day, begin, end in schedule.intervals:
        today, yesterday = wall.weekday() == day, (wall.weekday() - 1) % 7 == day
        if begin < end and today and begin <= minute < end:
            return True
        if end < begin and ((today and minute >= begin) or (yesterday and minute < end)):
            return True
    return False


@lru_cache(maxsize=4_096)  # what is tried near one request asks about the same few moments
def next_turn(moment: int, schedule: Schedule) -> int:
    """Return when *schedule* opens or closes next after *moment*: within five weeks, else their end."""
    near = _near(moment)
    is_open = is_within(near, schedule)
    candidates = {*_wall_times(near, schedule), *_clock_changes(near, schedule.zone)}
    for candidate in sorted(candidates):
        if near < candidate < near + _AHEAD and is_within(candidate, schedule) != is_open:
            return moment + candidate - near
    return moment + _AHEAD


def _near(moment: int) -> int:
    """Return a moment between the years 400 and 2800 that is whole cycles away from *moment*."""
    cycles = min(0, (moment - _FAR_PAST) // _CYCLE) + max(0, (moment - _FAR_FUTURE) // _CYCLE + 1)
    return moment - cycles * _CYCLE


def _wall(moment: int, zone: str) -> datetime:
    return (_EPOCH + moment * _MICROSECOND).astimezone(_zone(zone))


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo.from_file(BytesIO(zone_data(name)), key=name)


def _wall_times(moment: int, schedule: Schedule) -> Iterator[int]:
    """Give when the clock shows that an interval begins or ends, of all days that may matter."""
    minutes = {minute for _, *interval in schedule.intervals for minute in interval}
    first = _wall(moment, schedule.zone).date() - timedelta(days=2)
    for number in range(40):
        for minute in minutes:
            yield from _moments(first + timedelta(days=number), minute, schedule.zone)


def _moments(day: date, minute: int, zone: str) -> Iterator[int]:
    """Give the moments at which the clock may show that minute of a day; it may do so twice."""
    for fold in (0, 1):
        wall = datetime.combine(day, time(), _zone(zone)) + timedelta(minutes=minute)
        yield (wall.replace(fold=fold).astimezone(UTC) - _EPOCH) // _MICROSECOND


def _clock_changes(moment: int, zone: str) -> Iterator[int]:
    """Give the moments of the next five weeks at which the clock is changed."""
    step = _DAY // 4
    for start in range(moment, moment + _AHEAD + step, step):
        low, high = start, start + step
        before = _wall(low, zone).utcoffset()
        if _wall(high, zone).utcoffset() != before:
            while high - low > 1:
                middle = (low + high) // 2
                if _wall(middle, zone).utcoffset() == before:
                    low = middle
                else:
                    high = middle
            yield high
