"""Turn a comparison of a computed number into one of the number itself.

A set of whole numbers is given as ranges. Of `resource.due + 3mo < now` it is asked for which `due` the
sum is in the set: that is another set of ranges, whose ends are known. Sums need no 64 bits for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from policyengine.model.schedules import DAY
from policyengine.runtime.calendar_operations import add_months

Range: TypeAlias = tuple[int | None, int | None]
"""All numbers from the first, without the last; None: without an end."""

Ranges: TypeAlias = tuple[Range, ...]
"""Ranges in order, with numbers between them that are in none."""

_NEAR: Final = 4
"""The days by which going back and forth by months may differ, at most."""


def comparing(op: str, number: int) -> Ranges:
    """Return the numbers that compare so with *number*."""
    match op:
        case "==":
            return ((number, number + 1),)
        case "!=":
            return ((None, number), (number + 1, None))
        case "<":
            return ((None, number),)
        case "<=":
            return ((None, number + 1),)
        case ">":
            return ((number + 1, None),)
        case _:
            return ((number, None),)


def shifted(ranges: Ranges, by: int) -> Ranges:
    """Return the numbers of *ranges*, each increased."""
    return tuple((_plus(one, by), _plus(other, by)) for one, other in ranges)


def mirrored(ranges: Ranges) -> Ranges:
    """Return the numbers of *ranges* with the opposite sign."""
    return tuple((_opposite(other), _opposite(one)) for one, other in reversed(ranges))


def months_before(ranges: Ranges, months: int) -> Ranges:
    """Return the moments that are in *ranges* so many months later.

    These are more ranges than before: the last days of a month may all have the same day so much later.
    """
    made: list[Range] = []
    for one, other in ranges:
        until = ((None, None),) if other is None else _moved_before(other, months)
        since = ((None, None),) if one is None else _complement(_moved_before(one, months))
        made += _common(until, since)
    return _joined(made)


def _moved_before(end: int, months: int) -> Ranges:
    """Return the moments that are before *end* so many months later."""
    last, time = divmod(end, DAY)
    day = add_months(last * DAY, -months) // DAY - _NEAR
    while _later(day, months) < last:
        day += 1
    made: list[Range] = [(None, day * DAY)]
    while _later(day, months) == last:
        made.append((day * DAY, day * DAY + time))
        day += 1
    return _joined(made)


def _later(day: int, months: int) -> int:
    return add_months(day * DAY, months) // DAY


def _complement(ranges: Ranges) -> Ranges:
    """Return the numbers that are in none of *ranges*."""
    ends = [None, *(end for one in ranges for end in one), None]
    pairs = list(zip(ends[::2], ends[1::2], strict=True))
    first, last = ranges[0][0] is None, ranges[-1][1] is None
    return tuple(pairs[first : len(pairs) - last])


def _common(some: Ranges, others: Ranges) -> Iterator[Range]:
    for one, one_end in some:
        for other, other_end in others:
            start = one if other is None or (one is not None and one > other) else other
            end = (
                one_end
                if other_end is None or (one_end is not None and one_end < other_end)
                else other_end
            )
            if start is None or end is None or start < end:
                yield start, end


def _joined(ranges: list[Range]) -> Ranges:
    """Return ranges, in order, without empty ones, and those that touch as one."""
    made: list[Range] = []
    for start, end in ranges:
        if start is not None and start == end:
            continue
        if made and start is not None and made[-1][1] == start:
            made[-1] = (made[-1][0], end)
        else:
            made.append((start, end))
    return tuple(made)


def _plus(end: int | None, by: int) -> int | None:
    return None if end is None else end + by


def _opposite(end: int | None) -> int | None:
    return None if end is None else 1 - end
