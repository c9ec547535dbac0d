"""Hold that what requires a decision in FastAPI is decided before it runs, whatever a request looks like."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from policyengine import Decision
from policyengine.adapters.fastapi import Guard, Refusal
from tests.adapters.documents import DOCUMENTS, ENGINE, USERS, Document, User
from tests.adapters.test_fastapi_bypasses import GUARD, SECRET, current_user, load, secret, told

MAY_READ, MAY_EDIT = GUARD.requires("read", load), GUARD.requires("edit", load)


class Service:
    """An application of which every route says what it requires; *ran* are the endpoints that were called."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.app = app = FastAPI(openapi_url=None)
        GUARD.install(app)

        def note(name: str) -> str:
            self.ran.append(name)
            return SECRET

        async def swallows():
            try:
                yield
            except Exception:  # noqa: BLE001 - as a service may
                note("swallowed")

        def background(tasks: BackgroundTasks) -> None:
            tasks.add_task(note, "background")

        def nested(decision: Annotated[Decision, MAY_READ]) -> Decision:
            return decision

        router = APIRouter(prefix="/of", dependencies=[MAY_READ])

        @app.get("/path/{id:path}", dependencies=[MAY_READ])
        @app.get("/doc/{id}", dependencies=[MAY_READ])
        @app.get("/yields/{id}", dependencies=[Depends(swallows, use_cache=False), MAY_READ])
        @app.get("/background/{id}", dependencies=[Depends(background), MAY_READ])
        @app.get("/nested/{id}", dependencies=[Depends(nested)])
        @app.post("/doc/{id}", dependencies=[MAY_READ])
        @app.api_route(
            "/doc/{id}", methods=["PUT", "OPTIONS", "HEAD", "TRACE"], dependencies=[MAY_EDIT]
        )
        @router.get("/{id}")
        async def show() -> str:
            return note("show")

        @app.get("/sync/{id}", dependencies=[MAY_READ])
        def sync() -> str:
            return note("sync")

        @app.get("/stream/{id}", dependencies=[MAY_READ])
        async def stream() -> StreamingResponse:
            return StreamingResponse(iter([note("stream")]))

        @app.get("/again/{id}")
        async def again(
            _: Annotated[Decision, MAY_READ],
            document: Annotated[Document, Depends(load, use_cache=False)],
        ) -> str:
            return note(document.title)

        @app.get("/decision/{id}")
        async def decision(found: Annotated[Decision, MAY_READ]) -> list[str]:
            note("decision")
            return [SECRET, *found.rules]

        @app.websocket("/ws/{id}", dependencies=[MAY_READ])
        async def listen(websocket: WebSocket) -> None:
            note("listen")
            await told(websocket)

        app.include_router(router)

    def ask(self, user: str, method: str, path: str, **more: Any) -> Any:
        client = TestClient(self.app, raise_server_exceptions=False)
        return client.request(method, path, headers={"x-user": user}, **more)


TRIES = [
    ("GET", "/doc/{}"),
    ("POST", "/doc/{}"),
    ("PUT", "/doc/{}"),
    ("OPTIONS", "/doc/{}"),
    ("GET", "/doc/{}?id=open"),
    ("GET", "/doc/{}?subject=ann&resource=open&context=x&action=edit&parts=1&self=1&connection=1"),
    ("GET", "/path/{}"),
    ("GET", "/of/{}"),
    ("GET", "/of/{}/"),
    ("GET", "/yields/{}"),
    ("GET", "/background/{}"),
    ("GET", "/nested/{}"),
    ("GET", "/sync/{}"),
    ("GET", "/stream/{}"),
    ("GET", "/again/{}"),
    ("GET", "/decision/{}"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), TRIES)
@pytest.mark.parametrize(
    "body", [None, {"subject": "ann", "resource": "open", "id": "open", "parts": {}}]
)
def test_what_is_declared_is_decided_before_it_runs(method, path, body):
    service = Service()
    assert SECRET in service.ask("ann", method, path.format("plan"), json=body).text
    assert service.ran
    for user, status in (("bob", 403), ("eve", 403), ("zoe", 401), ("", 401)):
        service.ran.clear()
        response = service.ask(user, method, path.format("plan"), json=body)
        if service.ran == ["swallowed"]:  # FastAPI reports that
            assert response.status_code == 500
        else:
            assert (response.status_code, service.ran) == (status, [])
        assert SECRET not in response.text
    assert service.ask("ann", method, path.format("none")).status_code in (404, 500)


