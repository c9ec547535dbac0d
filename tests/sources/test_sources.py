"""Sources: what they give is decided as from a store, in rounds, and what they do not say denies."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from enum import StrEnum
from itertools import repeat
from random import Random
from threading import Event
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

from policyengine import (
    CachedSource,
    InvalidRequest,
    PolicyEngine,
    PolicyHolder,
    Request,
    SourcedEngine,
)
from policyengine.model.limits import Limits
from tests.strategies import entry_points, laws, seeds

POLICY = """
package sourced
entity Team in Team
entity User in Team { suspended: bool, boss?: User, banned?: bool }
entity Document in Team { owner: User, title: string }
action read by User on Document with { by?: User }
permit own: read when resource.owner == subject
permit boss: read when resource.owner has boss and resource.owner.boss == subject
permit team: read when subject within Team "staff"
forbid suspended: any when subject.suspended
forbid banned: any when subject has banned and subject.banned
"""


def user(id_: str, *teams: str, boss: str | None = None, **properties: Any) -> Any:
    more = {} if boss is None else {"boss": {"type": "User", "id": boss}}
    return {"type": "User", "id": id_, "properties": {"suspended": False, **properties, **more},
            "parents": [{"type": "Team", "id": team} for team in teams]}  # fmt: skip


def team(id_: str, *above: str) -> Any:
    return {"type": "Team", "id": id_, "parents": [{"type": "Team", "id": one} for one in above]}


def document(id_: str, owner: str) -> Any:
    properties = {"owner": {"type": "User", "id": owner}, "title": "T"}
    return {"type": "Document", "id": id_, "properties": properties, "parents": []}


FACTS = [team("staff"), team("night", "staff"), user("ann"), user("bob", boss="ann"), user("cid", "night"),
         document("a", "ann"), document("b", "bob")]  # fmt: skip


class Facts:
    """A source of dicts, which keeps what it was asked for."""

    def __init__(self, facts: Any = FACTS) -> None:
        self.facts = {(one["type"], one["id"]): one for one in facts}
        self.asked: list[Any] = []

    def fetch(self, keys: Any) -> Any:
        self.asked.append(list(keys))
        return [self.facts[key] for key in keys if key in self.facts]


class Later(Facts):
    """The same, asynchronous."""

    async def fetch(self, keys: Any) -> Any:
        await asyncio.sleep(0)
        return super().fetch(keys)


def named(type_: str, id_: str) -> Any:
    return {"type": type_, "id": id_}


def ask(source: Any, who: str, what: str, **more: Any) -> bool:
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), source, **more)
    asked = named("User", who), "read", named("Document", what)
    if isinstance(source, Facts) and type(source).fetch is not Facts.fetch:
        return asyncio.run(sourced.decide_async(*asked)).allowed
    return sourced.decide(*asked).allowed


@pytest.mark.parametrize("kind", [Facts, Later])
def test_what_rules_follow_is_fetched_in_rounds(kind):
    source = kind()
    assert ask(source, "ann", "b")
    assert source.asked == [
        [("Document", "b"), ("User", "ann")], [("User", "bob")],
    ]  # fmt: skip
    assert not ask(kind(), "bob", "a")
    source = kind()
    assert ask(source, "cid", "a")
    assert {key for keys in source.asked for key in keys} >= {("Team", "night"), ("Team", "staff")}


@pytest.mark.parametrize("who", ["ann", "cid"])
def test_what_was_fetched_is_not_validated_in_full_again(who, monkeypatch):
    engine = PolicyEngine.from_text(POLICY)
    sourced = SourcedEngine(engine, Facts())
    asked = named("User", who), "read", named("Document", "b")
    assert sourced.decide(*asked).allowed
    monkeypatch.setattr(engine._intake.validator, "validate", None)
    assert sourced.decide(*asked).allowed
    assert sourced.decide_many([(*asked, None)])[0].allowed
    assert asyncio.run(SourcedEngine(engine, Later()).decide_async(*asked)).allowed


class Emptied:
    """A collection that has nothing any more when it is asked again, as what closes what it reads from."""

    def __init__(self, *items: Any) -> None:
        self.items = [*items]

    def __iter__(self) -> Any:
        items, self.items = self.items, []
        return iter(items)


@pytest.mark.parametrize("part", ["parents", "tags", "friends"])
def test_objects_are_read_once(part):
    engine = PolicyEngine.from_text("""
        package once
        entity Team in Team
        entity User in Team { tags: set<string>, friends: set<User> }
        entity Document
        action read by User on Document
        permit all_: read
        forbid barred: any when subject within Team "barred"
        forbid tagged: any when "barred" in subject.tags
        forbid befriended: any when User "barred" in subject.friends
    """)
    engine.register(SimpleNamespace, "User", parents="parents")
    barred = {
        "parents": named("Team", "barred"),
        "tags": "barred",
        "friends": named("User", "barred"),
    }

    def held() -> Any:
        parts = {name: Emptied(*([one] * (name == part))) for name, one in barred.items()}
        return SimpleNamespace(id="u", **parts)

    class Holding(Facts):
        def fetch(self, keys: Any) -> Any:
            return [held() if type_ == "User" else team(id_) for type_, id_ in keys]

    sourced, on = SourcedEngine(engine, Holding()), {**named("Document", "d"), "properties": {}}
    for subject in (held, lambda: named("User", "u")):
        assert not sourced.decide(subject(), "read", on).allowed
        assert not engine.decide(sourced.request(subject(), "read", on)).allowed
        assert not sourced.decide_many([(subject(), "read", on, None)])[0].allowed
        assert not asyncio.run(sourced.decide_async(subject(), "read", on)).allowed


def test_what_is_given_is_not_fetched():
    source, engine = Facts(), PolicyEngine.from_text(POLICY)
    sourced = SourcedEngine(engine, source)
    assert sourced.decide(
        user("ann"), "read", document("b", "bob"), entities=[user("bob", boss="ann")]
    ).allowed
    assert source.asked == []
    request = sourced.request(
        Request(named("User", "ann"), "read", named("Document", "b"), now="2026-01-01")
    )
    assert engine.explain(request).outcome.allowed
    assert engine.decide(request).allowed


@pytest.mark.parametrize("entities", [{}, "", 0, False, 3, {"type": "User"}])
def test_entities_that_are_no_list_are_refused_also_if_they_are_empty(entities: Any):
    engine = PolicyEngine.from_text(POLICY)
    for decider in (engine, SourcedEngine(engine, Facts())):
        with pytest.raises(InvalidRequest) as refusal:
            decider.decide(user("ann"), "read", document("a", "ann"), entities=entities)
        assert [(one.code, one.path) for one in refusal.value.problems] == [("PE505", "entities")]


class Text(str):
    __slots__ = ()


class Kind(StrEnum):
    USER = "User"
    DOCUMENT = "Document"


FORMS = {
    "dict": lambda one: one,
    "mapping": MappingProxyType,
    "derived dict": OrderedDict,
    "derived names": lambda one: {Text(name): value for name, value in one.items()},
    "derived texts": lambda one: {name: Text(value) for name, value in one.items()},
    "names of an enum": lambda one: {**one, "type": Kind(one["type"])},
}


OPEN = PolicyEngine.from_text("""
package open
entity User { banned?: bool }
entity Document { owner: User }
action read by User on Document with { by?: User }
permit anyone: read
forbid subjects: read when subject has banned and subject.banned
forbid owners: read when resource.owner has banned and resource.owner.banned
forbid others: read when context has by and context.by has banned and context.by.banned
""")


def owned(owner: Any) -> Any:
    return {"type": "Document", "id": "x", "properties": {"owner": owner}}


ANN, EVE = named("User", "ann"), named("User", "eve")
OF_ANN = owned(ANN) | {"id": "of ann"}
PLACES: dict[str, Any] = {
    "subject": lambda who: Request(who, "read", OF_ANN),
    "reference": lambda who: Request(ANN, "read", owned(who)),
    "context": lambda who: Request(ANN, "read", OF_ANN, {"by": who}),
    "entities": lambda who: Request(ANN, "read", owned(dict(who)), entities=[who]),
    "subject, built": lambda who: Request(OPEN.entity(*who.values()), "read", OF_ANN),
    "reference, built": lambda who: Request(ANN, "read", OPEN.entity("Document", "x", owner=OPEN.entity(*who.values()))),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_is_only_named_is_fetched_in_whatever_form(form, place):
    """Else it would be an entity without attributes, of which nothing is forbidden."""
    facts = Facts([{**ANN, "properties": {}}, {**EVE, "properties": {"banned": True}}, OF_ANN])
    sourced = SourcedEngine(OPEN, facts)
    assert sourced.decide(place(form(ANN))).allowed
    assert not sourced.decide(place(form(EVE))).allowed
    with pytest.raises(InvalidRequest, match=r"PE(508|529)"):
        sourced.decide(place(form(named("User", "ghost"))))


class Verb(StrEnum):
    READ = "read"


@pytest.mark.parametrize("action", [Text("read"), Verb.READ, {"name": "read"}, {"name": Verb.READ}])
def test_what_rules_read_is_fetched_in_whatever_form_an_action_is_said(action):
    facts = Facts([{**ANN, "properties": {}}, {**EVE, "properties": {"banned": True}}, OF_ANN])
    sourced = SourcedEngine(OPEN, facts)
    assert sourced.decide(ANN, action, OF_ANN).allowed
    assert not sourced.decide(EVE, action, OF_ANN).allowed
    assert not sourced.decide_many([(EVE, action, OF_ANN, None)])[0].allowed


def test_a_source_that_only_names_an_entity_says_nothing_of_it():
    def asked(answer: Any) -> Any:
        return SourcedEngine(OPEN, Odd(answer)).decide(ANN, "read", owned(ANN))

    assert asked(lambda _, keys: [named(*key) | {"properties": {}} for key in keys]).allowed
    for answer in (
        lambda _, keys: [named(*key) for key in keys],
        lambda _, keys: [named(*key) | {"parents": []} for key in keys],
        lambda _, keys: [OPEN.entity(*key) for key in keys],
    ):
        with pytest.raises(InvalidRequest, match="without its `properties`"):
            asked(answer)


def test_a_source_that_changes_what_it_gave_changes_no_decision():
    """As one does that has one dict for all it gives."""
    shared: dict[str, Any] = {}
    facts = {"ann": {"banned": True}, "eve": {}}

    def fetch(_: Any, keys: Any) -> Any:
        for type_, id_ in keys:
            shared.clear()
            shared.update(facts[id_])
            yield {"type": type_, "id": id_, "properties": shared}

    for cached in (False, True):
        source: Any = CachedSource(Odd(fetch), lambda: 1) if cached else Odd(fetch)
        sourced = SourcedEngine(OPEN, source)
        for _ in range(2):
            for who in (ANN, EVE):
                assert not sourced.decide(ANN, "read", owned(who)).allowed
                assert not sourced.decide(who, "read", owned(ANN)).allowed
            assert sourced.decide(EVE, "read", owned(EVE)).allowed
            assert not sourced.decide(ANN, "read", owned(ANN)).allowed
    keys = [("User", "ann")]
    given: Any = [*source.fetch(keys)]
    given[0]["properties"]["banned"] = False
    assert not sourced.decide(ANN, "read", owned(ANN)).allowed


def test_a_source_that_changes_what_it_is_asked_for_is_asked_for_the_same():
    def fetch(_: Any, keys: Any) -> Any:
        keys.append(("User", "eve"))
        return [named(*key) | {"properties": {}} for key in keys]

    for source in (Odd(fetch), CachedSource(Odd(fetch), lambda: 1)):
        with pytest.raises(InvalidRequest, match="not asked for"):
            SourcedEngine(OPEN, source).decide(ANN, "read", owned(ANN))


def test_what_is_named_with_a_member_that_is_dropped_is_fetched():
    engine = PolicyEngine.from_text(
        """
        package p
        entity U { off?: bool }
        action read by U on U
        permit each: read
        forbid off: read when subject has off and subject.off
        """,
        undeclared="drop",
    )

    class Off:
        def fetch(self, keys: Any) -> Any:
            return [{"type": t, "id": i, "properties": {"off": True}} for t, i in keys]

    sourced = SourcedEngine(engine, Off())
    for more in ({}, {"email": "x"}):
        subject = {"type": "U", "id": "ann", **more}
        assert sourced.decide(subject, "read", subject).allowed is False
        assert (
            sourced.decide(named("U", "b"), "read", named("U", "b"), entities=[subject]).allowed
            is False
        )


def test_what_is_given_with_parents_alone_is_fetched_and_must_agree():
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), Facts())
    cid, a = named("User", "cid"), named("Document", "a")
    assert sourced.decide(cid | {"parents": [named("Team", "night")]}, "read", a).allowed
    with pytest.raises(InvalidRequest, match="`parents` is not what"):
        sourced.decide(cid | {"parents": []}, "read", a)
    whole = {"entities": [user("cid", "night")]}
    assert sourced.decide(cid, "read", a, **whole).allowed


@pytest.mark.parametrize(
    ("facts", "who", "what", "said"),
    [
        (FACTS, "gone", "a", r'subject: `User "gone"` is not in the source'),
        (FACTS, "ann", "gone", r'resource: `Document "gone"` is not in the source'),
        ([one for one in FACTS if one["id"] != "bob"], "ann", "b", 'owner: rules for `read` read `boss` of `User "bob"`'),
        ([one for one in FACTS if one["id"] != "night"], "cid", "a", "parents"),
        ([one for one in FACTS if one["id"] != "staff"], "cid", "a", "parents"),
        ([user("ann", suspended=0), document("a", "ann")], "ann", "a", "suspended: expected a bool"),
        ([user("ann") | {"properties": {}}, document("a", "ann")], "ann", "a", "suspended: it must be given"),
        ([{"type": "User", "id": "ann"}, document("a", "ann")], "ann", "a", "without its `properties`"),
    ],
)  # fmt: skip
def test_what_a_source_does_not_say_denies(facts, who, what, said):
    for kind in (Facts, Later):
        with pytest.raises(InvalidRequest, match=said):
            ask(kind(facts), who, what)


class Odd(Facts):
    """A source that does something else."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def fetch(self, keys: Any) -> Any:
        return self.answer(self, keys)


