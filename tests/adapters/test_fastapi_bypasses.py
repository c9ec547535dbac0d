"""Hold that no way round the check which FastAPI or Starlette offers reaches what is not declared.

Each way is tried three times: without a guard, where it reaches the secret (else the way is none); with one;
and declared to be public, where it reaches the secret again (else nothing could be served so).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Header, WebSocket
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from policyengine.adapters import starlette as plain
from policyengine.adapters.fastapi import Guard
from tests.adapters.documents import DOCUMENTS, ENGINE, USERS, Document, User

SECRET = "the secret"


def current_user(x_user: Annotated[str | None, Header()] = None) -> User | None:
    return USERS.get(x_user or "")


def load(id: str) -> Document | None:
    return DOCUMENTS.get(id)


GUARD = Guard(ENGINE, subject=current_user)
PLAIN = plain.Guard(ENGINE, subject=lambda c: USERS.get(c.headers.get("x-user", "")))


async def secret() -> str:
    return SECRET


async def page(_: Any) -> PlainTextResponse:
    return PlainTextResponse(SECRET)


async def asgi(scope, receive, send) -> None:
    await PlainTextResponse(SECRET)(scope, receive, send)


class Endpoint(HTTPEndpoint):
    async def get(self, _: Any) -> PlainTextResponse:
        return PlainTextResponse(SECRET)


async def told(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(SECRET)
    await websocket.close()


class Told(WebSocketEndpoint):
    async def on_connect(self, websocket: WebSocket) -> None:
        await told(websocket)


class Declare:
    """Declares what a way adds, or does not: *on* is for what is declared."""

    def __init__(self, on: bool) -> None:
        self.on = on
        self.dependencies = [GUARD.public] if on else []

    def __call__(self, endpoint: Any) -> Any:
        if not self.on:
            return endpoint
        if isinstance(endpoint, type):  # a subclass, so that the others do not see it
            return PLAIN.public(type(endpoint.__name__, (endpoint,), {}))

        async def own(*args: Any) -> Any:
            return await endpoint(*args)

        return PLAIN.public(own)


Ask = Callable[[TestClient], str]
Way = Callable[[FastAPI, Declare], Ask]
WAYS: list[Way] = []


def way(tried: Way) -> Way:
    WAYS.append(tried)
    return tried


def get(path: str, method: str = "GET", **more: Any) -> Ask:
    return lambda client: client.request(method, path, **more).text


def listen(path: str) -> Ask:
    def ask(client: TestClient) -> str:
        try:
            with client.websocket_connect(path) as session:
                return session.receive_text()
        except WebSocketDenialResponse as refusal:
            return refusal.content.decode()

    return ask


@way
def a_route(app, declare):
    app.get("/s", dependencies=declare.dependencies)(secret)
    return get("/s")


@way
def a_route_of_all_methods(app, declare):
    app.api_route("/s", methods=["PURGE"], dependencies=declare.dependencies)(secret)
    return get("/s", "PURGE")


@way
def a_route_that_is_added_later(app, declare):
    def ask(client):
        client.get("/")
        app.add_api_route("/s", secret, dependencies=declare.dependencies)
        return client.get("/s").text

    return ask


@way
def a_route_in_the_place_of_another(app, declare):
    app.get("/s", dependencies=[GUARD.public])(secret)

    def ask(client):
        client.get("/s")
        routes, old = app.router.routes, app.router.routes[-1]
        routes[-1] = APIRoute("/s", secret, dependencies=declare.dependencies)
        assert routes[-1] == old  # to Starlette
        return client.get("/s").text

    return ask


@way
def an_equal_route_in_an_included_router(app, declare):
    router = APIRouter()
    router.get("/s", dependencies=[GUARD.public])(secret)
    app.include_router(router, prefix="/v1")

    def ask(client):
        client.get("/v1/s")
        router.routes[-1] = APIRoute("/s", secret, dependencies=declare.dependencies)
        router.add_api_route(
            "/t", secret, dependencies=declare.dependencies
        )  # since when both are served
        if (
            "Not Found" in client.get("/v1/t").text
        ):  # where routes are copied when they are included
            app.router.routes[-1] = APIRoute("/v1/s", secret, dependencies=declare.dependencies)
        return client.get("/v1/s").text

    return ask


@way
def other_routes(app, declare):
    def ask(client):
        client.get("/")
        app.router.routes = [APIRoute("/s", secret, dependencies=declare.dependencies)]
        return client.get("/s").text

    return ask


@way
def an_included_router(app, declare):
    inner, outer = APIRouter(prefix="/b"), APIRouter(prefix="/a")
    inner.get("/s", dependencies=declare.dependencies)(secret)
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")
    return get("/v1/a/b/s")


@way
def a_router_that_is_included_twice(app, declare):
    router = APIRouter()
    router.get("/s")(secret)
    app.include_router(router, prefix="/a", dependencies=[GUARD.public])
    app.include_router(router, prefix="/b", dependencies=declare.dependencies)
    return get("/b/s")


@way
def a_route_that_is_added_to_an_included_router(app, declare):
    inner, outer = APIRouter(), APIRouter()
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1", dependencies=declare.dependencies)

    def ask(client):
        client.get("/v1/s")
        inner.add_api_route("/s", secret)
        found = client.get("/v1/s").text
        if "Not Found" in found:  # where routes are copied when they are included
            app.add_api_route("/t", secret, dependencies=declare.dependencies)
            return client.get("/t").text
        return found

    return ask


@way
def another_method_of_a_declared_path(app, declare):
    app.get("/s", dependencies=[GUARD.public])(secret)
    app.put("/s", dependencies=declare.dependencies)(secret)
    return get("/s", "PUT")


@way
def a_route_behind_a_declared_one(app, declare):
    app.get("/{id}/t", dependencies=[GUARD.public])(secret)
    app.get("/{path:path}", dependencies=declare.dependencies)(secret)
    return get("/a/b/c")


@way
def a_route_with_a_slash_at_its_end(app, declare):
    app.get("/s/", dependencies=declare.dependencies)(secret)
    return get("/s")


@way
def a_route_of_starlette(app, declare):
    app.add_route("/s", declare(page))
    return get("/s")


@way
def the_head_of_a_route_of_starlette(app, declare):
    app.add_route("/s", declare(page))
    return lambda client: SECRET if client.head("/s").status_code == 200 else ""


@way
def a_route_of_starlette_in_a_router(app, declare):
    router = APIRouter()
    router.add_route("/s", declare(page))
    app.include_router(router, prefix="/v1")
    return get("/v1/s")


@way
def a_class(app, declare):
    app.router.routes.append(Route("/s", declare(Endpoint)))
    return get("/s")


@way
def an_application_as_a_route(app, declare):
    class App:
        async def __call__(self, *args):
            await asgi(*args)

    app.router.routes.append(Route("/s", PLAIN.public(App()) if declare.on else App()))
    return get("/s")


@way
def a_mount(app, declare):
    app.mount("/m", declare(asgi))
    return get("/m/any/thing")


@way
def a_mount_at_the_root(app, declare):
    app.mount("/", declare(asgi))
    return get("/any/thing")


@way
def a_mount_in_a_router(app, declare):
    router = APIRouter()
    router.mount("/m", declare(asgi))
    app.include_router(router, prefix="/v1")
    return get("/v1/m/any/thing")


@way
def mounted_routes(app, declare):
    app.router.routes.append(
        Mount("/m", routes=[Route("/open", Declare(True)(page)), Route("/s", declare(page))])
    )
    return get("/m/s")


@way
def mounted_routes_behind_a_middleware(app, declare):
    class Rewrites:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app({**scope, "path": "/m/s"}, receive, send)

    mounted = [Route("/s", declare(page))]
    app.router.routes.append(Mount("/m", routes=mounted, middleware=[Middleware(Rewrites)]))
    return get("/m/open")


@way
def a_mounted_application(app, declare):
    other = FastAPI(openapi_url=None)
    other.get("/s", dependencies=declare.dependencies)(secret)
    app.mount("/m", other)
    return get("/m/s")


@way
def a_route_that_is_added_to_a_mounted_application(app, declare):
    other = FastAPI(openapi_url=None)
    app.mount("/m", other)

    def ask(client):
        client.get("/m/s")
        other.get("/s", dependencies=declare.dependencies)(secret)
        return client.get("/m/s").text

    return ask


@way
def a_mounted_application_with_a_guard(app, declare):
    other = FastAPI(openapi_url=None)
    other.get("/s", dependencies=declare.dependencies)(secret)
    if any(one.kwargs.get("guard") is GUARD for one in app.user_middleware):
        GUARD.install(other)
    app.mount("/m", other)
    return get("/m/s")


class Answers:
    """Answers without looking at its routes, of which it has none that are not declared."""

    async def __call__(self, *args: Any) -> None:
        await asgi(*args)


class HasRouter(Answers):
    router = Router([Route("/open", Declare(True)(page))])


class OwnRouter(Answers, Router):
    pass


class OwnApplication(Answers, Starlette):
    pass


class OwnInside(Router):
    async def app(self, *args: Any) -> None:
        await asgi(*args)


def mounted(kind: Callable[[], Any]) -> Way:
    def made(app, declare):
        app.mount("/m", PLAIN.public(kind()) if declare.on else kind())
        return get("/m/any/thing")

    made.__name__ = f"a_mount_of_{kind.__name__}"
    return made


class OwnStack(Starlette):
    def build_middleware_stack(self) -> Any:
        return asgi


WAYS += map(mounted, (HasRouter, OwnRouter, OwnApplication, OwnInside, OwnStack))


@way
def a_mount_that_leads_elsewhere_later(app, declare):
    app.mount("/m", Router())

    def ask(client):
        client.get("/m/")
        app.router.routes[-1].app = declare(asgi)
        return client.get("/m/any").text

    return ask


@way
def a_mounted_application_with_another_router_later(app, declare):
    app.mount("/m", other := Starlette())

    def ask(client):
        client.get("/any")
        other.router = Router([Route("/s", declare(page))])
        return client.get("/m/s").text

    return ask


@way
def a_path_that_a_middleware_behind_the_guard_sets(app, declare):
    app.user_middleware.append(Middleware(Leads))
    app.get("/open", dependencies=[GUARD.public])(secret)
    app.get("/s", dependencies=declare.dependencies)(secret)
    return get("/open")


@way
def a_path_that_a_middleware_of_the_router_sets(app, declare):
    app.router.middleware_stack = Leads(app.router.middleware_stack)
    app.get("/open", dependencies=[GUARD.public])(secret)
    app.get("/s", dependencies=declare.dependencies)(secret)
    return get("/open")


class Leads:
    """Leads each request to `/s`."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "path": "/s"}, receive, send)


