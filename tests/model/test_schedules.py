"""How schedules are written, and every way in which they are not."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.model.schedules import DAY, MINUTE, WEEK, Schedule, ScheduleError
from policyengine.model.zones import zone_names
from policyengine.pipeline import check_sources

HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Mon 09:00-17:00 UTC", (9 * HOUR, 17 * HOUR)),
        ("00:00-24:00 UTC", (0, WEEK)),
        ("Sun 22:00-02:00 UTC", (0, 2 * HOUR, 6 * DAY + 22 * HOUR, WEEK)),
        ("Sat-Mon 00:00-24:00 UTC", (0, DAY, 5 * DAY, WEEK)),
        ("Mon Wed 08:00-09:00 UTC", (8 * HOUR, 9 * HOUR, 2 * DAY + 8 * HOUR, 2 * DAY + 9 * HOUR)),
        ("Mon 08:00-10:00, Mon 09:00-12:00 UTC", (8 * HOUR, 12 * HOUR)),
        ("Mon 08:00-10:00, Mon 10:00-12:00 UTC", (8 * HOUR, 12 * HOUR)),
        ("Mon 12:00-12:01,Tue 00:00-00:01 UTC", (12 * HOUR, 12 * HOUR + MINUTE, DAY, DAY + MINUTE)),
        ("Mon 22:00-00:00 UTC", (22 * HOUR, DAY)),
        ("Mon 22:00-24:00 UTC", (22 * HOUR, DAY)),
        ("  Mon   09:00-10:00   UTC ", (9 * HOUR, 10 * HOUR)),
    ],
)
def test_intervals_are_united(text, ends):
    assert Schedule.parse(text).ends == ends


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""),
        ("   ", "   "),
        ("Europe/Berlin", ""),
        ("Mon-Fri 09:00-17:00", "09:00-17:00"),
        ("09:00-17:00", "09:00-17:00"),
        ("Mon-Fri 09:00-17:00,", "09:00-17:00,"),
        ("Mon-Fri 09:00-17:00, UTC", ""),
        (", Mon 09:00-17:00 UTC", ""),
        ("Mon 09:00-17:00,, Tue 09:00-17:00 UTC", ""),
        ("Mon UTC", "Mon"),
        ("Mon-Fri UTC", "Mon-Fri"),
        ("mon 09:00-17:00 UTC", "mon"),
        ("MON 09:00-17:00 UTC", "MON"),
        ("Monday 09:00-17:00 UTC", "Monday"),
        ("Mo-Fr 09:00-17:00 UTC", "Mo-Fr"),
        ("Mon-Fri-Sun 09:00-17:00 UTC", "Mon-Fri-Sun"),
        ("Mon-Mon 09:00-17:00 UTC", "Mon-Mon"),
        ("Mon- 09:00-17:00 UTC", "Mon-"),
        ("-Mon 09:00-17:00 UTC", "-Mon"),
        ("Mon - Fri 09:00-17:00 UTC", "-"),
        ("Mon 25:00-26:00 UTC", "25:00-26:00"),
        ("Mon 09:00-25:00 UTC", "09:00-25:00"),
        ("Mon 09:00-24:01 UTC", "09:00-24:01"),
        ("Mon 24:00-02:00 UTC", "24:00-02:00"),
        ("Mon 09:60-17:00 UTC", "09:60-17:00"),
        ("Mon 09:00-17:60 UTC", "09:00-17:60"),
        ("Mon 9:00-17:00 UTC", "9:00-17:00"),
        ("Mon 09:00-17 UTC", "09:00-17"),
        ("Mon 09:00 UTC", "09:00"),
        ("Mon 09.00-17.00 UTC", "09.00-17.00"),
        ("Mon 09:00-17:00:00 UTC", "09:00-17:00:00"),
        ("Mon 09:00 - 17:00 UTC", "17:00"),
        ("Mon 09:00-17:00 18:00-19:00 UTC", "09:00-17:00"),
        ("09:00-17:00 Mon UTC", "Mon"),
        ("Mon 09:00-09:00 UTC", "09:00-09:00"),
        ("Mon, Tue 09:00-17:00 UTC", "Mon"),
        ("Mon 09:00-17:00 Europe/Berlin, Sat 10:00-14:00 Europe/Berlin", "Europe/Berlin"),
        ("Mon 09:00-17:00 UTC, Sat 10:00-14:00 UTC", "UTC"),
        ("Europe/Berlin Mon 09:00-17:00", "09:00-17:00"),
        ("Mon 09:00-17:00, " * 100 + "Sun 10:00-12:00 UTC", ""),
        ("00:00-00:00 UTC", "00:00-00:00"),
        (
            "Mon \u0660\u0669:\u0660\u0660-\u0661\u0667:\u0660\u0660 UTC",
            "\u0660",
        ),
        ("Mon\u00a009:00-17:00 UTC", "\u00a0"),
        ("Mon 09:00-17:00\nUTC", "\n"),
        ("Mon 09:00\u201317:00 UTC", "\u2013"),
    ],
)
def test_what_is_no_schedule(text, part):
    with pytest.raises(ScheduleError) as raised:
        Schedule.parse(text)
    assert raised.value.help
    if part:
        assert raised.value.part == part


def problems(text):
    policy = f'package p\nconst opening: schedule = schedule "{text}"\n'
    _, found = check_sources({"p": Source("p", policy)})
    return [(d.code, policy[d.span.start : d.span.end], d.help) for d in found.errors]


@pytest.mark.parametrize(
    ("zone", "help"),
    [
        ("europe/berlin", "write `Europe/Berlin`"),
        ("Europe/Berlinn", "did you mean `Europe/Berlin`?"),
        ("utc", "write `UTC`"),
        ("berlin", "write `Europe/Berlin`"),
        ("Tokyo", "write `Asia/Tokyo`"),
        ("CEST", ""), ("right/Europe/Berlin", ""), ("posix/Europe/Berlin", ""), ("localtime", ""),
        ("posixrules", ""), ("../zones", ""), ("Europe", ""), ("/etc/passwd", ""), ("UTC+1", ""),
        ("+01:00", ""), ("Europe/", ""), ("Foo/Bar/Baz", ""),
    ],
)  # fmt: skip
def test_an_unknown_zone(zone, help):
    [(code, _, advice)] = problems(f"Mon 09:00-17:00 {zone}")
    assert code == "PE228"
    assert help in advice
    assert advice


def test_every_zone_of_the_list_is_known():
    assert len(zone_names()) > 400
    for zone in zone_names():
        assert problems(f"Mon 09:00-17:00 {zone}") == []


def test_the_place_of_a_mistake_is_the_part_that_is_wrong():
    assert problems("Mon-Fri 09:00-25:00 UTC")[0][:2] == ("PE137", "09:00-25:00")
    assert problems("Monday 09:00-17:00 UTC")[0][:2] == ("PE137", "Monday")
    assert problems("")[0][:2] == ("PE137", '""')
