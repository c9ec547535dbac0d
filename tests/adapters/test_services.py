"""Hold what happens to services while policies change, requests are cancelled, and rows lose their session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, get
from litestar.testing import TestClient as LitestarClient
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from policyengine import PolicyEngine, PolicyHolder, Ref, SourcedEngine
from policyengine.adapters import flask, litestar, starlette
from policyengine.adapters.fastapi import Guard, Refusal
from tests.adapters.asking import ask
from tests.adapters.documents import DOCUMENTS, ENGINE, POLICY, USERS, registered

PLAN = DOCUMENTS["plan"]


async def current_user(request: Any = None) -> Any:
    return USERS["ann"]


def fastapi_app(decider: Any, resource: Any, ran: list[Any]) -> Any:
    guard = Guard(decider, subject=lambda: USERS["ann"])
    app = FastAPI(openapi_url=None)
    guard.install(app)

    @app.get("/documents/{id}", dependencies=[guard.requires("read", resource)])
    async def show() -> int:
        ran.append(1)
        return 1

    return app


def starlette_app(decider: Any, resource: Any, ran: list[Any]) -> Any:
    guard = starlette.Guard(decider, subject=current_user)

    @guard.requires("read", resource)
    async def show(_: Any) -> JSONResponse:
        ran.append(1)
        return JSONResponse(1)

    app = Starlette(routes=[Route("/documents/{id}", show)])
    guard.install(app)
    return app


APPS = {"fastapi": fastapi_app, "starlette": starlette_app}
each_app = pytest.mark.parametrize("make", APPS.values(), ids=APPS)
Make = Callable[[Any, Any, list[Any]], Any]


@each_app
def test_a_request_that_is_cancelled_runs_nothing(make: Make):
    begun, ran = asyncio.Event(), list[Any]()

    class Slow:
        async def fetch(self, keys):
            begun.set()
            await asyncio.sleep(60)

    engine = PolicyEngine.from_text(POLICY)
    registered(engine)
    app = make(SourcedEngine(engine, Slow(), deadline=60), {"type": "Document", "id": "plan"}, ran)

    async def run() -> None:
        task = asyncio.create_task(ask(app, "/documents/plan"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert ran == []


@each_app
def test_a_source_that_is_slow_is_said_to_be(make: Make):
    ran: list[Any] = []

    class Slow:
        async def fetch(self, keys):
            await asyncio.sleep(60)

    engine = PolicyEngine.from_text(POLICY)
    registered(engine)
    sourced = SourcedEngine(engine, Slow(), deadline=0.01)
    app = make(sourced, {"type": "Document", "id": "plan"}, ran)
    status, said = asyncio.run(ask(app, "/documents/plan"))
    assert (status, said["title"], ran) == (503, "Service Unavailable", [])


@each_app
def test_policies_are_reloaded_while_a_service_decides(make: Make, tmp_path: Path):
    """Each request is decided by one set, also while every other of them is broken."""
    file = tmp_path / "documents.policy"
    open_, shut = POLICY, POLICY.replace("permit own: any", "permit own: edit")
    file.write_text(open_)
    holder = PolicyHolder(file, on_load=registered)
    ran: list[Any] = []
    app = make(holder, PLAN, ran)
    stop, reloaded = SimpleNamespace(now=False), [0]

    def reload() -> None:
        for number in range(12):
            file.write_text([shut, "nonsense", open_][number % 3])
            reloaded[0] += holder.reload()
        stop.now = True

    async def run() -> set[int]:
        thread = Thread(target=reload)
        thread.start()
        seen: set[int] = set()
        while not stop.now:
            found = await asyncio.gather(*(ask(app, "/documents/plan") for _ in range(5)))
            seen |= {status for status, _ in found}
        thread.join()
        seen.add((await ask(app, "/documents/plan"))[0])
        return seen

    assert asyncio.run(run()) <= {200, 403}
    assert reloaded == [8]
    file.write_text(shut)
    assert holder.reload()
    ran.clear()
    assert (asyncio.run(ask(app, "/documents/plan"))[0], ran) == (403, [])


GUARDS = [Guard, starlette.Guard, flask.Guard, litestar.Guard]


@pytest.mark.parametrize("class_", GUARDS)
def test_what_a_client_could_fill_and_what_there_is_not_cannot_be_declared(class_: Any):
    """FastAPI fills classes from the query or the body: who asks, and the owner of what is asked for."""
    guard = class_(ENGINE, subject=current_user)
    for given in ({"subject": type(PLAN)}, {"subject": current_user, "context": dict}):
        with pytest.raises(TypeError, match="give a function"):
            class_(ENGINE, **given)
    for made in (type(PLAN), partial(partial(type(PLAN)), "plan"), dict[str, object]):
        with pytest.raises(TypeError, match="`resource` is a class"):
            guard.requires("read", made)
    with pytest.raises(ValueError, match=r"no action `reed`; did you mean `read`\?"):
        guard.requires("reed", PLAN)


def test_who_does_not_say_who_asks_is_told_how_to(monkeypatch: pytest.MonkeyPatch):
    app = Flask("service")
    guard = flask.Guard(ENGINE, subject=lambda: None, challenge="Basic")
    guard.install(app)
    app.get("/")(guard.requires("read", PLAN)(lambda: ""))
    response = app.test_client().get("/")
    kept = [response.headers["Cache-Control"]]
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Basic")
    monkeypatch.setitem(USERS, "ann", None)
    for make in APPS.values():
        found = TestClient(make(ENGINE, PLAN, [])).get("/documents/plan")
        assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
        kept.append(found.headers["cache-control"])
    handler = get(
        "/", guards=[litestar.Guard(ENGINE, subject=lambda _: None).requires("read", PLAN)]
    )(no_answer)
    client = LitestarClient(
        Litestar([handler], exception_handlers={Refusal: litestar._answer}, logging_config=None)
    )
    headers = client.get("/").headers
    assert headers["www-authenticate"] == "Bearer"
    assert {*kept, headers["cache-control"]} == {"no-store"}  # by no cache, for others who ask


async def no_answer() -> None:
    raise AssertionError


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    suspended: Mapped[bool]


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(deferred=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    owner: Mapped[Person] = relationship()


@each_app
def test_rows_are_subjects_and_resources(make: Make, monkeypatch: pytest.MonkeyPatch, caplog):
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Person, "User")
    engine.register(Page, "Document", owner=Ref("owner_id"))
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    with Session(database) as session:
        ann, bob = Person(id=1, suspended=False), Person(id=2, suspended=False)
        session.add_all(
            [ann, bob, Page(id=7, title="secret", owner=bob), Page(id=8, title="x", owner=ann)]
        )
        session.commit()
        monkeypatch.setitem(USERS, "ann", ann)
        ran: list[Any] = []
        statuses = [
            asyncio.run(ask(make(engine, row, ran), "/documents/7"))[0]
            for row in (session.get(Page, 7), session.get(Page, 8), session.get(Page, 9))
        ]
        assert (statuses, ran) == ([403, 200, 404], [1])
        lazy = session.get(Page, 7)
        session.expire_all()
        session.get(Person, 1)
        session.refresh(ann)
    caplog.clear()
    status, said = asyncio.run(ask(make(engine, lazy, ran), "/documents/7"))
    assert (status, ran) == (500, [1])  # its columns cannot be read any more
    assert "`Page` cannot be read" in caplog.text
    assert set(said) == {"type", "title", "status", "detail"}
