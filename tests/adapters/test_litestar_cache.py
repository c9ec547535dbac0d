"""Hold that the cache of Litestar gives nobody what was answered for another decision."""

from dataclasses import asdict
from typing import Any

import pytest
from litestar import Litestar, Request, Router, get
from litestar.config.response_cache import ResponseCacheConfig
from litestar.testing import TestClient

from policyengine import PolicyEngine
from policyengine.adapters.litestar import Guard
from tests.adapters.documents import Document, User, registered

USERS = {name: User(name) for name in ("ann", "bob", "cid", "eve")}
TITLES = {"plan": "Plan", "planx=1": "Mine", "open": "open"}
DOCUMENTS = {id_: Document(id_, USERS["ann"], title) for id_, title in TITLES.items()}
DOCUMENTS["planx=1"].owner = USERS["bob"]

ENGINE = PolicyEngine.from_text("""\
package documents
entity User { suspended: bool }
entity Document { owner: User, title: string }
action read by User on Document
field gate view "which parts may be seen"
gate view {
    permit own: any when resource.owner == subject fields all
    permit open: any when resource.title == "open" and not (subject == User "eve") fields id, title
}
""")
registered(ENGINE)
GUARD = Guard(ENGINE, subject=lambda connection: USERS.get(connection.headers.get("x-user", "")))


async def load(connection: Any) -> Any:
    return DOCUMENTS.get(connection.path_params["id"])


def built(request: Request[Any, Any, Any]) -> str:
    return request.url.path + request.url.query


def service(
    ran: list[str], *, key: Any = None, filter_: Any = None, in_router: bool = False
) -> TestClient[Any]:
    @get("/{id:str}", guards=[GUARD.requires("read", load)], cache=True, cache_key_builder=key)
    async def show(request: Request[Any, Any, Any]) -> dict[str, object]:
        ran.append(id := request.path_params["id"])
        return GUARD.decision_on(request).redact(asdict(DOCUMENTS[id]))

    more = {} if filter_ is None else {"cache_response_filter": filter_}
    app = Litestar(
        [Router("/", route_handlers=[show]) if in_router else show], plugins=[GUARD], openapi_config=None, logging_config=None,
        response_cache_config=ResponseCacheConfig(**more),
    )  # fmt: skip
    return TestClient(app, raise_server_exceptions=False)


def asked(client: TestClient[Any], path: str, user: str) -> Any:
    return client.get(path, headers={"x-user": user}).json()


@pytest.mark.parametrize("in_router", [False, True])
@pytest.mark.parametrize("key", [None, built])
def test_an_answer_of_the_cache_is_of_the_resource_that_was_decided_about(
    key: Any, in_router: bool
):
    """Litestar writes `/plan?x=1` and `/planx=1` as one key."""
    ran: list[str] = []
    client = service(ran, key=key, in_router=in_router)
    assert asked(client, "/plan?x=1", "ann")["title"] == "Plan"
    assert asked(client, "/planx%3D1", "bob")["title"] == "Mine"
    assert asked(client, "/plan?x=1", "ann")["title"] == "Plan"
    assert ran == ["plan", "planx=1"]


def test_an_answer_of_the_cache_shows_what_its_decision_exposes():
    ran: list[str] = []
    client = service(ran)
    whole, parts = {"id", "title", "owner"}, {"id", "title"}
    for user, shown in (("ann", whole), ("bob", parts), ("ann", whole), ("cid", parts)):
        assert set(asked(client, "/open", user)) == shown, user
    assert ran == ["open", "open"]  # bob and cid are shown the same


def test_a_refusal_is_not_kept_for_those_who_may():
    ran: list[str] = []
    client = service(ran, filter_=lambda _, __: True)
    for _ in range(2):
        assert asked(client, "/open", "eve")["status"] == 403
        assert asked(client, "/open", "")["status"] == 401
        assert asked(client, "/open", "ann")["title"] == "open"
    assert ran == ["open"]


def test_what_is_for_everybody_is_kept_as_before():
    ran: list[str] = []

    @get("/", guards=[GUARD.public], cache=True)
    async def show() -> str:
        ran.append("show")
        return "public"

    client = TestClient(Litestar([show], plugins=[GUARD], openapi_config=None, logging_config=None))
    assert [client.get("/").text for _ in range(2)] == ["public"] * 2
    assert ran == ["show"]