def _slow(self: Any, keys: Any) -> Any:
    time.sleep(0.05)
    return Facts.fetch(self, keys)


def _raise(*_: Any) -> Any:
    raise OSError("the password of the database")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_raise, "entities: the source failed: that raised `OSError`"),
        (lambda *_: None, "entities: the source failed: that raised `TypeError`"),
        (lambda *_: (1 / 0 for _ in [1]), "entities: the source failed: that raised `ZeroDivisionError`"),
        (lambda *_: [user("eve")], "entities: the source gave an entity that it was not asked for"),
        (lambda *_: [5], "entities: the source gave an entity that it was not asked for"),
        (lambda *_: [{"type": "User"}], "entities: the source gave an entity that it was not asked for"),
        (lambda *_: [user("ann"), user("ann", suspended=True)], "entities: the source gave an entity twice"),
        (lambda *_: repeat(user("ann")), "entities: the source gave an entity twice"),
        (_slow, "entities: the source did not answer within 0.01 s"),
    ],
)  # fmt: skip
def test_a_source_that_does_something_else_denies_and_says_so(answer, said):
    engine = PolicyEngine.from_text(POLICY)
    sourced = SourcedEngine(engine, Odd(answer), deadline=0.01 if answer is _slow else 60)
    asked = named("User", "ann"), "read", named("Document", "a")
    for decide in (sourced.decide, lambda *parts: asyncio.run(sourced.decide_async(*parts))):
        with pytest.raises(InvalidRequest, match=r"\[PE590\]") as refused:
            decide(*asked)
        assert said in str(refused.value)
        assert "password" not in str(refused.value)


