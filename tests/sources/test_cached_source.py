"""Cached sources: nothing that is kept outlives its version, and no request is decided about two."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from random import Random
from time import sleep
from typing import Any

import pytest

from policyengine import CachedSource, InvalidRequest, PolicyEngine, SourcedEngine
from tests.sources.test_sources import POLICY, Facts, Later, Odd, ask, document, named, user


def test_what_is_kept_is_not_used_after_a_change():
    facts, version = Facts(), [0]
    cached = CachedSource(facts, lambda: version[0], size=3)
    for _ in range(3):
        assert ask(cached, "ann", "a")
    first = len(facts.asked)
    assert first < 6
    for step in range(50):
        suspended = step % 2 == 0
        facts.facts["User", "ann"] = user("ann", suspended=suspended)
        version[0] += 1
        assert ask(cached, "ann", "a") is not suspended
    del facts.facts["User", "ann"]
    version[0] += 1
    with pytest.raises(InvalidRequest):
        ask(cached, "ann", "a")
    with pytest.raises(InvalidRequest, match="TypeError"):
        ask(CachedSource(Later(), lambda: 0), "ann", "a")


def test_nothing_is_kept_of_what_is_refused():
    banned = user("ann", banned=True)
    for wrong in ([user("ann"), banned], [banned, user("ann")], [user("ann"), user("eve")]):
        facts = Odd(lambda *_, wrong=wrong: wrong)
        cached = CachedSource(facts, lambda: 0)
        with pytest.raises(InvalidRequest, match="PE590"):
            ask(cached, "ann", "a")
        facts.answer = Facts.fetch
        facts.facts["User", "ann"] = banned
        assert not ask(cached, "ann", "a")


@pytest.mark.parametrize("versions", [[1, 2, 1], [2, 1], [1.0, 2], [None, None], ["a", None, "a"]])
def test_nothing_is_kept_where_versions_go_back_or_there_is_none(versions):
    facts, at = Facts(), [versions[0]]
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), CachedSource(facts, lambda: at[0]))
    assert sourced.decide(*ASKED).allowed
    for version in versions[1:-1]:
        at[0] = version
        assert sourced.decide(named("User", "bob"), "read", named("Document", "b")).allowed
    facts.facts["User", "ann"] = user("ann", suspended=True)
    at[0] = versions[-1]
    assert not sourced.decide(*ASKED).allowed


ASKED = named("User", "ann"), "read", named("Document", "a")


@pytest.mark.parametrize("version", [[1], {}, asyncio.sleep])
def test_a_version_that_may_change_and_equal_itself_is_none(version):
    given = (lambda: version(0)) if callable(version) else lambda: version
    with pytest.raises(InvalidRequest, match="TypeError"):
        SourcedEngine(PolicyEngine.from_text(POLICY), CachedSource(Facts(), given)).decide(*ASKED)


class Moved(Facts):
    """In no state of it may ann read what bob owns: first she is not his boss, and then she is suspended."""

    def __init__(self) -> None:
        super().__init__([user("ann"), user("bob"), document("b", "bob")])
        self.version = 1

    def change(self) -> None:
        self.version = 2
        self.facts["User", "ann"] = user("ann", suspended=True)
        self.facts["User", "bob"] = user("bob", boss="ann")

    def fetch(self, keys: Any) -> Any:
        found = super().fetch(keys)
        if self.version == 1 and len(self.asked) == self.at:
            self.change()
        return found

    at = 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_request_is_decided_about_facts_of_one_version(asynchronous):
    asked = named("User", "ann"), "read", named("Document", "b")
    engine = PolicyEngine.from_text(POLICY)

    def decided(source: Any, others: Any = ()) -> bool:
        sourced = SourcedEngine(engine, source, deadline=60)
        given = {"entities": iter(others)}
        if asynchronous:
            return asyncio.run(sourced.decide_async(*asked, **given)).allowed
        return sourced.decide(*asked, **given).allowed

    for kept in ([], [("User", "bob")], [("Document", "b"), ("User", "bob")]):
        facts = Moved()
        cached = CachedSource(facts, lambda facts=facts: facts.version)
        facts.at = 0
        for key in kept:
            [*cached.fetch([key])]
        facts.at, others = len(facts.asked) + 1, []
        assert not decided(cached)
        assert facts.version == 2
    facts = Moved()  # what was given with the request is there the second time, too
    del facts.facts["User", "ann"]
    facts.change = lambda: setattr(facts, "version", 2)  # type: ignore[method-assign]
    others = [user("ann", suspended=True)]
    assert not decided(CachedSource(facts, lambda: facts.version), others)


def test_facts_that_always_change_are_too_late():
    steps = iter(range(1_000_000))
    cached = CachedSource(Facts(), lambda: next(steps))
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), cached, deadline=0.05)
    with pytest.raises(InvalidRequest, match=r"within 0\.05 s"):
        sourced.decide(*ASKED)


def test_threads_decide_about_a_state_that_there_was_while_they_asked():
    """Each state is a version; every decision is one of those that the states in force meanwhile give."""
    people, documents, rng = ["ann", "bob", "cid"], ["a", "b"], Random(5)

    def made(key: Any) -> Any:
        if key[0] == "Document":
            return document(key[1], rng.choice(people))
        boss = rng.choice([None, *people])
        return user(key[1], boss=boss, suspended=rng.random() < 0.3)

    keys = [("User", one) for one in people] + [("Document", one) for one in documents]
    states = [{key: made(key) for key in keys}]

    class Facts:
        def fetch(self, keys: Any) -> Any:
            for key in keys:
                yield states[-1][key]
                sleep(0)  # so that a change comes between

    def allows(state: Any, who: str, what: str) -> bool:
        owner = state["Document", what]["properties"]["owner"]["id"]
        boss = state["User", owner]["properties"].get("boss", {}).get("id")
        return who in (owner, boss) and not state["User", who]["properties"]["suspended"]

    cached = CachedSource(Facts(), lambda: len(states), size=4)
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), cached, deadline=60)

    def ask(seed: int) -> int:
        choice, wrong = Random(seed).choice, 0
        for _ in range(200):
            who, what, before = choice(people), choice(documents), len(states) - 1
            found = sourced.decide(named("User", who), "read", named("Document", what)).allowed
            wrong += found not in {allows(state, who, what) for state in states[before:]}
        return wrong

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask, seed) for seed in range(3)]
        while not all(one.done() for one in asking):
            two = rng.sample(keys, 2)
            states.append(states[-1] | {key: made(key) for key in two})
            sleep(0.002)
    assert [one.result() for one in asking] == [0, 0, 0]


TAGGED = """
package tagged
entity User { tags: set<string>, found: { tags: set<string> } }
action meet by User on User
permit anyone: meet
forbid told: meet when "banned" in subject.tags
forbid found: meet when "banned" in subject.found.tags
"""


@pytest.mark.parametrize("make", [list, set, lambda tags: dict.fromkeys(tags).keys()])
@pytest.mark.parametrize("where", ["its own", "in a record"])
def test_a_set_that_a_source_changes_afterwards_changes_nothing(make, where):
    """What was banned when it was fetched is, as long as the version is the same."""
    banned, others = {"banned": None}, make(["other"])
    tags = make(["banned"]) if make in (list, set) else banned.keys()
    own = {"tags": tags, "found": {"tags": others}}
    given = own if where == "its own" else {"tags": others, "found": {"tags": tags}}
    facts = {"type": "User", "id": "eve", "properties": given}
    cached = CachedSource(Odd(lambda *_: [facts]), lambda: 1)
    sourced = SourcedEngine(PolicyEngine.from_text(TAGGED), cached)
    asked = named("User", "eve"), "meet", named("User", "eve")
    assert not sourced.decide(*asked).allowed
    banned.clear()
    if make in (list, set):
        tags.clear()
    assert not sourced.decide(*asked).allowed


@pytest.mark.parametrize("fails", ["late", "changed", "failing", "odd"])
def test_nothing_is_kept_that_was_fetched_while_the_version_changed(fails):
    """What was read of version 2 is not kept as that of version 1, which a replica may have again."""
    facts, changed = Facts(), [False]

    def version() -> Any:
        if changed[0] and fails == "failing":
            raise OSError("the database is down")
        return 2 if changed[0] else 1

    def fetch(source: Facts, keys: Any) -> Any:
        changed[0] = True
        if fails != "failing":
            sleep(0.1)
        found = Facts.fetch(source, keys)
        return [*found, user("eve")] if fails == "odd" and ("Team", "staff") in keys else found

    facts = Odd(fetch)
    cached = CachedSource(facts, version)
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), cached, deadline=0.05)
    with pytest.raises(InvalidRequest, match="PE590"):
        sourced.decide(*ASKED)
    facts.answer, changed[0], fails = Facts.fetch, False, ""
    facts.facts["User", "ann"] = user("ann", suspended=True)
    assert not SourcedEngine(PolicyEngine.from_text(POLICY), cached).decide(*ASKED).allowed
