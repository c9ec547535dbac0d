"""Actions that have contexts of their own are guarded beside each other, each by a guard that gives its context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from litestar import Litestar, get
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import tests.django_settings  # noqa: F401 - before what needs them

from django.http import HttpResponse  # isort: skip
from django.test import RequestFactory  # isort: skip
from django.urls import ResolverMatch  # isort: skip

from policyengine import PolicyEngine
from policyengine.adapters import django as for_django
from policyengine.adapters import flask as for_flask
from policyengine.adapters import litestar as for_litestar
from policyengine.adapters import starlette as for_starlette

ENGINE = PolicyEngine.from_text("""
    package seeds
    entity Person
    entity Bag
    action look by Person on Bag
    action take by Person on Bag with { grams: int }
    permit all_look: look
    permit few: take when context.grams < 10
""")
ANN, BAG = ENGINE.entity("Person", "ann"), ENGINE.entity("Bag", "wheat")
PATHS = ("/look", "/take?grams=9", "/take?grams=10", "/undeclared")
Ask = Callable[[str], int]


def of_django() -> Ask:
    looks = for_django.Guard(ENGINE, subject=lambda _: ANN)
    takes = for_django.Guard(
        ENGINE, subject=lambda _: ANN, context=lambda request: {"grams": int(request.GET["grams"])}
    )

    def view(request: object) -> HttpResponse:
        return HttpResponse("well")

    views = {
        "/look": looks.requires("look", BAG)(view),
        "/take": takes.requires("take", BAG)(view),
        "/undeclared": view,
    }

    def ask(path: str) -> int:
        request = RequestFactory().get(path)
        asked = views[request.path]
        request.resolver_match = ResolverMatch(asked, (), {})
        refused = looks.middleware(asked).process_view(request, asked, (), {})
        return int((refused or asked(request)).status_code)

    return ask


def of_flask() -> Ask:
    app = flask.Flask(__name__)
    looks = for_flask.Guard(ENGINE, subject=lambda: ANN)
    takes = for_flask.Guard(
        ENGINE, subject=lambda: ANN, context=lambda: {"grams": int(flask.request.args["grams"])}
    )
    looks.install(app)
    app.get("/look")(looks.requires("look", BAG)(lambda: "look"))
    app.get("/take", endpoint="take")(takes.requires("take", BAG)(lambda: "take"))
    app.get("/undeclared", endpoint="undeclared")(lambda: "undeclared")
    return lambda path: app.test_client().get(path).status_code


def _grams(connection: Any) -> dict[str, int]:
    return {"grams": int(connection.query_params["grams"])}


def of_starlette() -> Ask:
    looks = for_starlette.Guard(ENGINE, subject=lambda _: ANN)
    takes = for_starlette.Guard(ENGINE, subject=lambda _: ANN, context=_grams)

    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("well")

    async def undeclared(request: Request) -> PlainTextResponse:
        return PlainTextResponse("well")

    app = Starlette(
        routes=[
            Route("/look", looks.requires("look", BAG)(endpoint)),
            Route("/take", takes.requires("take", BAG)(endpoint)),
            Route("/undeclared", undeclared),
        ]
    )
    looks.install(app)
    client = TestClient(app)
    return lambda path: client.get(path).status_code


def of_litestar() -> Ask:
    looks = for_litestar.Guard(ENGINE, subject=lambda _: ANN)
    takes = for_litestar.Guard(ENGINE, subject=lambda _: ANN, context=_grams)

    @get("/look", guards=[looks.requires("look", BAG)], sync_to_thread=False)
    def look() -> str:
        return "look"

    @get("/take", guards=[takes.requires("take", BAG)], sync_to_thread=False)
    def take() -> str:
        return "take"

    @get("/undeclared", sync_to_thread=False)
    def undeclared() -> str:
        return "undeclared"

    client = LitestarClient(
        Litestar([look, take, undeclared], plugins=[looks], logging_config=None)
    )
    return lambda path: client.get(path).status_code


@pytest.mark.parametrize("make", [of_django, of_flask, of_starlette, of_litestar])
def test_an_action_with_a_context_has_a_guard_of_its_own(make: Callable[[], Ask]):
    ask = make()
    assert [ask(path) for path in PATHS] == [200, 200, 403, 403]
