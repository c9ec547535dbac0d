"""Hold that what is declared in Flask is decided about before it runs, and by the arguments that it gets."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from flask import Flask, abort, g
from flask.views import MethodView, View
from werkzeug.local import LocalProxy
from werkzeug.routing import Rule

from policyengine import PolicyEngine, PolicyHolder, SourcedEngine
from policyengine.adapters.flask import Guard, Refusal
from tests.adapters.documents import DOCUMENTS, ENGINE, POLICY, registered
from tests.adapters.test_flask_bypasses import GUARD, SECRET, current_user, load, secret_of_its_own


def service(ran: list[str], guard: Guard = GUARD, resource: Any = load) -> Flask:
    app = Flask("service", static_folder=None)
    app.before_request(lambda: None)
    guard.install(app)
    may_read, may_edit = guard.requires("read", resource), guard.requires("edit", resource)

    def note(name: str) -> str:
        ran.append(name)
        return SECRET

    @app.route("/doc/<id>")
    @may_read
    def show(id: str) -> str:
        assert GUARD.decision.allowed is g.decision.allowed is True
        return note("show")

    @app.route("/path/<path:id>")
    @may_read
    def of_path(id: str) -> str:
        return note("path")

    @app.route("/doc/<id>", methods=["PUT"])
    @may_edit
    def edit(id: str) -> str:
        return note("edit")

    @app.route("/stream/<id>")
    @may_read
    def stream(id: str) -> Any:
        return (note("stream") for _ in range(1))

    @app.route("/async/<id>")
    @may_read
    async def later(id: str) -> str:
        return note("later")

    @app.route("/two/<id>/<int:page>")
    @may_read
    def two(id: str, page: int) -> str:
        return note("two")

    @app.route("/calls/<other>")
    @guard.public
    def calls(other: str) -> Any:  # which asks for what it was not asked about
        return show(other)

    class Both(MethodView):
        @may_read
        def get(self, id: str) -> str:
            return note("get")

        @may_edit
        def post(self, id: str) -> str:
            return note("post")

    app.add_url_rule("/class/<id>", view_func=Both.as_view("both"))
    return app


TRIES = [
    ("GET", "/two/plan/1"),
    ("GET", "/doc/plan"), ("HEAD", "/doc/plan"), ("PUT", "/doc/plan"), ("GET", "/doc/plan?id=open"), ("GET", "/path/plan"),
    ("GET", "/stream/plan"), ("GET", "/async/plan"), ("GET", "/class/plan"), ("POST", "/class/plan"), ("HEAD", "/class/plan"),
    ("GET", "/calls/plan"), ("GET", "/doc/%70lan"), ("GET", "/path/a%2Fb"), ("GET", "/path/a/b"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), TRIES)
def test_what_is_declared_is_decided_before_it_runs(method, path):
    ran: list[str] = []
    client = service(ran).test_client()
    assert client.open(path, method=method, headers={"x-user": "ann"}).status_code == 200
    assert len(ran) == 1
    for user, status in (("bob", 403), ("eve", 403), ("", 401)):
        response = client.open(path, method=method, headers={"x-user": user}, json={"id": "open"})
        assert (response.status_code, len(ran)) == (status, 1)
        assert response.content_type == "application/problem+json"
        assert SECRET not in response.get_data(as_text=True)


def test_options_are_answered_without_a_view():
    ran: list[str] = []
    response = service(ran).test_client().options("/doc/plan")
    assert (response.status_code, response.allow, ran) == (
        200,
        {"GET", "HEAD", "OPTIONS", "PUT"},
        [],
    )


@pytest.mark.parametrize("path", ["/nowhere", "/doc/none", "/path/open/../plan", "/doc/plan;x"])
def test_what_there_is_not_is_not_found(path):
    ran: list[str] = []
    response = service(ran).test_client().get(path, headers={"x-user": "bob"})
    assert (response.status_code, ran) == (404, [])


def test_what_fails_while_it_is_loaded_is_no_way_in():
    ran: list[str] = []

    def missing(id: str) -> Any:
        return abort(410) if id == "gone" else 1 / 0

    app = service(ran, resource=missing)
    client = app.test_client()
    assert [
        client.get(f"/doc/{id_}", headers={"x-user": "ann"}).status_code for id_ in ("gone", "x")
    ] == [410, 500]
    app = service(ran, resource=missing)
    app.register_error_handler(Exception, lambda _: ("worded", 418))
    client = app.test_client()
    assert client.get("/doc/x", headers={"x-user": "ann"}).status_code == 418
    assert client.get("/doc/x", headers={"x-user": ""}).status_code == 401
    assert ran == []


def test_a_service_words_refusals_itself_where_it_wants():
    app = service([])
    app.register_error_handler(Refusal, lambda refusal: (refusal.decision.cause, refusal.status))
    response = app.test_client().get("/doc/plan", headers={"x-user": "eve"})
    assert (response.status_code, response.get_data(as_text=True)) == (403, "forbidden")


def test_a_resource_takes_the_arguments_that_it_names():
    seen: list[dict[str, Any]] = []

    def all_of(**given: Any) -> Any:
        seen.append(given)
        return DOCUMENTS["plan"]

    client = service([], resource=all_of).test_client()
    for path in ("/two/plan/1", "/class/plan", "/doc/plan"):
        assert client.get(path, headers={"x-user": "ann"}).status_code == 200
    assert seen == [{"id": "plan", "page": 1}, {"id": "plan"}, {"id": "plan"}]
    opened = {
        "type": "Document",
        "id": "x",
        "properties": {"title": "open", "owner": {"type": "User", "id": "u"}},
    }
    assert (
        service([], resource=opened)
        .test_client()
        .get("/doc/any", headers={"x-user": "bob"})
        .status_code
        == 200
    )


def first_of(**ids: Any) -> Any:
    """Find the first document that matches, as a database does."""
    found = (one for id_, one in DOCUMENTS.items() if ids.get("id", id_) == id_)
    return next(found, None)


def first_open(id: str = "open") -> Any:
    return DOCUMENTS.get(id)


@pytest.mark.parametrize("resource", [first_open, first_of])
@pytest.mark.parametrize("kind", ["view", "method", "decorated", "decorated class"])
def test_the_resource_is_of_the_arguments_that_a_view_does_not_name(kind, resource):
    may_read = GUARD.requires("read", resource)
    app = Flask("service", static_folder=None)
    GUARD.install(app)

    class Own(MethodView):
        decorators = [may_read] if kind == "decorated" else []

        def get(self, **ids):
            return SECRET

    class Plain(View):
        decorators = (may_read,)

        def dispatch_request(self, id):
            return SECRET

    if kind == "method":
        Own.get = may_read(Own.get)
    made = {"view": may_read(secret_of_its_own()), "decorated class": Plain.as_view("s")}
    app.add_url_rule("/s/<id>", "s", made.get(kind) or Own.as_view("s"))
    client = app.test_client()
    for id_, statuses in (("plan", [200, 403]), ("hers", [403, 403]), ("none", [404, 404])):
        found = [
            client.get(f"/s/{id_}", headers={"x-user": user}).status_code for user in ("ann", "bob")
        ]
        assert found == statuses


@pytest.mark.parametrize("resource", [first_open, first_of])
def test_the_resource_is_that_of_the_view_where_the_client_names_none(resource):
    app = Flask("service", static_folder=None)
    GUARD.install(app)

    @app.route("/s")
    @GUARD.requires("read", resource)
    def show(id="plan"):
        return DOCUMENTS[id].title

    client = app.test_client()
    found = [client.get("/s", headers={"x-user": user}).status_code for user in ("ann", "bob")]
    assert found == [200, 403]


def test_a_resource_of_other_arguments_than_those_of_the_view_is_refused():
    with pytest.raises(TypeError, match="takes `id`, which the view does not"):
        GUARD.requires("read", first_open)(lambda document: SECRET)
    app, ran = Flask("service", static_folder=None), []
    GUARD.install(app)

    class Own(MethodView):
        decorators = (GUARD.requires("read", first_open),)

        def get(self, id="plan"):
            ran.append(id)
            return SECRET

    app.add_url_rule("/s", view_func=(view := Own.as_view("s")))
    app.add_url_rule("/s/<id>", view_func=view)
    client, headers = app.test_client(), {"x-user": "bob"}
    found = [client.get(path, headers=headers).status_code for path in ("/s", "/s/open", "/s/plan")]
    assert (found, ran) == ([500, 200, 403], ["open"])


def test_users_may_be_proxies():
    guard = Guard(ENGINE, subject=lambda: LocalProxy(current_user))
    client = service([], guard).test_client()
    found = [
        client.get("/doc/plan", headers={"x-user": user}).status_code for user in ("ann", "bob", "")
    ]
    assert found == [200, 403, 401]


def test_what_is_not_declared_is_logged_once(caplog):
    app = service([])
    app.route("/s")(secret_of_its_own())
    client = app.test_client()
    assert [client.get("/s").status_code for _ in range(3)] == [403] * 3
    assert len(caplog.records) == 1


def test_methods_that_clients_invent_are_not_logged_one_by_one(caplog):
    app = service([])
    app.url_map.add(Rule("/s", endpoint="s"))
    app.view_functions["s"] = secret_of_its_own()
    client = app.test_client()
    assert {client.open("/s", method=f"M{number}").status_code for number in range(9)} == {403}
    assert len(caplog.records) == 1


class _Never:
    async def fetch(self, keys):
        return []


def test_what_cannot_be_asked_here_is_refused(caplog):
    engine = PolicyEngine.from_text(POLICY)
    registered(engine)
    ran: list[str] = []
    guard = Guard(SourcedEngine(engine, _Never()), subject=current_user)
    app = service(ran, guard, {"type": "Document", "id": "plan"})
    assert app.test_client().get("/doc/plan", headers={"x-user": "ann"}).status_code == 500
    assert (ran, "asynchronous" in caplog.text) == ([], True)


def test_policies_are_reloaded_while_a_service_decides(tmp_path):
    file = tmp_path / "documents.policy"
    shut = POLICY.replace("permit own: any", "permit own: edit")
    file.write_text(POLICY)
    holder = PolicyHolder(file, on_load=registered)
    app = service([], Guard(holder, subject=current_user))
    seen: set[int] = set()
    stop: list[int] = []

    def ask() -> None:
        client = app.test_client()
        while not stop:
            seen.add(client.get("/doc/plan", headers={"x-user": "ann"}).status_code)

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(9):
        file.write_text([shut, "nonsense", POLICY][number % 3])
        holder.reload()
    stop.append(1)
    for thread in threads:
        thread.join()
    assert seen <= {200, 403}
    file.write_text(shut)
    assert holder.reload()
    assert app.test_client().get("/doc/plan", headers={"x-user": "ann"}).status_code == 403
