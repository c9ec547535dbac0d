"""Holds that a search finds what trying all finds, page by page, and that it refuses foreign tokens."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from policyengine import InvalidRequest, PolicyEngine

POLICY = """
package p
entity Team
entity User { team: Team }
entity Document { owner: User, tags: set<string>, n: int }
action read by User on Document
permit own: read when resource.owner == subject
permit team: read when resource.owner.team == subject.team
permit tagged: read when "all" in resource.tags
forbid high: read when resource.n > 8
"""
ENGINE = PolicyEngine.from_text(POLICY)
NOW = "2026-01-01"


def ref(type_, id_):
    return {"type": type_, "id": str(id_)}


def store(unknown, owners, rng):
    """Make a store in which owners may not exist, and documents may lack what rules read."""
    made = [{**ref("Team", n), "parents": [], "properties": {}} for n in range(4)]
    made += [
        {**ref("User", n), "properties": {"team": ref("Team", rng.randrange(4))}} for n in range(20)
    ]
    for n in range(200):
        number = {"n": rng.randrange(10)} if rng.random() < 0.95 else {}
        owner = ref("User", rng.randrange(owners))
        tags = rng.choice([[], ["a"], ["all"]])
        made.append({**ref("Document", n), "properties": {"owner": owner, "tags": tags, **number}})
    return ENGINE.store(made, unknown=unknown)


def ask(subject, resource, store, limit=100, token=None):
    asked = {"now": NOW, "entities": store, "limit": limit, "token": token}
    if resource is None:
        return ENGINE.resources(subject, "read", **asked)
    return ENGINE.subjects("read", resource, **asked)


def by_trying(requests, store):
    allowed, unfit = set(), 0
    for id_, subject, resource in requests:
        try:
            if ENGINE.decide(subject, "read", resource, now=NOW, entities=store).allowed:
                allowed.add(id_)
        except InvalidRequest:
            unfit += 1
    return allowed, unfit


@pytest.mark.parametrize("unknown", ["refuse", "bare"])
@pytest.mark.parametrize("owners", [20, 25])
def test_a_search_finds_what_trying_all_finds(unknown, owners):
    made = store(unknown, owners, Random(1))
    documents = [id_ for type_, id_ in made if type_ == "Document"]
    for n in range(20):
        user = ref("User", n)
        expected, unfit = by_trying([(d, user, ref("Document", d)) for d in documents], made)
        found, token, looked = [], None, 0
        while True:
            page = ask(user, None, made, limit=7, token=token)
            found += [item.id for item in page.items]
            token, looked = page.token, looked + len(page.unfit)
            if page.complete:
                break
        assert len(found) == len(set(found))
        assert set(found) == expected
        assert looked <= unfit


def test_subjects_are_those_of_trying_all():
    made = store("refuse", 20, Random(2))
    refused = 0
    for n in range(40):
        document = ref("Document", n)
        expected, unfit = by_trying([(str(u), ref("User", u), document) for u in range(20)], made)
        if unfit:  # the document lacks something, so the question does not fit
            with pytest.raises(InvalidRequest):
                ask(None, document, made)
            refused += 1
        else:
            assert {item.id for item in ask(None, document, made).items} == expected
    assert 0 < refused < 40


@pytest.mark.parametrize(
    "token",
    ["", "x" * 42, "é" * 43, "=" * 43, "\ud800" * 43, "A" * 1_000_000, 5, True, b"A" * 43, []],
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(InvalidRequest, match="PE560"):
        ask(ref("User", 1), None, store("refuse", 20, Random(1)), token=token)


def test_a_token_goes_on_with_its_question_alone():
    made = store("refuse", 20, Random(1))
    first = ask(ref("User", 1), None, made, limit=1)
    token = first.token
    assert token is not None
    same = PolicyEngine.from_text(POLICY)
    rest = same.resources(ref("User", 1), "read", now=NOW, entities=made, token=token)
    whole = ask(ref("User", 1), None, made)
    assert first.items + rest.items == whole.items
    other = PolicyEngine.from_text(POLICY + "permit more: read when resource.n == 5")
    for asking in (
        lambda: ask(ref("User", 2), None, made, token=token),
        lambda: ask(None, ref("Document", 1), made, token=token),
        lambda: other.resources(ref("User", 1), "read", now=NOW, entities=made, token=token),
    ):
        with pytest.raises(InvalidRequest, match="PE561"):
            asking()


def test_a_token_that_is_damaged_in_any_place_is_refused():
    made = store("refuse", 20, Random(1))
    token = ask(ref("User", 1), None, made, limit=1).token
    assert token is not None
    for number, character in enumerate(token):
        damaged = token[:number] + ("B" if character == "A" else "A") + token[number + 1 :]
        with pytest.raises(InvalidRequest, match="PE561"):
            ask(ref("User", 1), None, made, token=damaged)


def test_what_is_in_the_store_all_the_time_is_found_once_though_the_store_changes():
    owned = [f"d{n}" for n in range(50)]
    rng, kept, found, token = Random(3), list(owned), [], None
    for number in range(100):
        user = {**ref("User", 1), "properties": {"team": ref("Team", 1)}}
        properties = {"owner": ref("User", 1), "tags": [], "n": 1}
        documents = [{**ref("Document", one), "properties": properties} for one in kept]
        team = {**ref("Team", 1), "properties": {}}
        page = ask(ref("User", 1), None, ENGINE.store([team, user, *documents]), 7, token)
        found += [item.id for item in page.items]
        token = page.token
        if token is None:
            break
        kept.remove(rng.choice(kept))
        kept.append(f"new {number}")
    assert token is None
    assert len(found) == len(set(found))
    assert {*owned} & {*kept} <= set(found)


def test_the_order_is_the_same_in_every_process():
    made = ENGINE.store(
        [{**ref("User", n), "properties": {"team": ref("Team", n)}} for n in "abcdef"]
    )
    ordered = made.index.ordered("User")
    assert [entity.id for entity in ordered.entities] == ["d", "f", "a", "e", "b", "c"]


def test_a_page_is_neither_true_nor_a_list():
    page = ask(ref("User", 1), None, store("refuse", 20, Random(1)))
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(page)
    for use in (iter, len):
        with pytest.raises(TypeError):
            use(page)


def test_threads_that_ask_a_new_store_at_once_find_the_same():
    questions = [ref("User", n) for n in range(20)]
    made = store("refuse", 20, Random(4))
    expected = [ask(one, None, made).items for one in questions]
    again = pickle.loads(pickle.dumps(made))  # without its index
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: ask(one, None, again).items, questions * 2))
    assert found == expected * 2
