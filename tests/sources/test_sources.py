"""Sources: what they give is decided as from a store, in rounds, and what they do not say denies."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from enum import StrEnum
from itertools import repeat
from random import Random
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from policyengine import CachedSource, InvalidRequest, PolicyEngine, Ref, Request, SourcedEngine
from policyengine.model.limits import Limits
from policyengine.sources.row_source import RowSource
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
        ([{"type": "User", "id": "ann"}, document("a", "ann")], "ann", "a", "suspended: it must be given"),
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
    sourced = SourcedEngine(engine, Odd(answer), deadline=0.01)
    asked = named("User", "ann"), "read", named("Document", "a")
    for decide in (sourced.decide, lambda *parts: asyncio.run(sourced.decide_async(*parts))):
        with pytest.raises(InvalidRequest, match=r"\[PE590\]") as refused:
            decide(*asked)
        assert said in str(refused.value)
        assert "password" not in str(refused.value)


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


# ---- caches, and rows of SQLAlchemy -----------------------------------------------------


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


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    suspended: Mapped[bool]
    banned: Mapped[bool | None]
    boss_id: Mapped[int | None]


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))


def registered() -> PolicyEngine:
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Person, "User", boss=Ref("boss_id"), parents=lambda _: [])
    engine.register(Page, "Document", owner=Ref("owner_id"), parents=lambda _: [])
    return engine


def rows() -> list[Any]:
    return [
        Person(id=1, suspended=False),
        Person(id=2, suspended=False, boss_id=1),
        Page(id=7, title="T", owner_id=2),
    ]


def test_every_revocation_in_a_database_is_seen_after_the_commit():
    database, engine = create_engine("sqlite://"), registered()
    Base.metadata.create_all(database)
    models = {"User": Person, "Document": Page}
    with Session(database) as writing, Session(database) as reading:
        writing.add_all(rows())
        writing.commit()
        sourced = SourcedEngine(engine, RowSource(reading, models), deadline=60)
        for step in range(300):
            person, suspended = writing.get(Person, 1 + step % 2), step % 3 == 0
            assert person is not None
            person.suspended = suspended
            writing.commit()
            asked = named("User", str(person.id)), "read", named("Document", "7")
            assert sourced.decide(*asked).allowed is not suspended
            reading.rollback()
        for wrong in ("007", "x", "8", ""):
            with pytest.raises(InvalidRequest, match="is not in the source"):
                sourced.decide(named("User", "1"), "read", named("Document", wrong))


def test_what_was_changed_and_not_written_is_not_lost():
    database, engine = create_engine("sqlite://"), registered()
    Base.metadata.create_all(database)
    asked = named("User", "1"), "read", named("Document", "7")
    with Session(database) as session:
        session.add_all(rows())
        session.commit()
        person = session.get(Person, 1)
        assert person is not None
        sourced = SourcedEngine(engine, RowSource(session, {"User": Person, "Document": Page}))
        person.suspended = True
        with session.no_autoflush:
            assert not sourced.decide(*asked).allowed
        assert person in session.dirty
        assert not sourced.decide(*asked).allowed  # which writes it first
        session.rollback()
        assert sourced.decide(*asked).allowed


def test_an_asynchronous_session_is_asked_as_well():
    async def run() -> bool:
        database = create_async_engine("sqlite+aiosqlite://")
        async with database.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(database) as session:
            session.add_all(rows())
            await session.commit()
            source = RowSource(session, {"User": Person, "Document": Page})
            sourced = SourcedEngine(registered(), source, deadline=60)
            decision = await sourced.decide_async(
                named("User", "1"), "read", named("Document", "7")
            )
        await database.dispose()
        return decision.allowed

    assert asyncio.run(run())