class Row:
    """An object whose class is registered."""

    suspended, boss, banned, teams = False, None, None, ()

    def __init__(self, id_: Any) -> None:
        self.key = id_


class Equal:
    """Equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class Unsure:
    """Cannot say what it equals, as an empty array."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment] # as an array has none


@pytest.mark.parametrize("id_", [Equal(), Unsure(), 1.5, None, ["ann"], b"ann", True])
def test_an_object_without_an_id_answers_nothing(id_):
    """Whatever its id says that it equals."""
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Row, "User", id="key", parents="teams")
    source = SimpleNamespace(fetch=lambda _: [Row(id_), document("a", "ann")])
    with pytest.raises(InvalidRequest, match="an entity that it was not asked for"):
        SourcedEngine(engine, source).decide(named("User", "ann"), "read", named("Document", "a"))


def test_an_asynchronous_source_is_cancelled_at_the_deadline_and_with_its_request():
    ended = []

    class Never(Facts):
        async def fetch(self, _: Any) -> Any:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(1)

    asked = named("User", "ann"), "read", named("Document", "a")
    sourced = SourcedEngine(PolicyEngine.from_text(POLICY), Never(), deadline=0.01)
    with pytest.raises(InvalidRequest, match=r"within 0\.01 s"):
        asyncio.run(sourced.decide_async(*asked))

    async def cancelled() -> None:
        task = asyncio.create_task(SourcedEngine(sourced.engine, Never()).decide_async(*asked))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert ended == [1, 1]
    with pytest.raises(TypeError, match="decide_async"):
        sourced.decide(*asked)


