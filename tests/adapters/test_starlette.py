"""Hold what the decorator of Starlette demands, of functions, classes and mounted applications."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from policyengine.adapters.starlette import Guard
from tests.adapters.documents import DOCUMENTS, ENGINE, USERS

SECRET = "the secret"
RAN: list[str] = []


async def current_user(connection: Any) -> Any:
    return USERS.get(connection.headers.get("x-user", ""))


def load(connection: Any) -> Any:
    return DOCUMENTS.get(connection.path_params.get("id", "plan"))


GUARD = Guard(ENGINE, subject=current_user, context=lambda _: None)
may_read, may_edit = GUARD.requires("read", load), GUARD.requires("edit", load)


def note(name: str) -> PlainTextResponse:
    RAN.append(name)
    return PlainTextResponse(SECRET)


@may_read
async def show(request):
    assert request.state.decision.allowed
    assert request.state.resource is DOCUMENTS[request.path_params["id"]]
    return note("show")


@may_read
def sync(request):
    return note("sync")


@may_edit
async def edit(request):
    return note("edit")


@may_read
class Endpoint(HTTPEndpoint):
    async def get(self, request):
        return note("get")

    def post(self, request):
        return note("post")


@may_read
class Listening(WebSocketEndpoint):
    async def on_connect(self, websocket):
        note("listening")
        await websocket.accept()
        await websocket.send_text(SECRET)


@may_read
async def listen(websocket):
    note("listen")
    await websocket.accept()
    await websocket.send_text(SECRET)


class Controller:
    @may_read
    async def show(self, request):
        return note("method")


async def other(scope, receive, send):
    await note("other")(scope, receive, send)


def app() -> Starlette:
    made = Starlette(
        routes=[
            Route("/show/{id}", show),
            Route("/show/{id}", edit, methods=["PUT"]),
            Route("/sync/{id}", sync),
            Route("/class/{id}", Endpoint),
            Route("/method/{id}", Controller().show),
            WebSocketRoute("/listen/{id}", listen),
            WebSocketRoute("/listening/{id}", Listening),
            Mount("/mounted/{id}", may_read.app(other)),
            Mount("/in", routes=[Route("/{id}", show)]),
            Mount("/router", app=Router([Mount("/deep", routes=[Route("/{id}", show)])])),
            Host("files.example", may_read.app(other)),
        ]
    )
    GUARD.install(made)
    return made


TRIES = [
    ("GET", "/show/plan"), ("HEAD", "/show/plan"), ("PUT", "/show/plan"), ("GET", "/sync/plan"), ("GET", "/class/plan"),
    ("POST", "/class/plan"), ("HEAD", "/class/plan"), ("GET", "/method/plan"), ("GET", "/mounted/plan"),
    ("DELETE", "/mounted/plan/any/thing"), ("GET", "/in/plan"), ("GET", "/router/deep/plan"),
    ("GET", "http://files.example/any"), ("GET", "/show/plan/"), ("GET", "/show/%70lan"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), TRIES)
def test_an_endpoint_runs_for_those_who_may(method, path):
    client = TestClient(app())
    RAN.clear()
    assert client.request(method, path, headers={"x-user": "ann"}).status_code == 200
    assert len(RAN) == 1
    for user, status in (("bob", 403), ("eve", 403), ("", 401)):
        response = client.request(method, path, headers={"x-user": user})
        assert (response.status_code, len(RAN)) == (status, 1)
        assert response.headers["content-type"] == "application/problem+json"
        assert SECRET not in response.text


@pytest.mark.parametrize("path", ["/listen/plan", "/listening/plan"])
def test_a_websocket_opens_for_those_who_may(path):
    client = TestClient(app())
    with client.websocket_connect(path, headers={"x-user": "ann"}) as session:
        assert session.receive_text() == SECRET
    RAN.clear()
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect(path, headers={"x-user": "bob"}),
    ):
        pass
    assert (denied.value.status_code, RAN) == (403, [])


def wrapping(endpoint: Any) -> Any:
    @functools.wraps(endpoint)
    async def cached(request):  # as a cache does, whoever asks
        return note("cached")

    return cached


class Derived(Endpoint):
    async def dispatch(self):
        await note("derived")(self.scope, self.receive, self.send)


@pytest.mark.parametrize(
    "endpoint",
    [wrapping(show), functools.partial(show), Derived, wrapping(wrapping(GUARD.public(sync)))],
)
def test_what_wraps_a_declared_endpoint_is_not_declared(endpoint):
    made = Starlette(routes=[Route("/{id}", endpoint, methods=["GET"])])
    RAN.clear()
    assert TestClient(made).get("/plan", headers={"x-user": "ann"}).status_code == 200
    assert len(RAN) == 1
    made = Starlette(routes=[Route("/{id}", endpoint, methods=["GET"])])
    GUARD.install(made)
    assert TestClient(made).get("/plan", headers={"x-user": "ann"}).status_code == 403
    assert len(RAN) == 1


def test_a_route_that_cannot_be_looked_at_opens_no_other():
    class Failing(Mount):
        fails = False

        def __getattribute__(self, name: str) -> Any:
            if name == "_base_app" and Failing.fails:
                raise RuntimeError
            return super().__getattribute__(name)

    made = Starlette(routes=[Route("/{id}", wrapping(show)), Failing("/failing", other)])
    Failing.fails = True
    GUARD.install(made)
    client = TestClient(made, raise_server_exceptions=False)
    RAN.clear()
    assert [client.get("/plan", headers={"x-user": "ann"}).status_code for _ in range(3)] == [
        500
    ] * 3
    assert RAN == []


def test_a_decorator_below_is_fine():
    made = Starlette(routes=[Route("/{id}", may_read(wrapping(show)))])
    GUARD.install(made)
    client = TestClient(made)
    assert [
        client.get("/plan", headers={"x-user": user}).status_code for user in ("ann", "bob")
    ] == [200, 403]


def below(name: str) -> dict[str, Any]:
    """Return applications that take a part of their own path by a name."""

    def answering() -> PlainTextResponse:
        return note("below")

    async def answer(request: Any) -> PlainTextResponse:
        return note("below")

    route, path = Route(f"/{{{name}}}", answer), f"/{{{name}:path}}"
    api = FastAPI(openapi_url=None)
    api.include_router(router := APIRouter())
    router.get(f"/{{{name}}}")(answering)
    prefixed = FastAPI(openapi_url=None)
    prefixed.include_router(router := APIRouter(), prefix=f"/{{{name}}}")
    router.get("")(answering)
    mounting = FastAPI(openapi_url=None)
    mounting.include_router(APIRouter(routes=[Mount(path, other)]))
    return {
        "a mount that is included": mounting,
        "a router": Router([route]),
        "an application": Starlette(routes=[route]),
        "an operation": api,
        "the prefix of a router": prefixed,
        "a mount": Router([Mount(path, other)]),
        "below a mount": Router([Mount("/", Router([route]))]),
        "behind a middleware": Router([Mount("/", Router([route]), middleware=[Middleware(GZipMiddleware)])]),
        "a host": Router([Host(f"{{{name}}}", Router([Route("/{rest:path}", answer)]))]),
    }  # fmt: skip


@pytest.mark.parametrize("kind", below("id"))
def test_what_is_decided_about_is_not_taken_again_below_a_mount(kind: str):
    def asked(name: str, *, guarded: bool = True, later: bool = False) -> int:
        inner = below(name)[kind]
        app: Any = Router([Route("/x", show)]) if later else inner
        made = Starlette(routes=[Mount("/{id}", Router([Mount("/", may_read.app(app))]))])
        if guarded:
            GUARD.install(made)
        client = TestClient(made, base_url="http://open")
        if later:
            client.get("/open/x", headers={"x-user": "bob"})
            app.routes.append(Mount("/", inner))
        RAN.clear()
        status = client.get("/open/plan", headers={"x-user": "bob"}).status_code
        assert (status == 200) == (RAN != [])
        return status

    assert asked("id", guarded=False) == 200  # he may see `open`, and is shown `plan`
    assert asked("id") == 403
    assert asked("id", later=True) == 403
    assert asked("name") == 200
