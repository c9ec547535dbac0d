"""Look up how far the clocks of a time zone are from UTC, at any moment.

The data of a zone (TZif, RFC 8536) list its transitions up to some year, and give a rule for the time
after it. The rule's transitions of the next 400 years are added to the list: after those the calendar
repeats, for ever. So one bisection answers for every moment.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import cache
from struct import calcsize, unpack_from
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.model.zones import zone_data

Span: TypeAlias = tuple[int, int, int]
"""From and until when clocks are how far from UTC; all in microseconds."""

_SECOND: Final = 1_000_000
_CYCLE: Final = 146_097 * 86_400
"""Seconds after which the calendar repeats: 400 years."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
_ALWAYS: Final = 1 << 80

_HEADER: Final = ">4sc15x6l"
_TIME = r"([+-]?\d+)(?::(\d+))?(?::(\d+))?"
_RULE = re.compile(
    rf"(?:[A-Za-z]+|<[^>]+>){_TIME}(?:(?:[A-Za-z]+|<[^>]+>)(?:{_TIME})?,([^,/]+)(?:/{_TIME})?"
    rf",([^,/]+)(?:/{_TIME})?)?",
    re.ASCII,
)


class Zone(Struct, eq=False):
    """The offsets from UTC of one time zone: *offsets* from the moments in *starts* on.

    From *cycle_begins* on, everything comes again each 400 years. *last*: the span that was asked for last.
    """

    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    cycle_begins: int
    last: Span = (0, 0, 0)

    def span(self, moment: int) -> Span:
        """Return the span around *moment* in which the offset stays the same."""
        shift = max(0, (moment - self.cycle_begins) // (_CYCLE * _SECOND)) * _CYCLE * _SECOND
        at = bisect_right(self.starts, moment - shift)
        until = self.starts[at] + shift if at < len(self.starts) else _ALWAYS
        self.last = span = self.starts[at - 1] + shift, until, self.offsets[at - 1]
        return span


@cache
def zone_of(name: str) -> Zone:
    """Return the zone of that name, which is one of `zones.zone_names`."""
    moments, offsets, rule = _read(zone_data(name))
    starts, cycle_begins = [-_ALWAYS, *moments], _ALWAYS
    found = _RULE.fullmatch(rule)
    if found and found[7]:
        year = date.fromordinal(max(moments, default=0) // 86_400 + _EPOCH).year + 1
        cycle_begins = (date(year, 1, 1).toordinal() - _EPOCH) * 86_400
        for moment, offset in _transitions(found, year - 1):
            if moment > starts[-1]:
                starts.append(moment)
                offsets.append(offset)
    return Zone(
        tuple(moment * _SECOND for moment in starts),
        tuple(offset * _SECOND for offset in offsets),
        cycle_begins * _SECOND,
    )


def _read(data: bytes) -> tuple[list[int], list[int], str]:
    """Return the transitions, the offsets before the first and after each, and the rule after the last."""
    at = 0
    for width in (4, 8):  # the second part has all that the first has, and more
        _, _, utc, standard, leap, times, types, characters = unpack_from(_HEADER, data, at)
        at += calcsize(_HEADER)
        begin = at
        at += times * (width + 1) + types * 6 + characters + leap * (width + 4) + standard + utc
    moments = unpack_from(f">{times}q", data, begin)
    kinds = unpack_from(f">{times}B", data, begin + 8 * times)
    offset_of = [unpack_from(">l", data, begin + 9 * times + 6 * kind)[0] for kind in range(types)]
    offsets = [offset_of[0], *(offset_of[kind] for kind in kinds)]
    return list(moments), offsets, data[at:].strip().decode("ascii")


def _transitions(rule: re.Match[str], first_year: int) -> Iterator[tuple[int, int]]:
    """Give the transitions of 400 years and more by a rule like `CET-1CEST,M3.5.0,M10.5.0/3`."""
    parts = rule.groups()
    standard = -_seconds(parts[0:3])
    summer = -_seconds(parts[3:6]) if parts[3] else standard + 3600
    begin, end = _seconds(parts[7:10], 7200), _seconds(parts[11:14], 7200)
    for year in range(first_year, first_year + 403):
        yield from sorted(
            (
                (_day(parts[6], year) * 86_400 + begin - standard, summer),
                (_day(parts[10], year) * 86_400 + end - summer, standard),
            )
        )


def _seconds(time: tuple[str | None, ...], otherwise: int = 0) -> int:
    hours, minutes, seconds = time
    if hours is None:
        return otherwise
    size = abs(int(hours)) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return -size if hours[0] == "-" else size


def _day(written: str, year: int) -> int:
    """Return the day since 1970 of `M3.5.0` (the last Sunday of March), `J60` or `59` in a year."""
    first = date(year, 1, 1).toordinal() - _EPOCH
    if written[0] == "J":  # 29 February is not counted
        number = int(written[1:])
        leap = date(year, 12, 31).toordinal() - _EPOCH - first == 365  # noqa: PLR2004 - days of a year
        return first + number - 1 + (leap and number > 59)  # noqa: PLR2004 - until February
    if written[0] != "M":
        return first + int(written)
    month, week, weekday = map(int, written[1:].split("."))
    begin = date(year, month, 1)
    day = (weekday - begin.isoweekday()) % 7 + 7 * (week - 1)
    while True:
        try:
            return begin.replace(day=day + 1).toordinal() - _EPOCH
        except ValueError:  # the fifth is the last
            day -= 7
