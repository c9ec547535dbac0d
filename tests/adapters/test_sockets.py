"""Try the adapters as servers serve them: over sockets, with requests that a client library would not write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from socket import create_connection
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

pytest.importorskip("django")
pytest.importorskip("fastmcp")
import uvicorn
from fastapi import FastAPI, Header, WebSocket
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server.dependencies import get_http_headers
from flask import Flask
from flask import request as asked
from litestar import Litestar, get

import tests.django_settings  # noqa: F401 - before what needs them
from policyengine.adapters import django, fastapi, flask, litestar
from policyengine.adapters.mcp import Guard
from tests.adapters.documents import DOCUMENTS, ENGINE, USERS
from tests.adapters.test_mcp_bypasses import ENGINE as OF_TOOLS
from tests.adapters.test_mcp_bypasses import OPEN, SHUT, WHY

from django.core.handlers.wsgi import WSGIHandler  # isort: skip  # after its settings
from django.http import HttpResponse  # isort: skip
from django.test import override_settings  # isort: skip
from django.urls import path  # isort: skip

HOST = "127.0.0.1"
SECRET = "the secret"


def load(name: str) -> Any:
    return DOCUMENTS.get(name)


def fastapi_app() -> Any:
    def current_user(x_user: str = Header("")) -> Any:
        return USERS.get(x_user)

    guard = fastapi.Guard(ENGINE, subject=current_user)
    may_read = guard.requires("read", load)
    app = FastAPI(openapi_url=None)
    guard.install(app)

    @app.get("/doc/{name}", dependencies=[may_read])
    def show(name: str) -> str:
        return SECRET

    @app.websocket("/doc/{name}", dependencies=[may_read])
    async def listen(websocket: WebSocket, name: str) -> None:
        await websocket.accept()

    @app.api_route("/undeclared", methods=["GET", "DELETE"])
    def undeclared() -> str:
        return SECRET

    return app


def litestar_app() -> Any:
    guard = litestar.Guard(ENGINE, subject=lambda c: USERS.get(c.headers.get("x-user", "")))
    may_read = guard.requires("read", lambda c: DOCUMENTS.get(c.path_params["name"]))

    async def answer() -> str:
        return SECRET

    handlers = [get("/doc/{name:str}", guards=[may_read])(answer), get("/undeclared")(answer)]
    return Litestar(handlers, plugins=[guard], openapi_config=None, logging_config=None)


def flask_app() -> Any:
    guard = flask.Guard(ENGINE, subject=lambda: USERS.get(asked.headers.get("x-user", "")))
    app = Flask("service", static_folder=None)
    guard.install(app)
    app.get("/doc/<name>", endpoint="doc")(guard.requires("read", load)(lambda name: SECRET))
    app.route("/undeclared", methods=["GET", "DELETE"])(lambda: SECRET)
    return app


@contextmanager
def by_uvicorn(make: Callable[[], Any]) -> Iterator[int]:
    """Serve an application on a port of its own, which is given."""
    config = uvicorn.Config(make(), HOST, 0, log_level="critical", access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def by_wsgiref(make: Callable[[], Any]) -> Iterator[int]:
    """Do as `by_uvicorn`, for WSGI."""
    with make_server(HOST, 0, make(), handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def by_django(make: Any) -> Iterator[int]:
    """Serve the site of this module."""
    settings = {
        "ROOT_URLCONF": __name__,
        "MIDDLEWARE": [f"{__name__}.gatekeeper"],
        "ALLOWED_HOSTS": [HOST],
    }
    with override_settings(**settings), by_wsgiref(make) as port:
        yield port


OF_DJANGO = django.Guard(
    ENGINE, subject=lambda request: USERS.get(request.headers.get("x-user", ""))
)
gatekeeper = OF_DJANGO.middleware
may_read = OF_DJANGO.requires("read", lambda _, name: load(name))
urlpatterns = [
    path("doc/<name>", may_read(lambda _, name: HttpResponse(SECRET))),
    path("undeclared", lambda _: HttpResponse(SECRET)),
]


def sent(
    port: int, target: str, user: str = "", method: str = "GET", *more: str
) -> tuple[int, str]:
    """Return the status and the rest of what a server answers to a request that is sent as it is written."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {HOST}",
        *([f"X-User: {user}"] if user else []),
        *more,
    ]
    with create_connection((HOST, port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    status, _, rest = answer.partition("\r\n")
    return int(status.split()[1]), rest


SERVICES = {
    "fastapi": (by_uvicorn, fastapi_app), "litestar": (by_uvicorn, litestar_app), "flask": (by_wsgiref, flask_app),
    "django": (by_django, WSGIHandler),
}  # fmt: skip
TARGETS = [
    ("/doc/plan",), ("/doc/plan?id=open",), ("/doc/%70lan",), ("/doc/plan", "HEAD"), ("/doc/plan", "get"), ("/doc/./plan",),
    ("/doc/open/../plan",), ("//doc/plan",), (f"http://{HOST}/doc/plan",), ("/doc/plan", "GET", "X-User: ann"),
    ("/doc/plan", "GET", "X-HTTP-Method-Override: OPTIONS"), ("/doc/plan", "GET", "X_User: ann"),
    ("/doc/plan", "GET", "X-Original-URL: /doc/open"), ("/undeclared",), ("/undeclared", "DELETE"), ("/undeclared/",),
    ("/doc/plan", "GET", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA=="),
]  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_no_request_reaches_what_is_denied(name: str):
    serve, make = SERVICES[name]
    with serve(make) as port:
        status, said = sent(port, "/doc/plan", "ann")
        assert (status, SECRET in said) == (200, True)
        for target, *more in TARGETS:
            for user in ("bob", "eve"):
                status, said = sent(port, target, user, *more)
                assert status not in (101, 200), (target, more)
                assert SECRET not in said
        connection = HTTPConnection(HOST, port, timeout=10)
        found = []
        for user in ("ann", "bob", "ann"):  # over one connection, where the server keeps it
            connection.request("GET", "/doc/plan", headers={"X-User": user})
            response = connection.getresponse()
            found.append((response.status, SECRET in response.read().decode()))
        assert found == [(200, True), (403, False), (200, True)]
        connection.close()


def test_an_mcp_server_is_guarded_over_http():
    """Who calls is who the header of each request says, also within one session."""
    server = FastMCP("files")
    server.tool(lambda path, n=3: SECRET, name="read")

    def caller(_: Any) -> Any:
        return {"type": "Caller", "id": get_http_headers()["x-user"]}

    Guard(OF_TOOLS, subject=caller).install(server)

    async def ask(port: int, user: str, arguments: Any) -> tuple[str, int]:
        url = f"http://{HOST}:{port}/mcp"
        async with Client(StreamableHttpTransport(url, headers={"x-user": user})) as client:
            listed = await client.list_tools()
            found = await client.call_tool("read", arguments, raise_on_error=False)
            return found.content[0].text, len(listed)

    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    with by_uvicorn(server.http_app) as port:
        assert asyncio.run(ask(port, "ann", OPEN)) == (SECRET, 1)
        assert asyncio.run(ask(port, "ann", SHUT)) == (WHY[2:], 1)
        assert asyncio.run(ask(port, "bob", OPEN)) == (WHY[2:], 0)
