"""A site of Django whose views are guarded: notes that are read and edited by their owners, and read by all if public."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from django.apps import AppConfig, apps

import tests.django_settings  # noqa: F401 - before what needs them
from policyengine import PolicyEngine, Ref
from policyengine.adapters.django import Guard
from policyengine.adapters.django_permissions import GuardedAdmin, PolicyBackend
from policyengine.adapters.django_users import AsksPolicies
from policyengine.adapters.django_views import GuardedView
from policyengine.filters.authorized_models import (
    AuthorizedManager,
    MappedModels,
    Verbs,
    authorized_models,
)
from policyengine.filters.mapping import EntityTable, StoredColumn, map_tables

from django.contrib import admin  # isort: skip  # after its settings
from django.contrib.auth.models import User  # isort: skip
from django.db import models  # isort: skip
from django.http import HttpResponse, StreamingHttpResponse  # isort: skip
from django.shortcuts import get_object_or_404  # isort: skip
from django.urls import path  # isort: skip
from django.views.decorators.cache import cache_page  # isort: skip
from django.views.decorators.csrf import csrf_exempt  # isort: skip
from django.views.generic import DeleteView, DetailView, UpdateView, View  # isort: skip

POLICY = """
package notes
entity User { is_staff: bool }
entity Note { owner: User, public: bool }
action read, edit, remove by User on Note
permit own: any when resource.owner == subject otherwise "{resource} is not {subject}'s own"
permit public: read when resource.public otherwise "{resource} is not public"
"""

config = AppConfig("site", sys.modules[__name__])
config.apps, config.models = apps, apps.all_models["site"]
apps.app_configs["site"] = config


class Note(models.Model):
    owner = models.ForeignKey(User, models.CASCADE)
    public = models.BooleanField(default=False)
    text = models.TextField(default="secret")

    class Meta:
        app_label = "site"


class Entry(models.Model):
    """A note as the admin shows it."""

    owner = models.ForeignKey(User, models.CASCADE)
    public = models.BooleanField(default=False)
    text = models.TextField(default="secret")
    objects = AuthorizedManager()

    class Meta:
        app_label = "site"

    def __str__(self) -> str:
        return f"entry {self.text}"


class Account(AsksPolicies, User):
    class Meta:
        app_label = "site"
        proxy = True


engine = PolicyEngine.from_text(POLICY)
engine.register(User, "User", id="username")
engine.register(Note, "Note", owner=Ref(lambda note: note.owner.username))
engine.register(Entry, "Note", owner=Ref(lambda note: note.owner.username))
guard = Guard(engine, unguarded=["admin"])
gatekeeper = guard.middleware


def note_of(request: Any, pk: int, **_: Any) -> Note:
    return get_object_or_404(Note.objects.select_related("owner"), pk=pk)


@guard.requires("read", note_of)
def show(request: Any, pk: int) -> HttpResponse:
    return HttpResponse(request.resource.text)


@guard.requires("read", note_of)
async def show_async(request: Any, pk: int) -> HttpResponse:
    return HttpResponse(request.resource.text)


@guard.requires("edit", note_of)
@csrf_exempt
def edit(request: Any, pk: int) -> HttpResponse:
    return HttpResponse("edited")


@guard.requires("read", note_of)
def stream(request: Any, pk: int) -> StreamingHttpResponse:
    response = StreamingHttpResponse([request.resource.text])
    response["Cache-Control"] = "public, max-age=60"
    return response


def undeclared(request: Any, **_: Any) -> HttpResponse:
    return HttpResponse("secret")


class Detail(GuardedView, DetailView):
    guard, action, model = guard, "read", Note

    def render_to_response(self, context: Any) -> HttpResponse:
        return HttpResponse(context["object"].text)


class Changes(GuardedView, UpdateView):
    guard, action, model, fields, success_url = (
        guard,
        {"GET": "read", "POST": "edit"},
        Note,
        ["text"],
        "/",
    )

    def render_to_response(self, context: Any) -> HttpResponse:
        return HttpResponse(context["object"].text)

    def delete(self, request: Any, **_: Any) -> HttpResponse:
        self.get_object().delete()
        return HttpResponse("secret")


class Removal(GuardedView, DeleteView):
    guard, action, model, success_url = guard, "remove", Note, "/"


class AsyncDetail(GuardedView, View):
    guard, action = guard, "read"

    async def get_resource(self, request: Any, pk: int, **_: Any) -> Note:
        return await Note.objects.select_related("owner").aget(pk=pk)

    async def get(self, request: Any, pk: int) -> HttpResponse:
        return HttpResponse(self.resource.text)


class Bare(GuardedView, View):
    guard, action = guard, "read"

    def get(self, request: Any, pk: int) -> HttpResponse:
        return HttpResponse("secret")


class EntryAdmin(GuardedAdmin, admin.ModelAdmin):
    list_display, list_editable, search_fields = ("id", "text"), ("text",), ("text",)


class Backend(PolicyBackend):
    guard = guard
    actions: ClassVar = {
        f"site.{verb}_{model}": action
        for model in ("note", "entry")
        for verb, action in [("view", "read"), ("change", "edit"), ("delete", "remove")]
    }


admin_site = admin.AdminSite()
admin_site.register(Entry, EntryAdmin)

users = EntityTable("auth_user", StoredColumn("id", kind="int"), {"is_staff": "is_staff"})
mapping = map_tables(
    engine.schema,
    {"Note": EntityTable("site_entry", StoredColumn("id", kind="int"), {"owner": "owner_id", "public": "public"}),
     "User": users},
)  # fmt: skip
governed = MappedModels(
    mapping,
    {Entry: Verbs(select="read", insert="edit", update="edit", delete="remove"), User: None},
)


def authorized(get_response: Any) -> Any:
    """Let what runs for a request read and write what its user may."""

    def middleware(request: Any) -> Any:
        if not request.user.is_authenticated:
            return get_response(request)
        bound = engine.bind(
            {
                "type": "User",
                "id": str(request.user.pk),
                "properties": {"is_staff": request.user.is_staff},
            }
        )
        with authorized_models(bound, governed):
            return get_response(request)

    return middleware


urlpatterns = [
    path("notes/<int:pk>", show), path("async/<int:pk>", show_async), path("edit/<int:pk>", edit),
    path("stream/<int:pk>", stream), path("detail/<int:pk>", Detail.as_view()),
    path("changes/<int:pk>", Changes.as_view()), path("removal/<int:pk>", Removal.as_view()),
    path("async-class/<int:pk>", AsyncDetail.as_view()), path("bare/<int:pk>", Bare.as_view()),
    path("undeclared", undeclared), path("public", guard.public(lambda request: HttpResponse("public"))),
    path("cached/<int:pk>", cache_page(60)(show)), path("cached-class/<int:pk>", cache_page(60)(Detail.as_view())),
    path("admin/", admin_site.urls),
]  # fmt: skip
