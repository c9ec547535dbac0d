"""A list of the notes that the caller may read, page by page: the database leaves out the others.

`uvicorn --app-dir examples/list_endpoint listing:app`, then `curl -H 'X-User: ann' localhost:8000/notes?limit=2`,
and with `&after=` and the last id for the next page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool

# -- decisions
from policyengine import PolicyEngine
from policyengine.filters.authorized_session import authorized
from policyengine.filters.governing import Verbs
from policyengine.filters.mapped_tables import MappedTables
from policyengine.filters.mapping import EntityTable, StoredColumn, map_tables

# -- the application


class Base(DeclarativeBase):
    """The tables."""


class Team(Base):
    """Those who work together."""

    __tablename__ = "teams"
    id: Mapped[str] = mapped_column(primary_key=True)


class User(Base):
    """Somebody with an account."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)
    team_id: Mapped[str] = mapped_column(ForeignKey("teams.id"))
    left: Mapped[bool] = mapped_column(default=False)
    team: Mapped[Team] = relationship(lazy="joined")


class Note(Base):
    """A note of somebody's, for a team."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    team_id: Mapped[str]
    draft: Mapped[bool] = mapped_column(default=False)
    text: Mapped[str] = mapped_column(default="")


class Page(BaseModel):
    """Some notes, and how many there are."""

    notes: list[tuple[int, str]]
    total: int


database = create_engine(
    "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
)
Base.metadata.create_all(database)
with Session(database) as first:
    first.add_all(Team(id=name) for name in ("red", "blue"))
    first.add_all(
        User(id=name, team_id=team)
        for name, team in [("ann", "red"), ("bob", "red"), ("eve", "blue")]
    )
    first.add_all(
        Note(owner_id="bob", team_id="red", draft=n % 3 == 0, text=f"{n}") for n in range(10)
    )
    first.commit()


def caller(x_user: Annotated[str, Header()]) -> User:
    """Return who asks. Put your own authentication here."""
    with Session(database, expire_on_commit=False) as session:
        user = session.get(User, x_user)
    if user is None:
        raise HTTPException(401)
    return user


# -- decisions

policy = PolicyEngine.load(Path(__file__).parent)
policy.register(User, "User", parents="team")
policy.register(Team, "Team")
columns = {"owner": "owner_id", "team": "team_id", "draft": "draft"}
note = EntityTable("notes", StoredColumn("id", kind="int"), columns)
mapping = map_tables(policy.schema, {"Note": note})
governed = MappedTables(mapping, {Note: Verbs(select="read")})


def reading(user: Annotated[User, Depends(caller)]) -> Iterator[Session]:
    """Open a session in which there are no notes but those that the caller may read."""
    with authorized(Session(database), policy.bind(user), governed) as session:
        yield session


Reading = Annotated[Session, Depends(reading)]

# -- the application

app = FastAPI()


@app.get("/notes")
def notes(
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: int = 0,
) -> Page:
    """Return a page of the notes that the caller may read."""
    found = select(Note).where(Note.id > after).order_by(Note.id).limit(limit)
    total = session.scalars(select(func.count()).select_from(Note)).one()
    return Page(notes=[(each.id, each.text) for each in session.scalars(found)], total=total)
