"""Hold a service in each framework twice: as it is, and with a guard, which are asked in this process without a server.

Both load a user and a document in the same way; without a guard, hand-written code refuses a document of
somebody else. A service can have a number of groups of ten other operations beside the one that is asked for,
in the form in which its framework has groups: included routers, mounts, blueprints, included URLs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final
from weakref import finalize

from attrs import frozen

from policyengine import PolicyEngine

POLICY: Final = """\
package documents
entity User
entity Document { owner: User, title: string }
action read by User on Document
permit own: read when resource.owner == subject otherwise "it belongs to somebody else"
"""


@frozen
class User:
    """Who asks."""

    id: str


@frozen
class Document:
    """What is asked for."""

    id: str
    owner: User
    title: str


_ANN: Final = User("ann")
_USERS: Final = {"ann": _ANN, "bob": User("bob")}
_DOCUMENTS: Final = {"plan": Document("plan", _ANN, "Plan")}

IN_GROUP: Final = 10
"""The operations of a group, each of which is declared as the one that is asked for."""

Ask = Callable[[str], int]
"""Asks for the plan as a user, and returns the status."""


def services(groups: int = 0) -> Iterator[tuple[str, Ask, Ask]]:
    """Give the name of each framework, and its service with these *groups*, without and with a guard."""
    engine = PolicyEngine.from_text(POLICY)
    engine.register(User, "User")
    engine.register(Document, "Document")
    yield "FastAPI", *_fastapi(engine, groups)
    yield "Starlette", *_starlette(engine, groups)
    yield "Flask", *_flask(engine, groups)
    yield "Litestar", *_litestar(engine, groups)
    yield "Django", *_django(engine, groups)
    yield "FastMCP", *_fastmcp(groups)


def _fastapi(engine: PolicyEngine, groups: int) -> tuple[Ask, Ask]:
    from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException

    from policyengine.adapters.fastapi import Guard

    header = Header()

    async def user(x_user: str = header) -> User | None:
        return _USERS.get(x_user)

    async def document(id: str) -> Document | None:
        return _DOCUMENTS.get(id)

    bare, guarded = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    guard = Guard(engine, subject=user)
    guard.install(guarded)

    asking, about = Depends(user), Depends(document)

    async def by_hand(user: User = asking, document: Document = about) -> str:
        if document.owner != user:
            raise HTTPException(403)
        return document.title

    async def read(document: Document = about) -> str:
        return document.title

    bare.get("/documents/{id}")(by_hand)
    guarded.get("/documents/{id}", dependencies=[guard.requires("read", document)])(read)
    for app, other, declared in (
        (bare, by_hand, []),
        (guarded, read, [guard.requires("read", document)]),
    ):
        for group in range(groups):
            router = APIRouter(prefix=f"/{group}", dependencies=declared)
            for number in range(IN_GROUP):
                router.get(f"/{number}/{{id}}")(other)
            app.include_router(router)
    return asgi(bare), asgi(guarded)


def _starlette(engine: PolicyEngine, groups: int) -> tuple[Ask, Ask]:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    from policyengine.adapters.starlette import Guard

    async def user(connection: HTTPConnection) -> User | None:
        return _USERS.get(connection.headers["x-user"])

    async def document(connection: HTTPConnection) -> Document | None:
        return _DOCUMENTS.get(connection.path_params["id"])

    guard = Guard(engine, subject=user)

    async def by_hand(request: Request) -> PlainTextResponse:
        asking, found = await user(request), await document(request)
        if asking is None or found is None or found.owner != asking:
            raise HTTPException(403)
        return PlainTextResponse(found.title)

    @guard.requires("read", document)
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.resource.title)

    def service(endpoint: Any) -> Starlette:
        others = [Route(f"/{number}/{{id}}", endpoint) for number in range(IN_GROUP)]
        mounts = [Mount(f"/{group}", routes=others) for group in range(groups)]
        return Starlette(routes=[Route("/documents/{id}", endpoint), *mounts])

    guarded = service(read)
    guard.install(guarded)
    return asgi(service(by_hand)), asgi(guarded)


def _flask(engine: PolicyEngine, groups: int) -> tuple[Ask, Ask]:
    from flask import Blueprint, Flask, abort, g, request

    from policyengine.adapters.flask import Guard

    def user() -> User | None:
        return _USERS.get(request.headers["x-user"])

    def document(id: str) -> Document | None:
        return _DOCUMENTS.get(id)

    bare, guarded = Flask("bare"), Flask("guarded")
    guard = Guard(engine, subject=user)
    guard.install(guarded)

    @bare.get("/documents/<id>")
    def by_hand(id: str) -> str:
        asking, found = user(), document(id)
        if asking is None or found is None or found.owner != asking:
            abort(403)
        return f"{id}: {found.title}"

    @guarded.get("/documents/<id>")
    @guard.requires("read", document)
    def read(id: str) -> str:
        title: str = g.resource.title
        return f"{id}: {title}"

    for app, view in (bare, by_hand), (guarded, read):
        for group in range(groups):
            blueprint = Blueprint(f"group{group}", "others", url_prefix=f"/{group}")
            for number in range(IN_GROUP):
                blueprint.add_url_rule(f"/{number}/<id>", f"view{number}", view)
            app.register_blueprint(blueprint)
    return wsgi(bare), wsgi(guarded)


def _litestar(engine: PolicyEngine, groups: int) -> tuple[Ask, Ask]:
    from litestar import Litestar, Router, get
    from litestar.exceptions import PermissionDeniedException

    from policyengine.adapters.litestar import Connection, Guard

    async def user(connection: Connection) -> User | None:
        return _USERS.get(connection.headers["x-user"])

    async def document(connection: Connection) -> Document | None:
        return _DOCUMENTS.get(connection.path_params["id"])

    async def by_hand(connection: Connection, _: object) -> None:
        asking, found = await user(connection), await document(connection)
        if asking is None or found is None or found.owner != asking:
            raise PermissionDeniedException

    async def read() -> str:
        return "Plan"

    def service(guard: Any, plugins: list[Any]) -> Ask:
        def handler(path: str) -> Any:
            return get(path, guards=[guard])(read)

        routers = [
            Router(
                f"/{group}", route_handlers=[handler(f"/{n}/{{id:str}}") for n in range(IN_GROUP)]
            )
            for group in range(groups)
        ]
        handlers = [handler("/documents/{id:str}"), *routers]
        return asgi(Litestar(handlers, plugins=plugins, openapi_config=None, logging_config=None))

    guard = Guard(engine, subject=user)
    return service(by_hand, []), service(guard.requires("read", document), [guard])


def _django(engine: PolicyEngine, groups: int) -> tuple[Ask, Ask]:
    from logging import getLogger

    from django.conf import settings

    getLogger("django.request").setLevel("CRITICAL")  # which has each request that is denied
    if not settings.configured:
        settings.configure(ROOT_URLCONF="", ALLOWED_HOSTS=["localhost"], LOGGING_CONFIG=None)
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
    from django.http import HttpResponse
    from django.test import override_settings
    from django.urls import include, path

    from policyengine.adapters.django import Guard

    def user(request: Any) -> User | None:
        return _USERS.get(request.headers["x-user"])

    def document(_request: Any, id: str) -> Document | None:
        return _DOCUMENTS.get(id)

    def by_hand(request: Any, id: str) -> Any:
        asking, found = user(request), document(request, id)
        if asking is None or found is None or found.owner != asking:
            return HttpResponse(status=403)
        return HttpResponse(found.title)

    guard = Guard(engine, subject=user)

    @guard.requires("read", document)
    def read(request: Any, **_: str) -> Any:
        return HttpResponse(request.resource.title)

    def served(view: Any, *middleware: str) -> Ask:
        others = [path(f"{number}/<id>", view) for number in range(IN_GROUP)]
        included = [path(f"{group}/", include(others)) for group in range(groups)]
        urls = type("urls", (), {"urlpatterns": [path("documents/<id>", view), *included]})
        request = type("Request", (WSGIRequest,), {"urlconf": urls})
        with override_settings(MIDDLEWARE=middleware):
            return wsgi(type("Handler", (WSGIHandler,), {"request_class": request})())

    return served(by_hand), served(read, f"{__name__}.gatekeeper")


def gatekeeper(get_response: Any) -> Any:
    """Return the middleware of a guard for Django, which names it."""
    from policyengine.adapters.django import Guard

    return Guard(PolicyEngine.from_text(POLICY)).middleware(get_response)


def _fastmcp(groups: int) -> tuple[Ask, Ask]:
    from fastmcp import FastMCP
    from fastmcp.exceptions import ToolError

    from policyengine.adapters.mcp import Guard
    from policyengine.adapters.mcp_vocabulary import vocabulary

    names = ["read", *(f"other{number}" for number in range(groups * IN_GROUP))]
    schema = {"properties": {"id": {"type": "string"}}}
    manifest = [{"name": name, "inputSchema": schema} for name in names]
    permit = 'permit own: call_read when subject == Caller "ann"'
    engine = PolicyEngine.from_text(vocabulary(manifest) + permit)
    asking = {"who": "ann"}
    bare, guarded = FastMCP("bare"), FastMCP("guarded")

    @bare.tool(name="read")
    async def by_hand(id: str) -> str:
        if asking["who"] != "ann":
            raise ToolError("it belongs to somebody else", log_level=0)
        return _DOCUMENTS[id].title

    @guarded.tool
    async def read(id: str) -> str:
        return _DOCUMENTS[id].title

    for number in range(groups * IN_GROUP):
        bare.tool(by_hand, name=f"other{number}")
        guarded.tool(read, name=f"other{number}")
    Guard(engine, subject=lambda _: {"type": "Caller", "id": asking["who"]}).install(guarded)

    def served(server: FastMCP) -> Ask:
        loop = asyncio.new_event_loop()

        def ask(user: str) -> int:
            asking["who"] = user
            try:
                found = loop.run_until_complete(server.call_tool("read", {"id": "plan"}))
            except ToolError:
                return 403
            return 403 if found.is_error else 200

        finalize(ask, loop.close)
        return ask

    return served(bare), served(guarded)


def wsgi(app: Any) -> Ask:
    """Return what asks an application of WSGI."""
    status: list[str] = []

    def start_response(found: str, _headers: object, _problem: object = None) -> None:
        status.append(found)

    def ask(user: str) -> int:
        status.clear()
        environ = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/documents/plan", "QUERY_STRING": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
            "HTTP_X_USER": user, "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
        for _ in app(environ, start_response):
            pass
        return int(status[0][:3])

    return ask


def asgi(app: Any, loop: asyncio.AbstractEventLoop | None = None) -> Ask:
    """Return what asks an application of ASGI, in the *loop* of others if there is one."""
    own = loop is None
    loop = loop or asyncio.new_event_loop()
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        status.append(message.get("status", 0))

    def ask(user: str) -> int:
        status.clear()
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "path": "/documents/plan", "raw_path": b"/documents/plan", "query_string": b"", "root_path": "",
            "scheme": "http", "headers": [(b"host", b"localhost"), (b"x-user", user.encode())],
            "client": ("localhost", 1), "server": ("localhost", 80), "state": {},
        }  # fmt: skip
        loop.run_until_complete(app(scope, receive, send))
        return status[0]

    if own:
        finalize(ask, loop.close)
    return ask
