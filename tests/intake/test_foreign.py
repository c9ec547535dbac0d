"""Objects of foreign classes fail when they are asked, or lie; they are refused, or taken for what they hold."""

from __future__ import annotations

import copy
import json
from collections import ChainMap, UserDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import Any

import pytest

from policyengine import DecisionCache, InvalidRequest, PolicyEngine
from tests.strategies.entry_points import Pretender

SOURCE = """package f
entity Team in Team
entity User in Team {
    n: int, s: string, boss: User, tags: set<string>, d: decimal, t: datetime, w: duration, at: ip,
    r: { a: int }, banned?: bool
}
entity Doc in Team
action read by User on Doc with { why?: string }
permit ok: read when subject.n < 5 and not (subject has banned and subject.banned)
forbid bad: read when subject within Team "bad"
"""
ENGINE = PolicyEngine.from_text(SOURCE)

BOB = {"type": "User", "id": "bob", "parents": [{"type": "Team", "id": "t"}], "properties": {
    "n": 1, "s": "x", "boss": {"type": "User", "id": "b"}, "tags": ["x", "y"], "d": "1.5",
    "t": "2026-01-01", "w": "1h", "at": "10.0.0.1", "r": {"a": 1},
}}  # fmt: skip
ASKED: dict[str, Any] = {
    "subject": BOB, "action": "read", "resource": {"type": "Doc", "id": "d"},
    "context": {"why": "x"}, "now": "2026-01-01", "fields": None,
    "entities": [{"type": "Team", "id": "t", "parents": []}],
}  # fmt: skip


class BrokenError(Exception):
    pass


def fail(*_: Any, **__: Any) -> Any:
    raise BrokenError


def failing(base: type, *names: str) -> type:
    return type(f"Failing{base.__name__}", (base,), dict.fromkeys(names, fail))


class Says:
    """Says that it is of a class of which it is not."""

    def __init__(self, class_: Callable[[], type]) -> None:
        object.__setattr__(self, "_class", class_)

    @property
    def __class__(self) -> Any:
        return object.__getattribute__(self, "_class")()


class Unnamed(type):
    __name__ = property(fail)
    __repr__ = fail


class Zone(tzinfo):
    utcoffset = fail


def failing_generator() -> Iterator[Any]:
    yield ASKED["entities"][0]
    raise BrokenError


ODD: list[Callable[[Any], Any]] = [
    lambda _: failing(str, "__len__", "__eq__", "__hash__", "isascii", "encode")("x"),
    lambda _: failing(int, "__lt__", "__gt__", "__int__", "__abs__")(3),
    lambda _: failing(list, "__iter__", "__len__")(["x"]),
    lambda _: failing(dict, "__iter__", "__getitem__", "__contains__", "keys", "items")(BOB),
    lambda raw: failing(UserDict, "__iter__")(raw) if isinstance(raw, dict) else {},
    lambda raw: failing(ChainMap, "__getitem__")(raw) if isinstance(raw, dict) else {},
    lambda raw: {**raw, failing(str, "__len__", "isascii")("zz"): 1} if isinstance(raw, dict) else 1,
    lambda _: failing(datetime, "utcoffset", "__sub__")(2026, 1, 1, tzinfo=UTC),
    lambda _: datetime(2026, 1, 1, tzinfo=Zone()),
    lambda _: failing(timedelta, "__floordiv__")(1),
    lambda _: failing(Decimal, "is_finite", "as_tuple")("1.5"),
    lambda _: failing(IPv4Address, "__str__")("10.0.0.1"),
    lambda _: Says(lambda: str),
    lambda _: Says(lambda: dict),
    lambda _: Says(lambda: list),
    lambda _: Says(lambda: datetime),
    lambda _: Says(lambda: type(ENGINE.entity("Team", "t"))),
    lambda _: Says(fail),
    lambda _: Unnamed("Odd", (), {})(),
    lambda _: failing_generator(),
]  # fmt: skip