def test_an_asynchronous_source_that_is_not_to_be_cancelled_is_left():
    class Deaf(Facts):
        async def fetch(self, keys: Any) -> Any:
            for _ in range(1_000):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
                if free.is_set():
                    break
            return super().fetch(keys)

    class Gone(Facts):
        async def fetch(self, _: Any) -> Any:
            raise asyncio.CancelledError

    async def run() -> None:
        sourced = SourcedEngine(OPEN, Deaf(), deadline=0.02)
        asked = asyncio.create_task(sourced.decide_async(ANN, "read", OF_ANN))
        done, _ = await asyncio.wait({asked}, timeout=5)
        free.set()
        assert done
        with pytest.raises(InvalidRequest, match=r"within 0\.02 s"):
            await asked
        with pytest.raises(InvalidRequest, match="the source failed"):
            await SourcedEngine(OPEN, Gone(), deadline=60).decide_async(ANN, "read", OF_ANN)

    free = Event()
    asyncio.run(run())


def test_a_holder_decides_about_what_is_fetched_by_the_set_that_is_in_force(tmp_path):
    """Each request is decided by one set, and by the next one from then on."""
    text, file = (
        "package p\nentity U {{ off?: bool }}\naction read by U on U\n{}",
        tmp_path / "p.policy",
    )
    open_, shut = (
        text.format("permit all_of_it: read"),
        text.format("permit none: read when 1 == 2"),
    )
    file.write_text(open_)

    class Reloads(Facts):
        changing = False

        def fetch(self, keys: Any) -> Any:
            if self.changing:
                file.write_text(shut)
                assert holder.reload()
            return [named(*key) | {"properties": {}} for key in keys]

    ann, source = named("U", "ann"), Reloads()
    with PolicyHolder(tmp_path, poll=60) as holder:
        sourced = SourcedEngine(holder, source)
        ways = (
            lambda: sourced.decide(ann, "read", ann).allowed,
            lambda: sourced.decide_many([(ann, "read", ann, None)])[0].allowed,
            lambda: asyncio.run(sourced.decide_async(ann, "read", ann)).allowed,
        )
        for way in ways:
            assert way()
            source.changing = True
            assert way()  # which began before
            source.changing = False
            assert not way()
            assert sourced.digest == holder.digest
            file.write_text(open_)
            assert holder.reload()
        holder.use_store(holder.engine.store([]))
        with pytest.raises(ValueError, match="with_store"):
            sourced.decide(ann, "read", ann)
        with pytest.raises(ValueError, match="with_store"):
            SourcedEngine(holder, source)


