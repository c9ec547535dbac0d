"""The fast path takes requests that are valid without further checks, and leaves the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

import pytest

from policyengine import InvalidRequest, PolicyEngine
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore
from policyengine.model.entities import repeats
from policyengine.model.limits import Limits
from tests.strategies.fast_paths import fast_path_takes

POLICY = """
package p
enum Kind = letter | memo
entity Team in Team { name: string }
entity User in Team { name: string, boss?: User, friends: set<User>, scores: set<int> }
entity Doc in Team {
    owner: User, kind: Kind, price: decimal, due: datetime, wait: duration, from: ip, kinds: set<Kind>,
    places: set<{ name: string, near?: User }>, tags: set<string>,
}
action read by User on Doc with { why?: string, as?: User, home?: { of: User } }
field gate scope "what may be seen"
gate scope {
    permit owners: read when resource within {Team "t"} and resource.owner.name == subject.name
        and now < resource.due fields all
    permit bosses: read when subject has boss and subject.boss.name == "b" fields kind
    permit homes: read when context has home and context.home.of.name == "b" fields kind
}
"""


def user(id_: str = "u", **more: Any) -> dict[str, Any]:
    properties = {"name": id_, "friends": [], "scores": [1], **more}
    return {"type": "User", "id": id_, "properties": properties}


def doc(**more: Any) -> dict[str, Any]:
    properties = {
        "owner": ref("u"), "kind": "memo", "price": "1.50", "due": "2030-01-01", "wait": "2h",
        "from": "10.0.0.1", "kinds": ["memo"], "places": [{"name": "x"}], "tags": ["a"],
    }  # fmt: skip
    return {
        "type": "Doc", "id": "d", "properties": {**properties, **more}, "parents": [ref("t", "Team")],
    }  # fmt: skip


def ref(id_: str, type_: str = "User") -> dict[str, str]:
    return {"type": type_, "id": id_}


class Kind(StrEnum):
    memo = "memo"


TEAM = {"type": "Team", "id": "t", "properties": {"name": "t"}, "parents": []}
PARTS: dict[str, Any] = {
    "subject": user(), "action": "read", "resource": doc(), "context": {}, "now": 0,
    "fields": None, "entities": [TEAM],
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    made = PolicyEngine.from_text(POLICY, limits=Limits(set_size=5, entities=5, string_size=50))
    made._intake.fast.open(("read", "User", "Doc"))
    return made


def taken(engine: PolicyEngine, store: EntityStore | None = None, **changed: Any) -> bool:
    full = PolicyEngine.from_text(POLICY, limits=engine._limits)._intake.validator
    return fast_path_takes(engine._intake.fast, full, {**PARTS, **changed}, store)


@pytest.mark.parametrize(
    "changed",
    [
        {}, {"context": None}, {"context": {"why": "é", "as": ref("x")}},
        {"now": "2026-01-01T10:00:00Z"}, {"now": datetime(2026, 1, 1, tzinfo=UTC)},
        {"fields": ["id", "kind"]}, {"fields": ("tags",)}, {"fields": []},
        {"entities": (TEAM, user("b"))}, {"entities": [TEAM, TEAM]},
        {"entities": [TEAM, user()]}, {"entities": [TEAM, user("b")], "subject": user(boss=ref("b"))},
        {"resource": doc(kinds=("memo", "letter"), tags={"a", "b"})},
        {"resource": doc(kinds={"memo"}, tags=frozenset("ab"), places=[])},
        {"resource": doc(price=Decimal(2), wait=timedelta(1), due=datetime(2030, 1, 1, tzinfo=UTC))},
        {"resource": {**doc(), "properties": {**doc()["properties"], "from": ip_address("::1")}}},
        {"resource": doc(places=({"name": "x", "near": ref("n")}, {"name": "y"}))},
        {"context": {"home": {"of": ref("b")}}, "entities": [TEAM, user("b")]},
        {"subject": {**user(), "parents": [ref("t", "Team")]}},
        {"subject": user(scores={1, 2}, friends=[ref("v"), ref("w")])},
        {"action": {"name": "read"}}, {"entities": [{**TEAM, "parents": ()}]},
        {"subject": user(friends=(ref("v"), ref("w"))), "resource": doc(kind=Kind.memo, kinds=[Kind.memo])},
        {"subject": user(StrEnum("Id", ["u"]).u), "context": {"why": Kind.memo}},
    ],
)  # fmt: skip
def test_what_is_plain_is_taken(engine: PolicyEngine, changed):
    assert taken(engine, **changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "write"}, {"action": {"name": "read", "x": 1}}, {"action": {"x": "read"}}, {"action": {"name": 1}}, {"subject": None}, {"subject": ref("u")},
        {"subject": ref("d", "Doc")}, {"resource": {**doc(), "more": 1}}, {"context": []},
        {"resource": doc(more=1)}, {"now": 1.0}, {"now": "soon"}, {"now": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"now": 10**30}, {"fields": ["nothing"]}, {"fields": ["id", "id"]}, {"fields": "id"},
        {"fields": [1]}, {"fields": ["id"] * 6}, {"entities": []}, {"entities": "x"},
        {"entities": iter([TEAM])}, {"entities": [TEAM] * 6}, {"entities": [TEAM, 1]},
        {"entities": [{**TEAM, "type": "Tea"}]}, {"entities": [TEAM, user(scores=[2])]},
        {"entities": [{**TEAM, "properties": {}}, TEAM]}, {"entities": [{**TEAM, "parents": {}}]},
        {"entities": [{**TEAM, "parents": [ref("t", "Team")]}]},
        {"entities": [{**TEAM, "parents": [ref("u")]}]}, {"entities": [TEAM], "resource": {}},
        {"subject": user(boss=ref("b"))}, {"subject": user(boss=ref("b", "Team"))},
        {"context": {"home": {"of": ref("b")}}}, {"context": {"home": {}}},
        {"subject": user(scores=[1, 1])}, {"subject": user(scores=[True])},
        {"subject": user(scores=[10**18])}, {"subject": user(scores=[1, 2, 3, 4, 5, 6])},
        {"subject": user(friends={"v"})}, {"subject": user(friends=[{**ref("v"), "x": 1}])},
        {"resource": doc(tags="ab")}, {"resource": doc(tags=["a", "a"])}, {"resource": doc(tags=[1])},
        {"resource": doc(tags=["x" * 51])}, {"resource": doc(tags=["\ud800"])},
        {"resource": doc(kinds="memo")}, {"resource": doc(kinds=["note"])},
        {"resource": doc(kinds=["memo", "memo"])}, {"resource": doc(kind=None)},
        {"resource": doc(places=[{}])}, {"resource": doc(places={"name": "x"})},
        {"resource": doc(price=1)}, {"resource": doc(price=1.5)}, {"resource": doc(wait="long")},
        {"resource": {**doc(), "parents": [ref("t", "Team")] * 2}},
        {"resource": {**doc(), "parents": [ref("x" * 51, "Team")]}},
    ],
)  # fmt: skip
def test_what_is_not_is_left(engine: PolicyEngine, changed):
    assert not taken(engine, **changed)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"subject": ref("u"), "resource": ref("d", "Doc"), "entities": None}, True),
        ({"subject": user("stranger"), "resource": ref("d", "Doc"), "entities": None}, True),
        ({"subject": user(), "resource": ref("d", "Doc"), "entities": None}, True),  # says it again
        ({"subject": {**user(), "parents": []}, "resource": doc(), "entities": None}, True),
        ({"subject": {**user(), "parents": [ref("t", "Team")]}, "entities": None}, False),
        ({"subject": user(name="v"), "resource": doc(), "entities": None}, False),
        ({"subject": user(boss=ref("b")), "resource": doc(), "entities": None}, False),
        ({"subject": ref("u"), "resource": doc(tags=["x"]), "entities": None}, False),
        ({"subject": ref("u"), "entities": [user(), {**user("b"), "parents": []}, TEAM]}, True),
        ({"subject": ref("u"), "entities": [user("b", name="v")]}, False),
        ({"subject": ref("poor"), "resource": ref("d", "Doc"), "entities": None}, False),
        ({"subject": ref("v"), "resource": ref("d", "Doc"), "entities": None}, False),
        ({"subject": {**ref("u"), "parents": []}, "resource": ref("d", "Doc")}, False),
        ({"subject": user("x", boss=ref("b")), "resource": ref("d", "Doc"), "entities": None}, True),
        ({"subject": user("x", boss=ref("poor")), "resource": ref("d", "Doc")}, False),
        ({"subject": ref("u"), "resource": ref("d", "Doc"), "entities": [ref("b")]}, True),
        ({"subject": {**user("x"), "parents": [ref("t", "Team")]}, "resource": ref("d", "Doc"),
          "entities": None}, True),
    ],
)  # fmt: skip
def test_what_a_store_knows_is_taken_from_it(engine: PolicyEngine, changed, expected):
    poor = {"type": "User", "id": "poor", "properties": {}, "parents": []}
    given = [TEAM, doc(), *({**user(id_), "parents": []} for id_ in "ub"), poor]
    assert taken(engine, engine.store(given), **changed) is expected


def test_built_parts_are_taken_if_they_lack_nothing(engine: PolicyEngine):
    team = engine.entity("Team", "t", name="t", parents=[])
    whole = engine.entity("User", "u", name="u", friends=[], scores=[1])
    assert taken(engine, subject=whole, entities=[team])
    assert taken(engine, engine.store([team, whole]), subject=whole, entities=None)
    with_line = engine.entity("User", "u", name="u", friends=[], scores=[1], parents=[])
    store = engine.store([team, with_line])
    assert taken(engine, store, subject=store["User", "u"], entities=None)
    assert taken(engine, subject=engine.entity("User", "u", name="u"))  # no rule reads the rest
    assert not taken(engine, subject=engine.entity("User", "u", friends=[], scores=[1]))
    assert taken(
        engine, subject=engine.entity("User", "x", name="u", friends=[], scores=[1], boss=whole)
    )
    assert taken(engine, subject=engine.entity("User", "x", name="u", boss=whole))
    context = engine.context("read", why="x")
    assert taken(engine, context=context)
    assert taken(engine, context=engine.context("read", {"as": whole}))
    assert not taken(engine, context=engine.context("read", {"as": engine.entity("User", "u")}))
    other = PolicyEngine.from_text(POLICY.replace("scores: set<int>", "scores: set<string>"))
    stranger = other.entity("User", "u", name="u", friends=[], scores=["1"])
    assert not taken(engine, subject=stranger)
    assert not taken(engine, other.store([]))


def test_without_readers_nothing_is_taken(engine: PolicyEngine):
    full = PolicyEngine.from_text(POLICY)
    with pytest.raises(InvalidRequest, match="PE508"):
        full.decide(user(boss=ref("b")), "read", doc(), {}, entities=[TEAM])


LINES = """
package l
entity Team in Team
entity User in Team { boss?: User }
entity Doc
action read by User on Doc
permit mine: read when subject within {Team "t"}
permit bosses: read when subject has boss and subject.boss within {Team "t"}
"""


@pytest.mark.parametrize(
    ("more", "entities", "expected"),
    [
        ({"parents": []}, [], True),
        ({"parents": [ref("t", "Team")]}, [{**ref("t", "Team"), "parents": []}], True),
        ({}, [], False),
        ({"parents": [ref("t", "Team")]}, [ref("t", "Team")], False),
        ({"parents": [], "properties": {"boss": ref("b")}}, [{**ref("b"), "parents": []}], True),
        ({"parents": [], "properties": {"boss": ref("b")}}, [ref("b")], False),
        (
            {"parents": []},
            [{**ref(one, "Team"), "parents": [ref(other, "Team")]} for one, other in ("ab", "ba")],
            False,
        ),
    ],
)
def test_ancestors_must_be_known_where_they_are_asked_for(more, entities, expected):
    engine, full = PolicyEngine.from_text(LINES), PolicyEngine.from_text(LINES)
    engine._intake.fast.open(("read", "User", "Doc"))
    asked = {**PARTS, "subject": {**ref("u"), **more}, "resource": ref("d", "Doc")}
    fast, slow = engine._intake.fast, full._intake.validator
    assert fast_path_takes(fast, slow, {**asked, "entities": entities}, None) is expected


def _team(engine: PolicyEngine, *names: str) -> Any:
    """Return the last of some teams, each in the one before."""
    above: list[Any] = []
    for name in names:
        above = [engine.entity("Team", name, parents=above)]
    return above[0]


def _in_team(id_: str, *above: str, type_: str = "User") -> dict[str, Any]:
    parents = [ref(team, "Team") for team in above]
    return {**ref(id_, type_), "properties": {}, "parents": parents}


def test_ancestors_are_taken_as_they_were_built_if_all_agree():
    engine, full = PolicyEngine.from_text(LINES), PolicyEngine.from_text(LINES)
    engine._intake.fast.open(("read", "User", "Doc"))
    x = engine.entity("User", "x", parents=[_team(engine, "t", "u", "v")])
    y = engine.entity("User", "y", parents=[_team(engine, "a", "b")])
    alone = engine.entity("User", "x", parents=[ref("v", "Team")])
    team = _team(engine, "t", "u", "v")
    old = engine.store([_in_team("x", "v"), _in_team("t", type_="Team"),
                        _in_team("u", "t", type_="Team"), _in_team("v", "u", type_="Team")])  # fmt: skip
    of_store, below = old["User", "x"], engine.entity("User", "x", parents=[old["Team", "v"]])
    chain = [
        _in_team("t", type_="Team"),
        _in_team("u", "t", type_="Team"),
        _in_team("v", "u", type_="Team"),
    ]
    moved = [_in_team("u", "w", type_="Team"), _in_team("w", type_="Team")]
    circle = [_in_team("t", "v", type_="Team")]
    fast, slow = engine._intake.fast, full._intake.validator

    def is_taken(subject: Any, entities: Any, store: EntityStore | None = None) -> bool:
        resource = {**ref("d", "Doc"), "properties": {}}
        asked = {**PARTS, "subject": subject, "resource": resource, "entities": entities}
        return fast_path_takes(fast, slow, asked, store)

    for subject in (x, alone, of_store, below, _in_team("x", "v")):
        for entities in (chain, chain[::-1], [chain[1], team, chain[0]], [team, y], [y, team]):
            assert is_taken(subject, entities)
        assert not is_taken(subject, [team, *circle])
        assert not is_taken(subject, [team, *moved])
        assert not is_taken(subject, [*circle, *chain[1:]])
    for subject in (x, of_store, below):
        assert not is_taken(subject, [*moved, chain[2]])
    for subject in (of_store, below):
        assert is_taken(subject, [])
        assert not is_taken(subject, moved)
    assert not is_taken(alone, [])
    assert not is_taken(of_store, [y], old)  # the store does not know y, and nobody describes it
    assert is_taken(x, [], old)  # two equal accounts of the teams
    assert not is_taken(y, [], old)
    moving = old.with_changes(put=[_in_team("w", type_="Team"), _in_team("v", "w", type_="Team")])
    assert not is_taken(x, [], moving)  # it was built when the team was in another one
    assert not is_taken(below, [], moving)
    other = engine.store([_in_team("x", "v"), _in_team("v", type_="Team")])
    assert is_taken(of_store, [x])
    assert not is_taken(of_store, [other["User", "x"]])


def test_ancestors_of_all_entities_are_limited_together():
    limits = Limits(ancestors_in_all=7)
    engine = PolicyEngine.from_text(LINES, limits=limits)
    full = PolicyEngine.from_text(LINES, limits=limits)
    engine._intake.fast.open(("read", "User", "Doc"))
    # Of the teams there are 0 + 1 + 2 + … ancestors, and as many as teams of the user.
    for names, expected in (("tuv", True), ("tuvw", False)):
        chain = [_in_team(b, *a, type_="Team") for a, b in zip(("", *names), names, strict=False)]
        subject = _in_team("x", names[-1])
        for entities in (chain, chain[::-1]):
            asked = {**PARTS, "subject": subject, "resource": {**ref("d", "Doc"), "properties": {}}}
            asked["entities"] = entities
            assert fast_path_takes(engine._intake.fast, full._intake.validator, asked, None) is (
                expected
            )
            if not expected:
                with pytest.raises(InvalidRequest) as refused:
                    engine.decide(**{**asked, "now": None})
                assert [(one.code, one.message) for one in refused.value.problems] == [
                    ("PE514", "the entities of a request have at most 7 ancestors together")
                ]
    built = engine.entity("User", "x", parents=[_team(engine, *"tuv")])
    assert engine.decide(built, "read", {**ref("d", "Doc"), "properties": {}}) is not None
    with pytest.raises(InvalidRequest, match="at most 7 ancestors together"):
        engine.bind(_in_team("x", "w"), entities=chain)
    assert len(engine.store(chain)) == 4  # which is not a stranger's


def test_as_many_ancestors_as_there_may_be_are_taken():
    limits = Limits(ancestors=3)
    engine, few = PolicyEngine.from_text(LINES), PolicyEngine.from_text(LINES, limits=limits)
    full = PolicyEngine.from_text(LINES, limits=limits)
    few._intake.fast.open(("read", "User", "Doc"))
    for names, expected in (("tuv", True), ("tuvw", False)):
        above = _team(engine, *names)
        boss = engine.entity("User", "b", parents=[above])
        chain = [_in_team(b, *a, type_="Team") for a, b in zip(("", *names), names, strict=False)]
        for subject, entities in (
            (engine.entity("User", "x", parents=[above]), []),
            (engine.entity("User", "x", parents=[ref(names[-1], "Team")]), [above]),
            (engine.entity("User", "x", parents=[], boss=boss), []),
            (_in_team("x", names[-1]), chain),
            (_in_team("x", names[-1]), chain[::-1]),
        ):
            resource = {**ref("d", "Doc"), "properties": {}}
            asked = {**PARTS, "subject": subject, "resource": resource, "entities": entities}
            taken_ = fast_path_takes(few._intake.fast, full._intake.validator, asked, None)
            assert taken_ is expected


@pytest.mark.parametrize("count", [1, 64, 65, 300, 600, 3000])
def test_entities_may_have_any_number_of_attributes(count: int):
    attributes = ", ".join(
        f"f{n}?: {'{ a: { a: int } }' if n % 2 else 'int'}" for n in range(count)
    )
    engine = PolicyEngine.from_text(
        f"package t\nentity U {{ n: int, {attributes} }}\naction r by U on U\npermit p: r when subject.n > 1\n"
    )
    given: dict[str, Any] = {f"f{n}": {"a": {"a": n}} if n % 2 else n for n in range(count)}
    for properties in ({}, {"f0": 1}, given):
        user = {"type": "U", "id": "u", "properties": {"n": 2, **properties}}
        wrong = {"type": "U", "id": "u", "properties": {"n": 2, **properties, "f0": "1"}}
        for _ in range(3):
            assert engine.decide(user, "r", {"type": "U", "id": "v"}).allowed
            with pytest.raises(InvalidRequest):
                engine.decide(wrong, "r", {"type": "U", "id": "v"})


@pytest.mark.parametrize(
    ("asked", "expected"), [("", None), (' and resource.owner within User "u"', {("User", "u")})]
)
def test_who_lies_in_nothing_has_a_line_where_rules_read_ancestors(asked, expected):
    engine = PolicyEngine.from_text(f"""
        package p
        entity User {{ name: string }}
        entity Doc {{ owner: User }}
        action read by User on Doc
        gate scope "s"
        gate scope {{ permit namesakes: read when resource.owner.name == subject.name{asked} }}
    """)
    subject, owner = (
        {"type": "User", "id": id_, "properties": {"name": "n"}} for id_ in ("s", "u")
    )
    document = {**ref("d", "Doc"), "properties": {"owner": ref("u")}}
    asked = subject, "read", document, {}, None, None, [owner]
    assert engine.decide(*asked[:4], entities=[owner]).allowed  # it is validated in full
    request = engine._intake.fast.read(RawRequest(*asked))
    assert request is not None
    assert request.entities["User", "u"].line == expected


def test_a_rule_on_trial_reads_ancestors_as_well():
    engine = PolicyEngine.from_text("""
        package p
        entity User { name: string }
        entity Doc { owner: User }
        action read by User on Doc
        gate scope "s"
        gate scope {
            permit namesakes: read when resource.owner.name == subject.name
            advisory permit own: read when subject within User "s"
        }
    """)
    subject, owner = (
        {"type": "User", "id": id_, "properties": {"name": "n"}} for id_ in ("s", "u")
    )
    asked = subject, "read", {**ref("d", "Doc"), "properties": {"owner": ref("u")}}
    for _ in range(2):  # the first is validated in full
        [advice] = engine.decide(*asked, entities=[owner]).advisories
        assert advice.outcome == "satisfied"


def test_actions_of_which_the_same_is_read_share_a_reader():
    engine = PolicyEngine.from_text("""package p
        entity App { tier: int, age: int }
        entity Doc { open: bool }
        action read, list, write by App on Doc with { why: string }
        gate g "g"
        gate g { permit a: read, list when subject.tier > 1  permit b: write when subject.age > 1 }
        """)
    app = {"type": "App", "id": "a", "properties": {"tier": 2, "age": 1}}
    doc = {"type": "Doc", "id": "d", "properties": {"open": True}}
    for action, allowed in (("read", True), ("list", True), ("write", False)) * 2:
        assert engine.decide(app, action, doc, {"why": "w"}).allowed is allowed
    read, listed, written = engine._intake.fast.readers.by_target.values()
    assert read is listed
    assert read is not written


def test_what_says_more_than_a_store_does_not_repeat_it():
    engine = PolicyEngine.from_text(LINES)
    bare, whole = (
        {**ref("t", "Team"), "parents": []},
        {**ref("u", "Team"), "properties": {}, "parents": []},
    )
    store = engine.store([bare, whole])
    assert repeats(engine.entity("Team", "t"), store["Team", "t"])
    assert not repeats(engine.entity("Team", "t", {}), store["Team", "t"])  # which is not described
    assert repeats(engine.entity("Team", "u", {}), store["Team", "u"])
    assert not repeats(engine.entity("Team", "t", {}), store["Team", "u"])
    assert not repeats(engine.entity("User", "u", {}), store["Team", "u"])
