"""Tables with rows that the caller may and may not read, for every way there is to read and write rows.

Documents 1 and 2 are the caller's, 3 and 4 are not; 4 is a report, in a table of its own as well.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Column, ForeignKey, Table, create_engine, func, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    mapped_column,
    query_expression,
    relationship,
)

from policyengine.filters.governed_tables import Condition, GovernedTables, PartOf, Verbs

DATABASES = ["sqlite", "postgresql"] if "TEST_DATABASES" in os.environ else ["sqlite"]
"""Where sessions are tried."""


class Base(DeclarativeBase):
    pass


DOC_TAG = Table(
    "doc_tag",
    Base.metadata,
    Column("doc_id", ForeignKey("doc.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Folder(Base):
    __tablename__ = "folder"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="f")
    docs: Mapped[list[Doc]] = relationship(back_populates="folder", order_by="Doc.id")
    eager: Mapped[list[Doc]] = relationship(viewonly=True, lazy="joined", order_by="Doc.id")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    docs: Mapped[list[Doc]] = relationship(
        secondary=DOC_TAG, back_populates="tags", order_by="Doc.id"
    )


class Doc(Base):
    __tablename__ = "doc"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="doc")
    owner: Mapped[str]
    title: Mapped[str] = mapped_column(default="new")
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folder.id"))
    folder: Mapped[Folder | None] = relationship(back_populates="docs")
    tags: Mapped[list[Tag]] = relationship(secondary=DOC_TAG, back_populates="docs")
    notes: Mapped[list[Note]] = relationship(cascade="all, delete-orphan", order_by="Note.id")
    extra: Mapped[str | None] = query_expression()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "doc"}  # noqa: RUF012 - as SQLAlchemy reads it

    @hybrid_property
    def shout(self) -> str:
        return self.title + "!"


class Report(Doc):
    __tablename__ = "report"
    id: Mapped[int] = mapped_column(ForeignKey("doc.id"), primary_key=True)
    figure: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "report"}  # noqa: RUF012 - as above


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    doc_id: Mapped[int] = mapped_column(ForeignKey("doc.id"))
    text: Mapped[str] = mapped_column(default="note")


DOC: Any = Doc.__table__
Folder.size = column_property(
    select(func.count(DOC.c.id))
    .where(DOC.c.folder_id == Folder.id)
    .correlate_except(DOC)
    .scalar_subquery()
)

GOVERNED = GovernedTables(
    {Doc: Verbs("read", "create", "edit", "remove")},
    {DOC_TAG: PartOf(Doc, {"doc_id": "id"}), Note.__table__: PartOf(Doc, {"doc_id": "id"})},
)


class Mine:
    """Rules by which the caller does everything with rows of their own."""

    def condition(self, entity: type, action: str) -> Condition:
        return Condition(DOC.c.owner == "me")

    def decide(self, instance: Any, action: str) -> bool:
        return bool(instance.owner == "me")


def filled(database: Any = "sqlite://") -> Any:
    """Return an engine of a database with the rows; of its URL, or itself."""
    engine = create_engine(database) if isinstance(database, str) else database
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        tags = [Tag(id=n) for n in (1, 2)]
        session.add_all([Folder(id=1), Folder(id=2), *tags])
        for n, owner in [(1, "me"), (2, "me"), (3, "other")]:
            title, notes = f"secret{n}", [Note(id=n, text=f"secret{n}")]
            session.add(
                Doc(id=n, owner=owner, title=title, folder_id=1, tags=tags[:1], notes=notes)
            )
        session.add(Report(id=4, owner="other", title="secret4", figure=7, folder_id=2))
        session.add(Report(id=5, owner="me", title="mine", figure=8, folder_id=2, tags=tags[1:]))
        session.commit()
    return engine


def stored(engine: Any) -> dict[str, list[Any]]:
    """Return all rows by the name of their table."""
    with engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))))
            for table in Base.metadata.sorted_tables
        }