def test_no_more_is_fetched_than_may_be():
    chain = [
        team("t0"),
        *(team(f"t{i}", f"t{i - 1}") for i in range(1, 50)),
        user("ann", "t49"),
        document("a", "bob"),
    ]
    assert not ask(Facts([*chain, user("bob")]), "ann", "a")
    with pytest.raises(InvalidRequest, match="at most 20 entities"):
        ask(Facts([*chain, user("bob")]), "ann", "a", most=20)
    engine = PolicyEngine.from_text(POLICY)
    stored = engine.with_store(engine.store([]))
    with pytest.raises(ValueError, match="with_store"):
        SourcedEngine(stored, Facts())
    with pytest.raises(TypeError, match="a store or in a source"):
        SourcedEngine(engine, Facts()).decide(
            user("ann"), "read", document("a", "b"), entities=engine.store([])
        )


@given(seeds.SEEDS)
def test_a_source_decides_as_a_store_of_the_same(seed: int):
    def check(case: laws.Case) -> None:
        rng = Random(case.seed)
        scene = {(one["type"], one["id"]): one for one in case.given["entities"]}
        for part in (case.given["resource"], case.given["subject"]):
            scene[part["type"], part["id"]] = part
        parents = {(p["type"], p["id"]) for one in scene.values() for p in one.get("parents", ())}
        facts = [one for key, one in scene.items() if key in parents or rng.random() < 0.9]
        engine = PolicyEngine(case.loaded.program, case.loaded.engine._checked, limits=Limits())
        stored, source = engine.with_store(engine.store(facts)), Facts(facts)
        refs = [
            named(case.given[who]["type"], case.given[who]["id"]) for who in ("subject", "resource")
        ]
        parts = refs[0], case.given["action"], refs[1], case.given["context"]
        expected = entry_points.seen(lambda: stored.decide(*parts, now=case.given["now"]))
        found = entry_points.seen(
            lambda: SourcedEngine(engine, source).decide(*parts, now=case.given["now"])
        )
        assert found[0] == expected[0], (found, expected)
        if expected[0] != "refused":
            assert found == expected

    laws.hold(check, seed, requests=3)
