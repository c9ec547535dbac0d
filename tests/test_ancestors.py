"""`ancestors`: what a policy may ask, what a request must give, and that every way in decides the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from policyengine import DecisionCache, InvalidRequest, Limits, PolicyEngine
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter
from tests.strategies import laws
from tests.strategies.loading import load

POLICY = """
package p
entity User { admin: bool }
entity Org
entity Folder in Folder, Org { viewers: set<User>, locked?: bool }
entity Document in Folder { owner: User, home?: Folder }
action view by User on Document, Folder
action find by User on Document with { place: Folder }
permit granted: view when some f in ancestors(resource, Folder): subject in f.viewers
permit near: find when Folder "top" in ancestors(context.place, Folder)
forbid locked: view when some f in ancestors(resource, Folder): f has locked and f.locked
"""

ANN = {"type": "User", "id": "ann", "properties": {"admin": False}}
BOB = {"type": "User", "id": "bob", "properties": {"admin": False}}


def ref(type_: str, id_: str) -> dict[str, str]:
    return {"type": type_, "id": id_}


def folder(id_: str, *parents: str, viewers: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    properties = {"viewers": [ref("User", viewer) for viewer in viewers], **more}
    above = [ref("Folder", parent) for parent in parents]
    return {"type": "Folder", "id": id_, "properties": properties, "parents": above}


def document(*parents: str) -> dict[str, Any]:
    above = [ref("Folder", parent) for parent in parents]
    return {"type": "Document", "id": "d", "properties": {}, "parents": above}


TOP = folder("top", viewers=("ann",))
SUB = folder("sub", "top")
TREE = [TOP, SUB]


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return _load(POLICY)


def _load(text: str, **more: Any) -> PolicyEngine:
    return PolicyEngine.from_text(text, **more)


def problems(ask: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        ask()
    return [(problem.code, problem.path) for problem in refused.value.problems]


def decided(
    engine: PolicyEngine, subject: Any, resource: Any, entities: Any
) -> Iterator[tuple[bool, str]]:
    """Give the answer of every way in, each asked twice: the first time makes what is kept."""
    cache, bound = DecisionCache(engine), engine.bind(subject)
    for _ in range(2):
        yield _said(engine.decide(subject, "view", resource, entities=entities))
        yield _said(cache.decide(subject, "view", resource, entities=entities))
        yield _said(bound.decide("view", resource, entities=entities))
        explained = engine.explain(subject, "view", resource, entities=entities)
        yield explained.outcome.allowed, explained.outcome.cause
        if isinstance(entities, list):
            document = {
                "subject": subject, "action": {"name": "view"}, "resource": resource,
                "entities": entities,
            }  # fmt: skip
            answer = json.loads(engine.decide_json(json.dumps(document)))
            yield answer["decision"], answer["context"]["cause"]


def _said(decision: Any) -> tuple[bool, str]:
    return decision.allowed, decision.cause


@pytest.mark.parametrize(
    ("subject", "resource", "tree", "expected"),
    [
        (ANN, document("sub"), TREE, (True, "permitted")),
        (BOB, document("sub"), TREE, (False, "not_permitted")),
        (ANN, SUB, TREE, (True, "permitted")),
        (ANN, TOP, TREE, (True, "permitted")),
        (ANN, document(), TREE, (False, "not_permitted")),
        (ANN, document("sub"), [TOP, folder("sub", "top", locked=True)], (False, "forbidden")),
        (ANN, document("sub"), [folder("top", viewers=("ann",), locked=True), SUB], (False, "forbidden")),
        (ANN, document("sub", "x"), [*TREE, folder("x", locked=True)], (False, "forbidden")),
    ],
)  # fmt: skip
def test_what_is_said_of_a_folder_reaches_what_lies_in_it(
    engine, subject, resource, tree, expected
):
    assert set(decided(engine, subject, resource, tree)) == {expected}
    whole = engine.store([*tree, subject, *([] if resource in tree else [resource])])
    keys = ref("User", subject["id"]), ref(resource["type"], resource["id"])
    assert set(decided(engine, *keys, whole)) == {expected}
    bare = engine.store([*tree, subject], unknown="bare")
    assert set(decided(engine, subject, resource if resource not in tree else keys[1], bare)) == {
        expected
    }


def test_built_entities_are_decided_about_as_dicts_are(engine):
    top = engine.entity("Folder", "top", TOP["properties"], parents=[])
    sub = engine.entity("Folder", "sub", SUB["properties"], parents=[top])
    plan = engine.entity("Document", "d", {}, parents=[sub])
    for _ in range(2):
        assert engine.decide(ANN, "view", plan).allowed
        assert not engine.decide(BOB, "view", plan).allowed
        assert engine.decide(ANN, "find", plan, {"place": sub}).allowed


@pytest.mark.parametrize(
    ("resource", "tree", "expected"),
    [
        ({"type": "Document", "id": "d"}, TREE, [("PE509", "resource.parents")]),
        (document("sub"), [SUB], [("PE509", "resource.parents")]),
        (document("sub"), [{**TOP, "properties": {}}, SUB], [("PE507", "entities[0].properties.viewers")]),
        (document("sub"), [folder("sub", "top"), folder("top", "sub")], [("PE524", "entities[1].parents")]),
    ],
)  # fmt: skip
def test_all_ancestors_must_be_given_with_what_is_read_of_them(engine, resource, tree, expected):
    for _ in range(2):
        assert problems(lambda: engine.decide(ANN, "view", resource, entities=tree)) == expected
        engine.decide(ANN, "view", document("sub"), entities=TREE)  # makes the reader


FLAT = """
package p
entity User
entity Folder { locked?: bool }
entity Document in Folder
action view by User on Document, Folder
permit every_one: any
forbid locked: any when some f in ancestors(resource, Folder): f has locked and f.locked
"""


@pytest.mark.parametrize("unknown", ["refuse", "bare"])
def test_an_ancestor_that_a_store_does_not_know_is_a_problem_whatever_store_it_is(unknown):
    engine = _load(FLAT)
    store = engine.store([{"type": "Folder", "id": "known"}, ref("User", "ann")], unknown=unknown)
    user = ref("User", "ann")

    def ask(folder_: str) -> Any:
        plan = {
            "type": "Document",
            "id": "d",
            "properties": {},
            "parents": [ref("Folder", folder_)],
        }
        return engine.decide(user, "view", plan, entities=store)

    assert ask("known").allowed
    assert ask("known").allowed
    gone = problems(lambda: ask("gone"))
    assert gone == ([("PE509", "resource.parents")])
    direct = problems(lambda: engine.decide(user, "view", ref("Folder", "gone"), entities=store))
    assert [code for code, _ in direct] == ["PE529"]


def test_there_may_be_a_hundred_ancestors_of_a_type(engine):
    tree = [folder("f0", viewers=("ann",))]
    tree += [folder(f"f{n}", f"f{n - 1}") for n in range(1, 101)]
    for _ in range(2):
        assert engine.decide(ANN, "view", document("f99"), entities=tree).allowed
        for ask in (
            lambda: engine.decide(ANN, "view", document("f100"), entities=tree),
            lambda: engine.decide(ANN, "view", tree[100], entities=tree),
            lambda: engine.decide(ANN, "view", ref("Folder", "f100"), entities=engine.store([*tree, ANN])),
            lambda: engine.bind(ANN).decide("view", document("f100"), entities=tree),
        ):  # fmt: skip
            assert problems(ask) == [("PE514", "resource.parents")]
    more = _load(POLICY, limits=Limits(ancestors_of_type=101))
    assert more.decide(ANN, "view", document("f100"), entities=tree).allowed
    fewer = _load(POLICY, limits=Limits(ancestors_of_type=2))
    assert fewer.decide(ANN, "view", document("sub"), entities=TREE).allowed
    too_many = problems(lambda: fewer.decide(ANN, "view", document("f3"), entities=tree[:4]))
    assert too_many == [("PE514", "resource.parents")]


def test_ancestors_of_other_types_do_not_count():
    text = POLICY.replace("entity Org", "entity Org in Org")
    orgs = [{"type": "Org", "id": f"o{n}", "parents": [ref("Org", f"o{n - 1}")] if n else []} for n in range(200)]  # fmt: skip
    top = {**TOP, "parents": [ref("Org", "o199")]}
    assert _load(text).decide(ANN, "view", top, entities=orgs).allowed


VOCABULARY = "\n".join(POLICY.splitlines()[:8]) + "\npermit find: find\n"


@pytest.mark.parametrize(
    ("condition", "code", "place"),
    [
        ("size(ancestors(resource)) > 0", "PE361", "ancestors(resource)"),
        ("size(ancestors()) > 0", "PE361", "ancestors()"),
        ('size(ancestors(resource, "Folder")) > 0', "PE361", 'ancestors(resource, "Folder")'),
        ("size(ancestors(resource, Folder, Org)) > 0", "PE361", "ancestors(resource, Folder, Org)"),
        ("size(ancestors(resource, Foldr)) > 0", "PE202", "Foldr"),
        ("size(ancestor(resource, Folder)) > 0", "PE211", "ancestor"),
        ("size(ancestors(resource, a.b.c)) > 0", "PE361", "ancestors(resource, a.b.c)"),
        ("size(ancestors(context, Folder)) > 0", "PE305", "context"),
        ("resource in ancestors(resource, Folder)", "PE303", None),
        ('ancestors(resource, Folder) == Folder "a"', "PE303", None),
        ("ancestors(resource, Folder) has viewers", "PE305", "ancestors(resource, Folder)"),
        ("size(ancestors(resource, subject)) > 0", "PE202", "subject"),
        ("size(ancestors(resource, q.Folder)) > 0", "PE207", "q.Folder"),
        ("size(ancestors(resource, User)) > 0", "PE303", "ancestors(resource, User)"),
        ("size(ancestors(subject.admin, Folder)) > 0", "PE305", "subject.admin"),
        ("size(ancestors({subject}, Folder)) > 0", "PE305", "{subject}"),
        ('size(ancestors(Folder "a", Folder)) > 0', "PE327", 'Folder "a"'),
        ("ancestors(resource, Folder)", "PE305", "ancestors(resource, Folder)"),
        ("some f in ancestors(resource, Folder): f.locked", "PE302", "f.locked"),
        ("some f in ancestors(resource, Folder): f.vieers == {}", "PE301", "vieers"),
        ("some o in ancestors(resource, Org): o in ancestors(resource, Folder)", "PE303", None),
    ],
)
def test_what_cannot_be_asked(condition, code, place):
    text = VOCABULARY + f"permit p: view on Document when {condition}\n"
    _, found = check_sources({"p.policy": Source("p.policy", text)})
    assert [problem.code for problem in found.errors][:1] == [code]
    if place is not None:
        span = found.errors[0].span
        assert text[span.start : span.end] == place


def test_what_can_be_asked():
    for condition in (
        'ancestors(resource, Folder) overlaps {Folder "a"}',
        'ancestors(resource, Org) subset {Org "o"}',
        "ancestors(resource, Document) == {resource}",
        "resource in ancestors(resource, Document)",
        "size(ancestors(resource, p.Folder)) <= 3",
        "every f in ancestors(resource, Folder): size(ancestors(f, Org)) == 1",
        "resource has home and size(ancestors(resource.home, Folder)) == 2",
        "some f in ancestors(resource, Folder): some v in f.viewers: v.admin",
        'ancestors(resource, Folder) within Org "o"',
    ):  # fmt: skip
        text = VOCABULARY + f"permit p: view on Document when {condition}\n"
        _, found = check_sources({"p.policy": Source("p.policy", text)})
        assert found.errors == (), condition


def test_what_is_asked_of_ancestors_of_ancestors_must_be_given():
    loaded = load(
        {
            "p.policy": VOCABULARY
            + "permit p: view on Document when every f in ancestors(resource, Folder): some v in f.viewers: v.admin\n"
        }
    )
    given = {"subject": BOB, "action": "view", "resource": document("sub"), "entities": TREE}
    assert problems(lambda: loaded.request(**given)) == [
        ("PE508", 'entities[0].properties.viewers[User "ann"]')
    ]
    request = loaded.request(**{**given, "entities": [*TREE, ANN]})
    assert not interpreter.decide(loaded.checked, request).allowed


def test_two_quantifiers_over_ancestors_are_not_too_costly():
    text = VOCABULARY + (
        "permit p: view on Document when some f in ancestors(resource, Folder): some v in f.viewers: v == subject\n"
    )
    _, found = check_sources({"p.policy": Source("p.policy", text)})
    assert found.errors == ()
    source = {"p.policy": Source("p.policy", text)}
    assert check_sources(source, Limits(ancestors_of_type=10_000))[1].errors[0].code == "PE308"


def test_an_ancestor_is_not_known_by_being_named():
    engine = _load(FLAT)
    bare = _load(FLAT, store=engine.store([ref("User", "ann"), ref("Folder", "f")], unknown="bare"))
    plan = {"type": "Document", "id": "d", "properties": {}, "parents": [ref("Folder", "gone")]}
    kept = {**plan, "parents": [ref("Folder", "f")]}
    user, named = ref("User", "ann"), [ref("Folder", "gone")]
    for _ in range(2):
        assert bare.decide(user, "view", kept).allowed
        assert problems(lambda: bare.decide(user, "view", plan, entities=named)) == [
            ("PE529", "resource.parents")
        ]
        made = [{**named[0], "properties": {}}]
        assert bare.decide(user, "view", plan, entities=made).allowed
        locked = [{**named[0], "properties": {"locked": True}}]
        assert not bare.decide(user, "view", plan, entities=locked).allowed


def test_where_an_ancestor_cannot_be_read_both_report_the_same():
    loaded = load(
        {
            "p.policy": """
            package p
            entity Team in Team { size: int, open: bool }
            action act by Team on Team
            permit a: any when some t in ancestors(subject, Team): t.size > 3 and t.open
            forbid b: any when not (every t in ancestors(subject, Team): t.size < 7 or t.open)
            """
        }
    )
    teams = [
        {
            "type": "Team",
            "id": f"t{number}",
            "parents": [{"type": "Team", "id": f"t{number - 1}"}] if number else [],
            "properties": {"size": number, "open": number % 3 == 0},
        }
        for number in range(9)
    ]
    request = loaded.request(subject=teams[8], action="act", resource=teams[0], entities=teams)
    for seed in range(30):
        case = SimpleNamespace(loaded=loaded, request=request, seed=seed)
        laws.failures_agree_and_open_nothing(case)


def test_a_request_that_completes_an_ancestor_of_a_store_gives_those_between(engine: PolicyEngine):
    bottom = {**document("sub"), "properties": {"owner": ref("User", "ann")}}
    top = {key: value for key, value in TOP.items() if key != "parents"}
    store = engine.store([ANN, top, SUB, bottom])
    asked = ref("User", "ann"), "view", ref("Document", "d")
    completed = [{**ref("Folder", "top"), "parents": []}]
    with_store = PolicyEngine.from_text(POLICY, store=store)
    with pytest.raises(InvalidRequest, match='its ancestor `Folder "top"` must be given'):
        with_store.decide(*asked)
    with pytest.raises(InvalidRequest, match='its ancestor `Folder "sub"` must be given'):
        with_store.decide(*asked, entities=completed)
    assert with_store.decide(*asked, entities=[*completed, ref("Folder", "sub")]).allowed
    placed = {**ref("Document", "d"), "parents": []}
    with pytest.raises(InvalidRequest, match="is given twice"):
        with_store.decide(ref("User", "ann"), "view", placed)
