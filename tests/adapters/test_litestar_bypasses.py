"""Hold that no way round the check which Litestar offers reaches a handler that is not declared, or one that was denied.

Each way is tried without a guard, where it reaches the secret; with one; and declared to be public.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from litestar import (
    Controller,
    Litestar,
    Request,
    Response,
    Router,
    WebSocket,
    asgi,
    get,
    post,
    put,
    route,
    websocket,
    websocket_listener,
)
from litestar.exceptions import HTTPException, ImproperlyConfiguredException, WebSocketDisconnect
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.plugins import InitPlugin
from litestar.response import Stream
from litestar.static_files import create_static_files_router
from litestar.testing import TestClient
from litestar.types import ASGIApp, Receive, Scope, Send

from policyengine import PolicyEngine, PolicyHolder, SourcedEngine
from policyengine.adapters.litestar import Guard, Refusal
from tests.adapters.documents import DOCUMENTS, ENGINE, POLICY, USERS, registered

SECRET = "the secret"


def current_user(connection: Any) -> Any:
    return USERS.get(connection.headers.get("x-user", ""))


async def load(connection: Any) -> Any:
    return DOCUMENTS.get(connection.path_params.get("id", "plan").lstrip("/"))


GUARD = Guard(ENGINE, subject=current_user, context=lambda _: None)
Ask = Callable[[TestClient[Any]], str]
Way = Callable[[list[Any], list[Any]], Ask]
WAYS: list[Way] = []


def way(tried: Way) -> Way:
    """Register a way: it adds handlers to a list, with the guards that declare them, and returns what asks."""
    WAYS.append(tried)
    return tried


def ask(path: str, method: str = "GET", **more: Any) -> Ask:
    return lambda client: client.request(method, path, **more).text


def listen(path: str) -> Ask:
    def asked(client: TestClient[Any]) -> str:
        try:
            with client.websocket_connect(path) as session:
                return str(session.receive_text())
        except WebSocketDisconnect as refusal:
            return refusal.detail

    return asked


@way
def a_handler(handlers, guards):
    @get("/s", guards=guards)
    async def secret() -> str:
        return SECRET

    handlers.append(secret)
    return ask("/s")


@way
def a_synchronous_handler(handlers, guards):
    @get(["/s", "/t"], guards=guards, sync_to_thread=True)
    def secret() -> str:
        return SECRET

    handlers.append(secret)
    return ask("/t")


@way
def a_handler_of_any_method(handlers, guards):
    @route("/s", http_method=["PATCH", "DELETE"], guards=guards, status_code=200)
    async def secret() -> str:
        return SECRET

    handlers.append(secret)
    return ask("/s", "PATCH")


@way
def options_that_a_handler_answers(handlers, guards):
    @HTTPRouteHandler("/s", http_method=["OPTIONS"], guards=guards, status_code=200)
    async def secret() -> str:
        return SECRET

    handlers.append(secret)
    return ask("/s", "OPTIONS")


@way
def another_method_of_a_declared_path(handlers, guards):
    @get("/s", guards=[GUARD.public])
    async def shown() -> str:
        return "public"

    @put("/s", guards=guards)
    async def secret() -> str:
        return SECRET

    handlers += [shown, secret]
    return ask("/s", "PUT")


@way
def a_handler_that_is_registered_later(handlers, guards):
    @get("/s", guards=guards)
    async def secret() -> str:
        return SECRET

    def asked(client):
        client.get("/")
        client.app.register(secret)
        return client.get("/s").text

    return asked


@way
def a_router(handlers, guards):
    @get("/s")
    async def secret() -> str:
        return SECRET

    inner = Router("/b", route_handlers=[secret])
    handlers.append(Router("/a", route_handlers=[inner], guards=guards))
    return ask("/a/b/s")


@way
def a_controller(handlers, guards):
    declared = guards

    class Own(Controller):
        path = "/c"
        guards = declared

        @get("/s")
        async def secret(self) -> str:
            return SECRET

    handlers.append(Own)
    return ask("/c/s")


@way
def a_cached_handler(handlers, guards):
    @get("/s", guards=guards, cache=True)
    async def secret() -> str:
        return SECRET

    handlers.append(secret)
    return lambda client: client.get("/s").text + client.get("/s").text


@way
def what_answers_before_a_handler(handlers, guards):
    async def before(_: Any) -> Response[str]:
        return Response(SECRET)

    @get("/s", guards=guards, before_request=before)
    async def other() -> str:
        return "another"

    handlers.append(other)
    return ask("/s")


@way
def a_guard_of_somebody_else(handlers, guards):
    async def lets_pass(_: Any, __: Any) -> None:
        pass

    @get("/s", guards=[lets_pass, *guards])
    async def secret() -> str:
        return SECRET

    handlers.append(secret)
    return ask("/s")


@way
def a_mount(handlers, guards):
    @asgi("/m", is_mount=True, guards=guards, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)

    handlers.append(mounted)
    return ask("/m/any/thing", "PURGE")


@way
def an_application(handlers, guards):
    @asgi("/s", guards=guards, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)

    handlers.append(mounted)
    return ask("/s")


async def answer(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": SECRET.encode()})


@way
def a_websocket(handlers, guards):
    @websocket("/s", guards=guards)
    async def told(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.send_text(SECRET)

    handlers.append(told)
    return listen("/s")


@way
def a_listener(handlers, guards):
    @websocket_listener("/s", guards=guards)
    async def told(data: str) -> str:
        return SECRET

    def asked(client):
        try:
            with client.websocket_connect("/s") as session:
                session.send_text("x")
                return session.receive_text()
        except WebSocketDisconnect as refusal:
            return refusal.detail

    handlers.append(told)
    return asked


@way
def a_path_that_a_middleware_sets(handlers, guards):
    @get("/s", guards=guards)
    async def secret() -> str:
        return SECRET

    handlers.append(secret)

    def asked(client):
        def rewrites(app: ASGIApp) -> ASGIApp:
            async def rewritten(scope, receive, send):
                await app({**scope, "path": "/s", "raw_path": b"/s"}, receive, send)

            return rewritten

        client.app.asgi_handler = rewrites(client.app.asgi_handler)
        return client.get("/open").text

    return asked


def made(handlers: list[Any], *, guarded: bool, **options: Any) -> TestClient[Any]:
    plugins = [GUARD] if guarded else []
    app = Litestar(
        handlers, plugins=plugins, logging_config=None, **{"openapi_config": None, **options}
    )
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("tried", WAYS, ids=lambda made: made.__name__)
def test_what_is_not_declared_is_refused(tried: Way):
    def reached(guards: list[Any], *, guarded: bool) -> str:
        handlers: list[Any] = []
        asked = tried(handlers, guards)
        return asked(made(handlers, guarded=guarded))

    assert SECRET in reached([], guarded=False)
    found = reached([], guarded=True)
    assert SECRET not in found
    assert "nothing is permitted here" in found
    assert SECRET in reached([GUARD.public], guarded=True)


class Unasked(HTTPRouteHandler):
    async def authorize_connection(self, connection: Any) -> None:
        pass


class Unguarded(HTTPRouteHandler):
    def resolve_guards(self) -> list[Any]:
        return []


class Forgets(InitPlugin):
    """A plugin that comes after the guard."""

    def on_app_init(self, app_config: Any) -> Any:
        app_config.guards = []
        return app_config


@pytest.mark.parametrize("way", ["unasked", "unguarded", "forgotten"])
def test_what_would_not_ask_the_guard_is_not_served(way: str):
    """Handlers of classes that ask guards in their own way, and guards that are taken away: at the start, and later."""
    kind = {"unasked": Unasked, "unguarded": Unguarded}.get(way, HTTPRouteHandler)
    plugins = [Forgets()] if way == "forgotten" else []

    async def answer() -> str:
        return SECRET

    def secret(path: str = "/s", kind: Any = kind) -> Any:
        return kind(path, http_method="GET")(answer)

    def served(handlers: list[Any], plugins: list[Any]) -> TestClient[Any]:
        app = Litestar(handlers, plugins=plugins, openapi_config=None, logging_config=None)
        return TestClient(app, raise_server_exceptions=False)

    assert served([secret()], plugins).get("/s").text == SECRET
    with pytest.raises(ImproperlyConfiguredException, match="/s would be served unchecked"):
        served([secret()], [GUARD, *plugins])
    client = served([], [GUARD, *plugins])
    with pytest.raises(ImproperlyConfiguredException, match="/s would be served unchecked"):
        client.app.register(secret())
    if way != "forgotten":
        client.app.register(secret("/t", HTTPRouteHandler))
        assert client.get("/t").status_code == 403
    assert SECRET not in client.get("/s").text


def test_what_is_called_as_a_handler_of_litestar_is_not_one():
    @get("/s")
    async def secret() -> str:
        return SECRET

    secret.fn.__module__ = "litestar.routes.http"
    assert made([secret], guarded=False).get("/s").text == SECRET
    assert made([secret], guarded=True).get("/s").status_code == 403


def test_files_and_pages_are_public_where_their_routers_say_so(tmp_path: Path):
    (tmp_path / "a.txt").write_text(SECRET)

    def served(path: str, guards: list[Any]) -> tuple[int, int]:
        files = create_static_files_router("/static", [tmp_path], guards=guards)
        pages = OpenAPIConfig(
            "x", "1", openapi_router=Router("/schema", route_handlers=[], guards=guards)
        )
        client = made([files], guarded=True, openapi_config=pages)
        return client.get(path).status_code, client.head("/static/a.txt").status_code

    for path in ("/static/a.txt", "/schema", "/schema/openapi.json"):
        assert served(path, []) == (403, 403)
        assert served(path, [GUARD.public]) == (200, 200)


# ---- what is declared -------------------------------------------------------------------


def service(ran: list[str], guard: Guard = GUARD, resource: Any = load) -> TestClient[Any]:
    may_read, may_edit = guard.requires("read", resource), guard.requires("edit", resource)

    def note(name: str) -> str:
        ran.append(name)
        return SECRET

    @get(["/doc/{id:str}", "/path/{id:path}"], guards=[may_read])
    async def show(request: Request[Any, Any, Any]) -> str:
        assert guard.decision_on(request).allowed
        assert guard.resource_of(request) is not None
        return note("show")

    @put("/doc/{id:str}", guards=[may_edit], status_code=200)
    async def edit() -> str:
        return note("edit")

    @get("/cached/{id:str}", guards=[may_read], cache=True)
    async def cached() -> str:
        return note("cached")

    @get("/stream/{id:str}", guards=[may_read])
    async def stream() -> Stream:
        async def parts() -> AsyncIterator[str]:
            yield note("stream")

        return Stream(parts())

    @websocket("/ws/{id:str}", guards=[may_read])
    async def told(socket: WebSocket[Any, Any, Any]) -> None:
        note("ws")
        await socket.accept()
        await socket.send_text(SECRET)

    class Own(Controller):
        path = "/of/{id:str}"
        guards = (may_read,)

        @get()
        async def one(self) -> str:
            return note("one")

        @post(guards=[may_edit], status_code=200)
        async def two(self) -> str:
            return note("two")

    handlers = [show, edit, cached, stream, told, Own]
    app = Litestar(handlers, plugins=[guard], openapi_config=None, logging_config=None)
    return TestClient(app, raise_server_exceptions=False)


TRIES = [
    ("GET", "/doc/plan"), ("GET", "/doc/plan?id=open"), ("PUT", "/doc/plan"), ("GET", "/path/plan"), ("GET", "/path/a/b"),
    ("GET", "/path/a%2Fb"), ("GET", "/cached/plan"), ("GET", "/stream/plan"), ("GET", "/of/plan"), ("POST", "/of/plan"),
    ("GET", "/doc/plan/"), ("GET", "/doc/%70lan"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), TRIES)
def test_what_is_declared_is_decided_before_it_runs(method, path):
    ran: list[str] = []
    client = service(ran)
    allowed = client.request(method, path, headers={"x-user": "ann"})
    assert (allowed.status_code, allowed.text, len(ran)) == (200, SECRET, 1)
    for user, status in (("bob", 403), ("eve", 403), ("", 401)):
        response = client.request(method, path, headers={"x-user": user})
        assert (response.status_code, len(ran)) == (status, 1)
        assert response.headers["content-type"] == "application/problem+json"
        assert SECRET not in response.text


def test_the_rest_is_answered_by_litestar():
    ran: list[str] = []
    client = service(ran)
    headers = {"x-user": "bob"}
    assert client.options("/doc/plan", headers=headers).status_code == 204
    for method, path, status in (
        ("HEAD", "/doc/plan", 405), ("GET", "/nowhere", 404), ("GET", "/doc/none", 404), ("GET", "/doc/plan;x", 404),
        ("GET", "/doc//plan", 403), ("GET", "/DOC/plan", 404), ("DELETE", "/doc/plan", 405),
    ):  # fmt: skip
        assert client.request(method, path, headers=headers).status_code == status, path
    assert ran == []


def test_a_websocket_is_decided_before_it_is_accepted():
    ran: list[str] = []
    client = service(ran)
    with client.websocket_connect("/ws/plan", headers={"x-user": "ann"}) as session:
        assert session.receive_text() == SECRET
    ran.clear()
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("/ws/plan", headers={"x-user": "bob"}),
    ):
        pass
    assert (closed.value.code, closed.value.detail[:9], ran) == (1008, "the title", [])


def test_what_fails_while_it_is_loaded_is_no_way_in():
    ran: list[str] = []

    def missing(connection: Any) -> Any:
        if connection.path_params["id"] == "gone":
            raise HTTPException(status_code=410)
        raise ValueError

    client = service(ran, resource=missing)
    found = [
        client.get(f"/doc/{id_}", headers={"x-user": "ann"}).status_code for id_ in ("gone", "x")
    ]
    assert (found, ran) == ([410, 500], [])


def test_a_service_words_refusals_itself_where_it_wants():
    def worded(_: Any, refusal: Refusal) -> Response[str]:
        return Response(f"no: {refusal.decision.cause}", status_code=refusal.status)

    @get("/{id:str}", guards=[GUARD.requires("read", load)])
    async def show() -> str:
        return SECRET

    client = made([show], guarded=True, exception_handlers={Refusal: worded})
    response = client.get("/plan", headers={"x-user": "eve"})
    assert (response.status_code, response.text) == (403, "no: forbidden")


def test_what_is_not_declared_is_logged_once(caplog):
    handlers: list[Any] = []
    asked = a_mount(handlers, [])
    client = TestClient(
        Litestar(handlers, plugins=[Guard(ENGINE, subject=current_user)], logging_config=None)
    )
    for method in ("GET", "POST", "ANY"):
        client.request(method, "/m")
    assert "nothing is permitted" in asked(client)
    assert [record.name for record in caplog.records if "not declared" in record.message] == [
        "policyengine.adapters"
    ]


def test_a_source_is_awaited_and_may_be_slow():
    class Slow:
        async def fetch(self, keys):
            await asyncio.sleep(60)

    engine = PolicyEngine.from_text(POLICY)
    registered(engine)
    ran: list[str] = []
    guard = Guard(SourcedEngine(engine, Slow(), deadline=0.01), subject=current_user)
    client = service(ran, guard, {"type": "Document", "id": "plan"})
    assert client.get("/doc/plan", headers={"x-user": "ann"}).status_code == 503
    assert ran == []


def test_policies_are_reloaded_while_a_service_decides(tmp_path: Path):
    file = tmp_path / "documents.policy"
    file.write_text(POLICY)
    holder = PolicyHolder(file, on_load=registered)
    client = service([], Guard(holder, subject=current_user))
    shut = POLICY.replace("permit own: any", "permit own: edit")
    found = []
    for text in (shut, "nonsense", POLICY):
        file.write_text(text)
        holder.reload()
        found.append(client.get("/doc/plan", headers={"x-user": "ann"}).status_code)
    assert found == [403, 403, 200]
