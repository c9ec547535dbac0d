"""Hold that what an MCP server serves beside MCP is refused unless it is declared."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastmcp")
from fastmcp import FastMCP
from fastmcp.contrib.component_manager import set_up_component_manager
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from policyengine.adapters import starlette
from policyengine.adapters.mcp import Guard
from tests.adapters.documents import DOCUMENTS, USERS
from tests.adapters.documents import ENGINE as OF_DOCUMENTS
from tests.adapters.test_mcp_bypasses import ENGINE

SECRET = "the secret"
READS = starlette.Guard(
    OF_DOCUMENTS, subject=lambda connection: USERS.get(connection.headers.get("x-user", ""))
).requires("read", DOCUMENTS["plan"])


async def page(_: Any) -> PlainTextResponse:
    return PlainTextResponse(SECRET)


async def listened(socket: Any) -> None:
    await socket.accept()
    await socket.send_text(SECRET)
    await socket.close()


async def application(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse(SECRET)(scope, receive, send)


class OfOwn(Route):
    """A route that answers by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await application(scope, receive, send)


def server(*routes: Any) -> FastMCP:
    made = FastMCP("files")
    made._additional_http_routes.extend(routes)
    return made


def client(made: FastMCP, *, guarded: bool = True, mounted: bool = False) -> TestClient:
    outer = made
    if mounted:
        outer = FastMCP("outer")
        outer.mount(made)
    if guarded:
        Guard(ENGINE, subject=lambda _: {"type": "Caller", "id": "ann"}).install(outer)
    return TestClient(outer.http_app(), raise_server_exceptions=False)


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("route", [Route("/s", page), Mount("/s", application), OfOwn("/s", page)])
def test_what_is_not_declared_is_refused(route: Any, mounted: bool):
    assert client(server(route), guarded=False, mounted=mounted).get("/s/").text == SECRET
    refused = client(server(route), mounted=mounted).get("/s/")
    assert refused.status_code == (404 if isinstance(route, OfOwn) else 403)
    assert SECRET not in refused.text


@pytest.mark.parametrize("late", [False, True])
def test_what_is_declared_is_served_to_those_who_may(late: bool, caplog: Any):
    made, guard = FastMCP("files"), Guard(ENGINE, subject=lambda _: None)
    if not late:
        guard.install(made)
    made.custom_route("/health", methods=["GET"])(guard.public(page))
    made.custom_route("/plan", methods=["GET"])(READS(page))
    made.custom_route("/s", methods=["GET"])(page)
    made._additional_http_routes.append(Mount("/below", READS.app(application)))
    if late:
        guard.install(made)
    asking = TestClient(made.http_app())
    assert asking.get("/health").text == SECRET
    for path in ("/plan", "/below/x"):
        assert asking.get(path, headers={"x-user": "ann"}).text == SECRET
        for user, status in (("bob", 403), ("", 401)):
            refused = asking.get(path, headers={"x-user": user})
            assert refused.status_code == status
            assert refused.headers["content-type"] == "application/problem+json"
    for _ in range(2):
        assert asking.get("/s").json()["detail"] == "nothing is permitted here"
    assert asking.post("/health").status_code == 405
    assert [r.message[:12] for r in caplog.records if "declared" in r.message] == ["the route /s"]


def test_a_route_that_is_replaced_while_it_is_served_is_refused():
    made, guard = FastMCP("files"), Guard(ENGINE, subject=lambda _: None)
    guard.install(made)
    route = Route("/s", guard.public(page))
    made._additional_http_routes.append(route)
    asking = TestClient(made.http_app())
    assert asking.get("/s").status_code == 200
    route.endpoint = page
    assert asking.get("/s").status_code == 403


def test_a_websocket_is_refused():
    def listening(*, guarded: bool) -> str:
        made = client(server(WebSocketRoute("/s", listened)), guarded=guarded)
        with made.websocket_connect("/s") as session:
            return str(session.receive_text())

    assert listening(guarded=False) == SECRET
    with pytest.raises(WebSocketDenialResponse):
        listening(guarded=True)


def test_components_are_managed_by_nobody_until_that_is_declared():
    def managed(*, guarded: bool) -> int:
        made = FastMCP("files")
        made.tool(lambda: "read", name="read")
        set_up_component_manager(made)
        return client(made, guarded=guarded).post("/tools/read/disable").status_code

    assert managed(guarded=False) == 200
    assert managed(guarded=True) == 403


def test_a_guard_of_starlette_may_be_installed_on_what_is_served():
    made, guard = FastMCP("files"), Guard(ENGINE, subject=lambda _: None)
    guard.install(made)
    made.custom_route("/health", methods=["GET"])(guard.public(page))
    app = made.http_app()
    starlette.Guard(OF_DOCUMENTS, subject=lambda _: None).install(app)
    assert TestClient(app).get("/health").text == SECRET
