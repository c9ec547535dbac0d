"""Try every documented way to write rows with models of Django.

What is written is what would be if the rows that may not be read were not there; or it is refused, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("django")
from django.core import serializers

from tests.filters.django_world import (
    DATABASES,
    EVERY,
    READERS,
    Capital,
    Doc,
    Folder,
    Grant,
    Note,
    Plain,
    Remark,
    Report,
    Twin,
    User,
    Vault,
    authorized,
    dropped,
    executed,
    filled,
    prune,
    run,
    stored,
    undone,
)  # fmt: skip

from django.db import models  # isort: skip  # after its settings
from django.db.models import Count, F, OuterRef, Subquery, Value  # isort: skip
from django.db.models.expressions import RawSQL  # isort: skip
from django.db.models.functions import Coalesce, Concat, Lower  # isort: skip

from policyengine.filters.authorized_models import AccessRefused

Way = Callable[[], Any]


@pytest.fixture(scope="module", params=DATABASES)
def database(request) -> Iterator[set[int]]:
    """Which documents may be read, in a database with all rows."""
    with filled(request) as visible:
        yield visible


def held(key: int) -> Any:
    """Return a document as if it had been read before."""
    return Doc.from_db("default", ["id", "title"], [key, "title"])


def changed(key: int = 1, **values: Any) -> None:
    doc = Doc.objects.get(id=key)
    vars(doc).update(values)
    doc.save()


def made(number: int | None = 9, owner: str = "me", **values: Any) -> Any:
    return Doc(id=number, owner_id=owner, **values)


ME, OTHER = (User.from_db("default", ["id"], [name]) for name in ("me", "other"))
WRITES: dict[str, Way] = {
    # inserts
    "save": lambda: made().save(),
    "save without a key": lambda: made(None).save(),
    "forced insert": lambda: made().save(force_insert=True),
    "create": lambda: Doc.objects.create(id=9, owner=ME, folder_id=1),
    "create by a manager": lambda: Folder(id=1).docs.create(id=9, owner=ME),
    "bulk create": lambda: Doc.objects.bulk_create([made(9), made(10), made(11)]),
    "bulk create without keys": lambda: Doc.objects.bulk_create([made(None), made(None)]),
    "bulk create in batches": lambda: Doc.objects.bulk_create([made(9), made(10), made(11)], batch_size=1),
    "bulk create, ignoring conflicts": lambda: Doc.objects.bulk_create([made(9), made(1)], ignore_conflicts=True),
    "get or create": lambda: Doc.objects.get_or_create(id=9, defaults={"owner": ME}),
    "get or create of what is there": lambda: Doc.objects.get_or_create(id=6, defaults={"owner": ME}),
    "update or create": lambda: Doc.objects.update_or_create(id=9, defaults={"owner": ME, "title": "x"}),
    "update or create of what is there": lambda: Doc.objects.update_or_create(id=1, defaults={"title": "x"}),
    "subclass": lambda: Report.objects.create(id=9, owner=ME, figure=1),
    "subclass without a key": lambda: Report.objects.create(owner=ME, figure=1),
    "subclass for a document": lambda: Report(doc_ptr_id=1, figure=1, owner_id="me", title="x").save(),
    "create by an expression": lambda: Doc.objects.create(id=9, owner=ME, title=Lower(Value("X"))),
    "create by a subquery": lambda: Doc.objects.create(id=9, owner=ME, title=Coalesce(Subquery(Doc.objects.filter(id=3).values("title")), Value("none"))),
    "deserialized": lambda: [one.save() for one in serializers.deserialize("json", '[{"model": "governed.doc", "pk": 9, "fields": {"owner": "me", "title": "x"}}]')],
    # updates
    "changed": lambda: changed(title="x"),
    "changed, some fields": lambda: _some(),
    "changed, deferred": lambda: _titled(Doc.objects.defer("owner").get(id=1)),
    "changed, a subclass": lambda: _set(Report.objects.get(id=5), figure=9, title="x"),
    "changed, a proxy": lambda: _set(Plain.objects.get(id=1), title="x"),
    "update": lambda: Doc.objects.filter(id__in=[1, 3]).update(title="x"),
    "update of a hidden row": lambda: Doc.objects.filter(id=3).update(title="x"),
    "update of a hidden column": lambda: Doc.objects.filter(id=1).update(salary=5),
    "update by an expression": lambda: Doc.objects.filter(id__lt=3).update(title=Concat("title", Value("!"))),
    "update by a subquery": lambda: Doc.objects.filter(id=1).update(title=Coalesce(Subquery(Doc.objects.filter(id=3).values("title")), Value("none"))),
    "update through a join": lambda: Doc.objects.filter(id__lt=4, folder__name="f").update(title="x"),
    "update through a manager": lambda: Folder(id=1).docs.filter(id=2).update(title="x"),
    "update of a slice of keys": lambda: Doc.objects.filter(id__in=Doc.objects.order_by("id").values("id")[:1]).update(title="x"),
    "update of a subclass": lambda: Report.objects.update(figure=9),
    "update of a subclass and its parent": lambda: Report.objects.update(figure=9, title="x"),
    "update of what is not governed": lambda: Folder.objects.filter(docs__title="three").update(name="x"),
    "update of what is not governed, by rows": lambda: Folder.objects.update(name=Coalesce(Subquery(Doc.objects.filter(folder=OuterRef("pk")).order_by("-title").values("title")[:1]), Value("none"))),
    "update ordered": lambda: Doc.objects.filter(id__in=[1, 2]).order_by("-id").update(title="x"),
    "update of a group": lambda: Doc.objects.annotate(n=Count("notes")).filter(n=1, id__lt=3).update(title="x"),
    "update by values": lambda: Doc.objects.values("title").filter(id=1).update(title="x"),
    "update annotated": lambda: Doc.objects.annotate(n=F("id") + 1).filter(n=2).update(title="x"),
    "bulk update": lambda: Doc.objects.bulk_update([_titled_only(Doc.objects.get(id=n)) for n in (1, 2)], ["title"]),
    "bulk update of what is held": lambda: Doc.objects.bulk_update([Doc(id=1, title="x"), Doc(id=3, title="x")], ["title"]),
    "moved": lambda: Folder(id=2).docs.add(Doc.objects.get(id=2)),
    "taken out": lambda: Folder(id=1).docs.remove(Doc.objects.get(id=2)),
    # deletions
    "delete": lambda: Doc.objects.get(id=1).delete(),
    "delete of a subclass": lambda: Doc.objects.get(id=5).delete(),
    "delete of a subclass as such": lambda: Report.objects.get(id=5).delete(),
    "delete of a subclass, keeping its parent": lambda: Report.objects.get(id=5).delete(keep_parents=True),
    "delete by a queryset": lambda: Doc.objects.filter(id__in=[1, 2, 3]).delete(),
    "delete of a hidden row": lambda: Doc.objects.filter(id=3).delete(),
    "delete through a join": lambda: Note.objects.filter(doc__id__lt=3, doc__folder__name="f").delete(),
    "raw delete": lambda: Note.objects.filter(id__in=[1, 3])._raw_delete("default"),
    "delete of parts": lambda: Note.objects.filter(id__in=[1, 3]).delete(),
    "delete beside": lambda: Remark.objects.filter(doc__title__in=["one", "three"]).delete(),
    # related managers
    "add": lambda: Doc.objects.get(id=1).readers.add(OTHER),
    "add by key": lambda: Doc.objects.get(id=1).readers.add("other"),
    "add from the other side": lambda: OTHER.given.add(Doc.objects.get(id=1)),
    "add what is there": lambda: Doc.objects.get(id=2).readers.add(OTHER, ME),
    "remove": lambda: Doc.objects.get(id=2).readers.remove(OTHER),
    "set": lambda: Doc.objects.get(id=2).readers.set([ME]),
    "clear": lambda: Doc.objects.get(id=2).readers.clear(),
    "create of many": lambda: Doc.objects.get(id=1).readers.create(id="new"),
    "through": lambda: READERS.objects.create(doc_id=1, user_id="other"),
    "parts added": lambda: Doc.objects.get(id=1).notes.create(text="x"),
    "parts of several": lambda: Note.objects.bulk_create([Note(doc_id=1), Note(doc_id=2)]),
    "part changed": lambda: _set(Note.objects.get(id=1), text="x"),
    "part moved": lambda: _set(Note.objects.get(id=1), doc_id=2),
    "part moved by a manager": lambda: Doc.objects.get(id=2).notes.add(Note.objects.get(id=1)),
    "parts, updated": lambda: Note.objects.filter(id__in=[1, 3]).update(text="x"),
    "parts, updated by values": lambda: Note.objects.values("text").filter(id__in=[1, 3]).update(text="x"),
    "parts, deleted by values": lambda: Note.objects.values("text").filter(id__in=[1, 3])._raw_delete("default"),
    "parts of two keys": lambda: Grant.objects.create(doc_id=5, user_id="other"),
    "parts of two keys, changed": lambda: _set(Grant.objects.get(doc_id=1), why="x"),
    "parts of two keys, updated": lambda: Grant.objects.update(why="x"),
    "parts of two keys, deleted": lambda: Grant.objects.get(doc_id=1).delete(),
    "parts of two keys, in bulk": lambda: Grant.objects.bulk_create([Grant(doc_id=5, user_id=n) for n in ("me", "other")]),
    "parts, moved by a statement": lambda: Note.objects.filter(id__in=[1, 3]).update(doc=2),
    # async
    "async create": lambda: run(lambda: Doc.objects.acreate(id=9, owner=ME)),
    "async save": lambda: run(lambda: made().asave()),
    "async get or create": lambda: run(lambda: Doc.objects.aget_or_create(id=9, defaults={"owner": ME})),
    "async update or create": lambda: run(lambda: Doc.objects.aupdate_or_create(id=1, defaults={"title": "x"})),
    "async bulk create": lambda: run(lambda: Doc.objects.abulk_create([made(9), made(10)])),
    "async update": lambda: run(lambda: Doc.objects.filter(id__in=[1, 3]).aupdate(title="x")),
    "async delete": lambda: run(lambda: Doc.objects.filter(id__in=[1, 3]).adelete()),
    "async add": lambda: run(lambda: held(1).readers.aadd(OTHER)),
    "async bulk update": lambda: run(lambda: Doc.objects.abulk_update([Doc(id=1, title="x")], ["title"])),
    "async create of many": lambda: run(lambda: held(1).readers.acreate(id="new")),
    "async remove": lambda: run(lambda: held(2).readers.aremove(OTHER)),
    "async delete of an object": lambda: run(lambda: held(2).adelete()),
    "async get or create of parts": lambda: run(lambda: held(1).notes.aget_or_create(text="x")),
    "async set": lambda: run(lambda: held(2).readers.aset([ME])),
    "async clear": lambda: run(held(2).readers.aclear),
}  # fmt: skip


def _set(instance: Any, **values: Any) -> None:
    vars(instance).update(values)
    instance.save()


def _some() -> None:
    doc = Doc.objects.get(id=1)
    doc.title = doc.owner_id = "x"
    doc.save(update_fields=["title"])


def _titled_only(doc: Any) -> Any:
    doc.title = "x"
    return doc


def _titled(doc: Any) -> None:
    _titled_only(doc).save()


@pytest.mark.parametrize("name", WRITES)
def test_every_write_changes_what_it_would_without_the_hidden_rows(database, name):
    with undone():
        with authorized():
            WRITES[name]()
        found = stored()
    with undone():
        before = stored()
        prune(database)
        pruned = stored()
        WRITES[name]()
        expected = stored()
    for table, rows in before.items():
        expected[table] |= {key: row for key, row in rows.items() if key not in pruned[table]}
    assert found == expected


REFUSED_WRITES: dict[str, tuple[Way, str | None]] = {
    "save for another": (lambda: made(owner="other").save(), None),
    "create for another": (lambda: Doc.objects.create(owner=OTHER), None),
    "create of what is forbidden": (lambda: Doc.objects.create(owner=ME, title="forbidden"), None),
    "create by an expression": (lambda: Doc.objects.create(owner=ME, title=Lower(Value("FORBIDDEN"))), None),
    "bulk create for another": (lambda: Doc.objects.bulk_create([made(9), made(10, "other")]), None),
    "bulk create for another, ignoring": (lambda: Doc.objects.bulk_create([made(10, "other")], ignore_conflicts=True), None),
    "bulk create, ignoring, of what is not known": (lambda: Doc.objects.bulk_create([made(10, title=Lower(Value("FORBIDDEN")))], ignore_conflicts=True), None),
    "bulk create, updating": (lambda: Doc.objects.bulk_create([made(3, title="x")], update_conflicts=True, unique_fields=["id"], update_fields=["title", "owner"]), "conflicts"),
    "bulk create of parts, updating": (lambda: Note.objects.bulk_create([Note(id=3, doc_id=1)], update_conflicts=True, unique_fields=["id"], update_fields=["doc"]), "conflicts"),
    "get or create for another": (lambda: Doc.objects.get_or_create(id=9, defaults={"owner": OTHER}), None),
    "update or create for another": (lambda: Doc.objects.update_or_create(id=1, defaults={"owner": OTHER}), None),
    "subclass for another": (lambda: Report.objects.create(owner=OTHER, figure=1), None),
    "subclass of another's": (lambda: Report(doc_ptr_id=3, figure=1).save_base(raw=True), None),
    "subclass of a document that is only read": (lambda: Report(doc_ptr_id=6, figure=1).save_base(raw=True), None),
    "deserialized for another": (lambda: [one.save() for one in serializers.deserialize("json", '[{"model": "governed.doc", "pk": 9, "fields": {"owner": "other", "title": "x"}}]')], None),
    "subclass for a document that is only read": (lambda: Report(doc_ptr_id=6, figure=1, owner_id="me", title="x").save(), None),
    "by another model": (lambda: Twin.objects.create(title="x"), None),
    "by another model, updated": (lambda: Twin.objects.filter(id=1).update(title="x"), None),
    "by another model, deleted": (lambda: Twin.objects.filter(id=1).delete(), None),
    "by another name": (lambda: Capital.objects.filter(id=1).update(title="x"), None),
    "what is mapped and not named": (lambda: Vault.objects.create(name="x"), None),
    "what is mapped and not named, deleted": (lambda: Vault.objects.all().delete(), None),
    "changed, what is only read": (lambda: changed(6, title="x"), None),
    "changed, what is locked": (lambda: changed(7, title="x"), None),
    "changed to what fits nothing": (lambda: changed(title=None), None),
    "create of what fits nothing": (lambda: Doc.objects.create(owner=ME, title=None), None),
    "parts of two keys": (lambda: Grant.objects.create(doc_id=3, user_id="me"), None),
    "parts of two keys, in bulk": (lambda: Grant.objects.bulk_create([Grant(doc_id=n, user_id="me") for n in (1, 3)]), None),
    "parts of two keys, moved": (lambda: Grant.objects.filter(doc_id=1).update(doc=3), None),
    "changed to what may not be": (lambda: changed(title="locked"), None),
    "given away": (lambda: changed(owner_id="other"), None),
    "given away by a statement": (lambda: Doc.objects.filter(id=1).update(owner="other"), None),
    "given away by an expression": (lambda: Doc.objects.filter(id=1).update(owner=Lower(Value("OTHER"))), None),
    "update of one that may not be": (lambda: Doc.objects.update(title="x"), None),
    "update of keys": (lambda: Doc.objects.filter(id=1).update(id=F("id") + 100), None),
    "update by a hidden column": (lambda: Doc.objects.filter(id=1).update(title=F("salary")), None),
    "update where a column is hidden": (lambda: Doc.objects.filter(salary=10).update(title="x"), None),
    "update by text": (lambda: Doc.objects.filter(id=1).update(title=RawSQL(EVERY, ())), "text"),
    "update by a column as text": (lambda: Doc.objects.filter(id=1).update(title=RawSQL('"governed_doc"."salary"', ())), "text"),
    "update by a column as text, outside": (lambda: Doc.objects.filter(id=1).update(title=Subquery(Folder.objects.annotate(x=RawSQL('"governed_doc"."salary"', ())).values("x")[:1])), "text"),
    "update by a hidden column, outside": (lambda: Doc.objects.filter(id=1).update(title=Subquery(Folder.objects.annotate(x=OuterRef("salary")).values("x")[:1])), None),
    "update of what is not governed, by text": (lambda: Folder.objects.update(name=RawSQL(EVERY, ())), "text"),
    "update of a parent by its subclass": (lambda: Report.objects.update(owner="other"), None),
    "bulk update of what is only read": (lambda: Doc.objects.bulk_update([Doc(id=6, title="x")], ["title"]), None),
    "delete of what is only read": (lambda: Doc.objects.get(id=6).delete(), None),
    "delete of what is kept": (lambda: Doc.objects.get(id=8).delete(), None),
    "delete of what is hidden": (lambda: Doc(id=3).delete(), None),
    "delete by a queryset": (lambda: Doc.objects.all().delete(), None),
    "raw delete": (lambda: Doc.objects.all()._raw_delete("default"), None),
    "delete of what has it": (lambda: Folder.objects.get(id=1).delete(), None),
    "delete of its owner": (lambda: User.objects.get(id="me").delete(), None),
    "add to what is only read": (lambda: Doc.objects.get(id=6).readers.add(OTHER), None),
    "add to what is hidden": (lambda: held(3).readers.add(ME), None),
    "add from the other side": (lambda: ME.given.add(held(3)), None),
    "remove from what is only read": (lambda: Doc.objects.get(id=6).readers.remove(ME), None),
    "set of what is only read": (lambda: ME.given.set([]), None),
    "clear of what is only read": (lambda: Doc.objects.get(id=6).readers.clear(), None),
    "through": (lambda: READERS.objects.create(doc_id=3, user_id="me"), None),
    "through, many": (lambda: READERS.objects.bulk_create([READERS(doc_id=1, user_id="me"), READERS(doc_id=3, user_id="me")]), None),
    "through, ignoring": (lambda: READERS.objects.bulk_create([READERS(doc_id=3, user_id="me")], ignore_conflicts=True), None),
    "through, moved": (lambda: READERS.objects.filter(doc_id=2).update(doc_id=3), None),
    "through, without an owner": (lambda: READERS.objects.create(doc_id=None, user_id="me"), None),
    "through, by an expression": (lambda: READERS.objects.create(doc_id=Value(3), user_id="me"), None),
    "through, moved by an expression": (lambda: READERS.objects.filter(doc_id=2).update(doc_id=F("doc_id") + 1), None),
    "part of what is hidden": (lambda: Note.objects.create(doc_id=3), None),
    "part moved away": (lambda: _set(Note.objects.get(id=1), doc_id=3), None),
    "part moved away by a statement": (lambda: Note.objects.filter(id=1).update(doc=3), None),
    "part of what is only read": (lambda: _set(Note.objects.get(id=6), text="x"), None),
    "part taken": (lambda: _set(Note.objects.get(id=6), doc_id=1), None),
    "cursor": (lambda: executed("delete from governed_doc"), "connection"),
    "cursor, a printed change": (lambda: executed(*_printed_change()), "connection"),
    "dropped": (lambda: dropped(), "connection"),
    "async create": (lambda: run(lambda: Doc.objects.acreate(owner=OTHER)), None),
    "async update": (lambda: run(lambda: Doc.objects.aupdate(title="x")), None),
    "async delete": (lambda: run(lambda: Doc(id=3).adelete()), None),
    "async add": (lambda: run(lambda: held(3).readers.aadd(ME)), None),
}  # fmt: skip


def _printed_change() -> Any:
    query = Doc.objects.filter(id=3).query.chain(klass=models.sql.UpdateQuery)
    query.add_update_values({"title": "x"})
    return query.get_compiler("default").as_sql()


@pytest.mark.parametrize("name", REFUSED_WRITES)
def test_a_write_of_what_may_not_be_is_refused(database, name):
    write, waiver = REFUSED_WRITES[name]
    before = stored()
    with authorized(), pytest.raises(AccessRefused) as refused:
        write()
    assert refused.value.waiver == waiver
    assert stored() == before
