"""Try every way around the check of a view in Django; beside each, that the same way works where it is allowed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django")
from asgiref.sync import async_to_sync

import tests.django_settings  # noqa: F401 - before what needs them
from policyengine import Decision, Obligation
from policyengine.adapters.django_users import AsksPolicies
from policyengine.filters.authorized_models import unauthorized_models
from tests.adapters import django_site as site
from tests.adapters.django_site import Account, Entry, Note, User, engine

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME  # isort: skip  # after its settings
from django.contrib.auth import authenticate  # isort: skip
from django.contrib.auth.models import AnonymousUser, Group, Permission, PermissionsMixin  # isort: skip
from django.core.exceptions import ImproperlyConfigured  # isort: skip
from django.contrib.admin.models import LogEntry  # isort: skip
from django.contrib.contenttypes.models import ContentType  # isort: skip
from django.contrib.sessions.models import Session  # isort: skip
from django.db import connection  # isort: skip
from django.http import HttpResponse  # isort: skip
from django.test import AsyncClient, Client, RequestFactory, override_settings  # isort: skip
from django.utils.decorators import method_decorator, sync_only_middleware  # isort: skip
from django.utils.functional import SimpleLazyObject  # isort: skip
from django.views.decorators.cache import cache_page  # isort: skip
from django.views.generic import DetailView, View  # isort: skip

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.adapters.django_site.gatekeeper",
]
CACHING = ["django.middleware.cache.UpdateCacheMiddleware", *MIDDLEWARE[:-1],
           "django.middleware.cache.FetchFromCacheMiddleware", MIDDLEWARE[-1]]  # fmt: skip
SETTINGS: dict[str, Any] = {
    "ROOT_URLCONF": "tests.adapters.django_site",
    "MIDDLEWARE": MIDDLEWARE,
    "AUTHENTICATION_BACKENDS": ["tests.adapters.django_site.Backend", "django.contrib.auth.backends.ModelBackend"],
    "ALLOWED_HOSTS": ["testserver"],
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "TEMPLATES": [{
        "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {"context_processors": [
            "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]},
    }],
}  # fmt: skip


TABLES = (ContentType, Permission, Group, User, LogEntry, Session, Note, Entry)


@pytest.fixture(scope="module")
def _tables() -> Iterator[None]:
    with unauthorized_models(), connection.schema_editor() as editor:
        for model in TABLES:
            editor.create_model(model)
    yield
    connection.close()  # which is in memory


@pytest.fixture(autouse=True)
def _rows(_tables: None) -> Iterator[None]:
    """A note of bob's, which is not public, and one of ann's that is; root is a superuser."""
    with override_settings(**SETTINGS):
        people = {
            name: User.objects.create_user(name, password="pw", is_staff=True)
            for name in ("ann", "bob")
        }
        people["root"] = User.objects.create_superuser("root", password="pw")
        with unauthorized_models():
            for model in (Note, Entry):
                model.objects.create(pk=1, owner=people["bob"])
                model.objects.create(pk=2, owner=people["ann"], public=True, text="shown")
        yield
        with unauthorized_models():
            for model in reversed(TABLES):
                model.objects.all().delete()
        ContentType.objects.clear_cache()


def client(who: str | None) -> Client:
    made = Client(raise_request_exception=False)
    if who is not None:
        made.force_login(
            User.objects.get(username=who), "django.contrib.auth.backends.ModelBackend"
        )
    return made


def is_refused(response: Any) -> bool:
    assert b"secret" not in response.content
    return (
        response.status_code in (401, 403)
        and response["Content-Type"] == "application/problem+json"
    )


# ---- views -------------------------------------------------------------------------------

ONE_OBJECT = ["notes", "async", "stream", "detail", "changes", "async-class"]


@pytest.mark.parametrize("view", ONE_OBJECT)
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_each_method_of_a_view_is_asked_about(view: str, method: str):
    for who in (None, "ann", "root"):
        response = getattr(client(who), method)(f"/{view}/1")
        assert is_refused(response) if method != "head" else response.status_code in (401, 403), who
    allowed = getattr(client("bob"), method)(f"/{view}/1")
    assert allowed.status_code == (403 if (view, method) == ("changes", "options") else 200)
    if method == "get":
        assert allowed.getvalue() == b"secret"
        assert "private" in allowed["Cache-Control"]
        assert client("ann").get(f"/{view}/2").getvalue() == b"shown"


def test_a_refusal_says_why():
    problem = json.loads(client("ann").get("/notes/1").content)
    assert problem["detail"] == 'Note "1" is not User "ann"\'s own; Note "1" is not public'
    assert client(None).get("/notes/1").status_code == 401
    assert client(None).get("/notes/9").status_code == 401  # before it is looked for
    assert client("ann").get("/notes/9").status_code == 404


def test_each_method_is_the_action_that_it_is_said_to_be():
    assert is_refused(client("ann").post("/edit/1"))
    assert is_refused(client("ann").post("/changes/2", {"text": "x"})) is False
    bob = client("bob")
    assert bob.post("/edit/1").content == b"edited"
    assert bob.post("/changes/1", {"text": "new"}).status_code == 302
    assert Note.objects.get(pk=1).text == "new"
    assert is_refused(bob.delete("/changes/1"))  # `delete` is a handler, and no action
    assert is_refused(bob.generic("PURGE", "/changes/1"))
    assert (
        is_refused(bob.post("/changes/1", {"text": "x"}, HTTP_X_HTTP_METHOD_OVERRIDE="DELETE"))
        is False
    )
    assert Note.objects.filter(pk=1).exists()
    assert is_refused(client("ann").post("/removal/1"))
    assert bob.post("/removal/1").status_code == 302
    assert not Note.objects.filter(pk=1).exists()


@pytest.mark.parametrize("given", [None, "", HttpResponse])
def test_a_refusal_without_a_response_calls_no_view(monkeypatch, given):
    """Of a guard whose `answer` is overridden, and lacks a `return`."""
    monkeypatch.setattr(site.guard, "answer", lambda _: given, raising=False)
    for view in (*ONE_OBJECT, "edit"):
        response = client("ann").get(f"/{view}/1")
        assert (response.status_code, b"secret" in response.content) == (500, False), view
    assert client("bob").get("/undeclared").status_code == 500
    assert client("bob").get("/notes/1").status_code == 200


def test_csrf_protects_what_is_guarded():
    made = Client(enforce_csrf_checks=True)
    with override_settings(
        MIDDLEWARE=[*MIDDLEWARE[:-1], "django.middleware.csrf.CsrfViewMiddleware", MIDDLEWARE[-1]]
    ):
        made.force_login(
            User.objects.get(username="bob"), "django.contrib.auth.backends.ModelBackend"
        )
        assert made.post("/removal/1").status_code == 403
        assert made.post("/edit/1").content == b"edited"  # which is exempt


@pytest.mark.parametrize("where", ["undeclared", "cached/1", "cached-class/1"])
def test_a_view_that_is_not_declared_itself_is_refused(where: str):
    assert is_refused(client("bob").get(f"/{where}"))
    assert client(None).get("/public").content == b"public"


def test_what_is_guarded_is_in_no_shared_cache():
    with override_settings(
        MIDDLEWARE=CACHING,
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    ):
        for view in ONE_OBJECT[:4]:
            assert client("bob").get(f"/{view}/1").getvalue() == b"secret"
            assert is_refused(client("ann").get(f"/{view}/1"))
        assert client("bob").get("/public").content == b"public"


def test_a_class_in_which_the_guard_is_not_asked_first_is_no_view():
    with pytest.raises(ImproperlyConfigured, match="first base"):
        type("Late", (DetailView, site.GuardedView), {"guard": site.guard})
    with pytest.raises(ImproperlyConfigured, match="first base"):
        type("Own", (site.Detail,), {"dispatch": View.dispatch})
    cached = method_decorator(cache_page(60), name="dispatch")(type("Cached", (site.Detail,), {}))
    with pytest.raises(ImproperlyConfigured, match="first base"):
        cached.as_view()
    with pytest.raises(ImproperlyConfigured, match="the guard is asked"):
        site.Detail.as_view(dispatch=site.undeclared)
    assert type("Fine", (site.Detail,), {}).as_view()

    def setup(self: Any, *_: Any, **__: Any) -> None:
        self.dispatch = site.undeclared

    late = type("Late", (site.Detail,), {"setup": setup}).as_view()
    with pytest.raises(ImproperlyConfigured, match="the guard is asked"):
        late(RequestFactory().get("/"), pk=1)


def test_the_object_of_a_view_is_that_which_was_decided_about():
    class Both(site.Detail):
        def render_to_response(self, context: Any) -> HttpResponse:
            assert self.get_object() is context["object"] is self.resource
            other = self.get_object(
                queryset=Note.objects.only("text")
            )  # which is asked for by name
            return HttpResponse(f"{other.text} {other is self.resource}")

    request = RequestFactory().get("/")
    request.user = User.objects.get(username="bob")
    assert Both.as_view()(request, pk=1).content == b"secret False"


def test_a_view_without_a_resource_fails():
    assert client("bob").get("/bare/1").status_code == 500


def test_views_are_guarded_when_they_are_asynchronous():
    @async_to_sync
    async def asked(who: str | None, path: str) -> Any:
        made = AsyncClient(raise_request_exception=False)
        if who is not None:
            user = await User.objects.aget(username=who)
            await made.aforce_login(user, "django.contrib.auth.backends.ModelBackend")
        return await made.get(path)

    for view in ONE_OBJECT:
        if view != "stream":
            assert asked("bob", f"/{view}/1").content == b"secret", view
        for who in (None, "ann", "root"):
            assert is_refused(asked(who, f"/{view}/1")), view
    for where in ("undeclared", "cached/1"):
        assert is_refused(asked("bob", f"/{where}"))


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("given", ["nobody", "ann"])
def test_an_asynchronous_view_knows_whom_a_middleware_put_in_the_place_of_the_user(given, lazily):
    """As one does for tokens, or for accounts that are locked."""
    seen = []

    @sync_only_middleware
    def replacing(get_response: Any) -> Any:
        def middleware(request: Any) -> Any:
            seen.append(request.user.username)
            other: Any = AnonymousUser() if given == "nobody" else User.objects.get(username="ann")
            request.user = SimpleLazyObject(lambda: other) if lazily else other
            return get_response(request)

        return middleware

    @async_to_sync
    async def asked(path: str) -> Any:
        made = AsyncClient(raise_request_exception=False)
        user = await User.objects.aget(username="bob")
        await made.aforce_login(user, "django.contrib.auth.backends.ModelBackend")
        return await made.get(path)

    site.replacing = replacing
    middleware = [*MIDDLEWARE[:-1], "tests.adapters.django_site.replacing", MIDDLEWARE[-1]]
    with override_settings(MIDDLEWARE=middleware):
        for view in ("notes", "async", "async-class"):
            assert is_refused(asked(f"/{view}/1")), view
    assert seen == ["bob"] * 3
    for view in ("async", "async-class"):
        assert asked(f"/{view}/1").content == b"secret"


def test_whoever_is_signed_in_is_looked_at_and_not_what_stands_for_them():
    def asked(user: Any, guard: Any = site.guard) -> Any:
        request = RequestFactory().get("/")
        request.user = user
        request.resolver_match = None
        return guard.check(request, "read", Note.objects.get(pk=1))

    bob = User.objects.get(username="bob")
    assert asked(bob) is None
    assert asked(SimpleLazyObject(lambda: bob)) is None
    assert asked(SimpleLazyObject(lambda: SimpleLazyObject(lambda: bob))) is None
    for nobody in (
        AnonymousUser(),
        SimpleLazyObject(AnonymousUser),
        None,
        SimpleLazyObject(lambda: None),
    ):
        assert is_refused(asked(nobody))
    bob.is_active = False
    assert is_refused(asked(bob))
    assert asked("bob").status_code == 500
    visitor = site.Guard(
        engine, anonymous={"type": "User", "id": "bob", "properties": {"is_staff": False}}
    )
    assert asked(AnonymousUser(), visitor) is None


@pytest.mark.parametrize("is_active", [True, False])
def test_a_subject_that_is_bound_is_not_who_asks(is_active: bool):
    bob, note = User.objects.get(username="bob"), Note.objects.get(pk=1)
    bob.is_active = is_active
    guard, request = (
        site.Guard(engine, subject=lambda _: engine.bind(bob)),
        RequestFactory().get("/"),
    )
    with pytest.raises(TypeError, match="bound"):
        guard.check(request, "read", note)
    with pytest.raises(TypeError, match="bound"):
        async_to_sync(guard.check_async)(request, "read", note)
    request.user = AnonymousUser()
    assert site.Guard(engine, anonymous=engine.bind(bob)).check(request, "read", note) is None


def test_parts_of_an_url_may_be_called_as_what_is_asked():
    parts = dict.fromkeys(("action", "resource", "source", "self", "func", "loop"), "x")
    note, request = Note.objects.get(pk=1), RequestFactory().get("/")
    request.user = User.objects.get(username="bob")

    async def auser() -> Any:
        return request.user

    request.auser = auser

    def found(request: Any, /, **given: str) -> Note:
        assert given == parts
        return note

    async def found_later(request: Any, /, **given: str) -> Note:
        return found(request, **given)

    async def asked(source: Any) -> Any:
        return await site.guard.check_async(request, "read", source, **parts)

    view = site.guard.requires("read", found)(lambda *_, **__: HttpResponse("ok"))
    assert view(request, **parts).content == b"ok"
    for source in (found, found_later):
        assert async_to_sync(asked)(source) is None


def test_a_refusal_of_nobody_says_how_to_sign_in():
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    refused = site.Guard(engine, challenge="Basic").check(request, "read", None)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Basic")


def test_a_refusal_that_a_view_raises_is_the_answer():
    def view(request: Any) -> HttpResponse:
        site.guard.enforce(request.user._wrapped or request.user, "read", Note.objects.get(pk=1))
        return HttpResponse("secret")

    request = RequestFactory().get("/")
    request.user = SimpleLazyObject(lambda: User.objects.get(username="ann"))
    bool(request.user.username)
    with pytest.raises(Exception, match="is not public") as refusal:
        view(request)
    gate = site.guard.middleware(view)
    assert is_refused(gate.process_exception(request, refusal.value))
    assert gate.process_exception(request, ValueError()) is None


# ---- permissions -------------------------------------------------------------------------


def test_permissions_are_those_of_the_policies():
    ann, bob = User.objects.get(username="ann"), User.objects.get(username="bob")
    own, others = Note.objects.get(pk=2), Note.objects.get(pk=1)
    assert ann.has_perm("site.change_note", own)
    assert ann.has_perms(["site.change_note", "site.delete_note"], own)
    assert not ann.has_perm("site.change_note", others)
    assert not ann.has_perm("site.change_note")  # of no object
    assert not AnonymousUser().has_perm("site.view_note", own)
    assert not ann.has_perm("site.view_note", bob)  # which is no note
    assert not ann.has_perm("site.view_note", "2")
    assert async_to_sync(ann.ahas_perm)("site.change_note", own)
    assert not async_to_sync(ann.ahas_perm)("site.change_note", others)
    bob.is_active = False
    assert not bob.has_perm("site.change_note", others)


def test_no_other_backend_allows_what_policies_are_asked_about():
    ann, note = User.objects.get(username="ann"), Note.objects.get(pk=1)
    for name in ("change_note", "add_note"):
        kind = ContentType.objects.get_for_model(Note)
        ann.user_permissions.add(Permission.objects.create(codename=name, content_type=kind))
    ann = User.objects.get(username="ann")
    assert ann.has_perm("site.add_note")  # which is the model's, as policies are not asked
    assert not ann.has_perm("site.change_note")
    assert not ann.has_perm("site.change_note", note)


def test_superusers_are_asked_about_where_their_class_says_so():
    note = Note.objects.get(pk=1)
    Permission.objects.create(
        codename="add_note", content_type=ContentType.objects.get_for_model(Note)
    )
    root = Account.objects.get(username="root")
    assert not root.has_perm("site.change_note", note)
    assert not async_to_sync(root.ahas_perm)("site.change_note", note)
    assert root.has_perm("site.view_note", Note.objects.get(pk=2))
    assert root.has_perm(
        "site.add_note"
    )  # by the other backend, which lets superusers do everything
    assert User.objects.get(username="root").has_perm(
        "site.change_note", note
    )  # Django's own, of which checks warn


def test_checks_find_what_lets_policies_be_passed_by():
    from policyengine.adapters.django_permissions import check_backends

    assert [found.id for found in check_backends()] == ["policyengine.E002"]
    with override_settings(AUTHENTICATION_BACKENDS=SETTINGS["AUTHENTICATION_BACKENDS"][::-1]):
        assert [found.id for found in check_backends()] == [
            "policyengine.E001",
            "policyengine.E002",
        ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.Backend, "superusers", True)
        assert list(check_backends()) == []
    with override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"]):
        assert list(check_backends()) == []


def test_checks_find_users_of_which_another_base_is_asked_first(monkeypatch: pytest.MonkeyPatch):
    from policyengine.adapters import django_permissions

    def found(*bases: type) -> list[str]:
        meta = type("Meta", (), {"abstract": True})
        users = type("Users", bases, {"Meta": meta, "__module__": __name__})
        monkeypatch.setattr(django_permissions, "get_user_model", lambda: users)
        return [one.id for one in django_permissions.check_backends()]

    assert found(AsksPolicies, PermissionsMixin) == []
    assert found(PermissionsMixin, AsksPolicies) == ["policyengine.E002"]


def test_models_may_say_that_their_users_are_asked_about(tmp_path: Path):
    """In a service of its own, as models are imported before there is a class of users."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "models.py").write_text(
        "from django.contrib.auth.models import AbstractUser\n"
        "from policyengine.adapters.django_users import AsksPolicies\n"
        "class U(AsksPolicies, AbstractUser): pass\n"
    )
    service = (
        "import django, django.conf\n"
        "django.conf.settings.configure(AUTH_USER_MODEL='shop.U', INSTALLED_APPS=["
        "'django.contrib.contenttypes', 'django.contrib.auth', 'shop'])\n"
        "django.setup()\n"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    subprocess.run(
        [sys.executable, "-c", service], check=True, env={**os.environ, "PYTHONPATH": paths}
    )


def test_a_right_that_owes_something_is_no_permission():
    owing = Decision.example(allowed=True, obligations=[Obligation.example("tell")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.Backend, "guard", site.Guard(_Deciding(owing)))
        assert not User.objects.get(username="bob").has_perm(
            "site.view_note", Note.objects.get(pk=1)
        )
        patch.setattr(site.Backend, "guard", site.Guard(_Deciding(Decision.example(allowed=True))))
        assert User.objects.get(username="bob").has_perm("site.view_note", Note.objects.get(pk=1))


class _Deciding:
    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def decide(self, *_: object) -> Decision:
        return self._decision


def test_nobody_signs_in_by_policies():
    assert authenticate(username="ann", password="pw").backend.endswith("ModelBackend")
    assert authenticate(username="ann", password="no") is None


# ---- the admin ---------------------------------------------------------------------------


@contextmanager
def admin(who: str) -> Iterator[Client]:
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, "tests.adapters.django_site.authorized"]):
        yield client(who)


