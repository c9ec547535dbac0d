"""Hold that what is for everybody is what a guard returned, and nothing that shares its function."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any

import pytest
from flask import Flask
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from policyengine.adapters import flask, starlette
from policyengine.adapters.declaring import declared_apart, is_declared
from tests.adapters.django_site import guard as guard_of_django
from tests.adapters.documents import ENGINE

SECRET = "secret"


class Page:
    def __init__(self, text: str) -> None:
        self.text = text

    async def page(self, _: Any) -> PlainTextResponse:
        return PlainTextResponse(self.text)


def test_a_method_of_one_object_is_not_that_of_another():
    guard = starlette.Guard(ENGINE, subject=lambda _: None)
    routes = [
        Route("/open", guard.public(Page("open").page)),
        Route("/secret", Page(SECRET).page),
    ]
    app = Starlette(routes=routes)
    guard.install(app)
    client = TestClient(app)
    assert client.get("/open").text == "open"
    assert client.get("/secret").status_code == 403


def test_a_function_that_is_served_as_it_is_has_to_be_declared():
    guard = starlette.Guard(ENGINE, subject=lambda _: None)

    async def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse(SECRET)

    app = Starlette(routes=[Route("/open", guard.public(page)), Route("/secret", page)])
    guard.install(app)
    client = TestClient(app)
    assert client.get("/open").text == SECRET
    assert client.get("/secret").status_code == 403


def test_a_method_that_a_class_declares_is_not_that_of_its_siblings():
    guard = flask.Guard(ENGINE, subject=lambda: None)

    class Base(MethodView):
        text = "open"

        def get(self) -> str:
            return self.text

    class Open(Base):
        get = guard.public(Base.get)

    class Secret(Base):
        text = SECRET

    app = Flask(__name__)
    app.add_url_rule("/open", view_func=Open.as_view("open"))
    app.add_url_rule("/secret", view_func=Secret.as_view("secret"))
    guard.install(app)
    assert app.test_client().get("/open").text == "open"
    assert app.test_client().get("/secret").status_code == 403


def test_a_view_of_django_is_declared_apart():
    def view(_: Any) -> None:
        """Answer nothing."""

    assert is_declared(guard_of_django.public(view))
    assert not is_declared(view)


def plain(a: int, *more: int, b: int = 2, **rest: int) -> tuple[Any, ...]:
    """Say what it is given."""
    return a, more, b, rest


@functools.wraps(plain)
def wrapping(*args: Any, **more: Any) -> Any:
    return plain(*args, **more)


async def waiting(a: int) -> int:
    return a


@pytest.mark.parametrize("function", [plain, wrapping])
def test_what_is_declared_apart_does_the_same(function: Any):
    function.marked = True
    made = declared_apart(function)
    assert made(1, 2, b=3, c=4) == function(1, 2, b=3, c=4) == (1, (2,), 3, {"c": 4})
    assert (made.__name__, made.__doc__, made.__module__, made.__qualname__) == (
        function.__name__, function.__doc__, function.__module__, function.__qualname__,
    )  # fmt: skip
    assert inspect.signature(made) == inspect.signature(function)
    assert getattr(made, "__wrapped__", None) is getattr(function, "__wrapped__", None)
    assert made.marked
    assert is_declared(made)
    assert not is_declared(function)


def test_what_is_declared_apart_is_awaited_as_before():
    made = declared_apart(waiting)
    assert inspect.iscoroutinefunction(made)
    assert asyncio.run(made(1)) == 1
    assert is_declared(declared_apart(made))
