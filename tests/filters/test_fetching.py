"""Hold that what is fetched are the rows that are allowed, if Python decides about a part of the rules."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from tests.whole import share

pytest.importorskip("sqlalchemy")
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    registry,
    relationship,
    selectinload,
)

from policyengine import InvalidRequest, PolicyEngine
from policyengine.filters.authorized_session import AccessRefused, authorized
from policyengine.filters.fetching import fetch
from policyengine.filters.governing import Verbs
from policyengine.filters.mapped_tables import MappedTables
from policyengine.filters.mapping import EntityTable, SetTable, map_tables
from policyengine.filters.predicates import TRUE, NotPushable
from policyengine.filters.row_filter import Filter, make_filter
from policyengine.model.values import to_datetime
from tests.filters.databases import declared
from tests.filters.generated_filters import Case, Field, Table
from tests.filters.mapped_databases import fields_of
from tests.filters.mapped_worlds import (
    Asked,
    Database,
    database_of,
    filter_of,
    mapping_of,
    parts_of,
    some_ids,
)
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import all_targets, make_world
from tests.strategies.requests import some_attributes, some_now

SETS = share(15, 2)


@contextmanager
def filled(made: Database, seed: int) -> Iterator[tuple[Session, dict[str, type]]]:
    """Give a session of a database with all rows, and a mapped class for each table."""
    kinds = fields_of(made)
    tables = tuple(
        Table(name, (Field("key", "int"), *kinds[name].values())) for name in sorted(kinds)
    )
    described = declared(Case(tables, {}, TRUE, seed), "sqlite")
    mappers, classes = registry(), {}
    for name, table in described.items():
        classes[name] = type(name, (), {})
        mappers.map_imperatively(classes[name], table, primary_key=[table.c.key])
    engine = sa.create_engine("sqlite://")
    with Session(engine) as session:
        next(iter(described.values())).metadata.create_all(session.connection())
        for name, rows in made.tables.items():
            if rows:
                numbered = [{"key": key, **row} for key, row in enumerate(rows)]
                session.execute(sa.insert(described[name]), numbered)
        yield session, classes
    mappers.dispose()
    engine.dispose()


def expected(asked: Asked, made: Database, filter_: Filter) -> set[int]:
    """Return the keys of the rows on which `decide` allows the action."""
    keys = set()
    for key, row in enumerate(made.tables[filter_.table]):
        try:
            if asked.engine.decide(**parts_of(asked, made, row)).allowed:
                keys.add(key)
        except InvalidRequest:
            pass
    return keys


def hold(seed: int, counts: Counter[str]) -> None:
    """Hold the filters of some questions of a set, with rows that do not fit, against decisions."""
    rng = Random(seed)
    world = make_world(rng, rng.choice((1, 2, 2)))
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return
    mapping = mapping_of(loaded.checked.schema, rng, sets=("table", "json"))
    made = database_of(mapping, rng, some_ids(mapping, 8), rng.choice((0.0, 0.05)))
    with filled(made, seed) as (session, classes):
        for _ in range(6):
            target = action, subject, resource = rng.choice(all_targets(world))
            context = some_attributes(rng, tuple(world.made.context(action).values()))
            who = rng.choice(made.tables[f"t_{subject}"])
            needs = loaded.checked.needs(target)
            now = to_datetime(some_now(rng))
            asked = Asked(loaded.engine, needs, action, subject, who, resource, context, now)
            try:
                found = filter_of(asked, made, split=True)
                rows = fetch(session, found, classes[found.table], batch=3)
                keys = {row.key for row in rows}  # type: ignore[attr-defined]  # of the table
            except (InvalidRequest, NotPushable, sa.exc.OperationalError) as problem:
                counts[type(problem).__name__] += 1
                continue
            assert keys == expected(asked, made, found), (seed, target)
            counts["left" if found.remaining is not None else "whole"] += 1
            counts["rows"] += len(keys)


def test_what_is_fetched_is_what_is_allowed():
    counts = Counter[str]()
    for seed in range(SETS):
        hold(seed, counts)
    assert counts["left"] > SETS // 3
    assert counts["rows"] > SETS


# ---- of a class -------------------------------------------------------------------------

ENGINE = PolicyEngine.from_text("""
package papers
entity User { team: string, alias: string }
entity Paper { owner: User, title: string, readers: set<User> }
action read by User on Paper
gate rows "who may read" for read
gate rows {
    permit same: read when lower(resource.title) == subject.alias
    permit team: read when lower(resource.title) == "team" and resource.owner.team == subject.team
    permit given: read when subject in resource.readers and resource.title != "shut"
}
""")
MAPPING = map_tables(
    ENGINE.schema,
    {
        "User": EntityTable("who", "name", {"team": "team", "alias": "alias"}),
        "Paper": EntityTable(
            "paper", "name", {"owner": "owner", "title": "title", "readers": SetTable("reader", "of", "who")}
        ),
    },
)  # fmt: skip


class Base(DeclarativeBase):
    pass


class Who(Base):
    __tablename__ = "who"
    name: Mapped[str] = mapped_column(primary_key=True)
    team: Mapped[str]
    alias: Mapped[str]


class Paper(Base):
    __tablename__ = "paper"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    title: Mapped[str | None]
    readers: Mapped[list[Reader]] = relationship()


class Reader(Base):
    __tablename__ = "reader"
    of: Mapped[str] = mapped_column(sa.ForeignKey("paper.name"), primary_key=True)
    who: Mapped[str] = mapped_column(primary_key=True)


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    made = sa.create_engine("sqlite://")
    Base.metadata.create_all(made)
    with Session(made) as session:
        session.add_all(
            Who(name=n, team=t, alias="x") for n, t in [("ann", "a"), ("bob", "a"), ("eve", "e")]
        )
        session.add_all(
            Paper(name=name, owner=owner, title=title)
            for name, owner, title in [
                ("1", "bob", "ANN"), ("2", "bob", "Team"), ("3", "eve", "TEAM"), ("4", "bob", "bob"), ("5", "bob", None),
                ("6", "nobody", "team"), ("7", "eve", "given"), ("8", "eve", "shut"),
            ]
        )  # fmt: skip
        session.add_all(Reader(of=of, who="ann") for of in "578")
        session.commit()
    yield made
    made.dispose()


def filter_for(team: str = "a", *, split: bool = True, **more: Any) -> Filter:
    subject = {"type": "User", "id": "ann", "properties": {"team": team, "alias": "ann"}}
    left = ENGINE.partial(action="read", subject=subject, context={}, resource_type="Paper", **more)
    return make_filter(left, MAPPING, split=split)


def test_rows_come_as_objects_of_the_class(engine):
    with pytest.raises(NotPushable):
        filter_for(split=False)
    with Session(engine) as session:
        papers = fetch(session, filter_for(), Paper, order_by=[Paper.name.desc()])
        assert [paper.name for paper in papers] == ["7", "2", "1"]
        papers = fetch(
            session,
            filter_for("e"),
            Paper,
            Paper.owner == "eve",
            options=[selectinload(Paper.readers)],
        )
        assert [(p.name, [r.who for r in p.readers]) for p in papers] == [("3", []), ("7", ["ann"])]


def test_rows_are_read_and_decided_in_batches(engine):
    with Session(engine) as session:
        session.add_all(Paper(name=f"n{n}", owner="bob", title="Ann") for n in range(20))
        session.commit()
        read: list[int] = []
        event.listen(session, "loaded_as_persistent", lambda _, one: read.append(1))
        papers = fetch(session, filter_for(), Paper, batch=5)
        next(papers)
        assert len(read) <= 10
        assert len(list(papers)) == 22
        assert len(read) == 26  # two do not fit


def test_an_entity_that_is_described_otherwise_hides_no_row(engine):
    with Session(engine) as session:
        session.add(Paper(name="9", owner="ann", title="Team"))
        session.commit()
        subject = {"type": "User", "id": "ann", "properties": {"team": "a", "alias": "ann"}}
        others = [{"type": "User", "id": "bob", "properties": {"alias": "b"}}]
        assert [p.name for p in fetch(session, filter_for(), Paper)] == ["1", "2", "7", "9"]
        left = ENGINE.partial(
            action="read", subject=subject, context={}, resource_type="Paper", entities=others
        )
        with pytest.raises(InvalidRequest, match="team: it must be given"):
            list(fetch(session, make_filter(left, MAPPING, split=True), Paper))


def test_rows_are_decided_about_by_the_store_that_was_given(engine):
    people = [
        {"type": "User", "id": n, "properties": {"team": t, "alias": a}}
        for n, t, a in [("ann", "a", "ann"), ("bob", "a", "x"), ("eve", "e", "x")]
    ]
    store, ann = ENGINE.store(people), {"type": "User", "id": "ann"}
    for asked, entities in ((ENGINE, store), (ENGINE.with_store(store), None)):
        left = asked.partial(
            action="read", subject=ann, context={}, resource_type="Paper", entities=entities
        )
        with Session(engine) as session:
            found = fetch(session, make_filter(left, MAPPING, split=True), Paper)
            assert [paper.name for paper in found] == ["1", "2", "7"]


def test_a_filter_is_fetched_of_its_own_table(engine):
    with (
        Session(engine) as session,
        pytest.raises(ValueError, match="of `paper`, and not of `Who`"),
    ):
        list(fetch(session, filter_for(), Who))


def test_nothing_is_fetched_by_a_session_that_an_authorization_keeps_from_its_connection(engine):
    tables = MappedTables(MAPPING, {Paper: Verbs(select="read"), Who: None})
    subject = {"type": "User", "id": "ann", "properties": {"team": "a", "alias": "ann"}}
    with (
        authorized(Session(engine), ENGINE.bind(subject), tables) as session,
        pytest.raises(AccessRefused, match="a connection runs statements"),
    ):
        list(fetch(session, filter_for(), Paper))


def test_an_asynchronous_session_fetches_in_its_own_way(tmp_path):
    pytest.importorskip("greenlet")
    pytest.importorskip("aiosqlite")
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def use() -> list[str]:
        made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/papers.db")
        async with made.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(made) as session:
            session.add(Who(name="ann", team="a", alias="ann"))
            session.add(Paper(name="1", owner="ann", title="Ann"))
            await session.flush()
            found = await session.run_sync(lambda plain: [*fetch(plain, filter_for(), Paper)])
        await made.dispose()
        return [paper.name for paper in found]

    assert asyncio.run(use()) == ["1"]
