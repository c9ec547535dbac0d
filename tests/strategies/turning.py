"""State the law of `valid_until`: it is never later than the first moment at which a decision changes.

Small policy sets with schedules, months, durations and dates are decided at every moment at which
something may turn: all openings and closings of the next five weeks, all turning days, all bounds, listed
here without the help of the engine or the reference; and a microsecond before each. Where one condition
reads the time, the decision says the very microsecond of the first change; of a schedule that does not
turn, the end of the five weeks.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from random import Random
from typing import TypeAlias
from zoneinfo import ZoneInfo

from attrs import define, field, frozen
from msgspec.structs import replace

from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import from_datetime, moment_text
from policyengine.model.zones import zone_data
from policyengine.reference import interpreter
from tests.strategies.loading import load

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
FIVE_WEEKS = 35 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE = 146_097 * DAY

FIRST, LAST = -62_135_596_800 * SECOND, 253_402_300_800 * SECOND - 1
"""The first and the last moment of the years 1 to 9999."""

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
    "America/Nuuk", "Pacific/Apia", "Asia/Gaza", "Europe/Dublin", "UTC", "Antarctica/Troll",
)  # fmt: skip
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TIMES = (
    "00:00", "00:01", "00:30", "01:00", "01:30", "02:00", "02:30", "03:00", "09:00", "17:00", "22:00",
    "23:59", "24:00",
)  # fmt: skip
MONTHS = ("0mo", "1mo", "2mo", "6mo", "1y", "1y1mo", "4y", "18y", "400y")
SPANS = ("0s", "1us", "1h", "24h", "31d", "365d")
_MICROSECONDS = {"0s": 0, "1us": 1, "1h": HOUR, "24h": DAY, "31d": 31 * DAY, "365d": 365 * DAY}

Candidates: TypeAlias = Callable[[ValidRequest], Iterator[int]]
"""Gives the moments at which something may turn for a request."""


@frozen
class Timed:
    """A condition as text, and the moments at which it may turn; *schedule*: it asks for one."""

    text: str
    candidates: Candidates | None = None
    schedule: bool = False


@define
class TimedSet:
    """A policy set as text, and what in it depends on the time.

    *exact*: whether only one condition does.
    """

    text: str
    timed: list[Timed]
    bounds: list[int] = field(factory=list)

    @property
    def exact(self) -> bool:
        """Whether one condition alone reads the time."""
        return len(self.timed) == 1 and not self.bounds

    def candidates(self, request: ValidRequest) -> list[int]:
        """Return the moments after the request's at which something may turn."""
        found = set(self.bounds)
        for one in self.timed:
            assert one.candidates is not None
            found.update(one.candidates(request))
        return sorted(moment for moment in found if request.now < moment <= LAST)


# ---- conditions -------------------------------------------------------------------------


def make_set(rng: Random) -> TimedSet:
    """Return a policy set of a few rules, some of which depend on the time."""
    made = TimedSet("", [])
    rules: list[str] = []
    alone = rng.random() < 0.4
    for number in range(1 if alone else rng.randint(1, 3)):
        conditions = [_condition(rng) for _ in range(1 if alone else rng.randint(1, 3))]
        made.timed += [one for one in conditions if one.candidates]
        texts = [one.text if rng.random() < 0.8 else f"not ({one.text})" for one in conditions]
        effect = rng.choice(("permit", "permit", "forbid")) if number else "permit"
        joined = rng.choice((" and ", " or ")).join(f"({text})" for text in texts)
        dates = ""
        if not alone and rng.random() < 0.2:
            moment = _border(rng)
            made.bounds.append(moment)
            dates = f" {rng.choice(('from', 'until'))} {moment_text(moment)}"
        rules.append(f"{effect} r{number}: read when {joined}{dates}")
    if not made.timed:
        made.timed.append(_schedule(rng))
        rules.append(f"permit timed: read when {made.timed[0].text}")
    private = "private " * (rng.random() < 0.1)
    made.text = (
        f"package p\nentity User {{ at: {private}datetime, kept: months, waits: duration, ok: bool }}\n"
        "action read by User on User\n"
        "define within_it(t: datetime, s: schedule) = t within s\n"
        "define later(u: User, m: months) = u.at + m\n" + "\n".join(rules)
    )
    return made


def _condition(rng: Random) -> Timed:
    make = rng.choice((_schedule, _schedule, _months, _months, _duration, _untimed))
    return make(rng)


