"""Rows of SQLAlchemy as a source: they are as they are in the database, whatever a session knows of them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)

from policyengine import InvalidRequest, PolicyEngine, Ref, SourcedEngine
from policyengine.sources.row_source import RowSource
from tests.sources.test_sources import POLICY, named


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


class Related(DeclarativeBase):
    pass


class Owner(Related):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    banned: Mapped[bool | None]


class Paper(Related):
    __tablename__ = "papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(default="")
    owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id"))
    owner: Mapped[Owner] = relationship()


RELATED = """
package related
entity User { banned?: bool }
entity Document { owner: User, title: string }
action read by User on Document
permit anyone: read
forbid banned: read when resource.owner has banned and resource.owner.banned
forbid shut: read when resource.title == "shut"
"""


@pytest.fixture
def sessions(tmp_path):
    """Two sessions of a database in which 1 owns 7: one that writes, one that forgets nothing when it commits."""
    database = create_engine(f"sqlite:///{tmp_path}/rows.db")
    Related.metadata.create_all(database)
    with Session(database) as writing, Session(database, expire_on_commit=False) as reading:
        writing.add_all([Owner(id=1), Owner(id=2), Paper(id=7, owner_id=1)])
        writing.commit()
        yield writing, reading
    database.dispose()


def related(reading: Session, models: Any) -> SourcedEngine:
    engine = PolicyEngine.from_text(RELATED)
    engine.register(Owner, "User")
    engine.register(Paper, "Document")
    return SourcedEngine(engine, RowSource(reading, models), deadline=60)


def test_rows_to_which_rows_refer_are_as_they_are_in_the_database(sessions):
    writing, reading = sessions
    asked = named("User", "2"), "read", named("Document", "7")
    sourced = related(reading, {"User": Owner, "Document": Paper})
    held = reading.get_one(Paper, 7).owner  # so that the session knows it
    assert sourced.decide(*asked).allowed
    for banned in (True, False, None):
        reading.commit()
        writing.get_one(Owner, 1).banned = banned
        writing.commit()
        assert sourced.decide(*asked).allowed is not banned
        assert held.banned is banned
    reading.commit()
    given, papers = named("User", "2") | {"properties": {}}, related(reading, {"Document": Paper})
    with pytest.raises(InvalidRequest, match=r'entities: `User "1"` is not in the source'):
        papers.decide(given, "read", asked[2])


@pytest.mark.parametrize("changed", ["another row", "the row"])
def test_what_is_not_written_hides_nothing_that_others_wrote(sessions, changed):
    writing, reading = sessions
    sourced = related(reading, {"User": Owner, "Document": Paper})
    asked = named("User", "2"), "read", named("Document", "7")
    paper, other = reading.get_one(Paper, 7), reading.get_one(Owner, 2)
    assert paper.owner.banned is None
    reading.commit()
    writing.get_one(Paper, 7).title = "shut"
    writing.commit()
    with reading.no_autoflush:
        if changed == "the row":
            paper.owner_id = 2
        else:
            other.banned = False
        assert not sourced.decide(*asked).allowed
        assert len(reading.dirty) == 1
        assert (paper.owner_id, other.banned) == ((2, None) if changed == "the row" else (1, False))


class Linked(DeclarativeBase):
    pass


class Group(Linked):
    __tablename__ = "groups"
    id: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))


class Member(Linked):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    groups: Mapped[list[Group]] = relationship(lazy="joined")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_rows_that_a_join_repeats_and_rows_that_are_to_be_deleted(kind, tmp_path):
    """A collection that a join loads repeats its row, once for each element; a deletion counts before it is written."""
    engine = PolicyEngine.from_text("""
        package linked
        entity Team
        entity User in Team
        action read by User on User
        permit staff: read when subject within Team "staff" and resource within Team "staff"
    """)
    engine.register(Group, "Team")
    engine.register(Member, "User", parents="groups")
    database = create_engine(f"sqlite:///{tmp_path}/rows.db")
    Linked.metadata.create_all(database)
    models = {"User": Member, "Team": Group}
    asked = named("User", "1"), "read", named("User", "1")
    with Session(database) as session:
        session.add(Member(id=1, groups=[Group(id="staff"), Group(id="night")]))
        session.commit()
        sourced = SourcedEngine(engine, RowSource(session, models), deadline=60)
        if kind == "sync":
            assert sourced.decide(*asked).allowed
            session.delete(session.get_one(Member, 1))
            with session.no_autoflush, pytest.raises(InvalidRequest, match="is not in the source"):
                sourced.decide(*asked)
    database.dispose()

    async def run() -> None:
        later = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
        async with AsyncSession(later, autoflush=False) as session:
            sourced = SourcedEngine(engine, RowSource(session, models), deadline=60)
            assert (await sourced.decide_async(*asked)).allowed
            await session.delete(await session.get_one(Member, 1))
            with pytest.raises(InvalidRequest, match="is not in the source"):
                await sourced.decide_async(*asked)
        await later.dispose()

    if kind == "async":
        asyncio.run(run())


@pytest.mark.parametrize("scoped", [False, True])
def test_an_asynchronous_session_is_asked_as_well(scoped, tmp_path):
    async def run() -> bool:
        database = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
        async with database.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        current: Any = AsyncSession(database)
        if scoped:
            made = async_sessionmaker(database)
            current = async_scoped_session(made, scopefunc=asyncio.current_task)
        current.add_all(rows())
        await current.flush()  # which other sessions do not see
        source = RowSource(current, {"User": Person, "Document": Page})
        sourced = SourcedEngine(registered(), source, deadline=60)
        decision = await sourced.decide_async(named("User", "1"), "read", named("Document", "7"))
        await current.close()
        await database.dispose()
        return decision.allowed

    assert asyncio.run(run())


def test_a_scoped_session_is_that_of_the_thread_which_asks(tmp_path):
    database, engine = create_engine(f"sqlite:///{tmp_path}/rows.db"), registered()
    Base.metadata.create_all(database)
    current = scoped_session(sessionmaker(database))
    sourced = SourcedEngine(engine, RowSource(current, {"User": Person, "Document": Page}))
    current.add_all(rows())
    current.commit()

    def ask() -> bool:
        try:
            return sourced.decide(named("User", "1"), "read", named("Document", "7")).allowed
        finally:
            current.remove()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result()
    assert ask()
    database.dispose()
