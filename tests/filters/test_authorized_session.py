"""Say what an authorized session asks, when, and of which sessions it can be made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import delete, event, func, insert, lambda_stmt, select, text, update
from sqlalchemy.orm import Session, joinedload, scoped_session, selectinload, sessionmaker

from policyengine.filters import authorization
from policyengine.filters.authorized_session import AccessRefused, authorize
from policyengine.filters.governed_tables import Condition, GovernedTables, PartOf, Verbs
from policyengine.runtime import clock
from tests.filters.governed_world import (
    DOC,
    DOC_TAG,
    GOVERNED,
    Base,
    Doc,
    Folder,
    Mine,
    Note,
    Report,
    Tag,
    filled,
    stored,
)


class ByAction:
    """Rules with a condition for each action; what none is given for is allowed on no row."""

    def __init__(self, until: datetime | None = None, **conditions: Any) -> None:
        self.conditions, self.until = conditions, until
        self.asked: list[str] = []
        self.decided: list[str] = []

    def condition(self, entity: type, action: str) -> Condition:
        self.asked.append(action)
        return Condition(self.conditions.get(action, DOC.c.id == 0), self.until)

    def decide(self, instance: Any, action: str) -> bool:
        self.decided.append(action)
        return True


@pytest.fixture
def engine() -> Iterator[Any]:
    made = filled()
    yield made
    made.dispose()


def session_of(engine: Any, rules: Any, governed: Any = GOVERNED, **options: Any) -> Session:
    return authorize(Session(engine), rules, governed, **options)


def refused(session: Session, change: Callable[[Session], Any], message: str | None = None) -> None:
    """Hold that a change is refused when it is made or committed, and take it back."""

    def make() -> None:
        held = list(session.scalars(select(Tag)))
        change(session)
        session.commit()
        assert held

    with pytest.raises(AccessRefused, match=message):
        make()
    session.rollback()


def titled(session: Session, key: int = 1) -> None:
    session.get_one(Doc, key).title = "x"


NOTE: Any = Note.__table__
EVERY, FIRST = DOC.c.id > 0, DOC.c.id == 1


# ---- which action -----------------------------------------------------------------------


def test_each_verb_is_decided_by_its_action(engine):
    rules = ByAction(read=EVERY, edit=DOC.c.id <= 2, remove=FIRST, create=DOC.c.id > 8)
    with session_of(engine, rules) as session:
        assert session.scalar(select(func.count(Doc.id))) == 5
        assert session.execute(update(Doc).values(title="x")).rowcount == 2
        session.commit()
        assert session.execute(delete(Doc).where(Doc.id.in_([3, 4]))).rowcount == 0
        session.get_one(Doc, 3).title = "y"
        with pytest.raises(AccessRefused, match="may not be changed"):
            session.commit()
        session.rollback()
        session.delete(session.get_one(Doc, 2))
        with pytest.raises(AccessRefused, match="delete"):
            session.commit()
        session.rollback()
        session.delete(session.get_one(Doc, 1))
        session.add(Doc(id=9, owner="me"))
        session.commit()
        session.add(Doc(id=8, owner="me"))
        with pytest.raises(AccessRefused, match="insert"):
            session.commit()


@pytest.mark.parametrize("verb", ["select", "insert", "update", "delete"])
def test_a_verb_without_an_action_is_refused(engine, verb):
    named = {"select": "read", "insert": "create", "update": "edit", "delete": "remove"}
    governed = GovernedTables(
        {Doc: Verbs(**{k: v for k, v in named.items() if k != verb})},
        {DOC_TAG: PartOf(Doc, {"doc_id": "id"}), Note.__table__: PartOf(Doc, {"doc_id": "id"})},
    )
    before = stored(engine)
    ways = {
        "select": lambda s: s.scalars(select(Folder.id).where(Folder.docs.any())).all(),
        "insert": lambda s: s.add(Doc(id=9, owner="me")),
        "update": lambda s: setattr(s.get_one(Doc, 1), "title", "x"),
        "delete": lambda s: s.delete(s.get_one(Doc, 1)),
    }
    with session_of(engine, Mine(), governed) as session:
        refused(session, ways[verb], f"verb `{verb}` of `Doc`")
    assert stored(engine) == before


def test_only_what_a_statement_reads_is_asked_for(engine):
    rules = ByAction(read=EVERY)
    with session_of(engine, rules) as session:
        session.scalars(select(Tag)).all()
        assert rules.asked == []
        session.scalars(select(Tag).options(selectinload(Tag.docs))).all()
        session.scalars(select(Doc)).all()
        assert rules.asked == ["read"]


def test_rows_are_changed_by_who_may_not_read_them_only_by_key(engine):
    rules = ByAction(read=DOC.c.id == 3, edit=EVERY)
    with session_of(engine, rules) as session:
        assert session.execute(update(Doc).values(title="x").where(Doc.id == 1)).rowcount == 0
        assert session.execute(update(Doc).values(title="x")).rowcount == 1


# ---- what is written --------------------------------------------------------------------


def test_what_events_of_the_flush_change_is_seen(engine):
    def give_away(_mapper: Any, _connection: Any, doc: Doc) -> None:
        doc.owner = "other"

    before = stored(engine)
    for name in ("before_insert", "before_update"):
        event.listen(Doc, name, give_away)
        try:
            with session_of(engine, Mine()) as session:
                if name == "before_insert":
                    refused(session, lambda s: s.add(Doc(id=9, owner="me")))
                else:
                    refused(session, titled)
        finally:
            event.remove(Doc, name, give_away)
    assert stored(engine) == before


def test_what_the_database_changes_is_seen(engine):
    with engine.begin() as connection:
        connection.execute(
            text(
                "create trigger t after update on doc begin update doc set owner = 'other'"
                " where id = new.id and new.title = 'x'; end"
            )
        )
    with session_of(engine, Mine()) as session:
        refused(session, titled)
        refused(session, lambda s: s.execute(update(Doc).values(title="x")))
    assert [row[2] for row in stored(engine)["doc"]] == ["me", "me", "other", "other", "me"]


def test_objects_are_decided_about_before_anything_is_written(engine):
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    with session_of(engine, Mine()) as session:
        session.add_all([Folder(id=9), Doc(id=9, owner="other")])
        with pytest.raises(AccessRefused, match="`create` is not allowed on the `Doc`"):
            session.flush()
    assert not any("INSERT" in one for one in statements)


def test_a_row_that_another_has_changed_meanwhile_is_not_written(engine):
    with session_of(engine, Mine()) as session:
        doc = session.get_one(Doc, 1)
        with engine.begin() as connection:
            connection.execute(update(DOC).values(owner="other").where(DOC.c.id == 1))
        doc.title = "x"
        with pytest.raises(AccessRefused, match="may not be changed"):
            session.commit()
    assert stored(engine)["doc"][0] == (1, "doc", "other", "secret1", 1)


def test_parts_are_written_by_who_may_update_what_they_are_parts_of(engine):
    rules = ByAction(read=EVERY, edit=FIRST, create=EVERY, remove=EVERY)
    with session_of(engine, rules) as session:
        tag, doc = session.get_one(Tag, 2), session.get_one(Doc, 1)
        doc.tags.append(tag)
        session.add(Doc(id=9, owner="x", tags=[tag], notes=[Note(id=9)]))
        session.delete(session.get_one(Doc, 2))
        session.commit()
        before = stored(engine)
        for change in (
            lambda s: s.get_one(Doc, 3).tags.append(s.get_one(Tag, 2)),
            lambda s: s.get_one(Doc, 3).tags.clear(),
            lambda s: s.get_one(Doc, 3).notes.append(Note(id=10)),
            lambda s: s.get_one(Doc, 3).notes.clear(),
            lambda s: s.add(Note(id=10, doc_id=3)),
            lambda s: setattr(s.get_one(Note, 1), "doc_id", 3),
            lambda s: setattr(s.get_one(Note, 3), "doc_id", 1),
        ):
            held = session.scalars(select(Doc)).all()
            refused(session, change)
            assert held
    assert stored(engine) == before


def test_a_failed_flush_leaves_the_session_usable(engine):
    with session_of(engine, Mine()) as session:
        session.add(Doc(id=9, owner="other"))
        with pytest.raises(AccessRefused):
            session.commit()
        session.rollback()
        session.add(Doc(id=9, owner="me"))
        session.commit()
        doc = session.get_one(Doc, 9)
        session.delete(doc)
        session.flush()
        session.rollback()
        assert session.get_one(Doc, 9) is doc


def test_nothing_is_written_where_nothing_is_rolled_back(engine):
    committing = engine.execution_options(isolation_level="AUTOCOMMIT")
    before = stored(engine)
    with session_of(committing, Mine()) as session:
        session.get_one(Doc, 1).title = "x"
        with pytest.raises(AccessRefused, match="AUTOCOMMIT"):
            session.commit()
    with session_of(committing, Mine()) as session, pytest.raises(AccessRefused, match="AUTO"):
        session.execute(update(Doc).values(title="x"))
    assert stored(engine) == before


# ---- which sessions ---------------------------------------------------------------------


def test_a_session_that_holds_objects_is_refused(engine):
    with Session(engine) as session:
        kept = session.get(Doc, 3)
        assert kept is not None
        with pytest.raises(AccessRefused, match="holds objects"):
            authorize(session, Mine(), GOVERNED)
        authorize(session, Mine(), GOVERNED, waive=["held objects"])


def test_a_session_is_authorized_once(engine):
    with session_of(engine, Mine()) as session, pytest.raises(AccessRefused, match="already"):
        authorize(session, Mine(), GOVERNED)


def test_other_sessions_stay_as_they_are(engine):
    with session_of(engine, Mine()) as session, Session(engine) as other:
        assert len(session.scalars(select(Doc)).all()) == 3
        assert len(other.scalars(select(Doc)).all()) == 5
        assert len(session.scalars(select(Doc)).all()) == 3


def test_sessions_with_other_rules_share_the_cache_of_statements_and_nothing_else(engine):
    for _ in range(3):
        for key in range(1, 6):
            rules = ByAction(read=DOC.c.id == key)
            with session_of(engine, rules) as session:
                assert session.scalars(select(Doc.id)).all() == [key]


@pytest.mark.parametrize("begun", [False, True])
def test_sessions_of_makers_scopes_and_connections(engine, begun):
    maker = sessionmaker(engine)
    scope = scoped_session(maker)
    with pytest.raises(TypeError, match="a scope has many sessions"):
        authorize(scope, Mine(), GOVERNED)
    with engine.connect() as connection:
        for session in (maker(), scope(), Session(connection)):
            if begun:
                session.execute(select(1))
            authorize(session, Mine(), GOVERNED)
            assert len(session.scalars(select(Doc)).all()) == 3
            session.get_one(Doc, 1).title = "x"
            session.flush()
            if session.bind is connection:
                assert len(connection.execute(select(DOC)).all()) == 5
            else:
                with pytest.raises(AccessRefused):
                    session.get_transaction().connection(None).execute(select(DOC))
            session.rollback()
            assert len(session.scalars(select(Doc)).all()) == 3
            session.close()
    scope.remove()


def test_what_is_waived_works_and_nothing_else_does(engine):
    with session_of(engine, Mine(), waive=["text"]) as session:
        assert len(session.execute(text("select id from doc")).all()) == 5
        with pytest.raises(AccessRefused, match='waive=\\["core"\\]'):
            session.execute(delete(DOC))
    with session_of(engine, Mine(), waive=["core", "bulk", "connection"]) as session:
        session.execute(update(DOC).values(title="x"))
        session.execute(insert(DOC).values(id=9, owner="other"))
        session.execute(insert(Doc), [{"id": 10, "owner": "other"}])
        session.bulk_insert_mappings(Doc, [{"id": 11, "owner": "other"}])
        assert session.connection().execute(select(func.count()).select_from(DOC)).scalar() == 8
        assert len(session.scalars(select(Doc)).all()) == 3
    with pytest.raises(ValueError, match="nothing is waived by 'all'"):
        session_of(engine, Mine(), waive=["all"])  # type: ignore[list-item] - it is wrong


class Executing(Session):
    """A session with a method of its own, which does not call those of the class that it becomes."""

    def exec(self, statement: Any) -> Any:
        return super().execute(statement)


def test_conditions_are_made_again_whatever_runs_a_statement(engine):
    rules = ByAction(datetime(2020, 1, 1, tzinfo=UTC), read=EVERY)
    with authorize(Executing(engine), rules, GOVERNED) as session:
        assert len(session.exec(select(Doc)).all()) == 5
        rules.conditions["read"] = FIRST
        assert len(session.exec(select(Doc)).all()) == 1


@pytest.mark.parametrize("is_long", [True, False])
def test_a_condition_is_made_again_after_its_time(engine, monkeypatch, is_long):
    if is_long:
        monkeypatch.setattr(authorization, "_MOMENT", timedelta.min)
    rules = ByAction(datetime(2020, 1, 1, tzinfo=UTC), read=EVERY)
    with session_of(engine, rules) as session:
        held = [session.get_one(Doc, 3), session.get_one(Doc, 1)]
        rules.conditions["read"] = FIRST
        assert session.scalars(select(Doc.id)).all() == [1]
        assert session.get(Doc, 3) is (None if is_long else held[0])
        assert session.get(Doc, 1) is held[1]
        session.expire_all()
        assert session.get(Doc, 3) is None


def test_a_condition_is_made_again_when_the_clock_was_set_back(engine, monkeypatch):
    rules = ByAction(read=EVERY)
    with session_of(engine, rules) as session:
        assert session.get(Doc, 3) is not None
        rules.conditions["read"] = FIRST
        assert session.get(Doc, 3) is not None
        monkeypatch.setattr(clock, "now", lambda: 0)
        assert session.scalars(select(Doc.id)).all() == [1]
        assert session.get(Doc, 3) is None


def test_what_is_read_unexpectedly_is_governed_too(engine, monkeypatch):
    monkeypatch.setattr(GovernedTables, "reached", lambda *_: {})
    with session_of(engine, Mine()) as session:
        found = session.scalars(
            select(Folder).options(joinedload(Folder.docs).joinedload(Doc.tags))
        )
        assert [len(folder.docs) for folder in found.unique()] == [2, 1]
        assert session.scalar(select(func.count(Doc.id))) == 3
        assert session.scalars(select(Report.figure)).all() == [8]


def test_async_sessions(tmp_path):
    pytest.importorskip("greenlet")
    pytest.importorskip("aiosqlite")
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

    file = f"{tmp_path}/rows.db"
    filled(f"sqlite:///{file}").dispose()

    async def use() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
        async with async_sessionmaker(engine)() as made:
            session: AsyncSession = authorize(made, Mine(), GOVERNED)
            assert len((await session.scalars(select(Doc))).all()) == 3
            assert await session.get(Doc, 3) is None
            assert len([d async for d in await session.stream_scalars(select(Doc))]) == 3
            assert await session.run_sync(lambda s: s.query(Doc).count()) == 3
            found = await session.scalars(select(Folder).options(selectinload(Folder.docs)))
            assert [len(folder.docs) for folder in found.unique()] == [2, 1]
            with pytest.raises(AccessRefused):
                await session.execute(text("select * from doc"))
            with pytest.raises(AccessRefused):
                await session.connection()
            (await session.get_one(Doc, 1)).title = "x"
            await session.commit()
            session.add(Doc(id=9, owner="other"))
            with pytest.raises(AccessRefused):
                await session.commit()
            await session.rollback()
            with pytest.raises(AccessRefused):
                await session.execute(update(Doc).values(owner="other"))
        await engine.dispose()

    asyncio.run(use())


# ---- what can be governed ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({DOC: PartOf(Doc, {"id": "id"})}, "no part of a governed class"),
        ({DOC_TAG: PartOf(Folder, {"doc_id": "id"})}, "no part of a governed class"),
    ],
)
def test_parts_that_cannot_be_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        GovernedTables({Doc: Verbs("read")}, parts)


def test_another_class_of_a_governed_table_reads_what_is_visible_and_writes_nothing(engine):
    from sqlalchemy.orm import registry

    class Plain:
        id: int
        title: str

    mappers = registry(metadata=Base.metadata)
    mappers.map_imperatively(Plain, DOC)
    try:
        with session_of(engine, Mine()) as session:
            assert sorted(one.id for one in session.scalars(select(Plain))) == [1, 2, 5]
            session.get_one(Plain, 1).title = "x"
            with pytest.raises(AccessRefused, match="`Plain` maps a governed table"):
                session.commit()
    finally:
        mappers.dispose()


# ---- parts, again -----------------------------------------------------------------------


TAGGED = select(DOC_TAG.c.doc_id).where(DOC_TAG.c.doc_id == DOC.c.id).correlate(DOC).exists()
NOTED = select(NOTE.c.id).where(NOTE.c.doc_id == DOC.c.id).correlate(DOC).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.get_one(Doc, 1).notes.pop(0),
        lambda s: s.delete(s.get_one(Note, 1)),
        lambda s: setattr(s.get_one(Note, 1), "doc_id", 2),
        lambda s: s.execute(delete(Note).where(Note.id == 1)),
        lambda s: s.query(Note).filter(Note.id == 1).delete(),
    ],
)
def test_what_loses_a_part_is_decided_about_without_it(engine, change):
    rules = ByAction(read=EVERY, edit=NOTED, remove=EVERY)
    before = stored(engine)
    with session_of(engine, rules) as session:
        held = session.scalars(select(Doc)).all()
        refused(session, change)
        session.get_one(Doc, 1).notes.append(Note(id=8))
        session.commit()
        change(session)
        session.commit()
        assert held
    assert stored(engine)["doc"] == before["doc"]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: setattr(s.get_one(Note, 1), "doc_id", 3),
        lambda s: (doc := s.get_one(Doc, 3)).notes.append(s.get_one(Note, 1)) or doc,
        lambda s: s.merge(Note(id=1, doc_id=3)),
        lambda s: (s.delete(s.get_one(Note, 1)), s.add(Note(id=1, doc_id=3))),
        lambda s: s.add(Note(id=9, doc_id=3, text="key")),
        lambda s: s.execute(update(Note).values(doc_id=3).where(Note.id == 1)),
    ],
)
def test_a_part_gives_no_right_to_what_it_is_moved_to(engine, change):
    key = select(NOTE.c.id).where(NOTE.c.doc_id == DOC.c.id, NOTE.c.text == "key").correlate(DOC)
    rules = ByAction(read=EVERY, edit=(DOC.c.owner == "me") | key.exists())
    with session_of(engine, Mine()) as session:
        session.get_one(Note, 1).text = "key"
        session.commit()
    before = stored(engine)
    with session_of(engine, rules) as session:
        refused(session, change)
        session.get_one(Note, 1).doc_id = 2
        session.commit()
    assert [row for row in stored(engine)["note"] if row[0] > 1] == before["note"][1:]


def test_a_row_that_a_new_object_takes_is_deleted(engine):
    rules = ByAction(read=EVERY, edit=EVERY, create=EVERY, remove=FIRST)

    def switch(session: Session, key: int) -> None:
        session.delete(session.get_one(Doc, key))
        session.add(Doc(id=key, owner="x", notes=[Note(id=key + 6)]))

    before = stored(engine)
    with session_of(engine, rules) as session:
        refused(session, lambda s: switch(s, 3), "delete")
        assert stored(engine) == before
        switch(session, 1)
        session.commit()
    assert (1, "doc", "x", "secret1", 1) in stored(engine)["doc"]
    unnamed = GovernedTables({Doc: Verbs("read", "create", "edit")})
    with session_of(engine, rules, unnamed) as session:
        refused(session, lambda s: switch(s, 1), "verb `delete`")


def test_what_loses_an_association_is_decided_about_without_it(engine):
    rules = ByAction(read=EVERY, edit=TAGGED, remove=TAGGED)
    with session_of(engine, rules) as session:
        held = session.scalars(select(Doc).options(selectinload(Doc.tags))).all()
        refused(session, lambda s: s.get_one(Doc, 1).tags.clear())
        refused(session, lambda s: s.get_one(Tag, 1).docs.remove(s.get_one(Doc, 1)))
        refused(session, lambda s: s.get_one(Doc, 4).tags.append(s.get_one(Tag, 1)))
        session.delete(session.get_one(Doc, 1))  # with its tags
        session.commit()
        assert held


def test_who_may_delete_and_not_update_deletes_parts_with_their_owner(engine):
    rules = ByAction(read=EVERY, remove=EVERY)
    with session_of(engine, rules) as session:
        refused(session, lambda s: s.delete(s.get_one(Note, 1)))
        session.delete(session.get_one(Doc, 1))
        session.commit()
    rows = stored(engine)
    assert [row[0] for row in rows["doc"]] == [2, 3, 4, 5]
    assert [row[0] for row in rows["note"]] == [2, 3]


# ---- printing ---------------------------------------------------------------------------


def test_no_session_is_authorized_if_tables_are_printed_by_another(engine):
    from sqlalchemy import Table
    from sqlalchemy.ext.compiler import compiles

    dispatcher = Table._compiler_dispatcher
    before = dict(dispatcher.specs)
    try:
        compiles(Table, "sqlite")(lambda table, compiler, **how: compiler.visit_table(table, **how))
        with pytest.raises(RuntimeError, match="another `@compiles\\(Table\\)` prints"):
            session_of(engine, Mine()).scalars(select(Doc))
    finally:
        dispatcher.specs = before
    assert session_of(engine, Mine()).scalar(select(func.count(Doc.id))) == 3


@pytest.mark.parametrize("given", [False, True])
def test_a_statement_that_another_listener_puts_in_the_place_of_one_is_refused(engine, given):
    def replace(state: Any) -> None:
        state.statement = select(Doc.title)

    with engine.connect() as connection:
        session = session_of(connection if given else engine, Mine())
        event.listen(session, "do_orm_execute", replace)
        with pytest.raises(AccessRefused, match="was not run by the session"):
            session.execute(select(Doc.id))


def test_what_is_no_session_is_refused(engine):
    with pytest.raises(TypeError, match="a session is authorized, and not a Engine"):
        authorize(engine, Mine(), GOVERNED)


def test_a_lambda_statement_is_kept_for_all_sessions_without_their_conditions(engine):
    for key in (1, 3, 5):
        with session_of(engine, ByAction(read=DOC.c.id == key)) as session:
            assert session.scalars(lambda_stmt(lambda: select(Doc.id))).all() == [key]
