"""Hold that a class of Django's views, or an object of one, that dispatches in another way by now answers nothing unchecked."""

from __future__ import annotations

import abc
from typing import Any

import pytest

pytest.importorskip("django")

import tests.django_settings  # noqa: F401 - before what needs them
from policyengine.adapters.django import Guard
from tests.adapters import django_site as site

from django.core.exceptions import ImproperlyConfigured  # isort: skip  # after its settings
from django.http import HttpResponse  # isort: skip
from django.test import RequestFactory  # isort: skip
from django.views.generic import View  # isort: skip


class Shown(site.GuardedView, View):
    guard, action = site.guard, "read"

    def get_resource(self, *_: Any, **__: Any) -> site.Note:
        return site.Note(pk=1, owner=site.User(username="bob"))

    def get(self, _: Any) -> HttpResponse:
        return HttpResponse("secret")


def asked(view: Any, who: str) -> Any:
    request = RequestFactory().get("/")
    request.user = site.User(username=who)
    return view(request)


@pytest.mark.parametrize("where", ["class", "base"])
def test_a_class_that_dispatches_otherwise_by_now_answers_nothing(where: str):
    base = type("Base", (Shown,), {})
    own = type("Own", (base,), {})
    view = own.as_view()
    assert asked(view, "bob").content == b"secret"
    (own if where == "class" else base).dispatch = site.undeclared
    for who in ("bob", "ann"):
        with pytest.raises(ImproperlyConfigured, match="first base"):
            asked(view, who)


def test_an_object_has_no_dispatch_of_its_own():
    def setup(self: Any, *args: Any, **kwargs: Any) -> None:
        Shown.setup(self, *args, **kwargs)
        vars(self)["dispatch"] = site.undeclared

    view = type("Own", (Shown,), {"setup": setup}).as_view()
    assert asked(view, "bob").content == b"secret"
    assert asked(view, "ann").status_code == 403


def test_an_object_does_not_become_one_of_another_class():
    class Other(View):
        def get(self, _: Any) -> HttpResponse:
            return HttpResponse("secret")

    def setup(self: Any, *args: Any, **kwargs: Any) -> None:
        Shown.setup(self, *args, **kwargs)
        self.__class__ = Other

    view = type("Own", (Shown,), {"setup": setup}).as_view()
    with pytest.raises(ImproperlyConfigured, match="became one of another class"):
        asked(view, "ann")


class Makes(type):
    def __call__(cls, *_: Any, **__: Any) -> Any:
        return View()


@pytest.mark.parametrize(
    ("maker", "parts", "name"),
    [
        (type, {"__new__": lambda *_, **__: View()}, "__new__"),
        (type, {"__getattribute__": lambda *_: site.undeclared}, "__getattribute__"),
        (Makes, {}, "metaclass"),
    ],
)
def test_a_class_that_makes_or_reads_its_objects_itself_is_no_view(
    maker: Any, parts: dict[str, Any], name: str
):
    with pytest.raises(ImproperlyConfigured, match=f"`Own` has a `{name}` of its own"):
        maker("Own", (Shown,), parts)


def test_a_view_may_be_abstract():
    view = abc.ABCMeta("Own", (Shown,), {}).as_view()
    assert asked(view, "bob").content == b"secret"
    assert asked(view, "ann").status_code == 403


def test_what_a_request_says_fills_no_class():
    for part in ("subject", "context"):
        with pytest.raises(TypeError, match=f"`{part}` is a class"):
            Guard(site.engine, **{part: site.Note})  # type: ignore[arg-type]  # which is the point
    with pytest.raises(TypeError, match="`resource` is a class"):
        site.guard.requires("read", site.Note)


def test_a_resource_is_not_another_one_by_a_default_of_its_own():
    def plan(_: Any, name: str = "plan") -> Any:
        raise AssertionError(name)

    def memo(_: Any, name: str = "memo") -> HttpResponse:
        raise AssertionError(name)

    with pytest.raises(TypeError, match="another default of `name`"):
        site.guard.requires("read", plan)(memo)
    with pytest.raises(TypeError, match="another default of `name`"):
        type("Own", (Shown,), {"get_resource": plan, "get": memo}).as_view()
    assert site.guard.requires("read", plan)(lambda _, name="plan", page=1: plan)
    assert type("Own", (Shown,), {"get": memo}).as_view()


@pytest.mark.parametrize("method", ["get", "http_method_not_allowed"])
def test_whatever_method_an_object_puts_in_the_place_of_another_is_asked_about(method: str):
    def setup(self: Any, *args: Any, **kwargs: Any) -> None:
        Shown.setup(self, *args, **kwargs)
        setattr(self, method, lambda *_: HttpResponse("another secret"))

    view = type("Own", (Shown,), {"setup": setup}).as_view()
    for verb in ("get", "put"):
        request = getattr(RequestFactory(), verb)("/")
        request.user = site.User(username="ann")
        assert view(request).status_code == 403
