"""Read values that are written as a word and a text: `path "/public"`, `schedule "Mon-Fri 09:00-17:00 UTC"`.

What is wrong is reported, and a harmless value returned instead.
"""

from __future__ import annotations

from collections.abc import Callable

from policyengine.diagnostics.source import Span
from policyengine.model.path_syntax import is_path
from policyengine.model.schedules import Schedule, ScheduleError
from policyengine.syntax.strings import Report

_NEVER_OPEN = Schedule("", "UTC", ())


def read_path(read: Callable[[str], str], text: str, place: Span, report: Report) -> str:
    """Return the path or the pattern that *read* makes of *text*, the root if it is none."""
    try:
        return read(text)
    except ValueError as problem:
        help = "write `within path …`, or a pattern: `like path …`" if "*" in text else ""
        if not text.startswith("/") and is_path(f"/{text}"):
            help = f'write `path "/{text}"`'
        report("PE135", place.start, place.end, str(problem), help)
        return "/"


def read_schedule(text: str, written: str, place: Span, report: Report) -> Schedule:
    """Return the schedule of a *text* that is *written* at *place*."""
    try:
        return Schedule.parse(text)
    except ScheduleError as problem:
        start, end = place.start, place.end
        at = written.find(problem.part) if problem.part else -1
        if at >= 0:
            start, end = start + at, start + at + len(problem.part)
        report("PE137", start, end, str(problem), problem.help)
        return _NEVER_OPEN
