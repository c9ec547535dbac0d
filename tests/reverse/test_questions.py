"""Reverse questions that do not fit are refused with every problem, and none is answered short."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from policyengine import InvalidRequest, PolicyEngine

POLICY = """
package p
entity User { suspended?: bool }
entity Document { owner: User, until?: datetime, size: int }
entity Photo
action read by User on Document, Photo
action edit by User on Document with { reason: string }
action print by User on Photo
permit own: read on Document when resource.owner == subject
permit soon: read on Document when resource has until and now < resource.until
permit anyone: print, read on Photo
permit small: edit when resource.size < 10 and context.reason != ""
forbid suspended: any when subject has suspended and subject.suspended
"""
ENGINE = PolicyEngine.from_text(POLICY)


def ref(type_: str, id_: str) -> dict[str, Any]:
    return {"type": type_, "id": id_}


def document(id_: str, owner: str, **more: Any) -> dict[str, Any]:
    return {**ref("Document", id_), "properties": {"owner": ref("User", owner), "size": 1, **more}}


ANN, EVE, PLAN = ref("User", "ann"), ref("User", "eve"), ref("Document", "plan")
STORE = ENGINE.store([
    {**ANN, "properties": {}}, {**EVE, "properties": {"suspended": True}}, document("plan", "ann"),
    document("old", "bob", until="2026-01-01"), ref("Photo", "cat"),
    {**ref("Document", "half"), "properties": {"owner": ANN}},
])  # fmt: skip
WITH_STORE = PolicyEngine.from_text(POLICY, store=STORE)
READ = {"action": "read", "type": "Document"}
EDIT = {"action": "edit", "context": {"reason": "x"}}


def ids(page: Any) -> list[str]:
    assert page.complete
    return sorted(item.id for item in page.items)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"subject": None, **READ}, "subject: expected an entity, got null [PE505]"),
        ({"subject": 3, **READ}, "subject: expected an entity, got the int `3` [PE505]"),
        ({"subject": PLAN, **READ}, "subject.type: the type is `User` here, not `Document` [PE502]"),
        ({"subject": ref("User", "zoe"), **READ}, 'subject: `User "zoe"` is not in the store'),
        ({"subject": {**ANN, "properties": {"suspended": 0}}, **READ}, "subject.properties.suspended: expected"),
        ({"subject": ANN, "action": "reed"}, "action: there is no action `reed`; did you mean `read`? [PE501]"),
        ({"subject": ANN, "action": None}, "action: expected a string, got null [PE505]"),
        ({"subject": ANN, "action": "read"}, "resource.type: it is missing, and may be `Document`, `Photo` [PE521]"),
        ({"subject": ANN, "action": "read", "type": "User"}, "resource.type: the type is `Document`, `Photo` here"),
        ({"subject": ANN, "action": "edit", "type": "Photo"}, "resource.type: the type is `Document` here"),
        ({"subject": ANN, "action": "read", "type": 3}, "resource.type: expected a string"),
        ({"subject": ANN, "action": "edit"}, "context.reason: it must be given"),
        ({"subject": ANN, **EDIT, "context": {"reason": 3}}, "context.reason: expected a string"),
        ({"subject": ANN, **EDIT, "context": {"reasn": "x"}}, "context.reasn: the context has no attribute"),
        ({"subject": ANN, **EDIT, "context": {"now": "2026-11-23"}},
         "context.now: the context has no attribute `now`; `now` is given beside the context, not in it [PE504]"),
        ({"subject": ANN, **READ, "context": []}, "context: expected an object"),
        ({"subject": ANN, **READ, "now": "soon"}, "now: a datetime is written like"),
        ({"subject": ANN, **READ, "fields": ["owner"]}, "fields cannot be asked for"),
        ({"subject": ANN, **READ, "entities": 3}, "entities: expected a list of entities"),
        ({"subject": ANN, **READ, "entities": [{}]}, "entities[0]"),
        ({"subject": ANN, **READ, "entities": [{**PLAN, "properties": {"size": 2}}]}, "is in the store"),
        ({"subject": ANN, "action": "reed", "now": "soon"}, "did you mean `read`? [PE501]\nnow: a datetime"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_as_in_a_request(question, said):
    with pytest.raises(InvalidRequest) as refused:
        WITH_STORE.resources(**question)
    assert said in str(refused.value)


def test_a_store_that_there_is_not_or_is_for_another_set_is_refused():
    with pytest.raises(ValueError, match="a resource is searched for in a store"):
        ENGINE.resources(ANN, **READ)
    with pytest.raises(ValueError, match="a subject is searched for in a store"):
        ENGINE.subjects("read", PLAN, entities=[ANN])
    other = PolicyEngine.from_text(
        "package o\nentity User\naction read by User on User\npermit a: read"
    )
    with pytest.raises(InvalidRequest, match="PE528"):
        ENGINE.resources(ANN, **READ, entities=other.store([]))
    with pytest.raises(InvalidRequest, match="PE528"):
        ENGINE.actions(ANN, PLAN, entities=other.store([]))


@pytest.mark.parametrize("limit", [0, -1, 10_001, True, 1.0, "5", None])
def test_a_limit_is_a_number(limit):
    with pytest.raises(ValueError, match="from 1 to 10,000"):
        WITH_STORE.resources(ANN, **READ, limit=limit)


def test_actions_are_those_that_are_allowed():
    assert WITH_STORE.actions(ANN, PLAN, {"reason": "x"}).items == ("edit",)
    assert WITH_STORE.actions(ANN, PLAN, {"reason": "x"}).unfit == (
        "read",
    )  # which takes no reason
    assert WITH_STORE.actions(ANN, PLAN).items == ("read",)
    assert WITH_STORE.actions(ANN, ref("Photo", "cat")).items == ("read", "print")
    assert WITH_STORE.actions(EVE, ref("Photo", "cat")).items == ()
    assert WITH_STORE.actions(PLAN, PLAN).items == ()
    for subject, resource, context in [
        (None, PLAN, None), (ANN, 3, None), (ANN, ref("User", "no"), []), (ref("User", "zoe"), PLAN, None),
        (ANN, ref("Docment", "plan"), None), ({"id": "ann"}, PLAN, None), (ANN, PLAN, {"reasn": "x"}),
    ]:  # fmt: skip
        if resource == ref("User", "no"):
            assert (
                WITH_STORE.actions(subject, resource, context).items == ()
            )  # there is none for a user
            continue
        with pytest.raises(InvalidRequest):
            WITH_STORE.actions(subject, resource, context)


@pytest.mark.parametrize("engine", [ENGINE, WITH_STORE])
@pytest.mark.parametrize(
    ("now", "found"),
    [
        ("2025-12-31T23:59:59.999999Z", ["half", "old", "plan"]),
        ("2026-01-01", ["half", "plan"]),
        ("1970-01-01", ["half", "old", "plan"]),
        (None, ["half", "plan"]),
    ],
)  # fmt: skip
def test_the_moment_is_that_of_the_question(engine, now, found):
    more = {"now": now, "entities": STORE if engine is ENGINE else None}
    assert ids(engine.resources(ANN, **READ, **more)) == found
    for id_ in ("half", "old", "plan"):
        assert engine.decide(ANN, "read", ref("Document", id_), **more).allowed == (id_ in found)


def test_parts_are_taken_in_any_form_that_decide_takes():
    built = WITH_STORE.entity("User", "zed", {})
    given = {**ref("User", "zed"), "properties": {}}
    for subject in (built, given, MappingProxyType(given)):
        assert ids(WITH_STORE.resources(subject, "print")) == ["cat"]
        assert "zed" not in ids(
            WITH_STORE.subjects("read", document("new", "zed"))
        )  # not in the store
    assert ids(WITH_STORE.resources(ANN, {"name": "edit"}, None, {"reason": "x"})) == [
        "old",
        "plan",
    ]
    page = WITH_STORE.resources(ANN, **EDIT)
    assert [item.id for item in page.unfit] == ["half"]  # it lacks its size
    assert ids(WITH_STORE.subjects("read", PLAN, "User")) == ["ann"]


def test_others_may_be_given_once_and_not_without_end():
    def others(count: float) -> Iterator[dict[str, Any]]:
        number = 0
        while number < count:
            yield {**ref("User", f"u{number}"), "properties": {}}
            number += 1

    assert ids(WITH_STORE.resources(ref("User", "u1"), **READ, entities=others(3))) == []
    assert WITH_STORE.actions(ref("User", "u1"), ref("Photo", "cat"), entities=others(3)).items == (
        "read",
        "print",
    )
    for ask in (
        lambda: WITH_STORE.resources(ANN, **READ, entities=others(float("inf"))),
        lambda: WITH_STORE.actions(ANN, PLAN, entities=others(float("inf"))),
    ):
        with pytest.raises(InvalidRequest, match="PE514"):
            ask()


def test_thousands_of_entities_come_in_pages_of_at_most_ten_thousand():
    many = [document(f"d{n}", "ann", size=n) for n in range(12_000)]
    engine = PolicyEngine.from_text(POLICY, store=ENGINE.store([{**ANN, "properties": {}}, *many]))
    found, token, pages = [], None, 0
    while token is not None or not pages:
        page = engine.resources(ANN, **EDIT, limit=10_000, token=token)
        found, token, pages = [*found, *page.items], page.token, pages + 1
    assert pages == 2  # ten thousand are looked at for one
    assert sorted(item.id for item in found) == sorted(f"d{n}" for n in range(10))


def test_a_page_that_takes_long_ends_and_the_next_goes_on(monkeypatch):
    many = [document(f"d{n}", "ann", size=n) for n in range(20)]
    engine = PolicyEngine.from_text(POLICY, store=ENGINE.store([{**ANN, "properties": {}}, *many]))
    whole = engine.resources(ANN, **EDIT)
    monkeypatch.setattr("policyengine.reverse.store_search.LONGEST", 0.0)
    found, token, pages = [], None, 0
    while token is not None or not pages:
        page = engine.resources(ANN, **EDIT, token=token)
        found, token, pages = [*found, *page.items], page.token, pages + 1
    assert (tuple(found), pages) == (whole.items, 20)  # one is looked at for each


def test_fewer_are_decided_about_for_a_page_where_many_others_must_be_read_each_time():
    others = [{**ref("User", f"u{n}"), "properties": {}} for n in range(1_000)]
    many = [document(f"d{n}", "ann", size=n) for n in range(150)]
    engine = PolicyEngine.from_text(POLICY, store=ENGINE.store([{**ANN, "properties": {}}, *many]))
    first = engine.resources(ANN, **EDIT, entities=others)
    assert not first.complete
    second = engine.resources(ANN, **EDIT, entities=others, token=first.token)
    assert second.complete
    assert sorted(item.id for item in first.items + second.items) == sorted(
        f"d{n}" for n in range(10)
    )
