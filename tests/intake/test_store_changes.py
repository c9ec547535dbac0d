"""Changed stores: as if made at once of all entities, in the time of the change, and seen at once."""

from __future__ import annotations

import gc
import pickle
import weakref
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine import InvalidRequest, PolicyEngine
from policyengine.intake import stored_entities
from policyengine.intake.store import EntityStore
from tests.intake.test_store import project
from tests.model.world import LIMITS, SCHEMA, build_entity, problems_of
from tests.revocations import POLICY, revoke, revoking, team_user, ways
from tests.strategies.store_changes import assert_same


def app(id_: str = "a", tier: str = "pro", *parents: tuple[str, str]):
    above = [{"type": type_, "id": one} for type_, one in parents]
    return {"type": "App", "id": id_, "properties": {"tier": tier}, "parents": above}


# ---- what comes of it -------------------------------------------------------------------


def test_a_changed_store_is_another():
    before = EntityStore(SCHEMA, [app(), project("p")])
    after = before.with_changes([app(tier="free"), project("q", "p")], [])
    assert (before["App", "a"].tier, after["App", "a"].tier) == ("pro", "free")
    assert ("Project", "q") not in before
    assert after["Project", "q"].line == {("Project", "p"), ("Project", "q")}
    assert before["Project", "p"] is after["Project", "p"]
    gone = after.with_changes(remove=[after["App", "a"], {"type": "Project", "id": "q"}])
    assert set(gone) == {("Project", "p")}
    assert gone.get(("App", "a")) is None
    with pytest.raises(KeyError):
        gone["App", "a"]
    assert len(before), len(after) == (2, 3)


def test_what_lies_below_gets_other_ancestors():
    below = [project(str(i), str(i - 1)) for i in range(1, 5)]
    store = EntityStore(
        SCHEMA, [project("0"), project("x"), *below, app("a", "pro", ("Project", "4"))]
    )
    moved = store.with_changes([project("1", "x")])
    assert moved["App", "a"].line == {("App", "a"), *(("Project", i) for i in "x1234")}
    assert_same(moved, EntityStore(SCHEMA, [project("0"), project("x"), project("1", "x"), *below[1:],
                                            app("a", "pro", ("Project", "4"))]))  # fmt: skip
    unknown = store.with_changes([{"type": "Project", "id": "2"}])
    assert unknown["App", "a"].line is None


def test_what_is_put_carries_nothing_older_along():
    old = build_entity(SCHEMA, LIMITS, "User", "u", {"protected": False})
    post = build_entity(SCHEMA, LIMITS, "Post", "p", {"author": old})
    store = EntityStore(SCHEMA, [post])
    assert store["Post", "p"].carried_ == ()
    new = {"type": "User", "id": "u", "properties": {"protected": True}}
    changed = store.with_changes([new])
    assert problems_of(changed.with_changes, [post]) == [("PE510", "put[0]")]
    assert [code for code, _ in problems_of(changed.with_changes, [post, new])] == ["PE510"]
    assert changed.with_changes([store["Post", "p"]])["User", "u"].protected is True
    assert EntityStore(SCHEMA).with_changes([post])["User", "u"] == old


def test_many_changes_are_put_together(monkeypatch):
    monkeypatch.setattr(stored_entities, "_FEW", 4)
    store, whole = EntityStore(SCHEMA, [app(str(i)) for i in range(9)]), 0
    for i in range(100):
        store = store.with_changes([app(str(i % 20), ("pro", "free")[i % 2])])
        whole += isinstance(store.by_key, stored_entities.StoredEntities)
    assert 3 < whole < 30
    assert_same(
        store, EntityStore(SCHEMA, [app(str(i), ("pro", "free")[i % 2]) for i in range(20)])
    )


def test_what_came_and_went_leaves_no_trace():
    store = EntityStore(SCHEMA, [app()])
    for i in range(10):
        store = store.with_changes([app(f"new {i}")]).with_changes(remove=[("App", f"new {i}")])
    assert store.by_key.changed == {}


def test_a_changed_store_is_pickled_whole():
    store = EntityStore(SCHEMA, [app(), project("p")], unknown="bare").with_changes([app("b")])
    again = pickle.loads(pickle.dumps(store))
    assert_same(again, store)
    assert_same(
        again.with_changes(remove=[("App", "b")]), store.with_changes(remove=[("App", "b")])
    )


