"""Requests: what is accepted, what is refused and where, and what is known afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policyengine.intake.build import build_context
from policyengine.intake.store import EntityStore
from policyengine.intake.validation import Validator
from policyengine.model.entities import Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import record_class
from policyengine.model.types import GateType, Schema
from policyengine.model.values import ABSENT
from tests.calls import calls
from tests.model.world import (
    APP,
    AUTHOR,
    CONTEXT,
    LIMITS,
    POST,
    SCHEMA,
    ask,
    build_entity,
    changed,
    needs,
    problems_of,
)

NO_STORE = EntityStore(SCHEMA)


def build(type_: str, id_: str, parents: Any = None, **properties: object) -> Entity:
    return build_entity(SCHEMA, LIMITS, type_, id_, properties, parents)


def project(id_: str, *parents: str) -> dict[str, Any]:
    return {
        "type": "Project",
        "id": id_,
        "parents": [{"type": "Project", "id": p} for p in parents],
    }


# ---- what fits --------------------------------------------------------------------------


def test_a_request_is_read_to_canonical_values():
    request = ask(now="1970-01-01T00:00:01Z", fields=["id", "geo"])
    assert request.subject.v_tier == 2
    assert request.action == "search"
    assert request.resource.v_author == "u1"
    assert request.context == record_class(CONTEXT)(frozenset({"health"}), ABSENT, ABSENT)
    assert request.now == 1_000_000
    assert request.fields == ("id", "geo")
    assert set(request.entities) == {("App", "a1"), ("Post", "p1"), ("User", "u1")}
    assert request.entities["App", "a1"] is request.subject


def test_the_same_request_comes_of_dicts_of_entities_and_of_a_store():
    author = build("User", "u1", protected=False)
    app = build("App", "a1", **APP["properties"])
    post = build("Post", "p1", author=author, created_at="2026-09-01")
    context = build_context(SCHEMA, LIMITS, "search", {"purposes": ["health"]})
    store = EntityStore(SCHEMA, [APP, AUTHOR, POST])
    bare: dict[str, Any] = {
        "subject": {"type": "App", "id": "a1"},
        "resource": {"type": "Post", "id": "p1"},
        "entities": None,
    }
    expected = ask()
    for request in (
        ask(subject=app, resource=post, context=context, entities=[]),
        ask(subject=app, resource=POST, context=context, entities=[author]),
        ask(subject=app, entities=(one for one in [AUTHOR])),
        ask(**bare, store=store),
        ask(**{**bare, "entities": store}, store=NO_STORE),
        ask(store=store),
        ask(entities=None, store=store),
    ):
        assert (request.subject, request.resource) == (expected.subject, expected.resource)
        assert request.context == expected.context
        assert request.entities["User", "u1"] == author


def test_what_no_rule_reads_may_be_left_out():
    app = {"type": "App", "id": "a1", "properties": {"tier": "free"}}
    assert ask(subject=app).subject.v_status is ABSENT
    assert ask(action="read", subject=APP, resource={"type": "Post", "id": "p"}, context=None)


def test_an_action_may_be_given_as_an_object():
    assert ask(action={"name": "search"}).action == "search"


def test_sets_of_fields_are_sorted():
    assert ask(fields={"text", "geo"}).fields == ("geo", "text")
    assert ask(fields=[]).fields == ()
    assert ask(fields=None).fields is None


@pytest.mark.parametrize(
    ("now", "value"),
    [(5, 5), ("1970-01-01", 0), (datetime(1970, 1, 1, tzinfo=UTC), 0)],
)
def test_the_time_may_be_a_moment_a_string_or_microseconds(now, value):
    assert ask(now=now).now == value


def test_one_entity_may_be_both_subject_and_resource():
    request = ask(action="adopt", resource=APP, context=None)
    assert request.subject is request.resource
    assert (
        ask(action="adopt", resource={"type": "App", "id": "a1"}, context=None).resource.v_tier == 2
    )
    other = changed(APP, tier="free")
    assert problems_of(ask, action="adopt", resource=other, context=None) == [("PE510", "resource")]


# ---- what does not ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "problems"),
    [
        ({"action": "serach"}, [("PE501", "action")]),
        ({"action": "api"}, [("PE501", "action")]),
        ({"action": {"name": "api"}}, [("PE501", "action.name")]),
        ({"action": {"name": "search", "properties": {}}}, [("PE520", "action.properties")]),
        ({"action": {}}, [("PE521", "action")]),
        ({"action": 5}, [("PE505", "action")]),
        ({"action": None}, [("PE505", "action")]),
        ({"action": ABSENT}, [("PE521", "action")]),
        ({"subject": POST}, [("PE502", "subject.type")]),
        ({"resource": APP}, [("PE502", "resource.type")]),
        ({"subject": build("Team", "t")}, [("PE502", "subject.type")]),
        ({"subject": {**APP, "type": "Ap"}}, [("PE503", "subject.type")]),
        ({"subject": None}, [("PE505", "subject")]),
        ({"subject": "a1"}, [("PE505", "subject")]),
        ({"subject": ABSENT}, [("PE521", "subject")]),
        ({"resource": ABSENT}, [("PE521", "resource")]),
        ({"subject": {"id": "a1"}}, [("PE521", "subject")]),
        ({"subject": {"type": "App"}}, [("PE521", "subject")]),
        ({"subject": {**APP, "props": {}}}, [("PE520", "subject.props")]),
        ({"subject": {**APP, "properties": None}}, [("PE505", "subject.properties")]),
        ({"subject": {**APP, "properties": [1]}}, [("PE505", "subject.properties")]),
        ({"subject": changed(APP, teir="pro")}, [("PE504", "subject.properties.teir")]),
        ({"subject": changed(APP, id="a1")}, [("PE504", "subject.properties.id")]),
        ({"subject": changed(APP, tier=...)}, [("PE507", "subject.properties.tier")]),
        ({"subject": changed(APP, tier="por")}, [("PE506", "subject.properties.tier")]),
        ({"subject": changed(APP, status=1)}, [("PE505", "subject.properties.status")]),
        ({"subject": changed(APP, contact=None)}, [("PE505", "subject.properties.contact")]),
        ({"subject": changed(APP, purposes="a b")}, [("PE505", "subject.properties.purposes")]),
        ({"subject": changed(APP, count=True)}, [("PE505", "subject.properties.count")]),
        ({"resource": changed(POST, price=1.5)}, [("PE505", "resource.properties.price")]),
        ({"resource": changed(POST, geo={"lat": 1})}, [("PE505", "resource.properties.geo.lat")]),
        ({"resource": changed(POST, author="u1")}, [("PE505", "resource.properties.author")]),
        ({"resource": changed(POST, author={"type": "User", "id": "u2"})},
         [("PE508", "resource.properties.author")]),
        ({"context": {}}, [("PE507", "context.purposes")]),
        ({"context": None}, [("PE507", "context.purposes")]),
        ({"context": {"purposes": ["Purpose"]}}, [("PE506", "context.purposes[0]")]),
        ({"context": {"purposes": ["ads", "ads"]}}, [("PE511", "context.purposes[1]")]),
        ({"context": {"purposes": ["x"] * 100_000}}, [("PE514", "context.purposes")]),
        ({"context": {"purposes": ["ads"], "purpose": 1}}, [("PE504", "context.purpose")]),
        ({"context": [1]}, [("PE505", "context")]),
        ({"entities": []}, [("PE508", "resource.properties.author")]),
        ({"entities": None}, [("PE508", "resource.properties.author")]),
        ({"entities": {}}, [("PE505", "entities")]),
        ({"entities": "u1"}, [("PE505", "entities")]),
        ({"entities": 5}, [("PE505", "entities")]),
        ({"entities": [AUTHOR, 5]}, [("PE505", "entities[1]")]),
        ({"entities": [changed(AUTHOR, protected=...)]}, [("PE507", "entities[0].properties.protected")]),
        ({"entities": [changed(AUTHOR, protected=0)]}, [("PE505", "entities[0].properties.protected")]),
        ({"entities": [AUTHOR, changed(AUTHOR, protected=True)]}, [("PE510", "entities[1]")]),
        ({"entities": [AUTHOR, changed(APP, tier="free")]}, [("PE510", "entities[1]")]),
        ({"fields": ["id", "txt"]}, [("PE526", "fields[1]")]),
        ({"fields": ["id", "id"]}, [("PE511", "fields[1]")]),
        ({"fields": "id"}, [("PE505", "fields")]),
        ({"fields": [5]}, [("PE505", "fields[0]")]),
        ({"fields": ["id"] * 1001}, [("PE514", "fields")]),
        ({"now": "yesterday"}, [("PE513", "now")]),
        ({"now": datetime(2026, 1, 1)}, [("PE513", "now")]),  # noqa: DTZ001 - naive is the point
        ({"now": True}, [("PE505", "now")]),
        ({"now": 10**18}, [("PE513", "now")]),
        ({"now": 1.0}, [("PE505", "now")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_path(parts, problems):
    assert problems_of(ask, **parts) == problems


def test_every_problem_is_reported_at_once():
    found = problems_of(
        ask,
        subject=changed(APP, tier=..., cont="x"),
        resource=changed(POST, created_at=5, author={"type": "User", "id": "u2"}),
        context={"purposes": "ads"},
        fields=["tex"],
        now="x",
        entities=[changed(AUTHOR, protected="no")],
    )
    assert [code for code, _ in found] == [
        *("PE504", "PE505", "PE505", "PE513", "PE526", "PE505"),
        *("PE507", "PE508"),
    ]
    found = problems_of(
        ask, subject=changed(APP, tier=..., cont="x"), context={}, fields=["tex"], entities=[]
    )
    assert found == [
        ("PE504", "subject.properties.cont"),
        ("PE526", "fields[0]"),
        ("PE507", "subject.properties.tier"),
        ("PE508", "resource.properties.author"),
        ("PE507", "context.purposes"),
    ]


def test_a_mistake_is_reported_once():
    wrong = changed(APP, tier=5)
    assert problems_of(ask, subject=wrong, entities=[AUTHOR, APP]) == [
        ("PE505", "subject.properties.tier")
    ]


def test_problems_are_limited_in_number():
    many = {f"x{i}": 1 for i in range(1000)}
    assert len(problems_of(ask, subject=changed(APP, **many))) == LIMITS.problems
    few = Limits(problems=3)
    for parts in (
        {"subject": changed(APP, **many), "context": {}},
        {"fields": list(many)},
        {"entities": [1] * 1000},
    ):
        assert len(problems_of(ask, limits=few, **parts)) == 3


def test_messages_help():
    def message(**parts: Any) -> str:
        with pytest.raises(InvalidRequest) as refusal:
            ask(**parts)
        return refusal.value.problems[0].message

    assert message(action="serach") == "there is no action `serach`; did you mean `search`?"
    assert "`api` is a group; name one of its actions, such as `adopt`" in message(action="api")
    assert "did you mean `tier`?" in message(subject=changed(APP, teir=1))
    assert message(subject=POST) == "the type is `App` here, not `Post`"
    author = message(entities=[])
    assert author.startswith('rules for `search` read `protected` of `User "u1"`')
    assert "`entities` or in a store" in author
    assert "rules for `search` read it" in message(context={})
    assert "`tier` is not what `subject` says" in message(
        entities=[AUTHOR, changed(APP, tier="free")]
    )


def test_asking_for_fields_needs_a_field_gate():
    plain = Schema(SCHEMA.entities, SCHEMA.actions, {"g": GateType("g", "?", False, "x")}, {})
    parts = {"subject": APP, "action": "read", "resource": POST, "now": 0}
    assert Validator(plain, needs, LIMITS).validate_parts(**parts)
    found = problems_of(Validator(plain, needs, LIMITS).validate_parts, **parts, fields=["id"])
    assert found == [("PE527", "fields")]


def test_the_entities_of_one_request_are_limited():
    few = Limits(entities=2)
    assert ask(limits=few, entities=[AUTHOR, project("p")])
    found = problems_of(ask, limits=few, entities=[AUTHOR, project("p"), project("q")])
    assert ("PE514", "entities") in found


# ---- entities given in several places ---------------------------------------------------


def test_properties_may_come_from_one_place_and_parents_from_another():
    place = {"type": "App", "id": "a1", "parents": [{"type": "Team", "id": "t"}]}
    request = ask(entities=[AUTHOR, place, {"type": "Team", "id": "t"}])
    assert request.subject.v_tier == 2
    assert request.subject.line == {("App", "a1"), ("Team", "t")}
    other = {**place, "parents": []}
    found = problems_of(ask, entities=[AUTHOR, place, other])
    assert found == [("PE510", "entities[2]")]


def test_what_a_store_says_must_not_be_contradicted():
    store = EntityStore(SCHEMA, [APP, AUTHOR, POST])
    assert ask(store=store)
    found = problems_of(ask, store=store, subject=changed(APP, tier="free"))
    assert found == [("PE510", "subject")]
    fewer = {"type": "App", "id": "a1", "properties": {"tier": "pro"}}
    assert problems_of(ask, store=store, subject=fewer) == [("PE510", "subject")]
    entities = [changed(AUTHOR, protected=True)]
    assert problems_of(ask, store=store, entities=entities) == [("PE510", "entities[0]")]


def test_what_two_contradicting_accounts_lack_is_not_reported_as_well():
    team = {"type": "Team", "id": "t"}
    placed = {**APP, "parents": [team]}
    store = EntityStore(SCHEMA, [placed, {**team, "parents": []}, AUTHOR, POST])
    elsewhere = {"type": "App", "id": "a1", "parents": []}
    assert problems_of(ask, store=store, subject=elsewhere) == [("PE510", "subject")]
    no_author = {"type": "Post", "id": "p1", "properties": {"created_at": "2026-09-01"}}
    assert problems_of(ask, store=store, resource=no_author) == [("PE510", "resource")]


def test_a_prebuilt_subject_must_not_contradict_a_store_either():
    store = EntityStore(SCHEMA, [APP])
    other = build("App", "a1", **{**APP["properties"], "tier": "free"})
    same = build("App", "a1", **APP["properties"])
    post = build(
        "Post", "p", author={"type": "User", "id": "u"}, readers=[], created_at="2026-01-01"
    )
    validator = Validator(SCHEMA, needs, LIMITS)
    parts: dict[str, Any] = {"action": "read", "resource": post, "now": 0, "store": store}
    for _ in range(2):  # the second time nothing has to be worked out
        assert validator.validate_parts(subject=same, **parts).subject == same
        with pytest.raises(InvalidRequest):
            validator.validate_parts(subject=other, **parts)


def test_a_store_for_another_vocabulary_is_refused():
    fewer = Schema({"Team": SCHEMA.entities["Team"]}, {}, {}, {})
    assert ("PE528", "store") in problems_of(ask, store=EntityStore(fewer))
    same = Schema(dict(SCHEMA.entities), {}, {}, {})
    assert ask(store=EntityStore(same))


def test_entities_are_known_through_a_chain_of_references():
    doctor = build("User", "d", protected=True)
    author = build("User", "u1", protected=False, doctor=doctor)
    post = build("Post", "p1", author=author, created_at="2026-01-01")
    chain = RequestNeeds(
        resource=Needs({"author": Needs({"doctor": Needs({"protected": NOTHING})})})
    )
    request = ask(lambda _: chain, resource=post, entities=None)
    assert request.entities["User", "d"].v_protected is True


def test_every_element_of_a_set_is_followed():
    reads = RequestNeeds(resource=Needs({"readers": Needs(elements=Needs({"protected": NOTHING}))}))
    readers = [{"type": "User", "id": f"r{i}"} for i in range(3)]
    known = [{**AUTHOR, "id": f"r{i}"} for i in (0, 2)]
    found = problems_of(
        ask, lambda _: reads, resource=changed(POST, readers=readers), entities=known
    )
    assert found == [("PE508", 'resource.properties.readers[User "r1"]')]


def test_parts_of_records_are_asked_for_one_by_one():
    reads = RequestNeeds(resource=Needs({"geo": Needs({"lat": NOTHING, "long": NOTHING})}))
    found = problems_of(ask, lambda _: reads, resource=changed(POST, geo={"long": "1"}))
    assert found == [("PE507", "resource.properties.geo.lat")]
    assert ask(lambda _: reads, resource=changed(POST, geo={"lat": "1"}))
    assert ask(lambda _: reads)  # `geo` itself may be absent
    places = RequestNeeds(context=Needs({"places": Needs(elements=Needs({"lat": NOTHING}))}))
    context = {"purposes": [], "places": [{"lat": "1"}, {"long": "1"}]}
    assert problems_of(ask, lambda _: places, context=context) == [("PE507", "context.places.lat")]


def test_private_references_are_not_named():
    reads = RequestNeeds(
        resource=Needs({"author": Needs({"doctor": Needs({"protected": NOTHING}, line=True)})})
    )
    author = changed(AUTHOR, doctor={"type": "User", "id": "hush"})
    with pytest.raises(InvalidRequest) as refusal:
        ask(lambda _: reads, entities=[author])
    assert "hush" not in str(refusal.value)
    assert refusal.value.problems[0].path == "entities[0].properties.doctor"


# ---- ancestors --------------------------------------------------------------------------


def open_(**parts: Any) -> Any:
    return ask(
        **{"action": "open", "resource": project("r"), "context": None, "entities": None} | parts
    )


PLACED = {**APP, "parents": [{"type": "Project", "id": "leaf"}]}


def test_ancestors_are_worked_out():
    request = open_(subject=PLACED, entities=[project("leaf", "root"), project("root")])
    assert request.subject.line == {("App", "a1"), ("Project", "leaf"), ("Project", "root")}
    assert request.entities["App", "a1"] is request.subject
    assert open_(subject={**APP, "parents": []}).subject.line == {("App", "a1")}
    store = EntityStore(SCHEMA, [project("leaf", "root"), project("root"), project("r")])
    assert open_(subject=PLACED, store=store).subject.line == request.subject.line


def test_ancestors_of_a_built_entity_must_not_be_contradicted():
    old = EntityStore(SCHEMA, [PLACED, project("leaf", "root"), project("root")])
    app = old["App", "a1"]
    assert open_(subject=app).subject is app
    moved = [project("leaf", "other"), project("other")]
    assert problems_of(open_, subject=app, entities=moved) == [("PE510", "subject")]
    for entities in (moved, [PLACED, *moved]):
        store = EntityStore(SCHEMA, [*entities, project("r")])
        assert problems_of(open_, subject=app, store=store) == [("PE510", "subject")]
    assert problems_of(open_, subject=app, resource=project("leaf")) == [("PE510", "subject")]
    assert open_(subject=app, entities=[project("root")]).subject is app
    below = build("App", "a2", parents=[old["Project", "leaf"]], **APP["properties"])
    found = problems_of(open_, subject=below, resource=project("root", "top"))
    assert found[0] == ("PE510", "subject")
    assert open_(subject=below, resource=project("leaf", "root"), entities=[project("root")])


def test_the_fast_path_sees_ancestors_that_are_contradicted():
    old = EntityStore(SCHEMA, [PLACED, project("leaf", "root"), project("root")])
    validator = Validator(SCHEMA, needs, LIMITS)
    parts: dict[str, Any] = {"subject": old["App", "a1"], "action": "open", "now": 0}
    unplaced, root = build("Project", "leaf", parents=[]), build("Project", "x", parents=[])
    moved = EntityStore(SCHEMA, [project("leaf", "other"), project("other")])
    for _ in range(2):
        assert validator.validate_parts(**parts, resource=root).subject is parts["subject"]
        assert validator.validate_parts(**parts, resource=root, store=old)
        for other in ({"resource": unplaced}, {"resource": root, "store": moved}):
            with pytest.raises(InvalidRequest):
                validator.validate_parts(**parts, **other)


def test_prebuilt_lines_are_taken_as_they_are():
    leaf = build("Project", "leaf", parents=[build("Project", "root", parents=[])])
    app = build("App", "a1", parents=[leaf], **APP["properties"])
    request = open_(subject=app)
    assert request.subject is app
    assert ("Project", "root") in (request.subject.line or ())
    assert request.entities["Project", "leaf"] == leaf


@pytest.mark.parametrize(
    ("subject", "entities", "problems", "part"),
    [
        (APP, [], [("PE509", "subject.parents")], "give its parents"),
        (PLACED, [], [("PE509", "subject.parents")], 'its ancestor `Project "leaf"` must be given'),
        (PLACED, [project("leaf", "root")], [("PE509", "subject.parents")], '`Project "root"`'),
        (PLACED, [{"type": "Project", "id": "leaf"}], [("PE509", "subject.parents")], "with its parents"),
        (PLACED, [project("leaf", "leaf")], [("PE524", "entities[0].parents")], "ancestor of itself"),
        (PLACED, [project("leaf", "b"), project("b", "leaf")], [("PE524", "entities[1].parents")], "itself"),
        ({**APP, "parents": [{"type": "User", "id": "u"}]}, [], [("PE523", "subject.parents[0]")],
         "lies in `Project`, `Team`, not in `User`"),
        ({**APP, "parents": None}, [], [("PE505", "subject.parents")], "expected a list"),
    ],
)  # fmt: skip
def test_ancestors_that_are_not_known_are_asked_for(subject, entities, problems, part):
    with pytest.raises(InvalidRequest) as refusal:
        open_(subject=subject, entities=entities)
    assert [(p.code, p.path) for p in refusal.value.problems][: len(problems)] == problems
    assert part in refusal.value.problems[0].message


def test_a_cycle_is_refused_even_where_nobody_asks():
    found = problems_of(ask, entities=[AUTHOR, project("a", "b"), project("b", "a")])
    assert [code for code, _ in found] == ["PE524"]


def test_a_request_with_too_many_ancestors_is_refused_in_steps_in_proportion_to_its_length():
    chain = [project("0"), *(project(str(i), str(i - 1)) for i in range(1, 3000))]

    def refuse(count: int) -> None:
        found = problems_of(ask, entities=[AUTHOR, *chain[:count]])
        assert found == [("PE514", "entities[1002].parents")]

    assert calls(lambda: refuse(3000)) < 2.2 * calls(lambda: refuse(1500))


def test_ancestors_of_what_is_referred_to_are_asked_for():
    reads = RequestNeeds(context=Needs({"user": Needs(line=True)}))
    context = {"purposes": [], "user": {"type": "User", "id": "nobody"}}
    with pytest.raises(InvalidRequest) as refusal:
        ask(lambda _: reads, context=context)
    (problem,) = refusal.value.problems
    assert (problem.code, problem.path) == ("PE508", "context.user")
    assert "read the ancestors of" in problem.message


# ---- built parts ------------------------------------------------------------------------


def _ready() -> tuple[Validator, dict[str, Any]]:
    validator = Validator(SCHEMA, needs, LIMITS)
    app = build("App", "a1", parents=[], **APP["properties"])
    post = build(
        "Post", "p1", author={"type": "User", "id": "u1"}, readers=[], created_at="2026-01-01"
    )
    context = build_context(SCHEMA, LIMITS, "read", {})
    parts = {"subject": app, "action": "read", "resource": post, "context": context, "now": 7}
    return validator, parts


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"subject": build("App", "a1", tier="pro")}, "PE507"),
        ({"subject": build("Team", "t")}, "PE502"),
        ({"action": "search"}, "PE507"),
        ({"context": {"x": 1}}, "PE504"),
        ({"context": 5}, "PE505"),
        ({"now": "x"}, "PE513"),
        ({"now": 10**19}, "PE513"),
        ({"fields": ["x"]}, "PE526"),
        ({"entities": [5]}, "PE505"),
        ({"store": EntityStore(SCHEMA, [changed(APP, tier="free")])}, "PE510"),
        ({"store": EntityStore(Schema({}, {}, {}, {}))}, "PE528"),
    ],
)
def test_built_parts_are_validated_with_all_others(parts, code):
    validator, fitting = _ready()
    validator.validate_parts(**fitting)
    with pytest.raises(InvalidRequest) as refusal:
        validator.validate_parts(**{**fitting, **parts})
    assert code in {p.code for p in refusal.value.problems}


def test_what_built_parts_carry_along_is_known():
    validator, parts = _ready()
    validator.validate_parts(**parts)
    team = build("Team", "t")
    placed = build("App", "a1", parents=[team], **APP["properties"])
    assert validator.validate_parts(**{**parts, "subject": placed}).entities["Team", "t"] is team
    twice = {**parts, "action": "adopt", "resource": parts["subject"]}
    other = {**twice, "resource": build("App", "a1", parents=[], **APP["properties"])}
    for _ in range(2):
        assert validator.validate_parts(**twice).resource is parts["subject"]
        assert validator.validate_parts(**other).resource == parts["subject"]
    opened = {**parts, "action": "open", "resource": build("Project", "p", parents=[])}
    unplaced = build("App", "a1", **APP["properties"])
    for _ in range(2):
        assert validator.validate_parts(**opened).subject.line == {("App", "a1")}
        with pytest.raises(InvalidRequest):
            validator.validate_parts(**{**opened, "subject": unplaced})
