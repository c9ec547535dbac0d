"""Hold that a declared route of FastAPI or Starlette of which a part is replaced by hand is refused, before and after the first request."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute, request_response
from starlette.testclient import TestClient

from policyengine.adapters import undeclared_routes
from policyengine.adapters.route_parts import RouteParts
from tests.adapters.test_fastapi_bypasses import (
    GUARD,
    PLAIN,
    SECRET,
    Ask,
    Declare,
    Endpoint,
    asgi,
    get,
    listen,
    page,
    secret,
    told,
)

Swap = Callable[[], object]
Way = Callable[[FastAPI], tuple[Swap, Ask]]
WAYS: list[Way] = []


def way(made: Way) -> Way:
    WAYS.append(made)
    return made


def declared(endpoint: Any) -> Any:
    return Declare(True)(endpoint)


def undeclared_route() -> APIRoute:
    return APIRoute("/s", secret)


def operation(app: FastAPI, router: Any = None) -> Any:
    """Add an operation that is declared, and return its route."""
    (router or app.router).add_api_route("/s", harmless_operation, dependencies=[GUARD.public])
    return (router or app.router).routes[-1]


async def harmless_operation() -> str:
    return "public"


def of_starlette(app: FastAPI, endpoint: Any = None) -> Any:
    app.router.routes.append(Route("/s", endpoint or declared(nothing)))
    return app.router.routes[-1]


async def nothing(_: Any) -> Any:
    raise AssertionError


@way
def the_application_of_an_operation(app):
    route = operation(app)
    return lambda: setattr(route, "app", asgi), get("/s")


@way
def the_application_of_an_operation_by_that_of_another(app):
    route = operation(app)
    return lambda: setattr(route, "app", undeclared_route().app), get("/s")


@way
def the_application_of_a_route(app):
    route = of_starlette(app)
    return lambda: setattr(route, "app", asgi), get("/s")


@way
def the_application_of_a_route_by_one_of_another_endpoint(app):
    route = of_starlette(app)
    return lambda: setattr(route, "app", request_response(page)), get("/s")


@way
def the_application_of_a_class(app):
    route = of_starlette(app, declared(Endpoint))
    return lambda: setattr(route, "app", asgi), get("/s")


@way
def the_application_of_a_websocket(app):
    route = WebSocketRoute("/s", declared(nothing))
    app.router.routes.append(route)
    other = WebSocketRoute("/s", told)
    return lambda: setattr(route, "app", other.app), listen("/s")


@way
def the_application_of_a_websocket_of_fastapi(app):
    app.add_api_websocket_route("/s", nothing, dependencies=[GUARD.public])
    route = app.router.routes[-1]
    return lambda: setattr(route, "app", WebSocketRoute("/s", told).app), listen("/s")


@way
def what_handles_an_operation(app):
    route = operation(app)
    return lambda: setattr(route, "handle", asgi), get("/s")


@way
def what_handles_a_route(app):
    route = of_starlette(app)
    return lambda: setattr(route, "handle", asgi), get("/s")


@way
def the_endpoint_of_a_route_that_is_not_declared(app):
    route = of_starlette(app, page)
    return lambda: setattr(route, "endpoint", declared(nothing)), get("/s")


@way
def the_dependencies_of_an_operation_that_is_not_declared(app):
    app.get("/s")(secret)
    route = app.router.routes[-1]
    other = APIRoute("/t", secret, dependencies=[GUARD.public])
    return lambda: setattr(route, "dependant", other.dependant), get("/s")


@way
def the_dependencies_of_an_operation(app):
    app.get("/s", dependencies=[GUARD.public])(secret)
    found = app.router.routes[-1].dependant.dependencies
    return found.clear, get("/s")


@way
def the_function_of_a_dependency(app):
    app.get("/s", dependencies=[GUARD.public])(secret)
    (asking,) = app.router.routes[-1].dependant.dependencies

    async def other() -> None: ...

    return lambda: setattr(asking, "call", other), get("/s")


@way
def the_function_of_an_operation_that_is_declared_itself(app):
    route = APIRoute("/s", declared_operation)
    app.router.routes.append(route)
    return lambda: setattr(route.dependant, "call", secret), get("/s")


@PLAIN.public
async def declared_operation() -> str:
    return "public"


@way
def the_application_of_an_included_operation(app):
    router = APIRouter()
    operation(app, router)
    app.include_router(router)
    (route,) = [one for one in GUARD.routes_of(app.router) if one.path == "/s"]
    found = getattr(route, "_effective_route", route)
    return lambda: setattr(found, "app", asgi), get("/s")


@way
def what_handles_a_router_that_is_included(app):
    router = APIRouter()
    operation(app, router)
    app.include_router(router)
    return lambda: setattr(app.router.routes[-1], "handle", asgi), get("/s")


@way
def what_handles_what_an_included_router_has(app):
    router = APIRouter()
    operation(app, router)
    app.include_router(router)
    return lambda: setattr(router, "handle", asgi), get("/s")


@way
def the_endpoint_of_an_operation_that_is_included_later(app):
    router = APIRouter()
    router.add_api_route("/s", declared_operation)
    route = router.routes[-1]

    def swap() -> None:
        route.endpoint = secret
        app.include_router(router)

    return swap, get("/s")


@way
def the_methods_of_a_public_route(app):
    app.router.routes.append(route := Route("/docs", page, methods=["GET"]))
    return lambda: route.methods.add("POST"), get("/docs", "POST")


@way
def what_a_mounted_router_answers_with(app):
    below = Router([Route("/open", declared(nothing))])
    app.mount("/m", below)
    return lambda: setattr(below, "middleware_stack", asgi), get("/m/any")


@way
def what_a_mounted_application_answers_with(app):
    below = Starlette(routes=[Route("/open", declared(nothing))])
    app.mount("/m", below)
    return lambda: setattr(below, "middleware_stack", asgi), get("/m/any")


@way
def what_handles_a_mount(app):
    app.router.routes.append(mount := Mount("/m", declared(asgi_of_nothing)))
    return lambda: setattr(mount, "handle", asgi), get("/m/any")


async def asgi_of_nothing(*_: Any) -> None:
    raise AssertionError


def service(*, guarded: bool = True) -> FastAPI:
    app = FastAPI(openapi_url=None)
    if guarded:
        GUARD.install(app, public=["/docs"])
    return app


@pytest.mark.parametrize("served", [False, True])
@pytest.mark.parametrize("made", WAYS, ids=lambda made: made.__name__)
def test_what_is_replaced_is_not_declared(monkeypatch, made: Way, served: bool):
    monkeypatch.setattr(undeclared_routes, "LOOKS_AGAIN_AFTER", 0)

    def tried(*, guarded: bool) -> str:
        app = service(guarded=guarded)
        swap, ask = made(app)
        client = TestClient(app, raise_server_exceptions=False)
        if served:
            client.get("/")
        swap()
        return ask(client)

    assert SECRET in tried(guarded=False)
    found = tried(guarded=True)
    assert SECRET not in found
    assert "nothing is permitted here" in found


@pytest.mark.parametrize("part", [Mount("/m", asgi), Host("testserver", asgi)])
def test_of_a_mount_that_is_included_the_copy_is_looked_at(part: Any):
    """FastAPI keeps a copy from the first request on, and leads to that."""

    def tried(path: str, *, guarded: bool) -> str:
        app, included = service(guarded=guarded), APIRouter()
        included.routes.append(copy(part))
        app.include_router(included, prefix="/v1")
        client = TestClient(app, raise_server_exceptions=False)
        client.get("/")
        included.routes[0].app = included.routes[0]._base_app = declared(asgi_of_nothing)
        return client.get(path).text

    for path in ("/v1/m/any", "/v1/any"):
        assert SECRET not in tried(path, guarded=True)
    assert SECRET in tried("/v1/m/any", guarded=False)


def test_the_parts_of_routes_are_not_looked_at_for_each_request(monkeypatch):
    looks, looked = [], RouteParts.have_changed
    monkeypatch.setattr(RouteParts, "have_changed", lambda self: looks.append(1) or looked(self))
    clock = [1000.0]
    monkeypatch.setattr(undeclared_routes, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    app = service()
    app.get("/a", dependencies=[GUARD.public])(secret)
    client = TestClient(app)
    for _ in range(5):
        client.get("/a")
    assert not looks
    app.router.routes[-1].app = asgi
    clock[0] += 0.11
    assert SECRET not in client.get("/a").text
    assert len(looks) == 1


class Passes:
    """A middleware, or what stands for a function, as what monitors a service puts around what it calls."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, *args: Any, **more: Any) -> Any:
        return await self.app(*args, **more)


def wrapped(function: Any) -> Any:
    async def calling(*args: Any, **more: Any) -> Any:
        return await function(*args, **more)

    return calling


@pytest.mark.parametrize("around", [Passes, wrapped, partial])
def test_what_monitors_a_service_may_be_around_a_route(around: Any):
    app, included = service(), APIRouter()
    app.get("/a", dependencies=[GUARD.public])(secret)
    app.router.routes.append(Route("/b", declared(page)))
    app.router.routes.append(Route("/c", declared(page), middleware=[Middleware(Passes)]))
    app.router.routes.append(
        Mount("/d", Router([Route("/e", declared(page))], middleware=[Middleware(Passes)]))
    )
    included.get("/f", dependencies=[GUARD.public])(secret)
    app.include_router(included)
    app.get("/g", dependencies=[GUARD.public])(secret)
    client = TestClient(app)
    client.get("/")
    for route in app.router.routes:
        if hasattr(route, "app"):
            route.app = around(route.app)
    app.router.routes[-1].dependant.call = around(secret)
    for path in ("/a", "/b", "/c", "/d/e", "/f", "/g"):
        assert SECRET in client.get(path).text