@way
def what_stands_for_a_method(app, declare):
    class Controller:
        async def show(self, _: Any) -> None:
            raise AssertionError

    class Proxy:
        def __init__(self, method: Any) -> None:
            self.method = method

        def __getattr__(self, name: str) -> Any:
            return getattr(self.method, name)

        async def __call__(self, *args: Any) -> None:
            await asgi(*args)

    setattr(Controller, "show", PLAIN.public(Controller.show))  # noqa: B010 - mypy takes no method for another
    proxy = Proxy(Controller().show)
    app.router.routes.append(Route("/s", PLAIN.public(proxy) if declare.on else proxy))
    return get("/s")


@way
def a_host(app, declare):
    app.host("testserver", declare(asgi))
    return get("/any")


@way
def an_application_where_there_is_no_route(app, declare):
    app.router.default = declare(asgi)
    return get("/any")


@way
def an_application_that_is_set_later_where_there_is_no_route(app, declare):
    def ask(client):
        client.get("/")
        app.router.default = declare(asgi)
        return client.get("/any").text

    return ask


@way
def an_application_that_is_set_later_where_a_mount_has_no_route(app, declare):
    below = Router()
    app.mount("/m", below)

    def ask(client):
        client.get("/m/")
        below.default = declare(asgi)
        return client.get("/m/any").text

    return ask


