"""Hold that a session sees of any statement what a plain one sees where there is nothing else than what is visible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.whole import share

pytest.importorskip("sqlalchemy")
from sqlalchemy import delete, except_, func, intersect, literal, select, union, union_all, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, aliased

from policyengine.filters.authorized_session import authorize
from tests.filters.governed_world import (
    DATABASES,
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

NOTE: Any = Note.__table__
REPORT: Any = Report.__table__
MANY = 400 if "TEST_DATABASES" in os.environ else share(40, 2)


@pytest.fixture(scope="module", params=DATABASES)
def databases(request) -> Iterator[tuple[Any, Any]]:
    """Give the whole database, and one in which there is only what is visible (in SQLite)."""
    of_postgres = request.param == "postgresql"
    whole = filled(request.getfixturevalue("postgresql") if of_postgres else "sqlite://")
    visible = filled()
    with visible.begin() as connection:
        hidden = select(DOC.c.id).where(DOC.c.owner != "me").scalar_subquery()
        for table, column in [(DOC_TAG, "doc_id"), (NOTE, "doc_id"), (REPORT, "id"), (DOC, "id")]:
            connection.execute(delete(table).where(table.c[column].in_(hidden)))
    yield whole, visible
    Base.metadata.drop_all(whole)
    whole.dispose()
    visible.dispose()


class Statements:
    """Makes statements about numbers that rows have, of entities and tables in every place."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def source(self) -> tuple[Any, Any, Any]:
        """Return something to select from, its number, and another of its numbers."""
        alias, of_table = aliased(Doc), DOC.alias()
        note, tags, report = aliased(Note), DOC_TAG.alias(), aliased(Report)
        return self.random.choice(
            [
                (Doc, Doc.id, Doc.folder_id), (alias, alias.id, alias.folder_id), (of_table, of_table.c.id, of_table.c.folder_id),
                (DOC, DOC.c.id, DOC.c.folder_id), (Folder, Folder.id, Folder.size), (Tag, Tag.id, Tag.id),
                (Note, Note.id, Note.doc_id), (note, note.id, note.doc_id), (tags, tags.c.doc_id, tags.c.tag_id),
                (Report, Report.id, Report.figure), (report, report.id, report.figure), (REPORT, REPORT.c.id, REPORT.c.figure),
            ]
        )  # fmt: skip

    def query(self, depth: int) -> Any:
        """Return a query of one number, called `n`."""
        if depth and self.random.random() < 0.3:
            made = self.random.choice([union, union_all, except_, intersect])
            return made(self.simple(depth - 1), self.simple(depth - 1))
        return self.simple(depth)

    def simple(self, depth: int) -> Any:
        source, number, other = self.source()
        if depth and self.random.random() < 0.3:
            inner = self.query(depth - 1)
            source = inner.cte() if self.random.random() < 0.5 else inner.subquery()
            number = other = source.c[0]
        query = select(number.label("n")).select_from(source)
        if depth and self.random.random() < 0.5:
            joined, its, further = self.source()
            if joined is not source:
                on = self.random.choice([number, other]) == self.random.choice([its, further])
                query = query.join(joined, on, isouter=self.random.random() < 0.5)
                if self.random.random() < 0.5:
                    query = query.with_only_columns(its.label("n"))
        if self.random.random() < 0.7:
            query = query.where(self.condition(number, other, depth))
        return self.shaped(query, number)

    def shaped(self, query: Any, number: Any) -> Any:
        match self.random.randrange(6):
            case 0:
                return query.with_only_columns(func.count().label("n"))
            case 1:
                return query.with_only_columns(func.max(number).label("n"))
            case 2:
                return query.distinct()
            case 3:
                return query.group_by(*query.selected_columns).having(func.count() > 0)
            case _:
                return query

    def condition(self, number: Any, other: Any, depth: int) -> Any:
        match self.random.randrange(6) if depth else self.random.randrange(2):
            case 0:
                return number == self.random.randint(1, 5)
            case 1:
                return other > self.random.randint(0, 4)
            case 2:
                return number.in_(self.query(depth - 1))
            case 3:
                return number.not_in(self.simple(depth - 1).where(literal(1) == 1))
            case 4:
                _, its, _ = self.source()
                return (
                    select(its).where(its == number, self.condition(its, its, depth - 1)).exists()
                )
            case _:
                one, two = (self.condition(number, other, depth - 1) for _ in "ab")
                return self.random.choice([one | two, one & two, ~one])


def found(session: Session, statement: Any) -> Any:
    """Return what a statement gives, or of which kind its mistake is."""
    try:
        return sorted(map(repr, session.execute(statement).all()))
    except Exception as problem:  # noqa: BLE001 - it must be the same
        return mistake(problem)


def mistake(problem: Exception) -> str:
    """Return of which kind a mistake is, whatever the driver calls it."""
    return "of SQL" if isinstance(problem, DBAPIError) else type(problem).__name__


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_any_query_gives_what_is_visible(databases):
    whole, visible = databases
    shown = failed = 0
    with Session(visible) as plain:
        for seed in range(MANY):
            statement = Statements(seed).query(3)
            expected = found(plain, statement)
            with authorize(Session(whole), Mine(), GOVERNED) as session:
                assert found(session, statement) == expected, f"{seed}: {statement}"
            plain.rollback()
            shown += bool(expected) and not isinstance(expected, str)
            failed += isinstance(expected, str)
    assert shown > MANY // 3
    assert failed < MANY // 10


def after(session: Session, statement: Any) -> dict[str, set[Any]] | str:
    """Return all rows after a statement, or of which kind its mistake is."""
    with session:
        connection = session.connection()
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # which the driver forgets before `WITH`
        try:
            session.execute(statement, execution_options={"synchronize_session": False})
        except Exception as problem:  # noqa: BLE001 - it must be the same
            return mistake(problem)
        tables = Base.metadata.sorted_tables
        return {t.name: set(map(tuple, connection.execute(select(t)))) for t in tables}


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_any_change_changes_what_is_visible_and_nothing_else(databases):
    whole, visible = databases
    everything = stored(whole)
    shown = {name: set(rows) for name, rows in stored(visible).items()}
    changed = 0
    for seed in range(MANY // 2):
        of = Statements(seed)
        kind, texts = of.random.choice(
            [(Doc, {"title": "x"}), (Note, {"text": "x"}), (Folder, {"name": "x"})]
        )
        condition = of.condition(kind.id, kind.id, 2)
        statement: Any = update(kind).values(**texts).where(condition)
        if kind is Note and of.random.random() < 0.5:
            statement = delete(kind).where(condition)
        outcomes = [
            after(Session(visible), statement),
            after(authorize(Session(whole), Mine(), GOVERNED, waive=["connection"]), statement),
        ]
        expected, seen = outcomes
        if isinstance(expected, dict):
            changed += expected != shown
            expected = {n: rows | (set(everything[n]) - shown[n]) for n, rows in expected.items()}
        assert seen == expected, f"{seed}: {statement}"
    assert changed > MANY // 8