def _untimed(rng: Random) -> Timed:
    return Timed(rng.choice(("subject.ok", "resource.ok", f"subject.at within {_written(rng)[0]}")))


def _written(rng: Random) -> tuple[str, str, list[int]]:
    """Return a schedule as text, its zone, and the minutes of the day at which it may turn."""
    zone = rng.choice(ZONES)
    parts: list[str] = []
    minutes: list[int] = []
    for _ in range(rng.randint(1, 3)):
        begin, end = rng.choice(TIMES[:-1]), rng.choice(TIMES)
        if begin == end:
            end = "24:00"
        days = rng.choice(("", "Mon-Fri ", "Sat-Mon ", "Sun ", f"{rng.choice(DAYS)} "))
        parts.append(f"{days}{begin}-{end}")
        minutes += [60 * int(time[:2]) + int(time[3:]) for time in (begin, end)]
    return f'schedule "{", ".join(parts)} {zone}"', zone, [0, *minutes]


def _schedule(rng: Random) -> Timed:
    text, zone, minutes = _written(rng)
    shift, moment = 0, "now"
    if rng.random() < 0.4:
        span, sign = rng.choice(SPANS), rng.choice((1, -1))
        shift, moment = sign * _MICROSECONDS[span], f"now {'+' if sign > 0 else '-'} {span}"

    def candidates(request: ValidRequest) -> Iterator[int]:
        for at in _openings(request.now + shift, zone, minutes):
            yield at - shift

    condition = f"{moment} within {text}"
    if rng.random() < 0.3:
        condition = f"within_it({moment}, {text})"
    return Timed(condition, candidates, schedule=True)


def _months(rng: Random) -> Timed:
    written, given = rng.choice(MONTHS), rng.random() < 0.3
    who, sign = rng.choice(("subject", "resource")), rng.choice("+-")
    op = rng.choice(("<", "<=", ">", ">=", "==", "!="))

    def candidates(request: ValidRequest) -> Iterator[int]:
        entity = request.subject if who == "subject" else request.resource
        count = entity.v_kept if given else _count(written)  # type: ignore[attr-defined]
        turn = _later(entity.v_at, count if sign == "+" else -count)  # type: ignore[attr-defined]
        yield from (turn, turn + 1)

    added = f"{who}.kept" if given else written
    value = f"{who}.at {sign} {added}"
    if sign == "+" and rng.random() < 0.3:
        value = f"later({who}, {added})"
    sides = [value, "now"]
    rng.shuffle(sides)
    return Timed(f"{sides[0]} {op} {sides[1]}", candidates)


def _duration(rng: Random) -> Timed:
    span, op = rng.choice(SPANS), rng.choice(("<", "<=", ">", ">=", "==", "!="))

    def candidates(request: ValidRequest) -> Iterator[int]:
        turn = request.resource.v_at + _MICROSECONDS[span]  # type: ignore[attr-defined]
        yield from (turn, turn + 1)

    return Timed(f"now - resource.at {op} {span}", candidates)


