"""Stores: checked as a whole, ancestors worked out once."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.intake.store import EntityStore
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from tests.calls import calls
from tests.model.world import LIMITS, SCHEMA, build_entity, problems_of


def project(id_: str, *parents: str) -> dict[str, object]:
    above = [{"type": "Project", "id": p} for p in parents]
    return {"type": "Project", "id": id_, "parents": above}


def test_a_store_knows_all_ancestors():
    store = EntityStore(
        SCHEMA,
        [
            project("leaf", "left", "right"),
            project("left", "root"),
            project("right", "root"),
            project("root"),
        ],
    )
    assert store["Project", "leaf"].line == {
        ("Project", i) for i in ("leaf", "left", "right", "root")
    }
    assert store["Project", "root"].line == {("Project", "root")}
    assert len(store) == 4
    assert set(store) == {("Project", i) for i in ("leaf", "left", "right", "root")}
    assert ("Project", "left") in store
    assert store.get(("Project", "none")) is None
    assert repr(store) == "<EntityStore of 4 entities>"
    with pytest.raises(KeyError):
        store["Project", "none"]


def test_a_store_is_read_from_json():
    text = json.dumps([project("leaf", "root"), project("root")])
    for data in (text, text.encode()):
        store = EntityStore.from_json(SCHEMA, data)
        assert store["Project", "leaf"].line == {("Project", "leaf"), ("Project", "root")}
    assert len(EntityStore.from_json(SCHEMA, "[]")) == 0


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{}", ("PE505", "")),
        (b"null", ("PE505", "")),
        (b"1.5", ("PE519", "")),
        (b"[1]", ("PE505", "[0]")),
        (b"[", ("PE516", "")),
        (b"\xff", ("PE515", "")),
        (b'[{"type": "Team", "id": "t", "id": "u"}]', ("PE518", "[0].id")),
    ],
)
def test_a_document_that_is_no_store_is_refused(data, problem):
    assert problems_of(EntityStore.from_json, SCHEMA, data) == [problem]


def test_entities_built_before_bring_along_what_they_carry():
    user = build_entity(SCHEMA, LIMITS, "User", "u", {"protected": True})
    post = build_entity(SCHEMA, LIMITS, "Post", "p", {"author": user})
    assert EntityStore(SCHEMA, [post])["User", "u"] == user


def test_the_same_entity_may_be_given_twice_if_it_is_the_same():
    app = {"type": "App", "id": "a", "properties": {"tier": "pro"}}
    place = {"type": "App", "id": "a", "parents": []}
    for order in ([app, place, app], [place, app]):
        store = EntityStore(SCHEMA, order)
        assert store["App", "a"].tier == "pro"
        assert store["App", "a"].line == {("App", "a")}


@pytest.mark.parametrize(
    ("entities", "problems"),
    [
        ([project("a", "b")], [("PE525", "[0].parents")]),
        ([project("a", "a")], [("PE524", "[0].parents")]),
        ([project("a", "b"), project("b", "a")], [("PE524", "[1].parents")]),
        (
            [{"type": "App", "id": "a", "properties": {"tier": "pro"}},
             {"type": "App", "id": "a", "properties": {"tier": "free"}}],
            [("PE510", "[1]")],
        ),
        ([project("a"), project("b"), project("a", "b")], [("PE510", "[2]")]),
        ([{"type": "App", "id": "a", "parents": [{"type": "User", "id": "u"}]}], [("PE523", "[0].parents[0]")]),
        ([{"type": "App", "id": "a", "properties": {"teir": "pro"}}], [("PE504", "[0].properties.teir")]),
        ([None, {"type": "App"}], [("PE505", "[0]"), ("PE521", "[1]")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(entities, problems):
    assert problems_of(EntityStore, SCHEMA, entities) == problems


def test_an_entity_with_a_mistake_is_not_reported_twice():
    app = {"type": "App", "id": "a", "properties": {"tier": "pro"}}
    wrong = {"type": "App", "id": "a", "properties": {"tier": 5}}
    assert problems_of(EntityStore, SCHEMA, [wrong, app]) == [("PE505", "[0].properties.tier")]


def test_parents_that_were_not_given_stay_unknown():
    store = EntityStore(SCHEMA, [{"type": "App", "id": "a"}, {**project("p"), "parents": []}])
    assert store["App", "a"].line is None


def test_a_cycle_is_found_wherever_one_enters_it():
    ring = [project("x", "a"), project("a", "b"), project("b", "c"), project("c", "a")]
    for start in range(4):
        found = problems_of(EntityStore, SCHEMA, ring[start:] + ring[:start])
        assert {code for code, _ in found} == {"PE524"}


def messages_of(entities):
    with pytest.raises(InvalidRequest) as caught:
        EntityStore(SCHEMA, entities)
    return [problem.message for problem in caught.value.problems]


def circle_of(*ids):
    chain = " → ".join(f'`Project "{one}"`' for one in ids)
    return f"an entity cannot be an ancestor of itself: {chain}"


def test_a_circle_is_told_by_name():
    ring = [project("a", "b"), project("b", "c"), project("c", "a")]
    assert messages_of(ring) == [circle_of("a", "b", "c", "a")]
    assert messages_of([project("a", "a")]) == [circle_of("a", "a")]
    # Who leads into a circle, or lies beside it, is not in it.
    around = [project("x", "a", "y"), project("y"), project("a", "y", "b"), project("b", "a", "y")]
    assert messages_of(around) == [circle_of("a", "b", "a")]


def test_a_long_circle_is_cut():
    ring = [project(str(i), str((i + 1) % 5_000)) for i in range(5_000)]
    [message] = messages_of(ring)
    assert message == circle_of(*"0123456", "0").replace('6"`', '6"` → …')


@given(st.randoms(use_true_random=False))
def test_every_circle_that_is_told_is_one(rng):
    parents = {
        str(i): {str(rng.randrange(8)) for _ in range(rng.choice((0, 1, 1, 2)))} for i in range(8)
    }
    try:
        messages = messages_of([project(one, *sorted(above)) for one, above in parents.items()])
    except pytest.fail.Exception:
        return  # there is none
    for message in messages:
        ids = re.findall(r'"(\d)"', message)
        assert ids[0] == ids[-1]
        assert len(set(ids)) == len(ids) - 1
        assert all(above in parents[one] for one, above in pairwise(ids))


def test_who_has_too_many_ancestors_is_told_by_name():
    with pytest.raises(InvalidRequest, match='at most 1 ancestors, and `Project "c"` has more'):
        EntityStore(
            SCHEMA, [project("a"), project("b", "a"), project("c", "b")], Limits(ancestors=1)
        )


def test_a_chain_is_loaded_in_steps_in_proportion_to_its_length():
    chain = [project("0"), *(project(str(i), str(i - 1)) for i in range(1, 1001))]
    half, whole = (calls(lambda n=n: EntityStore(SCHEMA, chain[n::-1])) for n in (500, 1000))
    assert whole < 2.2 * half
    assert len(EntityStore(SCHEMA, reversed(chain))["Project", "1000"].line or ()) == 1001
    found = problems_of(EntityStore, SCHEMA, [*chain, project("1001", "1000")])
    assert found == [("PE514", "[1001].parents")]


def test_a_store_that_can_hold_more_than_a_request():
    data = json.dumps([{"type": "Team", "id": str(i)} for i in range(50)])
    limits = Limits(document_size=100, entities=3)
    assert len(EntityStore.from_json(SCHEMA, data, limits)) == 50
