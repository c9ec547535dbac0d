"""Entities and records: built once, immutable, equal by content, read from Python."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier

import pytest
from msgspec.structs import replace

from policyengine.intake.build import build_context
from policyengine.model.entities import Entity, entity_class
from policyengine.model.limits import Limits
from policyengine.model.records import Record, record_class, slot
from policyengine.model.types import INT, Attribute, EntityType, RecordType, Schema
from policyengine.model.values import ABSENT
from tests.model.world import APP_TYPE, LIMITS, PLACE, SCHEMA, build_entity, problems_of

APP = {"tier": "pro", "status": "active", "purposes": {"health"}}


def build(type_: str, id_: str, parents: object = None, **properties: object) -> Entity:
    return build_entity(SCHEMA, LIMITS, type_, id_, properties, parents)  # type: ignore[arg-type]


def test_an_entity_is_read_as_python_values():
    app = build("App", "a1", **APP, **{"class": "x"})
    assert (app.type, app.id, app["id"]) == ("App", "a1", "a1")
    assert app.tier == app["tier"] == "pro"
    assert app.purposes == frozenset({"health"})
    assert app["class"] == "x"
    assert getattr(app, slot("tier")) == 2
    assert getattr(app, slot("contact")) is ABSENT


def test_an_attribute_that_is_not_there_is_an_error():
    app = build("App", "a1", **APP)
    with pytest.raises(AttributeError, match="no attribute 'teir'"):
        app.teir  # noqa: B018
    with pytest.raises(AttributeError, match="given without `contact`"):
        app.contact  # noqa: B018
    with pytest.raises(KeyError):
        app["contact"]
    with pytest.raises(AttributeError, match="no attribute 'zzz'"):
        app.zzz  # noqa: B018
    assert getattr(app, "contact", None) is None


def test_the_text_of_an_entity_hides_what_is_private():
    app = build("App", "a1", contact="ann@example.org", **APP)
    assert (
        repr(app)
        == '<App "a1" { tier: pro, status: active, purposes: {health}, contact: …, rank: … }>'
    )
    assert repr(build("Team", "t")) == '<Team "t">'


def test_entities_are_immutable_and_equal_by_content():
    one, other = build("App", "a1", **APP), build("App", "a1", **APP)
    assert one == other
    assert hash(one) == hash(other)
    assert one != build("App", "a2", **APP)
    assert one != build("App", "a1", **{**APP, "tier": "free"})
    assert one != build("App", "a1", parents=[], **APP)
    with pytest.raises(AttributeError):
        one.v_tier = 0
    with pytest.raises(AttributeError):
        one.other = 1
    assert copy.copy(one) == one


def test_classes_are_made_once_even_if_threads_race():
    for i in range(20):
        type_ = EntityType(f"T{i}", (), (Attribute("a", INT),))
        record = RecordType((Attribute(f"b{i}", INT),))
        barrier = Barrier(8)

        def make(_, type_=type_, record=record, barrier=barrier):
            barrier.wait()
            return entity_class(type_), record_class(record)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(make, range(8)))) == 1


def test_references_given_as_entities_are_carried():
    doctor = build("User", "d", protected=True, apps=[])
    user = build("User", "u", protected=False, apps=[], doctor=doctor)
    post = build("Post", "p", author=user, readers=[user, doctor], created_at="2026-09-01")
    assert post.author == {"type": "User", "id": "u"}
    assert set(post.carried_) == {user, doctor}
    assert post.created_at == datetime(2026, 9, 1, tzinfo=UTC)


def test_carried_entities_must_not_contradict_one_another():
    one = build("User", "u", protected=False, apps=[])
    other = build("User", "u", protected=True, apps=[])
    found = problems_of(build, "Post", "p", author=one, readers=[other])
    assert found == [("PE510", "properties.readers[0]")]
    user = build("User", "d", doctor=one)
    assert problems_of(build, "User", "u", protected=True, doctor=user) == [
        ("PE510", "properties.doctor")
    ]


def test_parents_give_the_line():
    root = build("Project", "root", parents=[])
    leaf = build("Project", "leaf", parents=[root])
    app = build("App", "a", parents=(leaf, build("Team", "t")), **APP)
    assert root.line == {("Project", "root")}
    assert app.line == {("App", "a"), ("Project", "leaf"), ("Project", "root"), ("Team", "t")}
    assert build("App", "a", **APP).line is None
    assert build("App", "a", parents=[{"type": "Project", "id": "leaf"}], **APP).line is None
    assert build("Team", "t").line == {("Team", "t")}  # its type lies in nothing


@pytest.mark.parametrize(
    ("parents", "problem"),
    [
        ("Project", ("PE505", "parents")),
        ([{"type": "User", "id": "u"}], ("PE523", "parents[0]")),
        ([{"type": "Projct", "id": "u"}], ("PE503", "parents[0].type")),
        ([{"type": "Project"}], ("PE521", "parents[0]")),
        ([{"type": "Project", "id": "p", "properties": {}}], ("PE520", "parents[0].properties")),
        ([{"type": "Project", "id": "p"}] * 2, ("PE511", "parents[1]")),
        (["p"], ("PE505", "parents[0]")),
        ([{"type": "Project", "id": str(i)} for i in range(1001)], ("PE514", "parents")),
    ],
)
def test_parents_that_do_not_fit_are_refused(parents, problem):
    assert problems_of(build, "App", "a", parents=parents, **APP) == [problem]


def test_a_type_that_lies_in_nothing_has_no_parents():
    assert problems_of(build, "Team", "t", parents=[build("Team", "s")]) == [
        ("PE523", "parents[0]")
    ]


def test_an_entity_is_not_its_own_ancestor():
    own = build("Project", "p", parents=[{"type": "Project", "id": "q"}])
    found = problems_of(build, "Project", "q", parents=[own])
    assert {code for code, _ in found} == {"PE524"}


def test_ancestors_are_limited():
    parent = build("Project", "p0", parents=[])
    few = Limits(ancestors=2)
    for i in (1, 2):
        parent = build_entity(SCHEMA, few, "Project", f"p{i}", {}, [parent])
    found = problems_of(build_entity, SCHEMA, few, "Project", "p3", {}, [parent])
    assert found == [("PE514", "parents")]


def test_every_problem_of_an_entity_is_reported():
    found = problems_of(
        build, "App", "a", tier="por", status=1, purposes="health", contact=5, cuont=1
    )
    assert found == [
        ("PE504", "properties.cuont"),
        ("PE506", "properties.tier"),
        ("PE505", "properties.status"),
        ("PE505", "properties.purposes"),
        ("PE505", "properties.contact"),
    ]


@pytest.mark.parametrize(
    ("type_", "id_", "problems"),
    [
        ("Ap", "a", [("PE503", "type")]),
        (5, "a", [("PE505", "type")]),
        ("App", 5, [("PE505", "id")]),
        ("App", True, [("PE505", "id")]),
        ("App", "\ud800", [("PE515", "id")]),
        (None, None, [("PE505", "type"), ("PE505", "id")]),
    ],
)
def test_type_and_id_must_be_right(type_, id_, problems):
    assert problems_of(build, type_, id_) == problems


def test_entities_of_another_schema_are_validated_again():
    wider = EntityType("App", APP_TYPE.parents, (*APP_TYPE.attributes, Attribute("more", INT)))
    schema = Schema({**SCHEMA.entities, "App": wider}, SCHEMA.actions, SCHEMA.gates, {})
    app = build("App", "a", parents=[build("Project", "p", parents=[])], **APP)
    user = build("User", "u", protected=True, apps=[app])
    own = {e.type: e for e in build_entity(schema, LIMITS, "User", "u", {"apps": [app]}).carried_}
    assert own["App"].tier == "pro"
    assert own["App"].line == {("App", "a"), ("Project", "p")}
    moved = build_entity(schema, LIMITS, "Post", "p", {"author": user})
    assert {type(e) for e in moved.carried_ if e.type == "App"} == {entity_class(wider)}
    with_more = build_entity(schema, LIMITS, "App", "b", {"more": 1})
    found = problems_of(build_entity, SCHEMA, LIMITS, "User", "u", {"apps": [with_more]})
    assert found == [("PE504", "properties.apps[0].properties.more")]


def test_a_reloaded_vocabulary_takes_the_same_entities():
    again = Schema({n: replace(t) for n, t in SCHEMA.entities.items()}, {}, {}, {})
    user = build("User", "u", protected=True, apps=[])
    post = build_entity(again, LIMITS, "Post", "p", {"author": user})
    assert next(iter(post.carried_)) is user


def test_records_are_immutable_equal_by_value_and_hide_what_is_private():
    made = record_class(PLACE)
    one, other = made(15_000, ABSENT), made(15_000, ABSENT, complete_=True)
    assert one == other
    assert hash(one) == hash(other)
    assert one != made(15_000, 0)
    assert one["lat"] == Decimal("1.5")
    for name in ("long", "lang"):
        with pytest.raises(KeyError):
            one[name]
    with pytest.raises(AttributeError):
        one.v_lat = 1
    assert made is record_class(RecordType(PLACE.attributes))


def test_a_context_is_built_once():
    user = build("User", "u", protected=True, apps=[])
    context = build_context(SCHEMA, LIMITS, "search", {"purposes": {"ads"}, "user": user})
    assert isinstance(context, Record)
    assert context["purposes"] == {"ads"}
    assert tuple(context.carried_) == (user,)
    assert context.complete_
    assert not build_context(SCHEMA, LIMITS, "search", {}).complete_


@pytest.mark.parametrize(
    ("action", "given", "problems"),
    [
        ("serach", {}, [("PE501", "action")]),
        ("api", {}, [("PE501", "action")]),
        ("search", {"purposes": ["resaerch"], "more": 1},
         [("PE504", "context.more"), ("PE506", "context.purposes[0]")]),
        ("search", ["purposes"], [("PE505", "context")]),
    ],
)  # fmt: skip
def test_a_context_that_does_not_fit_is_refused(action, given, problems):
    assert problems_of(build_context, SCHEMA, LIMITS, action, given) == problems
