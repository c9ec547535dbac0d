"""Word the diagnostics of schedules and months; see `messages.py`."""

from __future__ import annotations

from collections.abc import Iterable

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.diagnostics.spell import did_you_mean
from policyengine.syntax import nodes


def unknown_zone(schedule: nodes.Literal, name: str, known: Iterable[str]) -> Diagnostic:
    """A schedule in a time zone that does not exist."""
    written, span = schedule.text, schedule.span
    if name in written:  # and not with an escape
        begins = span.end - len(written) + written.rfind(name)
        span = Span(span.file, begins, begins + len(name))
    near = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)}
    near |= {zone.lower(): zone for zone in known}
    found = near.get(name.lower())
    help = f"write `{found}`" if found else did_you_mean(name, near.values())
    if not help:
        help = "zones are named like `Europe/Berlin`, `America/New_York` or `UTC`"
    return error("PE228", span, f"there is no time zone `{name}`", help)


def misplaced_schedule(span: Span) -> Diagnostic:
    """A schedule among the values of requests, or in a set or a record."""
    return error(
        "PE340", span, "a schedule is no value of a request, and no part of another value",
        "it may be a `const`, a parameter of a `define`, or written after `within`",
    )  # fmt: skip


def schedule_on_clock(span: Span, called: str = "") -> Diagnostic:
    """Something before a schedule that follows the clock in another way than `now` does."""
    what = f"`{called}` asks whether this is within a schedule, and it" if called else "this"
    return error(
        "PE341", span, f"{what} depends on `now` in a way that does not say when the answer turns",
        "before `within` a schedule stands `now`, `now + 1h`, or what does not read `now`",
    )  # fmt: skip


def months_on_clock(span: Span, called: str = "", instead: str = "") -> Diagnostic:
    """Months that are added to something which reads `now`; *instead*: the comparison without that."""
    what = f"`{called}` adds months to this, or takes them from it" if called else "months"
    rest = (
        ", and it reads `now`" if called else " are not added to what reads `now`, or taken from it"
    )
    return error(
        "PE342", span, what + rest,
        (f"write `{instead}`" if instead else "instead of `now - 6mo < x` write `x + 6mo > now`")
        + ", which is the same but for the ends of months",
    )  # fmt: skip