@way
def a_websocket(app, declare):
    app.websocket("/s", dependencies=declare.dependencies)(told)
    return listen("/s")


@way
def a_websocket_in_a_router(app, declare):
    router = APIRouter()
    router.websocket("/s")(told)
    app.include_router(router, prefix="/v1", dependencies=declare.dependencies)
    return listen("/v1/s")


@way
def a_websocket_of_starlette(app, declare):
    app.router.routes.append(WebSocketRoute("/s", declare(told)))
    return listen("/s")


@way
def a_websocket_of_a_class(app, declare):
    app.router.routes.append(WebSocketRoute("/s", declare(Told)))
    return listen("/s")


@way
def a_method_that_a_middleware_sets(app, declare):
    @app.middleware("http")
    async def override(request, call_next):
        request.scope["method"] = request.headers["x-method"]
        return await call_next(request)

    app.post("/s", dependencies=[GUARD.public])(secret)
    app.delete("/s", dependencies=declare.dependencies)(secret)
    return get("/s", "POST", headers={"x-method": "DELETE"})


@way
def a_path_that_a_middleware_sets(app, declare):
    class Rewrites(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            request.scope["path"] = request.headers["x-path"]
            return await call_next(request)

    app.add_middleware(Rewrites)
    app.get("/open", dependencies=[GUARD.public])(secret)
    app.get("/s", dependencies=declare.dependencies)(secret)
    return get("/open", headers={"x-path": "/s"})


@way
def a_custom_class_of_routes(app, declare):
    class Own(APIRoute):
        pass

    router = APIRouter(route_class=Own)
    router.get("/s", dependencies=declare.dependencies)(secret)
    app.include_router(router)
    return get("/s")


def tried(made: Way, *, guarded: bool, declared: bool) -> str:
    app = FastAPI(openapi_url=None)
    if guarded:
        GUARD.install(app)
    ask = made(app, Declare(declared))
    return ask(TestClient(app, raise_server_exceptions=False))


@pytest.mark.parametrize("made", WAYS, ids=lambda made: made.__name__)
def test_what_is_not_declared_is_refused(made: Way):
    assert SECRET in tried(made, guarded=False, declared=False)
    found = tried(made, guarded=True, declared=False)
    assert SECRET not in found
    assert "nothing is permitted here" in found or found == ""
    assert SECRET in tried(made, guarded=True, declared=True)