# ---- what turns when --------------------------------------------------------------------


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone of the standard library, made of the same data on every machine."""
    return ZoneInfo.from_file(BytesIO(zone_data(name)), key=name)


def _offset(moment: int, zone: str) -> int:
    cycles = -1 if moment > LAST - 2 * DAY else 1 if moment < FIRST + 2 * DAY else 0
    at = _EPOCH + timedelta(microseconds=moment + cycles * _CYCLE)
    offset = at.astimezone(zone_of(zone)).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


@cache
def _changes(day: int, zone: str) -> tuple[int, ...]:
    """Return the moments of a day since 1970 at which the clock is changed, to the second."""
    found = []
    for begin in range(day * DAY, (day + 1) * DAY, HOUR):
        low, high = begin, begin + HOUR
        if _offset(low, zone) == _offset(high, zone):
            continue
        while high - low > SECOND:
            middle = (low + high) // (2 * SECOND) * SECOND
            if _offset(middle, zone) == _offset(low, zone):
                low = middle
            else:
                high = middle
        found.append(high)
    return tuple(found)


def _openings(moment: int, zone: str, minutes: Sequence[int]) -> Iterator[int]:
    """Give every moment of the next five weeks at which a schedule with such ends may open or close."""
    first = moment // DAY - 1
    days = range(first, first + 39)
    changes = [change for day in days for change in _changes(day, zone)]
    yield from changes
    offsets = {_offset(at, zone) for at in (moment, *changes)}
    for day in days:
        for minute in minutes:
            for offset in offsets:
                yield day * DAY + minute * MINUTE - offset


def _count(written: str) -> int:
    years, _, months = written.rpartition("y")
    return 12 * int(years or 0) + int(months.removesuffix("mo") or 0)


def _later(moment: int, months: int) -> int:
    """Return a moment so many months later; far ones are moved by whole cycles of the calendar."""
    cycles = 0
    if months > 12 * 300:
        cycles, months = 1, months - 12 * 400
    elif months < -12 * 300:
        cycles, months = -1, months + 12 * 400
    near = moment + (moment > 2_000 * 365 * DAY) * -_CYCLE + (moment < -500 * 365 * DAY) * _CYCLE
    at = _EPOCH + timedelta(microseconds=near)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    then = at.replace(year=year, month=month + 1, day=day)
    return (then - _EPOCH) // timedelta(microseconds=1) + moment - near + cycles * _CYCLE


# ---- requests ---------------------------------------------------------------------------


@cache
def _borders(zone: str) -> tuple[int, ...]:
    """Return the changes of the clock in some years."""
    days = range(18_262, 22_000)  # from 2020 to 2030
    return tuple(
        change
        for day in days
        if _offset(day * DAY, zone) != _offset((day + 1) * DAY, zone)
        for change in _changes(day, zone)
    )


def _border(rng: Random) -> int:
    """Return a moment at or near which something turns."""
    near = rng.choice((0, 0, 1, -1, MINUTE, -MINUTE, HOUR, -HOUR, DAY, -DAY, -34 * DAY))
    kind = rng.random()
    borders = _borders(rng.choice(ZONES))
    if borders and kind < 0.5:
        at = rng.choice(borders) + near
    elif kind < 0.8:
        last = datetime(rng.choice((2023, 2024, 2025, 2100)), rng.randint(1, 12), 1, tzinfo=UTC)
        at = (last - _EPOCH) // timedelta(microseconds=1) + near
    elif kind < 0.9:
        at = rng.randrange(FIRST, LAST)
    else:
        at = rng.choice((FIRST, LAST)) + near
    return max(FIRST, min(at, LAST))


def make_request(rng: Random) -> dict[str, object]:
    """Return a request, as arguments of `validate`."""

    def user() -> dict[str, object]:
        kept = rng.choice(MONTHS)
        at = _border(rng)
        if rng.random() < 0.5:  # so that months later it is about now
            at = max(
                FIRST, min(_later(now, -_count(rng.choice(MONTHS))) + rng.choice((0, 1, -1)), LAST)
            )
        properties = {
            "at": moment_text(at), "kept": rng.choice(("", "-")) + kept, "waits": "1h",
            "ok": rng.random() < 0.5,
        }  # fmt: skip
        return {"type": "User", "id": f"u{rng.random()}", "properties": properties}

    now = _border(rng)
    return {"subject": user(), "action": "read", "resource": user(), "context": {}, "now": now}


# ---- the law ----------------------------------------------------------------------------


def decisions_hold_until_they_say(seed: int, requests: int) -> tuple[int, int]:
    """Hold the law for requests to one policy set; return how many turned at all, and to the microsecond."""
    rng = Random(seed)
    made = make_set(rng)
    loaded = load({"p.policy": made.text})
    program = loaded.program
    turned = exact = 0
    for _ in range(requests):
        given = make_request(rng)
        request = loaded.request(**given)
        decision = program.decide(request)
        said = decision.valid_until
        until = None if said is None else from_datetime(said)
        outcome = decision.outcome
        candidates = made.candidates(request)
        change = None
        for candidate in candidates:
            if until is not None and candidate > until and not made.exact:
                break
            for moment in (candidate - 1, candidate):
                if (
                    moment > request.now
                    and program.decide(replace(request, now=moment)).outcome != outcome
                ):
                    change = moment
                    break
            if change is not None:
                break
        shown = f"seed {seed}\n{made.text}\n{given}\nvalid until {said}"
        assert until is None or until > request.now or request.now == LAST, shown
        assert change is None or (until is not None and until <= change), (
            f"{shown}\nchanges {change}"
        )
        if rng.random() < 0.1:
            reference = interpreter.valid_until(loaded.checked, request)
            cut = reference if reference is None else min(reference, LAST)
            assert cut == until, f"{shown}\nthe reference says {reference}"
        if change is not None and made.exact:
            end = request.now + FIVE_WEEKS if made.timed[0].schedule else LAST
            assert until == min(change, end), f"{shown}\nchanges {change}"
            exact += 1
        turned += until is not None
    return turned, exact