@pytest.mark.parametrize(
    "path",
    ["/doc/%70lan", "/path/a%2Fb", "/path/a/b", "/doc/plan;x=open", "//doc/plan", "/doc//plan", "/doc/open/../plan",
     "/doc/PLAN", "/DOC/plan", "/doc/plan%00", "/doc/plan/", "/path/open/../plan", "/doc/plan%2F", "/doc/open%2F..%2Fplan"],
)  # fmt: skip
def test_a_path_in_another_spelling_is_what_its_parameters_say(path):
    service = Service()
    response = service.ask("bob", "GET", path)
    assert (response.status_code in (403, 404), service.ran) == (True, [])


def test_a_websocket_is_decided_before_it_is_accepted():
    service = Service()
    client = TestClient(service.app)
    with client.websocket_connect("/ws/plan", headers={"x-user": "ann"}) as session:
        assert session.receive_text() == SECRET
    service.ran.clear()
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect("/ws/plan", headers={"x-user": "bob"}),
    ):
        pass
    assert (denied.value.status_code, service.ran) == (403, [])
    assert denied.value.json()["detail"].startswith("the title of the document")
    assert denied.value.headers["content-type"] == "application/problem+json"


def test_a_websocket_that_is_refused_later_is_closed():
    app = FastAPI(openapi_url=None)
    GUARD.install(app)

    @app.websocket("/ws", dependencies=[GUARD.public])
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        id_ = await websocket.receive_text()
        await GUARD.enforce_async(USERS["bob"], "read", DOCUMENTS[id_])
        await websocket.send_text(SECRET)

    with TestClient(app).websocket_connect("/ws") as session:
        session.send_text("open")
        assert session.receive_text() == SECRET
    with TestClient(app).websocket_connect("/ws") as session:
        session.send_text("plan")
        with pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason[:9]) == (1008, "the title")


@pytest.mark.parametrize(
    ("fails", "status"),
    [
        (HTTPException(404), 404),
        (HTTPException(302), 302),
        (ValueError("x"), 500),
        (KeyError(), 500),
    ],
)
@pytest.mark.parametrize("which", ["subject", "resource", "context"])
def test_what_fails_while_it_is_loaded_is_no_way_in(which, fails, status):
    def failing() -> User:
        raise fails

    ran: list[str] = []
    given = {"subject": current_user, "context": lambda: None} | (
        {} if which == "resource" else {which: failing}
    )
    guard = Guard(ENGINE, **given)
    app = FastAPI(openapi_url=None)
    guard.install(app)

    @app.get(
        "/{id}", dependencies=[guard.requires("read", failing if which == "resource" else load)]
    )
    async def show() -> None:
        ran.append("show")

    client = TestClient(app, raise_server_exceptions=False, headers={"x-user": "ann"})
    response = client.get("/plan", follow_redirects=False)
    assert (response.status_code, ran) == (status, [])


def test_dependencies_are_overridden_in_tests():
    service = Service()
    service.app.dependency_overrides[current_user] = lambda: USERS["ann"]
    assert SECRET in service.ask("", "GET", "/doc/plan").text
    service.app.dependency_overrides[load] = lambda: DOCUMENTS["hers"]
    assert service.ask("", "GET", "/doc/plan").status_code == 403
    may = GUARD.requires("read", load)
    service.app.get("/t/{id}", dependencies=[may])(secret)
    assert service.ask("", "GET", "/t/plan").status_code == 403
    service.app.dependency_overrides[may.dependency] = lambda: Decision.example(allowed=True)
    assert SECRET in service.ask("", "GET", "/t/plan").text


def test_a_service_words_refusals_itself_where_it_wants():
    service = Service()

    @service.app.exception_handler(Refusal)
    async def worded(_: Any, refusal: Refusal) -> PlainTextResponse:
        return PlainTextResponse(f"no: {refusal.decision.cause}", refusal.status)

    found = service.ask("eve", "GET", "/doc/plan")
    assert (found.status_code, found.text) == (403, "no: forbidden")


def test_an_entity_is_required_as_it_is_and_a_context_is_a_dependency():
    engine = ENGINE
    seen: list[Any] = []

    class Noting:
        def decide(self, subject, action, resource, context=None, /):
            seen.append((action, resource, context))
            return engine.decide(subject, action, resource)

    guard = Guard(Noting(), subject=current_user, context=lambda: {"n": 1})
    app = FastAPI(openapi_url=None)
    guard.install(app)
    opened = {
        "type": "Document",
        "id": "x",
        "properties": {"title": "open", "owner": {"type": "User", "id": "u"}},
    }
    app.get("/a", dependencies=[guard.requires("read", opened)])(secret)
    app.get("/b", dependencies=[guard.requires("read", opened, context=lambda: {"n": 2})])(secret)
    client = TestClient(app, headers={"x-user": "ann"})
    assert [client.get(path).status_code for path in ("/a?resource=y&context=z", "/b")] == [
        200,
        200,
    ]
    assert seen == [("read", opened, {"n": 1}), ("read", opened, {"n": 2})]
