"""Hold that no way round the check which Flask offers reaches a view that is not declared, or one that was denied.

Each way is tried without a guard, where it reaches the secret; with one; and declared to be public.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Blueprint, Flask, redirect, request, url_for
from flask.testing import FlaskClient
from flask.views import MethodView, View
from werkzeug.routing import Rule

from policyengine.adapters.flask import Guard
from tests.adapters.documents import DOCUMENTS, ENGINE, USERS

SECRET = "the secret"


def current_user() -> Any:
    return USERS.get(request.headers.get("x-user", ""))


def load(id: str = "plan") -> Any:
    return DOCUMENTS.get(id)


GUARD = Guard(ENGINE, subject=current_user, context=lambda: None)
Ask = Callable[[FlaskClient], str]
Declare = Callable[[Any], Any]
Way = Callable[[Flask, Declare], Ask]
WAYS: list[Way] = []


def way(tried: Way) -> Way:
    WAYS.append(tried)
    return tried


def get(path: str, method: str = "GET", **more: Any) -> Ask:
    return lambda client: client.open(path, method=method, **more).get_data(as_text=True)


def secret(**_: Any) -> str:
    return SECRET


def cached(view: Any) -> Any:
    """Decorate a view by what may never call it."""

    @functools.wraps(view)
    def found(**_: Any) -> str:
        return SECRET

    return found


@way
def a_view(app, declare):
    app.route("/s")(declare(secret))
    return get("/s")


@way
def the_head_of_a_view(app, declare):
    app.route("/s")(declare(secret))
    return lambda client: SECRET if client.head("/s").status_code == 200 else ""


@way
def options_that_a_view_answers(app, declare):
    app.route("/s", methods=["OPTIONS"])(declare(secret))
    return get("/s", "OPTIONS")


@way
def another_method_of_a_declared_path(app, declare):
    app.get("/s")(GUARD.public(lambda: SECRET))
    app.add_url_rule("/s", "other", declare(secret), methods=["DELETE"])
    return get("/s", "DELETE")


@way
def a_blueprint(app, declare):
    outer, inner = Blueprint("outer", __name__, url_prefix="/a"), Blueprint("inner", __name__)
    inner.route("/s")(declare(secret))
    outer.register_blueprint(inner, url_prefix="/b")
    app.register_blueprint(outer)
    return get("/a/b/s")


@way
def a_view_in_the_place_of_another(app, declare):
    app.route("/s", endpoint="s")(GUARD.public(lambda: SECRET))
    app.view_functions["s"] = declare(secret)
    return get("/s")


@way
def an_endpoint_apart_from_its_rule(app, declare):
    app.url_map.add(Rule("/s", endpoint="s"))
    app.endpoint("s")(declare(secret))
    return get("/s")


@way
def a_rule_that_is_added_later(app, declare):
    def ask(client):
        client.get("/")
        app.url_map.add(Rule("/s", endpoint="s"))
        app.view_functions["s"] = declare(secret)
        return client.get("/s").get_data(as_text=True)

    return ask


@way
def a_rule_with_defaults(app, declare):
    app.add_url_rule("/s", "s", declare(secret), defaults={"id": "plan"})
    return get("/s")


@way
def a_path_with_a_slash_at_its_end(app, declare):
    app.route("/s/")(declare(secret))
    return get("/s", follow_redirects=True)


@way
def a_path_of_which_the_slashes_are_merged(app, declare):
    app.route("/a/s")(declare(secret))
    return get("/a//s", follow_redirects=True)


@way
def a_redirect_of_a_declared_view(app, declare):
    app.route("/r")(GUARD.public(lambda: redirect(url_for("s"))))
    app.route("/s", endpoint="s")(declare(secret))
    return get("/r", follow_redirects=True)


@way
def a_view_of_a_host(app, declare):
    app.url_map.host_matching = True
    app.add_url_rule("/s", "s", declare(secret), host="files.example")
    return get("/s", headers={"host": "files.example"})


@way
def a_class(app, declare):
    class Own(View):
        def dispatch_request(self):
            return SECRET

    app.add_url_rule("/s", view_func=declare(Own.as_view("s")))
    return get("/s")


@way
def a_class_by_its_method(app, declare):
    class Own(View):
        @declare
        def dispatch_request(self):
            return SECRET

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def a_class_by_its_decorators(app, declare):
    class Own(MethodView):
        decorators = (declare,)

        def get(self):
            return SECRET

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def one_method_of_a_class(app, declare):
    class Own(MethodView):
        init_every_request = False

        @GUARD.public
        def post(self):
            return SECRET

        @declare
        def get(self):
            return SECRET

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return lambda client: client.get("/s").get_data(as_text=True) if client.head("/s") else ""


@way
def a_class_that_derives(app, declare):
    class Base(MethodView):
        @GUARD.public
        def get(self):
            return "public"

    class Own(Base):
        @declare
        def get(self):
            return SECRET

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def a_decorator_above(app, declare):
    app.route("/s")(declare(cached(GUARD.public(secret_of_its_own()))))
    return get("/s")


def secret_of_its_own() -> Any:
    return lambda *_, **__: SECRET


@way
def a_decorator_above_a_class(app, declare):
    class Own(MethodView):
        @GUARD.public
        def get(self):
            return "public"

    app.add_url_rule("/s", view_func=declare(cached(Own.as_view("s"))))
    return get("/s")


@way
def a_decorator_in_a_class(app, declare):
    class Own(MethodView):
        decorators = (cached, declare)

        @GUARD.public
        def get(self):
            return "public"

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def a_function_before_requests(app, declare):
    app.before_request(lambda: SECRET)
    app.route("/s")(declare(lambda: "another"))
    return get("/s")


@way
def a_function_that_is_put_before_all_others(app, declare):
    app.route("/s")(declare(lambda: "another"))

    def ask(client):
        app.before_request_funcs.setdefault(None, []).insert(0, lambda: SECRET)
        return client.get("/s").get_data(as_text=True)

    return ask


@way
def a_rule_that_a_function_before_requests_sets(app, declare):
    app.add_url_rule("/open", "open", GUARD.public(lambda: "public"))
    app.add_url_rule("/s", "s", declare(secret))
    (rule,) = app.url_map.iter_rules("s")

    @app.before_request
    def lead() -> None:
        request.url_rule = rule

    return get("/open")


@way
def a_decorator_above_a_class_that_hides_it(app, declare):
    class Own(MethodView):
        @GUARD.public
        def get(self):
            return "public"

    def found(**_):
        return SECRET

    vars(found).update(vars(Own.as_view("s")))
    app.add_url_rule("/s", "s", declare(found))
    return get("/s")


@way
def what_stands_for_a_method(app, declare):
    class Controller:
        @GUARD.public
        def show(self):
            return "public"

    class Proxy:
        def __init__(self, method):
            self.method = method

        def __getattr__(self, name):
            return getattr(self.method, name)

        def __call__(self):
            return SECRET

    app.add_url_rule("/s", "s", declare(Proxy(Controller().show)))
    return get("/s")


@way
def a_class_that_gets_another_method_later(app, declare):
    class Own(MethodView):
        @GUARD.public
        def get(self):
            return "public"

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return swapped("/s", lambda: setattr(Own, "get", declare(secret_of_its_own())))


@way
def an_object_with_another_method_than_its_class(app, declare):
    class Own(MethodView):
        def __init__(self):
            self.get = declare(secret_of_its_own())

        @GUARD.public
        def get(self):
            return "public"

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def an_object_that_swaps_its_method_while_it_answers(app, declare):
    class Own(MethodView):
        init_every_request = False

        @GUARD.public
        def get(self):
            self.get = declare(secret_of_its_own())
            return "public"

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return swapped("/s", lambda: None)


@way
def an_object_that_dispatches_in_another_way(app, declare):
    class Own(View):
        def __init__(self):
            self.dispatch_request = declare(secret_of_its_own())

        @GUARD.public
        def dispatch_request(self):
            return "public"

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def an_object_that_finds_its_method_itself(app, declare):
    class Own(MethodView):
        @GUARD.public
        def get(self):
            return "public"

        def __getattribute__(self, name):
            return other if name == "get" else super().__getattribute__(name)

    other = declare(secret_of_its_own())
    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def an_object_of_another_class(app, declare):
    class Other(MethodView):
        @declare
        def get(self):
            return SECRET

    class Own(MethodView):
        def __new__(cls):
            return Other()

        @GUARD.public
        def get(self):
            return "public"

    app.add_url_rule("/s", view_func=Own.as_view("s"))
    return get("/s")


@way
def a_view_that_is_said_to_be_of_another_class(app, declare):
    class Own(MethodView):
        init_every_request = False

        @declare
        def get(self):
            return SECRET

    class Other(MethodView):
        @GUARD.public
        def get(self):
            return "public"

    view = Own.as_view("s")
    view.view_class = Other
    app.add_url_rule("/s", view_func=view)
    return get("/s")


@way
def a_rule_that_a_function_redirects(app, declare):
    app.url_map.add(Rule("/s", endpoint="s", redirect_to=declare(lambda _: SECRET)))
    return lambda client: unquote(client.get("/s").headers.get("location", ""))


def swapped(path: str, swap: Callable[[], object]) -> Ask:
    """Ask once, *swap* something and ask again."""

    def ask(client: FlaskClient) -> str:
        client.get(path)
        swap()
        return client.get(path).get_data(as_text=True)

    return ask


def as_it_is(view: Any) -> Any:
    """Declare nothing, of a copy: what is declared elsewhere does not count here."""
    if view is secret:
        return secret_of_its_own()
    return view


@pytest.mark.parametrize("made", WAYS, ids=lambda made: made.__name__)
def test_what_is_not_declared_is_refused(made: Way):
    def tried(declare: Declare, *, guarded: bool) -> str:
        app = Flask("service", static_folder=None)
        ask = made(app, declare)
        if guarded:
            GUARD.install(app)
        return ask(app.test_client())

    assert SECRET in tried(as_it_is, guarded=False)
    found = tried(as_it_is, guarded=True)
    assert SECRET not in found
    assert "nothing is permitted here" in found or found == ""
    assert SECRET in tried(lambda view: GUARD.public(as_it_is(view)), guarded=True)


def test_files_are_public_where_they_are_named(tmp_path):
    (tmp_path / "a.txt").write_text(SECRET)

    def served(path: str, method: str = "GET", public: Any = ()) -> int:
        app = Flask("service", static_folder=str(tmp_path), static_url_path="/static")
        app.get("/both", endpoint="both")(lambda: SECRET)
        app.post("/both", endpoint="posted")(lambda: SECRET)
        app.route("/form", endpoint="form", methods=["GET", "POST"])(lambda: SECRET)
        GUARD.install(app, public=public)
        with app.test_client().open(path, method=method) as response:
            return response.status_code

    assert served("/static/a.txt") == served("/static/a.txt", public=["/static", "*"]) == 403
    assert served("/static/a.txt", public="static") == 200
    assert (served("/both", public="both"), served("/both", "POST", "both")) == (200, 403)
    assert (
        served("/form", public="form") == served("/form", "POST", "form") == 403
    )  # it is not only read
