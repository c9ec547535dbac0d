"""Hold that a session writes what any changes of objects make, if each row may be written so, and else nothing."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from tests.whole import share

pytest.importorskip("sqlalchemy")
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.pool import StaticPool

from policyengine.filters.authorized_session import authorize
from policyengine.filters.governed_tables import Condition
from tests.filters.governed_world import (
    DOC,
    GOVERNED,
    Doc,
    Folder,
    Note,
    Report,
    Tag,
    filled,
    stored,
)

MANY = 400 if "TEST_DATABASES" in os.environ else share(40, 2)
MAY = {
    "read": lambda owner, title: owner == "me",
    "create": lambda owner, title: owner == "me",
    "edit": lambda owner, title: (owner == "me") & (title != "locked"),
    "remove": lambda owner, title: (owner == "me") & (title != "kept"),
}
"""On which documents actions are allowed, by their owners and titles."""


class Titled:
    """Rules by which titles say what the caller may do with rows of their own."""

    def condition(self, entity: type, action: str) -> Condition:
        return Condition(MAY[action](DOC.c.owner, DOC.c.title))

    def decide(self, instance: Any, action: str) -> None:
        return None


class Changes:
    """Changes of objects that a session has read, the same of each session for one seed."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session, self.random = session, Random(seed)
        docs = select(Doc).where(Doc.owner == "me").options(selectinload("*"))
        self.docs = list(session.scalars(docs.order_by(Doc.id)))
        self.owner = {note: doc.id for doc in self.docs for note in doc.notes}
        self.notes = list(self.owner)
        self.tags = list(session.scalars(select(Tag).order_by(Tag.id)))
        for tag in self.tags:
            assert len(tag.docs) >= 0
        self.folders = list(session.scalars(select(Folder).order_by(Folder.id)).unique())
        self.touched: set[int] = set()
        """Documents that are changed, or get or lose parts, also where all rows stay the same."""

    def make(self) -> None:
        """Make one to four changes."""
        with self.session.no_autoflush:
            for _ in range(self.random.randint(1, 4)):
                self.change()
            changed = [doc for doc in self.docs if self.session.is_modified(doc)]
            self.touched |= {inspect(doc).identity[0] for doc in changed}

    def change(self) -> None:
        choose, session = self.random.choice, self.session
        doc, other, note, tag = (
            choose(self.docs),
            choose(self.docs),
            choose(self.notes),
            choose(self.tags),
        )
        number, title = self.random.randint(1, 7), choose(["x", "locked", "kept"])
        owner = choose(["me", "me", "me", "other"])
        match self.random.randrange(17):
            case 0:
                doc.title = title
            case 1:
                doc.owner = owner
            case 2:
                doc.folder_id = choose([1, 2, None])
            case 3:
                choose(self.folders).docs.append(doc)
            case 4:
                doc.tags.append(tag)
            case 5:
                doc.tags.clear()
            case 6:
                tag.docs.append(doc)
            case 7:
                note.text = title
                self.touched.add(self.owner[note])
            case 8:
                note.doc_id = number
                self.touched.add(self.owner[note])
            case 9:
                other.notes.append(note)
                self.touched.add(self.owner[note])
            case 10:
                doc.notes.clear()
            case 11:
                session.add(Note(id=number + 10, doc_id=number))
            case 12:
                doc.notes.append(Note(id=number + 20))
            case 13:
                kind, more = choose([(Doc, {}), (Report, {"figure": 1})])
                session.add(kind(id=number, owner=owner, title=title, notes=[Note()], **more))
            case 14:
                session.delete(doc)
            case 15:
                session.delete(note)
            case _:
                if isinstance(doc, Report):
                    doc.figure = number


def outcome(session: Session, seed: int) -> tuple[str | None, Changes]:
    """Return which mistake was made, if any."""
    made = Changes(session, seed)
    try:
        made.make()
        session.commit()
    except Exception as problem:  # noqa: BLE001 - which it is is asked
        session.rollback()
        return type(problem).__name__, made
    return None, made


def allowed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether rows may be changed so."""
    old, new = ({row[0]: row for row in rows["doc"]} for rows in (before, after))

    def may(action: str, row: Any) -> bool:
        return bool(MAY[action](row[2], row[3]))

    written = {n for n in old.keys() | new.keys() if old.get(n) != new.get(n)}
    for name, at in (("note", 1), ("doc_tag", 0), ("report", 0)):
        changed = {*before[name]} ^ {*after[name]}
        written |= {row[at] for row in changed}
    for number in written:
        was, now = old.get(number), new.get(number)
        if was is None and now is None:
            return False
        if was is None:
            ok = may("create", now)
        elif now is None:
            ok = may("remove", was)
        else:
            ok = may("edit", was) and may("edit", now)
        if not ok:
            return False
    return True


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_any_changes_of_objects_are_made_or_refused_as_their_rows_say():
    whole = filled()
    with whole.begin() as connection:
        connection.execute(DOC.update().values(title="locked").where(DOC.c.id == 2))
    before = stored(whole)
    source = whole.raw_connection()
    made = refused = 0
    for seed in range(MANY):
        engines = []
        for _ in range(2):
            engine = create_engine("sqlite://", poolclass=StaticPool)
            copy = engine.raw_connection()
            source.driver_connection.backup(copy.driver_connection)
            engines.append(engine)
        plain, governed = engines
        with Session(plain) as session:
            mistake, changes = outcome(session, seed)
        after = stored(plain)
        with authorize(Session(governed), Titled(), GOVERNED) as session:
            problem, _ = outcome(session, seed)
        now = stored(governed)
        if mistake is not None:
            assert problem is not None
            assert now == before
        elif allowed(before, after):
            if problem is not None:
                assert problem == "AccessRefused", seed
                assert not all(
                    MAY["edit"](*row[2:4]) for row in before["doc"] if row[0] in changes.touched
                )
                after = before
            assert now == after
            made += after != before
        else:
            assert problem == "AccessRefused", seed
            assert now == before
            refused += 1
        for engine in engines:
            engine.dispose()
    assert made > MANY // 8
    assert refused > MANY // 8
