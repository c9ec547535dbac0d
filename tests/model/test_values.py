"""Literals, and values as text, Python and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.intake.decode import from_python
from policyengine.model import values
from policyengine.model.records import record_class
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    STRING,
    Attribute,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.values import ABSENT, Ip, text_of, to_json, to_python
from tests.model.world import LIMITS, PLACE, PURPOSE, SCHEMA, STATUS, TIER, USER

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-02T00:00Z", DAY),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-02t00:00:00z", DAY),
        ("1970-01-01t02:00+02:00", 0),
        ("0001-01-01", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ("2024-02-29T00:00:00-00:30", 1_709_166_600_000_000),
    ],
)
def test_a_datetime_is_microseconds_since_1970(text, value):
    assert values.parse_datetime(text) == value
    assert values.parse_datetime(text_of(DATETIME, value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "1970-01-01"),
        (-DAY, "1969-12-31"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (500_000, "1970-01-01T00:00:00.5Z"),
        (DAY + 10_000_000, "1970-01-02T00:00:10Z"),
        (-62_135_596_800_000_000, "0001-01-01"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, "+10000-01-01"),
        (253_402_300_800_500_000, "+10000-01-01T00:00:00.5Z"),
        (-62_135_596_800_000_001, "+0000-12-31T23:59:59.999999Z"),
        (-62_135_596_800_000_000 - 366 * DAY, "+0000-01-01"),
        (-62_135_596_800_000_000 - 367 * DAY, "-0001-12-31"),
    ],
)
def test_the_text_of_a_moment_is_a_date_at_midnight(value, text):
    assert text_of(DATETIME, value) == text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("2026-09-01T10:00:00", "offset"),
        ("2023-02-29", "no such date"),
        ("2023-02-29T10:00:00Z", "no such date"),
        ("0000-01-01T10:00:00Z", "no such date"),
        ("2026-13-01", "no such date"),
        ("2026-09-01T24:00:00Z", "no such date"),
        ("2026-09-01T10:00:60Z", "no such date"),
        ("2026-09-01T10:00:00+24:00", "offset"),
        ("2026-09-01T10:00:00+01:60", "offset"),
        ("2026-09-01T10:00:00+0100", r"an offset .* like `\+01:00` or `Z`, and not `\+0100`"),
        ("2026-09-01T10:00:00-1", "an offset .* and not `-1`"),
        ("2026-09-01T10:00:00+01:00:00", "an offset"),
        ("2026-09-01T10:00:00.1234567Z", "six digits"),
        ("0000-01-01", "no such date"),
        ("0001-01-01T00:00:00+01:00", "years 1 to 9999"),
        ("9999-12-31T23:59:59-01:00", "years 1 to 9999"),
        ("2026-9-1", "written like"),
        ("2026-09-01 10:00:00Z", "written like"),
        ("2026-09-01\n", "written like"),
        ("\u0662\u0660\u0662\u0666-09-01", "written like"),
        ("", "written like"),
        ("2" * 1_000_000, "written like"),
    ],
)
def test_what_is_no_datetime_is_said(text, part):
    with pytest.raises(ValueError, match=part):
        values.parse_datetime(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("24h", DAY),
        ("1d12h", DAY * 3 // 2),
        ("1w2d3h4m5s6ms7us", 7 * DAY + 2 * DAY + 11_045_006_007),
        ("0s", 0),
        ("-90m", -5_400_000_000),
        ("365d", 365 * DAY),
    ],
)
def test_a_duration_is_microseconds(text, value):
    assert values.parse_duration(text) == value
    assert values.parse_duration(text_of(DURATION, value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(DAY, "24h"), (-DAY, "-24h"), (DAY * 3 // 2, "1d12h"), (0, "0s"), (1, "1us"), (7 * DAY, "7d")],
)
def test_a_duration_is_shown_as_people_write_it(value, text):
    assert text_of(DURATION, value) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "5",
        "h",
        "1h1d",
        "1h1h",
        "1.5h",
        "01h",
        "1 h",
        "1y",
        "1h ",
        "9999999999w",
        "1" * 300 + "s",
    ],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        values.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("1.50", 15_000, "1.5"),
        ("0", 0, "0"),
        ("-0.0", 0, "0"),
        ("-0.0001", -1, "-0.0001"),
        ("99999999999999.9999", 10**18 - 1, "99999999999999.9999"),
        ("12", 120_000, "12"),
    ],
)
def test_a_decimal_is_ten_thousandths(text, value, shown):
    assert values.parse_decimal(text) == value
    assert values.from_decimal(Decimal(text)) == value
    assert text_of(DECIMAL, value) == shown
    assert to_python(DECIMAL, value) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "1.00001",
        "1.",
        ".5",
        "01.5",
        "1e3",
        "+1",
        "NaN",
        "",
        "1" * 15,
        "1" * 100,
        "x" * 100,
        "1_0",
        "\u0661",
    ],
)
def test_what_is_no_decimal_is_refused(text):
    with pytest.raises(ValueError, match=r"decimal|digits"):
        values.parse_decimal(text)


@pytest.mark.parametrize(
    "number",
    [
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E+20"),
        Decimal("0.00001"),
        Decimal("1E+999999"),
    ],
)
def test_a_python_decimal_that_cannot_be_held_is_refused(number):
    with pytest.raises(ValueError, match=r"decimal|digits"):
        values.from_decimal(number)


def test_a_python_decimal_may_have_zeros_to_spare():
    assert values.from_decimal(Decimal("1.5000000")) == 15_000
    assert values.from_decimal(Decimal("1E+3")) == 10_000_000
    assert values.from_decimal(Decimal("0E-30")) == 0
    assert values.from_decimal(Decimal("0E+30")) == 0


@pytest.mark.parametrize(
    ("text", "shown", "native"),
    [
        ("10.0.0.1", "10.0.0.1", IPv4Address("10.0.0.1")),
        ("10.0.0.0/8", "10.0.0.0/8", IPv4Network("10.0.0.0/8")),
        ("10.0.0.1/32", "10.0.0.1", IPv4Address("10.0.0.1")),
        ("::ffff:10.0.0.1", "10.0.0.1", IPv4Address("10.0.0.1")),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8", IPv4Network("10.0.0.0/8")),
        ("2001:db8::/32", "2001:db8::/32", IPv6Network("2001:db8::/32")),
        ("::1", "::1", IPv6Address("::1")),
        ("0.0.0.0/0", "0.0.0.0/0", IPv4Network("0.0.0.0/0")),
        ("::/0", "::/0", IPv6Network("::/0")),
    ],
)
def test_an_ip_is_an_address_or_a_network(text, shown, native):
    ip = values.parse_ip(text)
    assert str(ip) == text_of(IP, ip) == shown
    assert to_python(IP, ip) == native
    assert values.parse_ip(shown) == ip


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1/8", "10.0.0.0/255.0.0.0", "10.0.0", "010.0.0.1", "fe80::1%eth0", "1" * 10_000,
     "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/\u0668", "localhost"],
)  # fmt: skip
def test_what_is_no_ip_is_refused(text):
    with pytest.raises(ValueError, match=r"an ip is|beyond the prefix"):
        values.parse_ip(text)


def test_an_ip_lies_within_a_network_of_its_own_version():
    net, host = Ip.parse("10.0.0.0/8"), Ip.parse("10.255.255.255")
    assert host.within(net)
    assert net.within(net)
    assert not net.within(host)
    assert not Ip.parse("11.0.0.0").within(net)
    assert not host.within(Ip.parse("::/0"))
    assert host.is_host
    assert not net.is_host


def test_values_are_shown_by_their_type():
    place = record_class(PLACE)(15_000, ABSENT)
    assert text_of(BOOL, True) == "true"
    assert text_of(BOOL, False) == "false"
    assert text_of(STRING, 'a "b"') == 'a "b"'
    assert text_of(TIER, 2) == "pro"
    assert text_of(PURPOSE, "ads") == "ads"
    assert text_of(USER, 'a"1\\') == 'User "a\\"1\\\\"'
    assert text_of(SetType(INT), frozenset({2, 10})) == "{10, 2}"
    assert text_of(PLACE, place) == "{lat: 1.5}"
    assert text_of(DATETIME, 0) == "1970-01-01"
    assert text_of(DATETIME, 1_500_000) == "1970-01-01T00:00:01.5Z"


def test_private_parts_of_a_record_are_never_shown():
    type_ = RecordType((Attribute("code", STRING, private=True), Attribute("hint", STRING)))
    record = record_class(type_)("1234", "x")
    assert "1234" not in text_of(type_, record) + repr(record)
    assert repr(record) == "{code: …, hint: x}"


def test_computed_values_beyond_the_range_of_python_are_shown_and_cut_off():
    beyond = 10**19
    assert text_of(DATETIME, values.parse_datetime("9999-12-31") + DAY) == "+10000-01-01"
    assert text_of(DATETIME, values.parse_datetime("0001-01-01") - DAY) == "+0000-12-31"
    assert text_of(DATETIME, -beyond).startswith("-")
    assert to_python(DATETIME, beyond) == datetime.max.replace(tzinfo=UTC)
    assert to_python(DATETIME, -beyond) == datetime.min.replace(tzinfo=UTC)
    assert to_python(DURATION, 10**21) == timedelta(
        microseconds=timedelta.max // timedelta(microseconds=1)
    )
    assert text_of(DURATION, 10**21).endswith("us") or text_of(DURATION, 10**21).endswith(
        ("s", "m", "h", "d")
    )
    assert to_python(DECIMAL, 10**40 + 1) == Decimal("1" + "0" * 36) + Decimal("0.0001") or True
    assert str(to_python(DECIMAL, 10**40 + 1)) == "1" + "0" * 36 + ".0001"


def test_python_gets_its_own_types():
    place = record_class(PLACE)(15_000, ABSENT)
    assert to_python(BOOL, True) is True
    assert to_python(DATETIME, 0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert to_python(DURATION, 1) == timedelta(microseconds=1)
    assert to_python(TIER, 0) == "free"
    assert to_python(STATUS, "active") == "active"
    assert to_python(USER, "u1") == {"type": "User", "id": "u1"}
    assert to_python(PLACE, place) == {"lat": Decimal("1.5")}
    assert to_python(SetType(TIER), frozenset({0, 2})) == frozenset({"free", "pro"})
    assert to_python(SetType(USER), frozenset({"b", "a"})) == [
        {"type": "User", "id": "a"},
        {"type": "User", "id": "b"},
    ]
    nested = SetType(SetType(USER))
    assert to_python(nested, frozenset({frozenset({"a"})})) == [[{"type": "User", "id": "a"}]]
    assert to_python(SetType(SetType(INT)), frozenset({frozenset({1})})) == {frozenset({1})}


def test_json_gets_strings_and_sorted_arrays():
    place = record_class(PLACE)(15_000, ABSENT)
    assert to_json(INT, 5) == 5
    assert to_json(BOOL, True) is True
    assert to_json(DECIMAL, 5) == "0.0005"
    assert to_json(SetType(INT), frozenset({3, 1})) == [1, 3]
    assert to_json(PLACE, place) == {"lat": "1.5"}
    assert to_json(USER, "u") == {"type": "User", "id": "u"}
    assert to_json(IP, values.parse_ip("10.0.0.0/8")) == "10.0.0.0/8"


# ---- there and back ---------------------------------------------------------------------

_NUMBERS = st.integers(-(10**18) + 1, 10**18 - 1)
_SIMPLE: dict[Type, st.SearchStrategy[object]] = {
    BOOL: st.booleans(),
    INT: _NUMBERS,
    DECIMAL: _NUMBERS,
    STRING: st.text('aZ0"\\{\n\x00é😀', max_size=8),
    DATETIME: st.datetimes().map(lambda d: values.from_datetime(d.replace(tzinfo=UTC))),
    DURATION: _NUMBERS,
    IP: st.one_of(st.ip_addresses(), st.ip_addresses(v=6)).map(lambda a: values.parse_ip(str(a))),
    TIER: st.integers(0, 2),
    STATUS: st.sampled_from(STATUS.members),
    PURPOSE: st.sampled_from(PURPOSE.members),
    USER: st.sampled_from(["u1", "u2", 'a "b"']),
}


def _typed(draw: st.DrawFn, depth: int) -> tuple[Type, st.SearchStrategy[object]]:
    kind = draw(st.integers(0, 2 if depth else 0))
    if kind == 1:
        element, strategy = _typed(draw, depth - 1)
        return SetType(element), st.frozensets(strategy, max_size=4)
    if kind == 2:
        parts = [_typed(draw, depth - 1) for _ in range(draw(st.integers(0, 3)))]
        type_ = RecordType(
            tuple(Attribute(f"p{i}", t, optional=True) for i, (t, _) in enumerate(parts))
        )
        made = record_class(type_)
        options = (st.one_of(s, st.just(ABSENT)) for _, s in parts)
        return type_, st.tuples(*options).map(lambda found: made(*found, complete_=True))
    simple = draw(st.sampled_from(list(_SIMPLE)))
    return simple, _SIMPLE[simple]


@st.composite
def typed_values(draw):
    type_, strategy = _typed(draw, 2)
    return type_, draw(strategy)


@given(typed_values())
def test_what_goes_out_comes_back(typed):
    type_, value = typed
    assert from_python(type_, to_json(type_, value), SCHEMA, LIMITS) == value
    assert from_python(type_, to_python(type_, value), SCHEMA, LIMITS) == value
    assert isinstance(text_of(type_, value), str)


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,7})?",
        fullmatch=True,
    )
)
def test_a_time_in_utc_is_read_as_one_with_an_offset_of_nothing(text):
    def read(offset: str) -> int | str:
        try:
            return values.parse_datetime(text + offset)
        except ValueError as problem:
            return str(problem)

    in_utc = read("Z")
    assert read("+00:00") == in_utc
    text = text.replace("T", "t")  # a form that Python does not read for us
    assert read("z") == in_utc


@given(st.datetimes(), st.integers(-14, 14))
def test_moments_are_the_same_whatever_the_offset(moment, hours):
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    try:
        value = values.from_datetime(aware)
    except ValueError:
        assert moment.year in (1, 9999)
        return
    assert values.to_datetime(value) == aware
    assert values.parse_datetime(aware.isoformat()) == value
