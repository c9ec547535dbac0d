"""Change schedules as an author would by a slip: an interval too few, or a minute too many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from policyengine.model.schedules import Schedule

_LAST_MINUTE: Final = 24 * 60 - 1


def schedule_changes(schedule: Schedule) -> Iterator[tuple[str, str, Schedule]]:
    """Give changed schedules, each with its kind and what was changed in words."""
    items = schedule.items
    for number, item in enumerate(items):
        rest = [*items[:number], *items[number + 1 :]]
        if rest:
            what = f"`{item}` is left out of the schedule"
            yield "narrow-schedule", what, _with(rest, schedule)
        days, end = item[:-5], item[-5:]
        minute = int(end[:2]) * 60 + int(end[3:])
        moved = minute + 1 if minute < _LAST_MINUTE else minute - 1
        later = f"{days}{moved // 60:02}:{moved % 60:02}"
        what = f"`{item}` ends a minute {'later' if moved > minute else 'earlier'}"
        if later[-11:-6] != later[-5:]:  # else it would end when it begins
            made = _with([*items[:number], later, *items[number + 1 :]], schedule)
            yield "move-bound", what, made


def _with(items: Sequence[str], schedule: Schedule) -> Schedule:
    return Schedule.parse(f"{', '.join(items)} {schedule.zone}")
