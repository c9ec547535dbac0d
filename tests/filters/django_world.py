"""Models of Django that a policy governs, with rows of which some are hidden."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.apps import AppConfig, apps
from django.core.management.color import no_style

from policyengine import InvalidRequest, PolicyEngine
from policyengine.filters.mapping import EntityTable, SetTable, StoredColumn, map_tables
from tests.filters.django_models import tables_of, use_postgresql

from django.db import connection, connections, models, transaction  # isort: skip  # after its settings

from policyengine.filters.authorized_models import (
    AuthorizedManager,
    MappedModels,
    Verbs,
    authorized_models,
    unauthorized_models,
)

POLICY = """
package documents
entity User { hr: bool }
entity Vault { name: string }
entity Doc { owner: User, title: string, salary?: int, opens?: datetime, readers: set<User>, granted: set<User>, notes: set<string> }
action read, create, edit, remove by User on Doc
gate rows "what may be done" for read, create, edit, remove
field gate view "which fields may be seen" for read
gate rows {
    permit own: remove when resource.owner == subject and resource.title != "kept"
    permit kept: read when resource.owner == subject and (not resource has opens or resource.opens <= now)
    permit given: read when subject in resource.readers or subject in resource.granted
    permit made: create when resource.owner == subject and resource.title != "forbidden"
    permit open: edit when resource.owner == subject and resource.title != "locked"
}
gate view {
    permit most: read fields id, owner, title, opens, readers, granted, notes
    expose pay: read when subject.hr or resource.title == "one" fields salary
}
"""

config = AppConfig("governed", sys.modules[__name__])
config.apps, config.models = apps, apps.all_models["governed"]
apps.app_configs["governed"] = config


class Made(models.Model):
    class Meta:
        abstract = True
        app_label = "governed"


class User(Made):
    id = models.TextField(primary_key=True)
    hr = models.BooleanField(default=False)


class Vault(Made):
    name = models.TextField()


class Folder(Made):
    name = models.TextField(default="f")


class Doc(Made):
    owner = models.ForeignKey(User, models.CASCADE, related_name="owned")
    title = models.TextField(default="new", null=True)  # noqa: DJ001 - which no document may be
    salary = models.BigIntegerField(null=True)
    opens = models.DateTimeField(null=True)
    folder = models.ForeignKey(Folder, models.CASCADE, null=True, related_name="docs")
    readers = models.ManyToManyField(User, related_name="given")


class Report(Doc):
    figure = models.BigIntegerField()


class Note(Made):
    doc = models.ForeignKey(Doc, models.CASCADE, related_name="notes")
    text = models.TextField(default="note")


class Grant(Made):
    """A part whose key is in two columns."""

    pk = models.CompositePrimaryKey("doc_id", "user_id")
    doc = models.ForeignKey(Doc, models.CASCADE, related_name="grants")
    user = models.ForeignKey(User, models.CASCADE)
    why = models.TextField(default="")


class Remark(Made):
    """What is not governed, beside a document."""

    doc = models.ForeignKey(Doc, models.SET_NULL, null=True, related_name="remarks")


class Plain(Doc):
    class Meta:
        app_label = "governed"
        proxy = True


class Twin(Made):
    """Another model of the same table."""

    title = models.TextField()

    class Meta:
        app_label = "governed"
        managed = False
        db_table = "governed_doc"


class Capital(Made):
    title = models.TextField()

    class Meta:
        app_label = "governed"
        managed = False
        db_table = "Governed_DOC"


class Kept(Made):
    vaults = models.ManyToManyField(Vault)
    folder = models.ForeignKey(Folder, models.DO_NOTHING, null=True, related_name="kept")
    objects = AuthorizedManager()


class KeptMore(Kept):
    class Meta:
        app_label = "governed"
        proxy = True


apps.clear_cache()
MODELS = (User, Vault, Folder, Doc, Report, Note, Grant, Remark)
TABLES = [*MODELS, Doc.readers.through]
READERS = Doc.readers.through

ENGINE = PolicyEngine.from_text(POLICY)
MAPPING = map_tables(
    ENGINE.schema,
    {
        "User": EntityTable("governed_user", attributes={"hr": "hr"}),
        "Vault": EntityTable("governed_vault", attributes={"name": "name"}),
        "Doc": EntityTable(
            "governed_doc",
            StoredColumn("id", kind="int"),
            {
                "owner": "owner_id", "title": "title", "salary": "salary", "opens": "opens",
                "readers": SetTable("governed_doc_readers", "doc_id", "user_id"),
                "granted": SetTable("governed_grant", "doc_id", "user_id"),
                "notes": SetTable("governed_note", "doc_id", "text"),
            },
        ),
    },
)  # fmt: skip
GOVERNED = MappedModels(MAPPING, {Doc: Verbs("read", "create", "edit", "remove"), User: None})


def subject(*, hr: bool = False) -> dict[str, Any]:
    return {"type": "User", "id": "me", "properties": {"hr": hr}}


def authorized(*, hr: bool = False, **options: Any) -> Any:
    return authorized_models(ENGINE.bind(subject(hr=hr)), GOVERNED, **options)


def fill() -> None:
    me, other = User.objects.create(id="me"), User.objects.create(id="other")
    folders = [Folder.objects.create(id=n) for n in (1, 2)]
    Vault.objects.create(id=1, name="gold")
    rows = [
        (1, me, "one"),
        (2, me, "two"),
        (3, other, "three"),
        (6, other, "shared"),
        (7, me, "locked"),
        (8, me, "kept"),
    ]
    for n, owner, title in rows:
        doc = Doc.objects.create(
            id=n, owner=owner, title=title, salary=n * 10, folder=folders[n % 2]
        )
        Note.objects.create(id=n, doc=doc, text=title)
        Remark.objects.create(id=n, doc=doc)
    for n, owner, title in [(4, other, "four"), (5, me, "five")]:
        Report.objects.create(
            id=n, owner=owner, title=title, salary=n * 10, figure=n, folder=folders[0]
        )
    Doc.objects.create(id=20, owner=me, title=None)
    Doc.objects.create(id=21, owner=me, opens=datetime.now(UTC) + timedelta(days=1))
    for n, user in [(1, other), (3, other), (2, me)]:
        Grant.objects.create(doc_id=n, user=user)
    Doc.objects.get(id=6).readers.add(me)
    Doc.objects.get(id=2).readers.add(other)
    Doc.objects.get(id=3).readers.add(other)


def stored() -> dict[str, dict[Any, Any]]:
    """Return all rows by the name of their table and their key."""
    return {
        model._meta.db_table: {
            row["pk"]: row
            for row in model.objects.values(
                "pk", *(f.attname for f in model._meta.local_concrete_fields)
            )
        }
        for model in TABLES
    }


def allowed_ids(action: str) -> set[int]:
    """Decide about each row."""
    found = set()
    for doc in Doc.objects.all():
        properties = {
            "owner": {"type": "User", "id": doc.owner_id},
            "title": doc.title,
            "salary": doc.salary,
            "opens": doc.opens,
            "readers": [{"type": "User", "id": user.id} for user in doc.readers.all()],
            "granted": [{"type": "User", "id": one.user_id} for one in doc.grants.all()],
            "notes": [note.text for note in doc.notes.all()],
        }
        given = {name: value for name, value in properties.items() if value is not None}
        resource = {"type": "Doc", "id": str(doc.id), "properties": given}
        with suppress(InvalidRequest):  # which allows nothing
            if ENGINE.decide(subject(), action, resource, {}).allowed:
                found.add(doc.id)
    return found


def prune(visible: set[int]) -> None:
    """Delete all documents but some, with their parts."""
    hidden = [n for n in Doc.objects.values_list("id", flat=True) if n not in visible]
    for model in (Note, Grant, READERS):
        model.objects.filter(doc_id__in=hidden)._raw_delete("default")
    Report.objects.filter(doc_ptr_id__in=hidden)._raw_delete("default")
    Doc.objects.filter(id__in=hidden)._raw_delete("default")


@contextmanager
def undone() -> Iterator[None]:
    """Do something in a transaction that is rolled back."""
    with transaction.atomic():
        with unauthorized_models():
            for statement in connection.ops.sequence_reset_sql(no_style(), TABLES):
                executed(statement)
        yield
        transaction.set_rollback(True)


DATABASES = ["sqlite", "postgresql"] if "TEST_DATABASES" in os.environ else ["sqlite"]


@contextmanager
def filled(request: Any) -> Iterator[set[int]]:
    """Make the tables and fill them; give the ids of the documents that may be read."""
    before = connections["default"]
    if request.param == "postgresql":
        use_postgresql(request.getfixturevalue("postgresql"))
        connections["default"] = connections["postgresql"]
    try:
        with tables_of(*MODELS, Kept):
            fill()
            yield allowed_ids("read")
    finally:
        connections["default"].close()
        connections["default"] = before


def run(made: Callable[[], Any]) -> Any:
    async def awaited() -> Any:
        return await made()

    return async_to_sync(awaited)()


EVERY = "(select max(title) from governed_doc)"
"""What reads a hidden row."""


def executed(*statement: Any) -> Any:
    with connection.cursor() as cursor:
        return cursor.execute(*statement)


def dropped() -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(Doc)
