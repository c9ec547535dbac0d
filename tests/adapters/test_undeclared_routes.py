"""Hold what else is refused in services of Starlette and FastAPI: what answers in a way of its own, files, pages, frontends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Cookie, Depends, FastAPI, Form, Header, Query
from fastapi.routing import APIRoute
from pydantic import AfterValidator, Field, StringConstraints, create_model
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from tests.adapters.documents import DOCUMENTS
from tests.adapters.test_fastapi_bypasses import (
    GUARD,
    PLAIN,
    SECRET,
    Declare,
    OwnRouter,
    asgi,
    load,
    page,
    secret,
)


async def answers(self: Any, *args: Any) -> None:
    await asgi(*args)


def matches_all(self: Any, scope: Any) -> Any:
    return Match.FULL, {}


def matches_in_part(self: Any, scope: Any) -> Any:
    return Match.PARTIAL, {}


def handler_of(self: Any) -> Any:
    return page


OWN: dict[str, tuple[type, dict[str, Any], Callable[[FastAPI, Any], object], str]] = {
    "a mount": (Mount, {"handle": answers}, lambda app, own: app.router.routes.append(own("/s", PLAIN.public(own_asgi()))), "GET"),
    "a host": (Host, {"handle": answers}, lambda app, own: app.router.routes.append(own("testserver", PLAIN.public(own_asgi()))), "GET"),
    "a route": (Route, {"handle": answers}, lambda app, own: app.router.routes.append(own("/s", Declare(True)(page))), "GET"),
    "a method of a route": (Route, {"handle": answers}, lambda app, own: app.router.routes.append(own("/s", Declare(True)(page))), "PUT"),
    "a kind of routes": (BaseRoute, {"handle": answers, "matches": matches_in_part, "endpoint": staticmethod(PLAIN.public(lambda: None))},
                         lambda app, own: app.router.routes.append(own()), "GET"),
    "a path operation": (APIRoute, {"get_route_handler": handler_of},
                         lambda app, own: app.router.routes.append(own("/s", secret, dependencies=[GUARD.public])), "GET"),
    "an included path operation": (APIRoute, {"get_route_handler": handler_of}, lambda app, own: included(app, APIRouter(route_class=own)), "GET"),
    "an included router": (APIRouter, {"handle": answers, "matches": matches_all}, lambda app, own: included(app, own()), "GET"),
    "a router that is included by another": (
        APIRouter, {"handle": answers, "matches": matches_all}, lambda app, own: included(app, APIRouter(), own()), "GET"),
    "an application with a guard": (Starlette, {"__call__": answers}, lambda app, own: guarded_below(app, own()), "GET"),
    "the stack of an application with a guard": (
        Starlette, {"build_middleware_stack": lambda _: asgi}, lambda app, own: guarded_below(app, own()), "GET"),
}  # fmt: skip
"""What is derived from, what it does in its own way, how it is served, and the method to ask with."""


def own_asgi() -> Any:
    async def declared(*args: Any) -> None:
        await PlainTextResponse("public")(*args)

    return declared


def included(app: FastAPI, *routers: APIRouter) -> None:
    routers[-1].get("/s", dependencies=[GUARD.public])(secret)
    for outer, inner in zip((app, *routers), routers, strict=False):
        outer.include_router(inner)


def guarded_below(app: FastAPI, other: Starlette) -> None:
    GUARD.install(other)
    app.mount("/s", other)


@pytest.mark.parametrize("kind", OWN)
def test_what_answers_in_its_own_way_is_refused_unless_it_is_trusted(kind: str):
    base, methods, serve, method = OWN[kind]

    def asked(install: Callable[[FastAPI, type], object]) -> str:
        own = type("Own", (base,), methods)
        app = FastAPI(openapi_url=None)
        install(app, own)
        serve(app, own)
        return TestClient(app, raise_server_exceptions=False).request(method, "/s").text

    assert SECRET in asked(lambda _, __: None)
    assert "nothing is permitted here" in asked(lambda app, _: GUARD.install(app))
    assert SECRET in asked(lambda app, own: GUARD.install(app, trusted=[own]))


def test_a_public_path_is_not_that_of_what_is_mounted():
    def asked(path: str, **options: Any) -> str:
        app = FastAPI(openapi_url=None)
        GUARD.install(app, **options)
        app.add_route("/docs", page)
        app.mount("/admin", Starlette(routes=[Route("/docs", page)]))
        return TestClient(app).get(path).text

    assert SECRET in asked("/docs", public=["/docs"])
    assert SECRET not in asked("/admin/docs", public=["/docs"])
    assert SECRET in asked("/admin/docs", public=["/admin/docs"])


# ---- what is not added by hand ----------------------------------------------------------


def test_files_and_pages_are_public_only_where_they_are_named(tmp_path: Path):
    (tmp_path / "a.txt").write_text(SECRET)

    def served(public: list[str], path: str, method: str = "GET") -> int:
        app = FastAPI()
        GUARD.install(app, public=public)
        app.mount("/static", StaticFiles(directory=tmp_path))
        app.post("/static/form")(secret)
        app.get("/both")(secret)
        app.post("/both")(secret)
        return TestClient(app).request(method, path).status_code

    for path in ("/static/a.txt", "/docs", "/openapi.json", "/redoc", "/docs/oauth2-redirect"):
        assert served([], path) == 403
        assert served(["/static", "/doc", "/docs/", "/openapi.json/*", "*", "/*"], path) == 403
    assert served(["/static/*"], "/static/a.txt") == 200
    assert served(["/docs"], "/docs") == served(["/openapi.json"], "/openapi.json") == 200
    assert served(["/static/*"], "/docs") == 403
    assert (served(["/both"], "/both"), served(["/both"], "/both", "POST")) == (200, 403)


def test_a_frontend_is_guarded_by_the_dependencies_of_its_router(tmp_path: Path):
    (tmp_path / "index.html").write_text(SECRET)

    def served(dependencies: list[Any], *, included: bool, guarded: bool = True) -> str:
        app = FastAPI(openapi_url=None, dependencies=[] if included else dependencies)
        if guarded:
            GUARD.install(app)
        router = APIRouter(dependencies=dependencies) if included else app
        router.frontend("/", directory=str(tmp_path))
        if included:
            app.include_router(router, prefix="/v1")
        return TestClient(app).get("/v1/" if included else "/").text

    for included in (False, True):
        assert served([], included=included, guarded=False) == SECRET
        assert SECRET not in served([], included=included)
        assert served([GUARD.public], included=included) == SECRET


@pytest.mark.parametrize("install_on", ["FastAPI", "Starlette"])
def test_a_guard_of_starlette_knows_frontends_of_fastapi(install_on: str, tmp_path: Path):
    (tmp_path / "index.html").write_text(SECRET)

    def served(*, included: bool, guarded: bool = True, later: bool = False, **said: Any) -> str:
        inner = FastAPI(openapi_url=None)
        outer = inner if install_on == "FastAPI" else Starlette(routes=[Mount("/", inner)])
        if guarded:
            PLAIN.install(outer, **said)
        client = TestClient(outer)
        if later:
            client.get("/")
        router = APIRouter() if included else inner
        router.frontend("/", directory=str(tmp_path))
        if included:
            inner.include_router(router)
        return client.get("/index.html").text

    for included in (False, True):
        assert served(included=included, guarded=False) == SECRET
        assert SECRET not in served(included=included)
        assert SECRET not in served(included=included, later=True)
        if install_on == "Starlette":
            assert served(included=included, public="/*") == SECRET


def test_what_is_not_declared_is_logged_when_the_service_begins(caplog):
    app = FastAPI(openapi_url=None)
    GUARD.install(app)
    app.get("/s")(secret)
    with TestClient(app) as client:
        assert "GET /s is not declared" in caplog.text
        caplog.clear()
        assert client.get("/s").status_code == client.get("/s").status_code == 403
        assert caplog.records == []


def test_a_service_whose_router_answers_by_itself_is_refused():
    app = FastAPI(openapi_url=None)
    app.router = OwnRouter()
    assert TestClient(app).get("/any").text == SECRET
    app = FastAPI(openapi_url=None)
    app.router = OwnRouter()
    GUARD.install(app)
    assert TestClient(app).get("/any").status_code == 403


class AwaitsItself(HTTPEndpoint):
    def __await__(self) -> Any:
        return asgi(self.scope, self.receive, self.send).__await__()


class Dispatches(HTTPEndpoint):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.dispatch = lambda: asgi(*args)


@pytest.mark.parametrize("endpoint", [AwaitsItself, Dispatches])
def test_an_object_of_an_endpoint_answers_after_the_check_in_whatever_way(endpoint: Any):
    guarded = PLAIN.requires("read", DOCUMENTS["plan"])(endpoint)
    client = TestClient(
        Starlette(
            routes=[Route("/s", PLAIN.public(PLAIN.requires("read", DOCUMENTS["plan"])(guarded)))]
        )
    )
    PLAIN.install(client.app)
    assert client.get("/s", headers={"x-user": "ann"}).text == SECRET
    assert client.get("/s", headers={"x-user": "bob"}).status_code == 403


def test_an_object_of_an_endpoint_does_not_become_one_of_another_class():
    class Own(HTTPEndpoint):
        async def get(self, _: Any) -> PlainTextResponse:
            return PlainTextResponse(SECRET)

    class Becoming(HTTPEndpoint):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.__class__ = Own

    for endpoint, status in ((Own, 200), (Becoming, 500)):
        app = Starlette(routes=[Route("/s", PLAIN.requires("read", DOCUMENTS["plan"])(endpoint))])
        PLAIN.install(app)
        client = TestClient(app, raise_server_exceptions=False)
        assert client.get("/s", headers={"x-user": "ann"}).status_code == status
        assert SECRET not in client.get("/s", headers={"x-user": "bob"}).text


def test_an_endpoint_that_would_answer_unchecked_is_not_decorated():
    class Own:
        def __init__(self, *args: Any) -> None:
            self.args = args

        def __await__(self) -> Any:
            return asgi(*self.args).__await__()

    class Another(HTTPEndpoint):
        def __new__(cls, *args: Any) -> Any:
            return Own(*args)

    class Making(type):
        def __call__(cls, *args: Any) -> Any:
            return Own(*args)

    class Made(HTTPEndpoint, metaclass=Making):
        pass

    for one in (Own, Another, Made):
        with pytest.raises(TypeError, match="unchecked"):
            PLAIN.requires("read", DOCUMENTS["plan"])(one)


def test_a_guard_comes_before_the_first_request():
    app = FastAPI()
    TestClient(app).get("/")
    with pytest.raises(RuntimeError, match="before"):
        GUARD.install(app)


def test_without_its_middleware_a_guard_still_refuses():
    app = FastAPI()
    app.get("/s/{id}", dependencies=[GUARD.requires("read", load)])(secret)
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/s/plan", headers={"x-user": "bob"}).status_code == 500


MAY_READ = GUARD.requires("read", load)


def beside_its_path(app: FastAPI) -> None:
    router = APIRouter(dependencies=[MAY_READ])
    router.get("/users/{name}")(secret)
    app.include_router(router)


def by_two_requirements(app: FastAPI) -> None:
    app.get("/users/{name}", dependencies=[MAY_READ, GUARD.requires("edit", load)])(secret)


def from_another_place(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: Annotated[str, Body(embed=True)] = "theirs") -> str:
        return SECRET


def of_several_of_the_query(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: Annotated[list[str], Query()]) -> str:
        return SECRET


def of_the_query_twice(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: str, all_: Annotated[list[str], Query(alias="id")]) -> str:
        return SECRET


def by_header(id: Annotated[str, Header()]) -> object:
    return load(id)


def of_a_header(app: FastAPI) -> None:
    app.get("/users/{name}", dependencies=[GUARD.requires("read", by_header)])(secret)


def by_cookie(id: Annotated[str, Cookie()]) -> object:
    return load(id)


def of_a_cookie(app: FastAPI) -> None:
    app.get("/users/{name}", dependencies=[GUARD.requires("read", by_cookie)])(secret)


def of_a_header_too(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_header)])
    async def show(id: Annotated[str, Header()]) -> str:
        return SECRET


def by_what_depends_on_the_requirement(app: FastAPI) -> None:
    async def reading(decision: Annotated[object, MAY_READ]) -> None:
        """Depend on the requirement."""

    app.get("/users/{name}", dependencies=[Depends(reading)])(secret)


def that_only_another_dependency_takes(app: FastAPI) -> None:
    async def noting(id: str, document: Annotated[object, Depends(load)]) -> None:
        """Take what the operation does not."""

    app.get("/users/{name}", dependencies=[MAY_READ, Depends(noting)])(secret)


def load_or_plan(id: str | None = None) -> object:
    return load(id or "plan")


def by_another_default(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[GUARD.requires("read", load_or_plan)])
    async def show(id: str = "theirs") -> str:
        return SECRET


def by_another_name_of_an_alias(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(own: Annotated[str, Query(alias="id", validation_alias="name")] = "") -> str:
        return SECRET


def by_what_is_made_of_it(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: Annotated[str, AfterValidator(str.upper)]) -> str:
        return SECRET


Its = create_model("Its", id=(str, ...))
Others = create_model("Its", id=(str, Field("theirs", alias="name")))


def by_a_type_of_the_same_name(app: FastAPI) -> None:
    def by_it(its: Annotated[Its, Query()]) -> object:
        return load(its.id)

    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_it)])
    async def show(its: Annotated[Others, Query()]) -> str:
        return SECRET


Named = create_model("Named", id=(str, "plan"))


def by_a_part_of_a_body(app: FastAPI) -> None:
    def by_it(its: Annotated[Named, Body(embed=True)]) -> object:
        return load(its.id)

    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_it)])
    async def show(its: Annotated[Named, Body()]) -> str:
        return SECRET


def by_a_header_of_another_name(app: FastAPI) -> None:
    def by_it(its: Annotated[Named, Header(convert_underscores=False)]) -> object:
        return load(its.id)

    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_it)])
    async def show(its: Annotated[Named, Header()]) -> str:
        return SECRET


def by_what_is_made_of_nothing(app: FastAPI) -> None:
    def by_it(its: Annotated[Named, Query()]) -> object:
        return load(its.id)

    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_it)])
    async def show(its: Annotated[Named | None, Query()] = None) -> str:
        return SECRET


def by_what_a_form_without_fields_is(app: FastAPI) -> None:
    def by_it(its: Annotated[Named, Form()]) -> object:
        return load(its.id)

    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_it)])
    async def show(its: Annotated[Named | None, Form()] = None) -> str:
        return SECRET


def by_a_model_in_the_same_way(app: FastAPI) -> None:
    def by_it(its: Annotated[Named, Query()]) -> object:
        return load(its.id)

    @app.get("/users/{name}", dependencies=[GUARD.requires("read", by_it)])
    async def show(its: Annotated[Named, Query()]) -> str:
        return SECRET


def of_the_subject(app: FastAPI) -> None:
    def plan(x_user: Annotated[str, Header()]) -> object:
        return load("plan")

    app.get("/users/{name}", dependencies=[GUARD.requires("read", plan)])(secret)


def of_the_query_too(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: str) -> str:
        return SECRET


def of_the_query_or_nothing(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: Annotated[str | None, Query(max_length=9)] = None) -> str:
        return SECRET


def of_the_query_by_the_same_default(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[GUARD.requires("read", load_or_plan)])
    async def show(id: Annotated[str | None, Query(pattern="^p")] = None) -> str:
        return SECRET


def of_the_query_with_words(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: Annotated[str, "which one", Query(description="which one")]) -> str:
        return SECRET


def in_lower_case(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(id: Annotated[str, StringConstraints(to_lower=True)]) -> str:
        return SECRET


def what_is_shown(document: Annotated[object, Depends(load)]) -> object:
    return document


def of_what_is_loaded_for_another(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(shown: Annotated[object, Depends(what_is_shown)]) -> str:
        return SECRET


def of_what_is_loaded(app: FastAPI) -> None:
    @app.get("/users/{name}", dependencies=[MAY_READ])
    async def show(document: Annotated[object, Depends(load)]) -> str:
        return SECRET


def by_the_decision(app: FastAPI) -> None:
    @app.get("/users/{name}")
    async def show(decision: Annotated[object, MAY_READ]) -> str:
        return SECRET


OTHERS = [
    beside_its_path, by_two_requirements, from_another_place, of_several_of_the_query, of_the_query_twice, of_a_header, of_a_cookie,
    by_what_depends_on_the_requirement, that_only_another_dependency_takes, by_another_default, by_another_name_of_an_alias,
    by_what_is_made_of_it, in_lower_case, by_a_type_of_the_same_name, by_a_part_of_a_body, by_a_header_of_another_name,
    by_what_is_made_of_nothing, by_what_a_form_without_fields_is,
]  # fmt: skip


@pytest.mark.parametrize("serve", OTHERS)
def test_an_operation_is_not_decided_about_by_a_resource_that_a_client_chooses(serve: Any, caplog):
    assert asked_of(serve, guarded=False) == 200
    assert asked_of(serve) == 403
    assert "the resource of /users/{name} is another one than its own: `i" in caplog.text


@pytest.mark.parametrize(
    "serve",
    [
        of_the_query_too,
        of_the_query_or_nothing,
        of_the_query_by_the_same_default,
        of_the_query_with_words,
        of_what_is_loaded_for_another,
        of_what_is_loaded,
        by_the_decision,
        of_a_header_too,
        of_the_subject,
        by_a_model_in_the_same_way,
    ],
)
def test_an_operation_may_take_its_resource_from_the_query(serve: Any):
    assert asked_of(serve) == 200


def as_number(id: int) -> Any:
    return DOCUMENTS["plan"]


def as_text(id: str) -> Any:
    return DOCUMENTS["plan"]


def as_it_is(id) -> Any:
    return DOCUMENTS["plan"]


@pytest.mark.parametrize(
    ("by", "operation", "is_same"),
    [(as_text, as_number, False), (as_it_is, as_number, False), (as_it_is, as_text, True), (as_text, secret, True)],
)  # fmt: skip
def test_a_parameter_of_the_path_is_read_in_one_way(by: Any, operation: Any, is_same: bool, caplog):
    """Else a document `01` would be decided about, and the document `1` be shown."""
    app = FastAPI(openapi_url=None)
    GUARD.install(app)
    app.get("/documents/{id}", dependencies=[GUARD.requires("read", by)])(operation)
    answer = TestClient(app).get("/documents/01", headers={"x-user": "ann"})
    assert answer.status_code == (200 if is_same else 403)
    said = "`id` is not in its path, or is read there in another way" in caplog.text
    assert said is not is_same


def asked_of(serve: Callable[[FastAPI], None], *, guarded: bool = True) -> int:
    app = FastAPI(openapi_url=None)
    if guarded:
        GUARD.install(app)
    serve(app)
    headers = {"x-user": "ann", "id": "plan", "cookie": "id=plan"}
    client = TestClient(app, headers=headers)
    return client.request("GET", "/users/x?id=plan", json={"its": {}}).status_code
