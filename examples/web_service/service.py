"""A service of notes, with FastAPI and SQLAlchemy: each is read and edited by those whom the policies allow it.

`uvicorn --app-dir examples/web_service service:app`, then `curl -H 'X-User: ann' localhost:8000/notes/1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool

# -- decisions
from policyengine import Decision, PolicyEngine, PolicyHolder, Ref
from policyengine.adapters.fastapi import Guard

# -- the application


class Base(DeclarativeBase):
    """The tables."""


class User(Base):
    """Somebody with an account."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)
    left: Mapped[bool] = mapped_column(default=False)


class Share(Base):
    """That somebody may read a note."""

    __tablename__ = "shares"
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)


class Note(Base):
    """A note of somebody's, and those who may read it."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str]
    mood: Mapped[str]
    readers: Mapped[list[User]] = relationship(secondary="shares")


class Shown(BaseModel):
    """What is shown of a note."""

    id: int | None = None
    owner: str | None = None
    text: str | None = None
    mood: str | None = None


database = create_engine(
    "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
)
Base.metadata.create_all(database)
with Session(database) as first:
    ann, bob, eve = User(id="ann"), User(id="bob"), User(id="eve", left=True)
    first.add_all(
        [ann, bob, eve, Note(owner_id="bob", text="plan", mood="good", readers=[ann, eve])]
    )
    first.commit()

app = FastAPI()


def opened() -> Iterator[Session]:
    """Open a session for a request."""
    with Session(database) as session:
        yield session


Db = Annotated[Session, Depends(opened)]


def caller(session: Db, x_user: Annotated[str, Header()] = "") -> User | None:
    """Return who asks. Put your own authentication here."""
    return session.get(User, x_user)


def note_of(session: Db, id: int) -> Note | None:
    """Return the note of the path."""
    return session.get(Note, id)


TheNote = Annotated[Note, Depends(note_of)]

# -- decisions


def register(engine: PolicyEngine) -> None:
    """Say how rows are read."""
    engine.register(User, "User")
    engine.register(Note, "Note", owner=Ref("owner_id"))


policies = PolicyHolder(Path(__file__).parent, on_load=register, tests=True, poll=2.0)
guard = Guard(policies, subject=caller)
guard.install(app, public=["/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"])
Readable = Annotated[Decision, guard.requires("read", note_of)]
Editable = Annotated[Decision, guard.requires("edit", note_of)]


def shown(note: Note, decision: Decision) -> Shown:
    """Return what a decision shows of a note."""
    row = {"id": note.id, "owner": note.owner_id, "text": note.text, "mood": note.mood}
    return Shown.model_validate(decision.redact(row))


@app.get("/notes/{id}", response_model_exclude_unset=True)
def read(note: TheNote, decision: Readable) -> Shown:
    """Show a note."""
    return shown(note, decision)


@app.put("/notes/{id}", response_model_exclude_unset=True)
def edit(note: TheNote, decision: Editable, text: str, session: Db) -> Shown:
    """Change a note."""
    note.text = text
    session.commit()
    return shown(note, decision)