# ---- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("put", "remove", "problems"),
    [
        ([app(tier="por")], [], [("PE506", "put[0].properties.tier")]),
        ([app("a", "pro", ("Project", "none"))], [], [("PE525", "put[0].parents")]),
        ([project("root", "leaf")], [], [("PE524", "put[0].parents")]),
        ([project("root", "root")], [], [("PE524", "put[0].parents")]),
        ([app(), app(tier="free")], [], [("PE510", "put[1]")]),
        ([], [("Project", "root")], [("PE525", "remove[0]")]),
        ([project("leaf", "root")], [("Project", "root")], [("PE525", "put[0].parents")]),
        ([app()], [("App", "a")], [("PE510", "remove[0]")]),
        ([], [("App", "none")], [("PE529", "remove[0]")]),
        ([], [("Ap", "a")], [("PE503", "remove[0].type")]),
        ([], [("App", 1)], [("PE505", "remove[0].id")]),
        ([], ["App"], [("PE505", "remove[0]")]),
        ([], ("App", "a"), [("PE505", "remove[0]"), ("PE505", "remove[1]")]),
        ([], [{"type": "App"}], [("PE521", "remove[0]")]),
        (app(), [], [("PE505", "put")]),
        ("App", None, [("PE505", "put"), ("PE505", "remove")]),
        ([None], [], [("PE505", "put[0]")]),
    ],
)  # fmt: skip
def test_a_change_that_does_not_fit_is_refused(put, remove, problems):
    store = EntityStore(SCHEMA, [project("root"), project("leaf", "root"), app()])
    assert problems_of(store.with_changes, put, remove) == problems
    assert len(store) == 3


def test_what_others_lie_in_goes_with_them():
    store = EntityStore(
        SCHEMA, [project("root"), project("leaf", "root"), app("a", "pro", ("Project", "leaf"))]
    )
    with pytest.raises(InvalidRequest, match='`Project "leaf"` is the parent of `App "a"`'):
        store.with_changes(remove=[("Project", "leaf")])
    assert len(store.with_changes([app()], [("Project", "leaf"), ("Project", "root")])) == 1
    assert len(store.with_changes([], list(store))) == 0


@given(st.randoms(use_true_random=False))
def test_a_change_is_refused_if_the_whole_would_be(rng: Random):
    ids, whole, store = "abcde", {}, EntityStore(SCHEMA)
    for _ in range(12):
        put = {
            id_: project(id_, *rng.sample(ids, rng.choice((0, 1, 1, 2))))
            for id_ in rng.sample(ids, rng.choice((0, 1, 2)))
        }
        put |= (
            {"app": app("app", "pro", ("Project", rng.choice(ids)))} if rng.random() < 0.3 else {}
        )
        rest = [id_ for id_ in whole if id_ not in put]
        gone = rng.sample(rest, min(len(rest), rng.choice((0, 0, 1, 2))))
        after = {k: v for k, v in {**whole, **put}.items() if k not in gone}
        keys = [(whole[id_]["type"], id_) for id_ in gone]
        try:
            expected = EntityStore(SCHEMA, after.values())
        except InvalidRequest as refusal:
            codes = {problem.code for problem in refusal.problems}
            assert {
                code for code, _ in problems_of(store.with_changes, put.values(), keys)
            } <= codes
        else:
            store, whole = store.with_changes(put.values(), keys), after
            assert_same(store, expected)


# ---- what is seen of it -----------------------------------------------------------------


def test_every_revocation_is_seen_at_once():
    assert revoke(1_000) > 300


def test_engines_of_one_set_share_what_was_made(monkeypatch):
    first, store = revoking()
    first = first.with_store(store)
    subject, document = {"type": "User", "id": "u1"}, {"type": "Document", "id": "d1"}
    assert {*ways(first, subject, document)} == {True}
    second = first.with_store(store.with_changes([team_user("u1", suspended=True)]))
    monkeypatch.setattr("policyengine.intake.validation.Validator.validate", None)
    assert (
        second.decide(subject, "read", document).allowed is False
    )  # no request is validated in full
    assert second._program is first._program
    assert second.digest == first.digest
    assert first.decide(subject, "read", document).allowed is True
    assert second.with_store(None)._store is None


def test_an_engine_goes_when_another_takes_its_place():
    engine, store = revoking()
    old = []
    for i in range(5):
        store = store.with_changes([team_user("u1", suspended=bool(i % 2))])
        engine = engine.with_store(store)
        assert [*ways(engine, {"type": "User", "id": "u1"}, {"type": "Document", "id": "d1"})]
        old.append(weakref.ref(engine))
    gc.collect()
    assert [one() for one in old] == [None] * 4 + [engine]


def test_with_handlers_and_limits():
    engine = PolicyEngine.from_text(POLICY, obligations={"x": print})
    assert engine.with_store(None)._handlers == engine._handlers
