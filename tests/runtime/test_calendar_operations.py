"""Months, schedules and time zones, beside what the standard library makes of the same data."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.schedules import FIVE_WEEKS, Schedule
from policyengine.model.values import MOST_MONTHS, parse_datetime
from policyengine.model.zones import zone_names
from policyengine.reference import calendar
from policyengine.runtime.calendar_operations import add_months, next_turn, within_schedule
from policyengine.runtime.time_zones import zone_of
from tests.strategies.turning import FIRST, HOUR, LAST, ZONES

MOMENTS = st.integers(FIRST, LAST) | st.integers(-(10**18), 10**18)
MONTHS = st.integers(-MOST_MONTHS, MOST_MONTHS) | st.integers(-30, 30)


@given(MOMENTS, MONTHS)
def test_months_are_those_of_the_calendar(moment, months):
    assert add_months(moment, months) == calendar.add_months(moment, months)


@given(MOMENTS)
def test_the_calendar_repeats(moment):
    cycle = 146_097 * 24 * HOUR
    assert add_months(moment, 400 * 12) == moment + cycle
    assert add_months(moment + cycle, 1) == add_months(moment, 1) + cycle


@pytest.mark.parametrize("zone", sorted(zone_names())[::7] + list(ZONES))
def test_a_zone_is_as_far_from_utc_as_the_standard_library_says(zone):
    rng, known = Random(zone), zone_of(zone)
    edges = known.starts[1:]
    moments = [rng.randrange(FIRST, LAST) for _ in range(10)]
    for edge in [*edges[:4], *edges[-4:], *rng.sample(edges, min(10, len(edges)))]:
        moments += [edge - 1, edge, edge + HOUR]
    always = Schedule.parse(f"00:00-00:01, 12:00-12:01 {zone}")
    for moment in moments:
        first, until, _ = known.span(moment)
        assert first <= moment < until
        assert within_schedule(moment, always) == calendar.is_within(moment, always)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(
        ["02:15-02:45", "Sun 00:00-03:00", "Sat-Mon 22:00-02:30", "00:00-24:00", "Mon 23:59-24:00"]
    ),
    st.data(),
)
def test_the_next_turn_is_the_next_opening_or_closing(zone, hours, data):
    schedule, known = Schedule.parse(f"{hours} {zone}"), zone_of(zone)
    edges = [edge for edge in known.starts[1:] if FIRST < edge < LAST] or [0]
    moment = data.draw(st.sampled_from(edges)) + data.draw(st.integers(-3, 3)) * HOUR
    moment += data.draw(st.integers(-1, 1))
    turn = next_turn(moment, schedule)
    assert turn == calendar.next_turn(moment, schedule)
    assert moment < turn <= moment + FIVE_WEEKS


def test_what_is_always_open_is_looked_at_again_after_five_weeks():
    always = Schedule.parse("00:00-24:00 Europe/Berlin")
    assert next_turn(0, always) == FIVE_WEEKS


@pytest.mark.parametrize(
    ("moment", "turn"),
    [
        ("2026-03-29T00:00:00Z", "2026-03-30T00:30:00Z"),  # the hour from two to three is skipped
        ("2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),  # it is two o'clock again
        ("2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"),
        ("2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"),
    ],
)
def test_an_hour_that_comes_twice_opens_twice(moment, turn):
    schedule = Schedule.parse("02:30-03:00 Europe/Berlin")
    assert next_turn(parse_datetime(moment), schedule) == parse_datetime(turn)
