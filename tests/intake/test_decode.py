"""What is accepted for each type, and what is refused with its path."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Network, IPv6Address, ip_interface
from types import MappingProxyType

import pytest

from policyengine import PolicyEngine
from policyengine.intake.decode import from_python
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.records import record_class
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    MONTHS,
    STRING,
    Attribute,
    EnumType,
    RecordType,
    SetType,
)
from policyengine.model.values import ABSENT, parse_ip
from tests.model.world import LIMITS, PLACE, PURPOSE, SCHEMA, STATUS, TIER, USER, problems_of


class Word(StrEnum):
    ACTIVE = "active"


class Old(str, Enum):  # noqa: UP042 - many programs have such
    ACTIVE = "active"


class Number(IntEnum):
    ONE = 1


def read(type_, raw, limits=LIMITS):
    return from_python(type_, raw, SCHEMA, limits)


@pytest.mark.parametrize(
    ("type_", "raw", "value"),
    [
        (BOOL, True, True),
        (INT, 5, 5),
        (INT, Number.ONE, 1),
        (INT, -(10**18) + 1, -(10**18) + 1),
        (MONTHS, "18y", 216),
        (MONTHS, "6mo", 6),
        (MONTHS, "-1y6mo", -18),
        (MONTHS, "0mo", 0),
        (MONTHS, "120000mo", 120_000),
        (MONTHS, "10000y", 120_000),
        (STRING, "", ""),
        (STRING, Word.ACTIVE, "active"),
        (STRING, Old.ACTIVE, "active"),
        (STRING, "é😀", "é😀"),
        (DECIMAL, "1.5", 15_000),
        (DECIMAL, Decimal("1.5"), 15_000),
        (DATETIME, datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (DATETIME, "1970-01-01", 0),
        (DURATION, timedelta(days=1), 86_400_000_000),
        (DURATION, "24h", 86_400_000_000),
        (IP, IPv4Network("10.0.0.0/8"), parse_ip("10.0.0.0/8")),
        (IP, IPv6Address("::ffff:10.0.0.1"), parse_ip("10.0.0.1")),
        (TIER, "pro", 2),
        (STATUS, Old.ACTIVE, "active"),
        (PURPOSE, "health", "health"),
        (USER, {"type": "User", "id": "u"}, "u"),
        (USER, MappingProxyType({"type": "User", "id": "u"}), "u"),
        (SetType(INT), [1, 2], frozenset({1, 2})),
        (SetType(INT), (1, 2), frozenset({1, 2})),
        (SetType(INT), {1, 2}, frozenset({1, 2})),
        (SetType(DECIMAL), {"1.5", Decimal("1.50")}, frozenset({15_000})),
        (SetType(SetType(INT)), [[1], [2]], frozenset({frozenset({1}), frozenset({2})})),
        (PLACE, {"lat": "1"}, record_class(PLACE)(10_000, ABSENT)),
        (PLACE, {}, record_class(PLACE)(ABSENT, ABSENT)),  # what is needed of it is asked for later
    ],
)
def test_what_fits_is_read(type_, raw, value):
    found = read(type_, raw)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("type_", "raw", "code"),
    [
        (BOOL, 1, "PE505"),
        (BOOL, "true", "PE505"),
        (BOOL, None, "PE505"),
        (INT, True, "PE505"),
        (INT, 1.0, "PE505"),
        (INT, "1", "PE505"),
        (INT, Decimal(1), "PE505"),
        (INT, 10**18, "PE512"),
        pytest.param(INT, 10**5000, "PE512", id="longer-than-python-prints"),
        (STRING, 1, "PE505"),
        (STRING, b"x", "PE505"),
        (STRING, "a\ud800b", "PE515"),
        (DECIMAL, 1, "PE505"),
        (DECIMAL, 1.5, "PE505"),
        (DECIMAL, "1.23456", "PE513"),
        (DECIMAL, Decimal("NaN"), "PE513"),
        (DECIMAL, Decimal("1E20"), "PE512"),
        (DECIMAL, "9" * 15, "PE512"),
        (DATETIME, datetime(2026, 1, 1), "PE513"),  # noqa: DTZ001 - naive is the point
        (DATETIME, date(2026, 1, 1), "PE505"),
        (DATETIME, 0, "PE505"),
        (DATETIME, "yesterday", "PE513"),
        (DATETIME, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "PE512"),
        (DURATION, 5, "PE505"),
        (DURATION, "1d 2h", "PE513"),
        (DURATION, timedelta(days=20_000_000), "PE512"),
        (IP, "10.0.0.1/8", "PE513"),
        (IP, ip_interface("10.0.0.1/8"), "PE513"),
        (IP, 5, "PE505"),
        (TIER, "PRO", "PE506"),
        (TIER, 2, "PE505"),
        (STATUS, "free", "PE506"),
        (PURPOSE, "Purpose", "PE506"),
        (SetType(STRING), "a b", "PE505"),
        (SetType(STRING), {"a": 1}, "PE505"),
        (SetType(STRING), None, "PE505"),
        (SetType(STRING), iter(["a"]), "PE505"),
        (SetType(INT), list(range(1001)), "PE514"),
        (SetType(INT), list(range(100_000)), "PE514"),
        (PLACE, [], "PE505"),
        (PLACE, "lat", "PE505"),
        (USER, "u1", "PE505"),
        (USER, [], "PE505"),
    ],
)
def test_what_does_not_fit_is_refused(type_, raw, code):
    assert problems_of(read, type_, raw) == [(code, "")]


@pytest.mark.parametrize(
    ("type_", "raw", "problems"),
    [
        (SetType(INT), [1, 1, 2, 1], [("PE511", "[1]"), ("PE511", "[3]")]),
        (SetType(DECIMAL), ["1.5", "1.50"], [("PE511", "[1]")]),
        (SetType(INT), [1, "x", True, 1], [("PE505", "[1]"), ("PE505", "[2]")]),
        (SetType(SetType(INT)), [[1], ["x"]], [("PE505", "[1][0]")]),
        (PLACE, {"lat": 1, "lon": 2}, [("PE504", "lon"), ("PE505", "lat")]),
        (PLACE, {"lat": "1", "long": None}, [("PE505", "long")]),
        (PLACE, {1: 2}, [("PE505", "")]),
        (SetType(PLACE), [{"lat": "x"}, {"lat": "1"}], [("PE513", "[0].lat")]),
        (USER, {"type": "User"}, [("PE521", "")]),
        (USER, {"id": "u"}, [("PE521", "")]),
        (USER, {"type": "App", "id": "u"}, [("PE502", "type")]),
        (USER, {"type": "Usr", "id": "u"}, [("PE503", "type")]),
        (USER, {"type": "User", "id": 1}, [("PE505", "id")]),
        (USER, {"type": "User", "id": "u", "properties": {}}, [("PE520", "properties")]),
        (USER, {"type": "User", "id": "u", 5: 6}, [("PE505", "")]),
    ],
)
def test_problems_say_where_they_are(type_, raw, problems):
    assert problems_of(read, type_, raw) == problems


@pytest.mark.parametrize(
    ("type_", "raw", "part"),
    [
        (TIER, "pr", "did you mean `pro`?"),
        (TIER, "platinum", "one of `free`, `basic`, `pro`"),
        (TIER, 1, "expected a name of `Tier` (`free`, `basic`, `pro`), got the int `1`"),
        (BOOL, 1, "expected a bool, got the int `1`"),
        (INT, True, "expected an int, got `true`"),
        (SetType(STRING), "a b", "expected a set of `string`, got the string `a b`"),
        (SetType(STRING), {"a"}, None),
        (INT, {1}, "got a set"),
        (INT, [1], "got a list"),
        (INT, {}, "got an object"),
        (INT, 1.5, "got a float"),
        (INT, None, "got null"),
        (INT, object(), "of the Python type `object`"),
        (
            DATETIME,
            date(2026, 9, 1),
            "got a `date`, which has no time: its `isoformat()` stands for midnight",
        ),
        pytest.param(BOOL, 10**5000, "got an int", id="longer-than-python-prints"),
        (RecordType(()), 1, "an object"),
        (PLACE, 1, "a record of `lat`, `long`"),
        (USER, 1, 'expected a reference {"type": "User", "id": …}'),
    ],
)
def test_problems_say_what_was_expected(type_, raw, part):
    if part is None:
        read(type_, raw)
        return
    with pytest.raises(InvalidRequest) as refusal:
        read(type_, raw)
    assert part in refusal.value.problems[0].message


def test_a_long_list_of_names_is_not_repeated():
    many = EnumType("Many", "x", tuple(f"name{i}" for i in range(100)))
    with pytest.raises(InvalidRequest) as refusal:
        read(many, "zzz")
    assert str(refusal.value) == "`Many` has no name `zzz` [PE506]"
    with pytest.raises(InvalidRequest) as refusal:
        read(many, 5)
    assert "(" not in refusal.value.problems[0].message


@pytest.mark.parametrize("raw", ["x" * 100_000, "\x1b[31m" * 50, "\u202e" * 80, "\ud800"])
def test_problems_repeat_little_of_what_was_sent_and_nothing_that_does_not_print(raw):
    for type_ in (TIER, INT, PLACE):
        with pytest.raises(InvalidRequest) as refusal:
            read(type_, raw)
        message = str(refusal.value)
        assert message.isprintable()
        assert len(message.encode()) < 1000
    with pytest.raises(InvalidRequest) as refusal:
        read(PLACE, {raw: 1})
    assert refusal.value.problems[0].path.isprintable()


def test_private_values_are_not_repeated():
    private = RecordType(
        (
            Attribute("tier", TIER, private=True),
            Attribute("when", DATETIME, private=True),
            Attribute("net", IP, private=True),
            Attribute("flag", INT, private=True),
            Attribute("number", STRING, private=True),
            Attribute("tags", SetType(STATUS), private=True),
            Attribute("place", PLACE, private=True),
        )
    )
    given = {
        "tier": "hush-1",
        "when": "2026-01-01T10:00:44",
        "net": "10.0.0.44/8",
        "flag": True,
        "number": 4444,
        "tags": ["hush-2"],
        "place": {"lat": "hush-3"},
    }
    with pytest.raises(InvalidRequest) as refusal:
        read(private, given)
    assert len(refusal.value.problems) == len(given)
    for secret in ("hush", "44", "true", "did you mean"):
        assert secret not in str(refusal.value)


def test_sizes_are_limited():
    assert problems_of(read, STRING, "x" * 11, Limits(string_size=10)) == [("PE514", "")]
    assert read(STRING, "x" * 10, Limits(string_size=10)) == "x" * 10
    assert problems_of(read, SetType(INT), [1, 2, 3], Limits(set_size=2)) == [("PE514", "")]


def test_problems_are_limited():
    found = problems_of(read, SetType(TIER), [f"t{i}" for i in range(500)], Limits(problems=7))
    assert len(found) == 7
    assert len(problems_of(read, PLACE, {f"x{i}": i for i in range(500)}, Limits(problems=7))) == 7


def test_a_record_of_another_type_is_validated_again():
    other = RecordType((Attribute("lat", DECIMAL), Attribute("more", INT, optional=True)))
    assert read(PLACE, record_class(other)(5, ABSENT)) == record_class(PLACE)(5, ABSENT)
    assert problems_of(read, PLACE, record_class(other)(5, 1)) == [("PE504", "more")]
    built = record_class(PLACE)(5, 6)
    assert read(PLACE, built) is built


def test_moments_are_utc():
    assert read(DATETIME, datetime(2026, 1, 1, tzinfo=UTC)) == read(DATETIME, "2026-01-01")


class Liar(str):
    """Says that it equals everything."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


def test_a_name_that_claims_to_equal_every_other_is_none():
    engine = PolicyEngine.from_text(
        "package t\nenum E = a | b\nlevels L = c < d\ntaxonomy T { e { f } }\n"
        "entity U { e?: E, l?: L, t?: T }\naction r by U on U\n"
        "permit p: r when not (subject has e) and not (subject has l) and not (subject has t)\n"
    )
    for name in "elt":
        user = {"type": "U", "id": "u", "properties": {name: Liar("x")}}
        with pytest.raises(InvalidRequest, match="has no name `x`"):
            engine.decide(user, "r", {"type": "U", "id": "v"})