def entries() -> dict[int, str]:
    with unauthorized_models():
        return dict(Entry.objects.values_list("pk", "text"))


LIST = "/admin/site/entry/"


def test_lists_of_the_admin_show_what_may_be_read():
    with admin("ann") as ann:
        for page in (LIST, LIST + "?q=secret", LIST + "?id=1", LIST + "?all="):
            response = ann.get(page, follow=True)
            assert response.status_code == 200, page
            assert b">\nsecret<" not in response.content
        assert b">\nshown<" in ann.get(LIST).content
    with admin("bob") as bob:
        assert b">\nsecret<" in bob.get(LIST).content


@pytest.mark.parametrize("page", ["1/change/", "1/delete/", "1/history/"])
def test_pages_of_the_admin_are_about_what_may_be_read(page: str):
    for who in ("ann", "root"):
        with admin(who) as asking:
            assert asking.get(LIST + page).status_code in (302, 403)  # as for what there is not
    with admin("bob") as bob:
        assert bob.get(LIST + page).status_code == 200


def test_the_admin_changes_what_may_be_changed():
    form = {"owner": str(User.objects.get(username="ann").pk), "text": "mine"}
    for who in ("ann", "root"):
        with admin(who) as asking:
            asking.post(LIST + "1/change/", form)
            asking.post(LIST + "1/delete/", {"post": "yes"})
            asking.post(
                LIST, {"action": "delete_selected", ACTION_CHECKBOX_NAME: ["1"], "post": "yes"}
            )
            rows = {
                "form-TOTAL_FORMS": "1",
                "form-INITIAL_FORMS": "1",
                "form-0-id": "1",
                "form-0-text": "mine",
            }
            asking.post(LIST, {**rows, "_save": "Save"})
            assert entries() == {1: "secret", 2: "shown"}
    with admin("root") as root:  # who may read the second, and nothing else
        assert root.get(LIST + "2/change/").status_code == 200
        asked = root.post(LIST + "2/change/", form)
        assert asked.status_code in (302, 403)
        root.post(LIST, {**rows, "form-0-id": "2", "_save": "Save"})
        assert entries() == {1: "secret", 2: "shown"}
    with admin("ann") as ann:
        assert (
            ann.post(
                LIST + "add/", {**form, "owner": str(User.objects.get(username="bob").pk)}
            ).status_code
            == 403
        )
        assert ann.post(LIST + "2/change/", form).status_code == 302
        assert entries() == {1: "secret", 2: "mine"}
        assert ann.post(LIST + "add/", form).status_code == 302
        ann.post(LIST + "2/delete/", {"post": "yes"})
        assert entries() == {1: "secret", 3: "mine"}


def test_an_action_needs_its_permissions_on_each_object(monkeypatch: pytest.MonkeyPatch):
    def export(_: Any, __: Any, chosen: Any) -> HttpResponse:
        return HttpResponse(",".join(one.text for one in chosen))

    def exported(*ids: str) -> Any:
        with admin("ann") as ann:
            return ann.post(LIST, {"action": "export", ACTION_CHECKBOX_NAME: ids})

    with unauthorized_models():
        bob = User.objects.get(username="bob")
        Entry.objects.create(pk=3, owner=bob, public=True, text="open")  # which ann may view
    monkeypatch.setattr(site.EntryAdmin, "actions", [export])
    for needed, status in ((("view",), 200), (("change",), 403), (("view", "delete"), 403)):
        monkeypatch.setattr(export, "allowed_permissions", needed, raising=False)
        assert exported("1", "2").content == b"shown"
        assert exported("2", "3").status_code == status


def test_the_admin_of_a_model_that_is_not_governed_is_refused():
    with pytest.raises(ImproperlyConfigured, match="AuthorizedManager"):
        site.EntryAdmin(Note, site.admin_site)
    assert is_refused(client("bob").get(LIST))  # outside of a scope