def places(raw: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = raw if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
    for step in steps:
        yield (*path, step)
        yield from places(raw[step], (*path, step))


def with_odd(path: tuple[Any, ...], odd: Callable[[Any], Any]) -> dict[str, Any]:
    asked = copy.deepcopy(ASKED)
    owner: Any = asked
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = odd(owner[path[-1]])
    return asked


def seen(ask: Callable[..., Any], *parts: Any) -> object:
    """Return whether it is allowed, or the problems; whatever else is raised is raised."""
    try:
        found = ask(*parts[:4], **dict(zip(("now", "fields", "entities"), parts[4:], strict=False)))
    except InvalidRequest as refusal:
        return str(refusal)
    return getattr(found, "allowed", "built")


def bound(subject: Any, action: Any, *rest: Any, **options: Any) -> Any:
    return ENGINE.bind(subject).decide(action, *rest, **options)


def explained(*parts: Any, **options: Any) -> Any:
    return ENGINE.explain(*parts, **options).outcome


@pytest.mark.parametrize("number", range(len(ODD)))
def test_what_fails_is_refused_everywhere(number):
    odd = ODD[number]
    ENGINE.decide(**ASKED)
    for path in places(ASKED):

        def asked(path: tuple[Any, ...] = path) -> list[Any]:
            return list(with_odd(path, odd).values())

        expected = seen(ENGINE.decide, *asked())
        for ask in (DecisionCache(ENGINE).decide, explained):
            assert seen(ask, *asked()) == expected, path
        seen(bound, *asked())
        seen(lambda *parts: ENGINE.decide_many([parts])[0], *asked()[:4])
        subject, action, resource, context, *_, entities = asked()
        seen(ENGINE.context, action, context)
        seen(ENGINE.store, entities)
        seen(ENGINE.store, [subject, resource])


def problems_of(ask: Callable[[], Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        ask()
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_what_fails_is_reported_with_its_place():
    assert problems_of(
        lambda: ENGINE.decide(**with_odd(("subject", "properties", "t"), ODD[8]))
    ) == [("subject.properties.t", "it cannot be read: that raised `BrokenError`")]
    assert problems_of(lambda: ENGINE.decide(**with_odd(("subject", "properties"), ODD[5]))) == [
        ("subject.properties", "it cannot be read: that raised `BrokenError`")
    ]
    assert problems_of(lambda: ENGINE.decide(**with_odd(("subject", "id"), ODD[12]))) == [
        ("subject.id", "this is a `Says` that says it is something else")
    ]


class EqualsAll(str):
    """Says that it equals every string."""

    __slots__ = ()
    __eq__ = lambda self, other: True  # noqa: E731
    __hash__ = str.__hash__


@pytest.mark.parametrize("part", ["subject", "resource"])
def test_a_key_is_what_it_holds(part):
    ENGINE.decide(**ASKED)
    asked = copy.deepcopy(ASKED)
    asked[part][EqualsAll("propertes")] = {"banned": True}
    assert [path for path, _ in problems_of(lambda: ENGINE.decide(**asked))] == [
        f"{part}.propertes"
    ]
    stored = problems_of(lambda: ENGINE.store([asked[part]]))
    assert "[0].propertes" in [path for path, _ in stored]


BOSS = {"type": "User", "id": "bob"}
STORED = ENGINE.with_store(
    ENGINE.store(
        [
            *ASKED["entities"],
            {**BOB, "properties": {**BOB["properties"], "boss": BOSS}},
            {**BOB, "id": "eve", "properties": {**BOB["properties"], "boss": BOSS, "banned": True}},
            {"type": "Doc", "id": "d", "parents": []},
        ]
    )
)
NAMED = {
    **ASKED, "subject": BOSS, "resource": ASKED["resource"], "entities": [{"type": "Team", "id": "t"}],
}  # fmt: skip
ALONE = {**NAMED, "now": None, "entities": None}


@pytest.mark.parametrize(
    ("engine", "given"), [(ENGINE, ASKED), (STORED, NAMED), (STORED, ALONE)],
    ids=["described", "stored", "stored, and no others"],
)  # fmt: skip
def test_a_name_is_what_it_holds(engine, given):
    """A string that is found in the place of another one is taken for its text, where that was decided about as well."""

    def bound_to(subject: Any, *rest: Any, **options: Any) -> Any:
        return engine.bind(subject).decide(*rest, **options)

    opened = engine.bind(given["subject"])
    asking: list[Callable[..., Any]] = [
        engine.decide, DecisionCache(engine).decide, bound_to, lambda *parts, **options: engine.explain(*parts, **options).outcome,
        lambda _, *rest, **options: opened.decide(*rest, **options),
        lambda *parts, **options: engine.decide_many([parts], **options)[0],
        lambda _, *rest, **options: opened.decide_many([rest], **options)[0],
    ]  # fmt: skip
    for path in [*places(given)]:
        if path[-1] not in ("action", "type", "id"):
            continue
        for text in ("read", "User", "bob", "eve", "d", "nobody"):
            exact, other = copy.deepcopy(given), copy.deepcopy(given)
            for asked, made in ((exact, lambda text, _: text), (other, Pretender)):
                owner: Any = asked
                for step in path[:-1]:
                    owner = owner[step]
                owner[path[-1]] = made(text, owner[path[-1]])
            for ask in asking:
                assert seen(ask, *given.values()) is True
                assert seen(ask, *other.values()) == seen(ask, *exact.values()), (path, text)
                assert seen(ask, *given.values()) is True


def test_names_that_are_one_text_stand_twice():
    class Apart(str):
        __slots__ = ()
        __eq__ = lambda self, other: False  # noqa: E731
        __hash__ = str.__hash__

    asked = copy.deepcopy(ASKED)
    asked["subject"]["properties"][Apart("n")] = 9
    assert problems_of(lambda: ENGINE.decide(**asked)) == [
        ("subject.properties.n", "this name stands twice in one object")
    ]


def test_lengths_are_counted():
    class Short(list):  # type: ignore[type-arg] - of anything
        def __len__(self) -> int:
            return 1

    asked = copy.deepcopy(ASKED)
    asked["subject"]["properties"]["tags"] = Short(map(str, range(2000)))
    assert problems_of(lambda: ENGINE.decide(**asked)) == [
        ("subject.properties.tags", "a set has at most 1000 elements, this one has 2000")
    ]

    class Small(int):
        __lt__ = __gt__ = lambda self, other: True

    asked = copy.deepcopy(ASKED)
    asked["subject"]["properties"]["n"] = Small(10**18)
    assert [path for path, _ in problems_of(lambda: ENGINE.decide(**asked))] == [
        "subject.properties.n"
    ]


def test_addresses_are_what_they_hold():
    def says(base: type, text: str) -> type:
        methods = {name: lambda *_: text for name in ("__str__", "__repr__", "__format__")}
        return type("Says", (base,), methods)

    engine = PolicyEngine.from_text("""
        package a
        entity User { at: set<ip> }
        action read by User on User
        forbid inside: read when subject.at within ip "10.0.0.0/8"
        permit others: read
    """)
    for base, held, said in (
        (IPv4Address, "10.0.0.1", "8.8.8.8"),
        (IPv6Address, "::ffff:10.0.0.1", "::1"),
        (IPv4Network, "10.0.0.0/9", "8.0.0.0/8"),
        (IPv6Network, "::ffff:10.0.0.0/120", "1::/64"),
    ):
        user = {"type": "User", "id": "u", "properties": {"at": [says(base, said)(held)]}}
        for subject in (user, engine.entity("User", "u", user["properties"])):
            assert not engine.decide(subject, "read", user).allowed, held
        user["properties"]["at"] = [says(base, held)(said)]
        assert engine.decide(user, "read", user).allowed, held


def test_mappings_and_derived_classes_are_taken():
    asked = copy.deepcopy(ASKED)
    asked["subject"] = MappingProxyType({**BOB, "properties": UserDict(BOB["properties"])})
    assert ENGINE.decide(**asked).allowed
    assert ENGINE.decide(**{**asked, "context": ChainMap({"why": "x"})}).allowed


@pytest.mark.parametrize("values", [[], (), "", 0, False])
def test_nothing_else_stands_for_no_values(values):
    assert problems_of(lambda: ENGINE.entity("User", "u", values, n=1))
    assert problems_of(lambda: ENGINE.context("read", values, why="x"))


def test_a_store_is_made_of_a_list():
    for entities in (None, 5, {"type": "User", "id": "u"}, Says(lambda: str)):
        assert [path for path, _ in problems_of(lambda: ENGINE.store(entities))] == [""]  # noqa: B023 - asked at once


@pytest.mark.parametrize(
    "store", [[], 5, b"ab", {"type": "Team", "id": "t"}, [ASKED["entities"][0]]]
)
def test_what_is_given_as_a_store_is_one(store):
    text = "package f\nentity User\naction read by User on User\npermit p: read\n"
    engine, user = PolicyEngine.from_text(text), {"type": "User", "id": "u"}
    with pytest.raises(TypeError, match=r"make one with `engine\.store`"):
        PolicyEngine.from_text(text, store=store)
    with pytest.raises(TypeError, match=r"make one with `engine\.store`"):
        engine.with_store(store)
    wire = json.dumps({"subject": user, "action": {"name": "read"}, "resource": user})
    assert engine.decide(user, "read", user).allowed
    answer = json.loads(engine.decide_json(wire, entities=store))
    if store == []:
        assert answer["decision"]
        return
    assert not answer["decision"]
    place = (
        "entities[0]" if isinstance(store, list) else "entities"
    )  # of a type that this set does not know
    assert answer["context"]["problems"][0]["path"].startswith(place)
    if not isinstance(store, list):
        for ask in (
            lambda: engine.decide(user, "read", user, entities=store),
            lambda: engine.explain(user, "read", user, entities=store),
            lambda: engine.bind(user, entities=store),
            lambda: engine.bind(user).decide("read", user, entities=store),
            lambda: DecisionCache(engine).decide(user, "read", user, entities=store),
        ):
            assert [path for path, _ in problems_of(ask)] == ["entities"]


def test_bind_reports_what_is_wrong_with_the_subject_and_with_others_at_once():
    unfit = {**BOB, "properties": {**BOB["properties"], "n": "x"}}
    found = problems_of(lambda: ENGINE.bind(unfit, entities=5))
    assert [path for path, _ in found] == ["subject.properties.n", "entities"]


class Key:
    """A name in a dict that fails when it is compared or shown; all have one hash."""

    __slots__ = ()
    __eq__ = fail
    __str__ = __repr__ = fail

    def __hash__(self) -> int:
        return 1


class Unasked:
    """Fails whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise BrokenError(name)


HOSTILE = [Key(), {Key(): 1}, {"x": {Key(): 1}}, Unasked(), {(1, 2): Unasked()}, {b"": 1}]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_document_that_was_parsed_raises_nothing(number):
    odd = HOSTILE[number]
    document = {**ASKED, "action": {"name": "read"}}
    del document["fields"]
    places = [
        odd,
        {**document, "subject": {**BOB, "properties": odd}},
        {**document, "subject": {**BOB, "x": odd}},
    ]
    places += [
        {**document, name: odd} for name in (*document, "fields", "evaluations", "options", "zone")
    ]
    places += [{**document, **odd}] if type(odd) is dict else []
    lenient = PolicyEngine.from_text(SOURCE, undeclared="drop")
    for engine in (ENGINE, lenient):
        for place in places:
            for decision in (
                engine.decide_request(place, accept_now=True),
                *engine.evaluations(place, accept_now=True).decisions,
                *engine.evaluations({"evaluations": [place]}, accept_now=True).decisions,
            ):
                assert all([repr(decision), repr(decision.request), *decision.ignored])
                assert json.loads(decision.to_bytes())["decision"] is decision.allowed
