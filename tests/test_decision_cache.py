"""Remember decisions: what makes the key, what is not kept, and for how long the rest is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from policyengine import DecisionCache, InvalidRequest, PolicyEngine

POLICY = """package shop
entity Team in Team
entity User in Team { level: int, trusted: bool, name: string, seen: datetime, tags: set<string> }
entity Order { owner: User, total: decimal, place?: { city: string, street: string } }
action read, write, close, tag by User on Order with { amount: int, note: string, urgent: bool }
action look by User on Order

permit read_all: read when subject.trusted and context.amount < 5
    because "{subject} is trusted up to 5, at {context.amount}"
permit write_own: write when resource.owner == subject and resource.owner.level > 1
permit close_soon: close when now - subject.seen < 1h
permit tag_all: tag when "x" in subject.tags and subject within Team "staff"
permit look_on: look when subject.level > 0
advisory permit look_more: look when subject.trusted
"""
NOTES = {"amount": 1, "note": "", "urgent": False}


@pytest.fixture
def cache() -> DecisionCache:
    return DecisionCache(PolicyEngine.from_text(POLICY), size=50)


def user(id: str = "ann", parents: Any = (), **properties: object) -> dict[str, Any]:
    return {"type": "User", "id": id, "parents": list(parents), "properties": properties}


def order(**properties: object) -> dict[str, Any]:
    return {"type": "Order", "id": "o1", "properties": properties}


def test_what_is_read_makes_the_key_and_nothing_else(cache: DecisionCache):
    first = cache.decide(user(trusted=True, level=1), "read", order(), NOTES)
    again = cache.decide(user(trusted=True, level=2), "read", order(), {**NOTES, "note": "other"})
    assert first is again
    assert len(cache) == 1
    others = [
        cache.decide(user(trusted=False), "read", order(), NOTES),
        cache.decide(user("bob", trusted=True), "read", order(), NOTES),
        cache.decide(user(trusted=True), "read", order(), {**NOTES, "amount": 2}),
        cache.decide(user(level=3), "write", *_owned(3)),
    ]
    assert len(cache) == 5
    assert [decision.reason for decision in others[1:3]] == [
        'User "bob" is trusted up to 5, at 1',
        'User "ann" is trusted up to 5, at 2',
    ]


def _owned(level: int) -> tuple[dict[str, Any], dict[str, Any]]:
    engine = PolicyEngine.from_text(POLICY)
    return order(owner=engine.entity("User", "ann", level=level, parents=[])), NOTES


def test_what_is_read_of_others_counts(cache: DecisionCache):
    def asked(level: int, **more: object) -> bool:
        owner = user(level=level, **more)
        about = order(owner={"type": "User", "id": "ann"})
        return cache.decide(user(), "write", about, NOTES, entities=[owner]).allowed

    assert asked(3)
    assert not asked(1)
    assert asked(3, trusted=False)
    assert cache.decide(user(), "write", *_owned(3)).allowed
    assert not cache.decide(user(), "write", *_owned(1)).allowed
    assert len(cache) == 2


def test_ancestors_count(cache: DecisionCache):
    staff, guests = ({"type": "Team", "id": id} for id in ("staff", "guests"))
    teams = [{**staff, "parents": []}, {**guests, "parents": []}]
    for _ in range(2):
        for parents, allowed in (([staff], True), ([guests], False)):
            asked = user(parents=parents, tags=["x"])
            assert cache.decide(asked, "tag", order(), NOTES, entities=teams).allowed is allowed
    built = [cache.engine.entity("Team", team["id"], parents=[]) for team in (staff, guests)]
    for _ in range(2):
        for team, allowed in zip(built, (True, False), strict=True):
            asked = cache.engine.entity("User", "ann", parents=[team], tags={"x"})
            assert cache.decide(asked, "tag", order(), NOTES).allowed is allowed
    assert len(cache) == 2


@pytest.mark.parametrize("amount", [True, 1.0, "1", None, [1], {"x": 1}])
def test_values_that_are_equal_and_of_another_type_are_others(cache: DecisionCache, amount: object):
    assert cache.decide(user(trusted=True), "read", order(), NOTES).allowed
    with pytest.raises(InvalidRequest, match="amount"):
        cache.decide(user(trusted=True), "read", order(), {**NOTES, "amount": amount})
    for trusted in (1, "true", "True"):
        with pytest.raises(InvalidRequest, match="trusted"):
            cache.decide(user(trusted=trusted), "read", order(), NOTES)
    assert len(cache) == 1


def test_equal_sets_make_one_key_however_they_are_given(cache: DecisionCache):
    team = {"type": "Team", "id": "staff", "parents": []}

    def asked(tags: object) -> bool:
        asking = user(parents=[{"type": "Team", "id": "staff"}], tags=tags)
        return cache.decide(asking, "tag", order(), NOTES, entities=[team]).allowed

    assert asked(["x", "y"])
    assert asked({"x", "y"})
    assert asked(frozenset({"y", "x"}))
    assert len(cache) == 1
    for wrong in (["x", "y", "y"], ["x", 1], "x"):
        with pytest.raises(InvalidRequest, match="tags"):
            asked(wrong)


def test_what_has_run_out_is_not_served(cache: DecisionCache):
    asking = user(seen="2026-01-01T10:00:00Z")

    def asked(now: object) -> Any:
        return cache.decide(asking, "close", order(), NOTES, now=now)

    first = asked("2026-01-01T10:30:00Z")
    assert first.allowed
    assert asked(datetime(2026, 1, 1, 10, 59, tzinfo=UTC)) is first
    late = asked("2026-01-01T11:00:00Z")
    assert not late.allowed
    assert not asked("2026-06-01").allowed
    early = asked("2026-01-01T10:45:00Z")
    assert early.allowed
    assert asked("2026-01-01T10:40:00Z") is not early  # not before it was decided
    assert not asked(None).allowed  # long after
    with pytest.raises(InvalidRequest, match="now"):
        asked("tomorrow")


def test_the_hour_that_a_clock_shows_twice_is_not_confused(cache: DecisionCache):
    zone = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=fold) for fold in (0, 1))
    assert first == second
    now = "2026-10-25T01:45:00Z"
    assert not cache.decide(user(seen=first), "close", order(), NOTES, now=now).allowed
    assert cache.decide(user(seen=second), "close", order(), NOTES, now=now).allowed


def test_what_a_failed_rule_decided_is_not_kept(cache: DecisionCache):
    asked = user(trusted=True), "read", order(), NOTES
    compiled = cache.engine._program.compiled(("read", "User", "Order"))

    def fail(*_: object) -> None:
        raise RuntimeError

    whole, compiled.decide = compiled.decide, fail
    try:
        assert cache.decide(*asked).allowed  # the details decide, where no rule fails itself
        assert len(cache) == 0
    finally:
        compiled.decide = whole
    assert cache.decide(*asked).allowed
    assert len(cache) == 1


class Fetched(Mapping[str, object]):
    """Values that are fetched when they are asked for."""

    def __init__(self, **values: object) -> None:
        self._values = values
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> object:
        self.asked.append(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_what_a_mapping_fetches_is_looked_at_whole_each_time(cache: DecisionCache):
    for _ in range(2):
        properties, context = Fetched(trusted=True, level=1, name="Ann"), Fetched(**NOTES)
        asking = {"type": "User", "id": "ann", "properties": properties, "parents": []}
        assert cache.decide(asking, "read", order(), context).allowed
        assert set(properties.asked) == {"trusted", "level", "name"}
        assert set(context.asked) == set(NOTES)
    assert len(cache) == 1
    properties = Fetched(trusted=True, level="high")
    asking = {"type": "User", "id": "ann", "properties": properties, "parents": []}
    with pytest.raises(InvalidRequest, match="level"):
        cache.decide(asking, "read", order(), NOTES)


@pytest.mark.parametrize(
    "amiss",
    [
        {"subject": user(trusted=True, nonsense=1)},
        {"subject": user(trusted=True, level="1")},
        {"subject": user(trusted=True, tags=["x", "x"])},
        {"subject": user(parents=[{"type": "User", "id": "bob"}], trusted=True)},
        {"subject": {**user(trusted=True), "more": 1}},
        {"resource": order(total=1.5)},
        {"resource": order(place={"city": "Bonn"}, owner=5)},
        {"context": {**NOTES, "urgent": "very"}},
        {"context": {**NOTES, "more": 1}},
        {"entities": [user("bob", level="1")]},
        {"entities": [user("bob"), {"type": "Nobody", "id": "x"}]},
        {"entities": [user(trusted=True, level=2)]},
        {"fields": ["total"]},
        {"now": "tomorrow"},
    ],
)
def test_what_no_rule_reads_must_fit_as_well(cache: DecisionCache, amiss: dict[str, Any]):
    fitting = {"subject": user(trusted=True, level=1), "action": "read", "resource": order()}
    fitting |= {"context": NOTES}
    for _ in range(2):  # the second time it is remembered
        with pytest.raises(InvalidRequest) as found:
            cache.decide(**{**fitting, **amiss})
        with pytest.raises(InvalidRequest) as expected:
            cache.engine.decide(**{**fitting, **amiss})
        assert found.value.problems == expected.value.problems
        assert cache.decide(**fitting).allowed
    assert len(cache) == 1


@pytest.mark.parametrize(
    "asked",
    [
        (user(trusted=True), "reed", order(), NOTES),
        (user(), "read", order(), NOTES),
        ({"type": "User"}, "read", order(), NOTES),
        ({"type": []}, "read", order(), NOTES),
        (user(trusted=True), "read", {"type": "User", "id": "o", "properties": {}}, NOTES),
        (None, "read", order(), NOTES),
        (user(trusted=True), "read", order(), 5),
        ({**user(), "properties": ["trusted"]}, "read", order(), NOTES),
    ],
)
def test_what_does_not_fit_is_refused_and_not_kept(cache: DecisionCache, asked: tuple[Any, ...]):
    for _ in range(2):
        with pytest.raises(InvalidRequest) as found:
            cache.decide(*asked)
    with pytest.raises(InvalidRequest) as expected:
        cache.engine.decide(*asked)
    assert found.value.problems == expected.value.problems
    assert len(cache) == 0


def test_what_is_large_is_decided_and_not_kept(cache: DecisionCache):
    large: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        (user(trusted=True, name="a" * 10_000), []),
        (user("a" * 10_000, trusted=True), []),
        (
            user(trusted=True, tags=[f"a rather long tag, the {number}." for number in range(900)]),
            [],
        ),
        (user(trusted=True), [user(str(number), name="a" * 100) for number in range(100)]),
    ]
    for asking, others in large:
        assert cache.decide(asking, "read", order(), NOTES, entities=others).allowed
    context = {**NOTES, "note": "a" * 10_000}
    assert cache.decide(user(trusted=True), "read", order(), context).allowed
    assert len(cache) == 0
    assert cache.decide(user(trusted=True, name="a" * 9_000), "read", order(), NOTES).allowed
    assert len(cache) == 1


def test_where_a_rule_is_on_trial_nothing_is_kept(cache: DecisionCache):
    first, second = (
        cache.decide(user(level=1, trusted=trusted), "look", order()) for trusted in (True, False)
    )
    assert [d.advisories[0].outcome for d in (first, second)] == ["satisfied", "not_satisfied"]
    assert len(cache) == 0


def test_it_is_bounded(cache: DecisionCache):
    for number in range(120):
        cache.decide(user(str(number), trusted=True), "read", order(), NOTES)
    assert len(cache) == 50
    small = DecisionCache(cache.engine, size=1)
    kept = small.decide(user(trusted=True), "read", order(), NOTES)
    assert small.decide(user(trusted=True), "read", order(), NOTES) is kept


def test_built_parts_stores_and_fields(cache: DecisionCache):
    engine = cache.engine
    ann = engine.entity("User", "ann", trusted=True, level=1, parents=[])
    like = engine.entity("User", "ann", trusted=True, level=7, parents=[])
    about, context = engine.entity("Order", "o1"), engine.context("read", NOTES)
    first = cache.decide(ann, "read", about, context)
    assert (
        cache.decide(like, "read", about, engine.context("read", {**NOTES, "note": "n"})) is first
    )
    distrusted = engine.entity("User", "ann", trusted=False, level=1, parents=[])
    assert not cache.decide(distrusted, "read", about, context).allowed
    other = cache.decide(ann, "read", about, engine.context("read", {**NOTES, "amount": 4}))
    assert other is not first
    store = engine.store([user(level=3)])
    asked = user(), "write", order(owner={"type": "User", "id": "ann"}), NOTES
    kept = cache.decide(*asked, entities=store)
    assert cache.decide(*asked, entities=store) is kept
    assert cache.decide(*asked, entities=engine.store([user(level=3, trusted=True)])) is kept
    assert cache.decide(*asked, entities=engine.store([user(level=1)])).allowed is False
    with pytest.raises(InvalidRequest, match="fields"):
        cache.decide(ann, "read", about, context, fields=["total"])


def test_fields_that_are_asked_for_count():
    engine = PolicyEngine.from_text(
        """package p
        entity A { x: int, y: int }
        action go by A on A
        field gate seen "what may be seen"
        gate seen { permit open: go because "x is seen" fields x }
        """
    )
    cache = DecisionCache(engine)
    one, other = ({"type": "A", "id": id, "properties": {}} for id in ("a", "b"))
    for _ in range(2):
        for fields, allowed in ((None, True), (["x"], True), (["y"], False), (["x", "y"], False)):
            assert cache.decide(one, "go", other, fields=fields).allowed is allowed
    assert len(cache) == 4


def test_a_record_inside_counts_whole():
    engine = PolicyEngine.from_text(
        """package p
        entity A { place: { x: int, y: int } }
        action go by A on A with { x: int }
        permit there: go when subject.place.x > 0 and subject.place.y > 0 and context.x > 0
        """
    )
    cache = DecisionCache(engine)
    places = [engine.entity("A", "a", place={"x": 1, "y": y})["place"] for y in (1, 0)]
    about = {"type": "A", "id": "b", "properties": {}}
    asked = [{"type": "A", "id": "a", "properties": {"place": place}} for place in places]
    assert [cache.decide(one, "go", about, {"x": 1}).allowed for one in asked] == [True, False]


def test_threads_share_one(cache: DecisionCache):
    def work(number: int) -> bool:
        asked = user(str(number % 60), trusted=True), "read", order(), NOTES
        return cache.decide(*asked).reason.startswith(f'User "{number % 60}"')

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(600)))
    assert 50 - 8 < len(cache) <= 50  # each thread may make room for the same one


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "10", None])
def test_a_cache_has_room_for_something(size: Any):
    engine = PolicyEngine.from_text("package t\nentity U\naction r by U on U\npermit p: r\n")
    with pytest.raises(ValueError, match="room for at least one decision"):
        DecisionCache(engine, size=size)
    assert len(DecisionCache(engine, size=1)) == 0
