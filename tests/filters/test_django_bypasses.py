"""Try every documented way to read and write rows with models of Django.

What is read and written is what would be if the rows that may not be read were not there, as deciding about each says;
or it is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

pytest.importorskip("django")
from asgiref.sync import sync_to_async
from django.core import serializers
from django.core.paginator import Paginator

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

from django.db import connection, models, transaction  # isort: skip  # after its settings
from django.db.models import (  # isort: skip
    Avg, Case, Count, Exists, ExpressionWrapper, F, FilteredRelation, Func, IntegerField, Max, OuterRef, Prefetch, Q,
    Subquery, TextField, Value, When, Window, prefetch_related_objects,
)  # fmt: skip
from django.db.models.expressions import Col, CombinedExpression, RawSQL, Ref  # isort: skip
from django.db.models.functions import (
    Cast,
    Coalesce,
    Collate,
    JSONObject,
    Length,
    Lower,
    RowNumber,
    Upper,
)  # isort: skip

from policyengine.filters.authorized_models import AccessRefused

Way = Callable[[], Any]


@pytest.fixture(scope="module", params=DATABASES)
def database(request) -> Iterator[set[int]]:
    """Which documents may be read, in a database with all rows."""
    with filled(request) as visible:
        yield visible


def plain(found: Any) -> Any:
    """Return what was read in a form that can be compared."""
    match found:
        case models.Model():
            held = {n: v for n, v in vars(found).items() if not n.startswith("_") and n != "salary"}
            return type(found).__name__, held
        case dict():
            return {key: plain(value) for key, value in found.items()}
        case str() | int() | float() | datetime() | None:
            return found
    return [plain(one) for one in found]


async def gathered(rows: Any) -> list[Any]:
    return [one async for one in rows]


def listed(texts: Any) -> list[Any]:
    return sorted(map(repr, texts))


def D() -> Any:  # noqa: N802 - it is in every line
    """Return a queryset that has no results yet."""
    return Doc.objects.order_by("id")


READS: dict[str, Way] = {
    # querysets
    "all": lambda: D().all(),
    "iterated twice": lambda: [list(D()), list(D())],
    "filter": lambda: D().filter(title__in=["one", "three"]),
    "filter by key": lambda: D().filter(pk=3),
    "exclude": lambda: D().exclude(title="one"),
    "or": lambda: D().filter(Q(id=1) | Q(id=3) | ~Q(id=2)),
    "exclusive or": lambda: D().filter(Q(id=1) ^ Q(id__gt=2)),
    "always": lambda: D().filter(Q(Value(True)) | Q(id=1)),
    "none": lambda: D().none(),
    "combined": lambda: D().filter(id=1) | D().filter(id=3),
    "both": lambda: D().filter(id__gt=1) & D().filter(id__lt=4),
    "count": lambda: D().count(),
    "length": lambda: len(D()),
    "exists": lambda: [D().filter(id=n).exists() for n in (1, 3, 99)],
    "contains": lambda: [D().contains(Doc(id=n)) for n in (1, 3)],
    "first": lambda: [D().filter(id__gte=3).first(), D().filter(id=3).first()],
    "last": lambda: D().filter(id__lte=4).last(),
    "latest": lambda: [D().filter(id__lte=4).latest("id"), D().filter(id__gte=3).earliest("id")],
    "get": lambda: D().get(id=1),
    "in bulk": lambda: [D().in_bulk(), D().in_bulk([1, 3])],
    "iterator": lambda: list(D().iterator()),
    "iterator in chunks": lambda: list(D().prefetch_related("notes").iterator(chunk_size=1)),
    "slice": lambda: [D()[2], list(D()[1:3]), list(D()[::2])],
    "reverse": lambda: D().reverse(),
    "distinct": lambda: Doc.objects.order_by("owner_id").values("owner_id").distinct(),
    "pages": lambda: [list(Paginator(D(), 2).page(2)), Paginator(D(), 2).count],
    "locked": lambda: _locked(D().select_for_update()),
    "locked, some": lambda: _locked(Remark.objects.order_by("id").select_related("doc").select_for_update(of=["self"])),
    "only": lambda: [(d.id, d.title) for d in D().only("id")],
    "defer": lambda: [(d.id, d.title) for d in D().defer("title")],
    "using": lambda: D().using("default"),
    "values": lambda: D().values("id", "title"),
    "values of pairs": lambda: D().values_list("id", "owner__hr"),
    "flat": lambda: D().values_list("title", flat=True),
    "named": lambda: [row.title for row in D().values_list("title", named=True)],
    "alias": lambda: D().alias(n=Length("title")).filter(n=5),
    "dates of rows": lambda: [one.year for one in Doc.objects.dates("opens", "year")],
    "times of rows": lambda: len(Doc.objects.datetimes("opens", "hour")),
    "complex filter": lambda: D().complex_filter({"id__lt": 4}),
    "in bulk by another field": lambda: User.objects.in_bulk(field_name="id").keys(),
    "with a subclass, some": lambda: [hasattr(d, "report") for d in D().only("title", "report__figure").select_related("report")],
    "dates": lambda: Doc.objects.order_by("title").values("title").annotate(n=Count("id")),
    # aggregates and expressions
    "aggregate": lambda: Doc.objects.aggregate(n=Count("*"), top=Max("id"), mean=Avg("id")),
    "aggregate of a filter": lambda: Doc.objects.aggregate(n=Count("id", filter=Q(owner="other"))),
    "aggregate of distinct": lambda: Doc.objects.aggregate(n=Count("owner", distinct=True)),
    "aggregate of a slice": lambda: D()[:3].aggregate(n=Max("id")),
    "annotate": lambda: D().annotate(low=Lower("title"), n=F("id") + 1).values("low", "n"),
    "annotate with a count": lambda: Folder.objects.annotate(n=Count("docs")).order_by("id").values("id", "n"),
    "annotate with a filtered count": lambda: Folder.objects.annotate(n=Count("docs", filter=Q(docs__id__gt=2))).order_by("id").values("n"),
    "annotate rows": lambda: D().annotate(n=Count("notes"), m=Count("grants")),
    "exists of a group": lambda: [D().annotate(n=Count("notes")).filter(n=k).exists() for k in (0, 1, 2)],
    "exists of a group of a subclass": lambda: Report.objects.annotate(n=Count("notes")).filter(n=0).exists(),
    "count of a group": lambda: D().annotate(n=Count("notes")).filter(n=1).count(),
    "aggregate of a group": lambda: D().annotate(n=Count("notes")).aggregate(m=Max("n")),
    "having": lambda: Folder.objects.annotate(n=Count("docs")).filter(n__gt=2).values("id"),
    "window": lambda: D().annotate(n=Window(RowNumber(), order_by="id"), all=Window(Count("id"))).values("n", "all"),
    "filter of a window": lambda: D().annotate(n=Window(RowNumber(), order_by="id")).filter(n=3).values("id"),
    "rows of a window": lambda: D().annotate(n=Window(RowNumber(), order_by="id")).filter(n__in=[2, 3]),
    "prefetch of a slice": lambda: [[d.id for d in f.few] for f in Folder.objects.order_by("id").prefetch_related(Prefetch("docs", D()[:2], to_attr="few"))],
    "case": lambda: D().annotate(n=Case(When(title="three", then=1), default=0)).values("n"),
    "json": lambda: D().annotate(j=JSONObject(a="title", b="id")).values("j"),
    "cast": lambda: D().annotate(n=Cast("id", TextField())).values("n"),
    "function": lambda: D().annotate(n=Func("title", function="lower")).values("n"),
    "wrapped": lambda: D().annotate(n=ExpressionWrapper(F("id") * 2, output_field=IntegerField())).values("n"),
    "ordered by an expression": lambda: Doc.objects.order_by(Upper("title").desc(), F("id").asc(nulls_last=True)),
    "ordered at random": lambda: sorted(d.id for d in Doc.objects.order_by("?")),
    # joins
    "join": lambda: D().filter(folder__name="f", owner__id="other"),
    "join from the other side": lambda: Folder.objects.filter(docs__title="three").values("id"),
    "not by a join": lambda: Folder.objects.exclude(docs__title="three").order_by("id").values("id"),
    "is null": lambda: User.objects.filter(owned__isnull=True).values("id"),
    "values through a join": lambda: Folder.objects.order_by("id", "docs__id").values_list("id", "docs__title", "docs__notes__text"),
    "ordered through a join": lambda: Remark.objects.order_by("doc__title", "id").values_list("id", "doc__title"),
    "two joins": lambda: Note.objects.filter(doc__folder__docs__title="three").values("id").order_by("id"),
    "filtered relation": lambda: Folder.objects.annotate(few=FilteredRelation("docs", condition=Q(docs__id__lte=4))).order_by("id", "few__id").values_list("id", "few__title"),
    "select related": lambda: [(r.id, r.doc and (r.doc.title, r.doc.owner.id)) for r in Remark.objects.select_related("doc__owner").order_by("id")],
    "select related, a subclass": lambda: [(r.figure, r.folder.id) for r in Report.objects.select_related("folder")],
    "select related to a subclass": lambda: [hasattr(d, "report") for d in D().select_related("report")],
    "prefetch": lambda: [[d.id for d in f.docs.all()] for f in Folder.objects.prefetch_related("docs").order_by("id")],
    "prefetch of prefetched": lambda: [[n.text for d in f.docs.all() for n in d.notes.all()] for f in Folder.objects.prefetch_related("docs__notes").order_by("id")],
    "prefetch with a queryset": lambda: [[d.id for d in f.some] for f in Folder.objects.prefetch_related(Prefetch("docs", Doc.objects.filter(id__gt=2), to_attr="some")).order_by("id")],
    "prefetch of many": lambda: [sorted(d.id for d in u.given.all()) for u in User.objects.prefetch_related("given").order_by("id")],
    "prefetch of objects": lambda: prefetch_related_objects(f := list(Folder.objects.order_by("id")), "docs") or [[d.id for d in one.docs.all()] for one in f],
    # related managers and attributes
    "related manager": lambda: [listed(d.id for d in f.docs.all()) for f in Folder.objects.order_by("id")],
    "related manager, counted": lambda: [f.docs.count() for f in Folder.objects.order_by("id")],
    "related manager of many": lambda: [u.given.count() for u in User.objects.order_by("id")],
    "many": lambda: [[u.id for u in d.readers.all()] for d in D()],
    "parts": lambda: [[n.text for n in d.notes.all()] for d in D()],
    "reference": lambda: [n.doc.title for n in Note.objects.order_by("id")],
    "subclass of an object": lambda: Doc.objects.get(id=5).report.figure,
    "parent of an object": lambda: Report.objects.get().doc_ptr.title,
    "refreshed": lambda: (d := D().get(id=1)).refresh_from_db() or d,
    "deferred": lambda: [(d.title, d.owner_id) for d in D().only("id", "folder")],
    # other managers and models
    "default manager": lambda: Doc._default_manager.order_by("id"),
    "base manager": lambda: Doc._base_manager.order_by("id"),
    "manager of one's own": lambda: models.QuerySet(Doc).order_by("id"),
    "proxy": lambda: Plain.objects.order_by("id").values("id", "title"),
    "another model of the table": lambda: Twin.objects.order_by("id").values("id", "title"),
    "subclass": lambda: [(r.id, r.title, r.figure) for r in Report.objects.all()],
    "subclass, counted": lambda: [Report.objects.count(), Report.objects.filter(figure__gt=0).count()],
    "through": lambda: READERS.objects.order_by("id").values_list("doc_id", "user_id"),
    "parts of all": lambda: Note.objects.order_by("id").values("doc_id", "text"),
    "part of two keys": lambda: Grant.objects.order_by("pk").values_list("pk"),
    "part by two keys": lambda: [Grant.objects.filter(pk=(n, "other")).exists() for n in (1, 3)],
    # subqueries and unions
    "in": lambda: Folder.objects.filter(id__in=D().filter(title="three").values("folder")).values("id"),
    "exists, outside": lambda: Folder.objects.filter(Exists(Doc.objects.filter(folder=OuterRef("pk"), title="three"))).values("id"),
    "not exists": lambda: Folder.objects.filter(~Exists(Doc.objects.filter(folder=OuterRef("pk"), title="three"))).order_by("id").values("id"),
    "subquery": lambda: Folder.objects.annotate(t=Subquery(Doc.objects.filter(folder=OuterRef("pk")).order_by("-title").values("title")[:1])).order_by("id").values("t"),
    "subquery in an order": lambda: Folder.objects.order_by(Subquery(Doc.objects.filter(title="three").values("id")), "id").values("id"),
    "subquery of subqueries": lambda: User.objects.filter(Exists(Doc.objects.filter(owner=OuterRef("pk")).filter(Exists(Note.objects.filter(doc=OuterRef("pk"), text="three"))))).values("id"),
    "subquery without a table": lambda: Folder.objects.annotate(n=Coalesce(Subquery(Doc.objects.filter(id=3).values("id")), 0)).order_by("id").values("n"),
    "union": lambda: D().order_by().filter(id__lt=3).union(Doc.objects.filter(id=3), Doc.objects.filter(id=5)).order_by("id"),
    "union of all": lambda: listed(Doc.objects.values_list("id").union(Doc.objects.values_list("id"), all=True)),
    "union, counted": lambda: Doc.objects.values("id").union(Note.objects.values("id")).count(),
    "intersection": lambda: listed(Doc.objects.values_list("id").intersection(Doc.objects.filter(id__lt=4).values_list("id"))),
    "difference": lambda: listed(Doc.objects.values_list("id").difference(Doc.objects.filter(id__lt=3).values_list("id"))),
    # elsewhere
    "dumped": lambda: serializers.serialize("json", Doc.objects.only("title", "owner").order_by("id"), fields=["title"]),
    "validated": lambda: Doc(id=3, owner_id="me").validate_unique(),
    "pickled query": lambda: _pickled(D()),
    # async
    "async for": lambda: run(lambda: gathered(D())),
    "async iterator": lambda: run(lambda: gathered(D().aiterator(chunk_size=1))),
    "async get": lambda: run(lambda: D().aget(id=1)),
    "async first": lambda: run(lambda: D().filter(id__gte=3).afirst()),
    "async last": lambda: run(lambda: D().filter(id__lte=4).alast()),
    "async count": lambda: run(lambda: D().acount()),
    "async exists": lambda: run(lambda: D().filter(id=3).aexists()),
    "async in bulk": lambda: run(lambda: D().ain_bulk([1, 3])),
    "async aggregate": lambda: run(lambda: D().aaggregate(n=Count("*"))),
    "async contains": lambda: run(lambda: D().acontains(Doc(id=3))),
    "async latest": lambda: run(lambda: D().filter(id__lte=4).alatest("id")),
    "async related": lambda: run(Folder(id=1).docs.acount),
    "async tasks": lambda: run(_tasks),
    "sync in async": lambda: run(sync_to_async(lambda: D().count())),
}  # fmt: skip


def _locked(rows: Any) -> Any:
    with transaction.atomic():
        return list(rows)


def _pickled(rows: Any) -> Any:
    import pickle

    again = Doc.objects.all()
    again.query = pickle.loads(pickle.dumps(rows.query))
    return again


async def _tasks() -> list[int]:
    return list(await asyncio.gather(*(D().acount() for _ in range(3))))


@pytest.mark.parametrize("name", READS)
def test_every_read_gives_what_there_would_be_without_the_hidden_rows(database, name):
    with authorized():
        found = plain(READS[name]())
    with undone():
        prune(database)
        expected = plain(READS[name]())
    assert found == expected


HIDDEN: dict[str, Way] = {
    "get": lambda: Doc.objects.get(id=3),
    "reference": lambda: Remark.objects.get(id=3).doc,
    "refreshed": lambda: Doc(id=3).refresh_from_db(),
    "deferred": lambda: Doc.from_db("default", ["id"], [3]).title,
    "async get": lambda: run(lambda: Doc.objects.aget(id=3)),
    "async refreshed": lambda: run(lambda: Doc(id=3).arefresh_from_db()),
    "subclass": lambda: Report.objects.get(id=4),
    "latest": lambda: Doc.objects.filter(id=3).latest("id"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_row_is_not_there(database, name):
    HIDDEN[name]()
    with authorized(), pytest.raises((Doc.DoesNotExist, Report.DoesNotExist)):
        HIDDEN[name]()


class Written(Func):
    template = "(select max(title) from governed_doc)"


class Printing(Func):
    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> Any:
        return "(select max(title) from governed_doc)", []


class Typed(TextField):
    def db_type(self, connection: Any) -> str:
        return "text) || (select max(title) from governed_doc"


class Placed(TextField):
    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return EVERY + " || %s"


class Formatted(TextField):
    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        return EVERY, ()


class Like(models.Lookup):
    lookup_name = "same"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "(select max(title) from governed_doc) = %s", ["two"]


REFUSED_READS: dict[str, tuple[Way, str | None]] = {
    "raw": (lambda: list(Doc.objects.raw("select * from governed_doc")), "connection"),
    "raw of another model": (lambda: list(Folder.objects.raw("select * from governed_doc")), "connection"),
    "raw, iterated": (lambda: Doc.objects.raw("select * from governed_doc")[0], "connection"),
    "async raw": (lambda: run(lambda: sync_to_async(list)(Doc.objects.raw("select * from governed_doc"))), "connection"),
    "extra select": (lambda: list(Doc.objects.extra(select={"x": EVERY})), "text"),
    "extra select of another's column": (lambda: list(Folder.objects.extra(select={"x": '"governed_doc"."title"'})), "text"),
    "extra where": (lambda: list(Folder.objects.extra(where=["exists (select 1 from governed_doc)"])), "text"),
    "extra tables": (lambda: list(Folder.objects.extra(tables=["governed_doc"])), "text"),
    "extra order": (lambda: list(Folder.objects.extra(order_by=["governed_doc.title"])), "text"),
    "RawSQL": (lambda: list(Folder.objects.annotate(x=RawSQL(EVERY, ()))), "text"),
    "RawSQL in a filter": (lambda: list(Folder.objects.filter(name=RawSQL(EVERY, ()))), "text"),
    "RawSQL in an order": (lambda: list(Folder.objects.order_by(RawSQL(EVERY, ()))), "text"),
    "RawSQL in a subquery": (lambda: list(Folder.objects.filter(Exists(Note.objects.filter(text=RawSQL(EVERY, ()))))), "text"),
    "RawSQL in an aggregate": (lambda: Folder.objects.aggregate(n=Max(RawSQL(EVERY, ()))), "text"),
    "RawSQL as the filter of an aggregate": (lambda: Folder.objects.aggregate(n=Count("id", filter=RawSQL(f"{EVERY} = 'two'", (), output_field=models.BooleanField()))), "text"),
    "RawSQL as a condition": (lambda: list(Folder.objects.filter(RawSQL(f"{EVERY} = 'two'", (), output_field=models.BooleanField()))), "text"),
    "RawSQL in a group of a window": (lambda: list(Folder.objects.annotate(n=Window(Count("id"), partition_by=[RawSQL(EVERY, ())], order_by=RawSQL(EVERY, ())))), "text"),
    "RawSQL in a case": (lambda: list(Folder.objects.annotate(n=Case(When(RawSQL(f"{EVERY} = 'two'", (), output_field=models.BooleanField()), then=1)))), "text"),
    "template": (lambda: list(Folder.objects.annotate(x=Func("name", template=EVERY, output_field=TextField()))), "text"),
    "template of a class": (lambda: list(Folder.objects.annotate(x=Written(output_field=TextField()))), "text"),
    "template of an object": (lambda: list(Folder.objects.annotate(x=_with(Lower("name"), template=EVERY))), "text"),
    "function": (lambda: list(Folder.objects.annotate(x=Func("name", function=EVERY + " || lower", output_field=TextField()))), "text"),
    "function of an object": (lambda: list(Folder.objects.annotate(x=_with(Lower("name"), function=EVERY + " || lower"))), "text"),
    "joiner": (lambda: list(Folder.objects.annotate(x=Func("name", "id", function="coalesce", arg_joiner=f" || {EVERY}, ", output_field=TextField()))), "text"),
    "template of a subquery": (lambda: list(Folder.objects.annotate(x=Subquery(Note.objects.values("text")[:1], template=EVERY))), "text"),
    "template of a case": (lambda: list(Folder.objects.annotate(x=Case(When(id=1, then=1), template=EVERY))), "text"),
    "template of an aggregate": (lambda: Folder.objects.aggregate(x=Max("name", template=EVERY)), "text"),
    "printing": (lambda: list(Folder.objects.annotate(x=Printing(output_field=TextField()))), "text"),
    "name of a table that is text": (lambda: list(Folder.objects.annotate(x=Col(f'governed_folder"."name" || {EVERY} || "', Folder._meta.get_field("name")))), "text"),
    "name of a column that is text": (lambda: list(Folder.objects.order_by(Ref(f'name" || {EVERY} || "', F("name")))), "text"),
    "name of a collation that is text": (lambda: list(Folder.objects.annotate(x=_with(Collate("name", "x"), collation=f'"nocase" || {EVERY} || "name"'))), "text"),
    "operator": (lambda: list(Folder.objects.annotate(x=CombinedExpression(F("name"), f"|| {EVERY} ||", Value("x"), output_field=TextField()))), "text"),
    "type": (lambda: list(Folder.objects.annotate(x=Cast("name", Typed()))), "text"),
    "collation of a type": (lambda: list(Folder.objects.annotate(x=Cast("name", models.CharField(max_length=f"1) || {EVERY} || cast(name as text")))), "text"),
    "placeholder of a field": (lambda: list(Folder.objects.filter(name=Value("x", Placed()))), "text"),
    "format of a field": (lambda: list(Folder.objects.annotate(x=ExpressionWrapper(F("name"), Formatted()))), "text"),
    "lookup": (lambda: list(Folder.objects.filter(Like(F("name"), "x"))), "text"),
    "explain": (lambda: Doc.objects.explain(), "explain"),
    "async explain": (lambda: run(Folder.objects.aexplain), "explain"),
    "cursor": (lambda: executed("select * from governed_doc"), "connection"),
    "cursor, an honest statement": (lambda: executed("select 1"), "connection"),
    "cursor, what looks like a savepoint": (lambda: executed('SAVEPOINT "x"; select * from governed_doc'), "connection"),
    "cursor, a printed query": (lambda: executed(*Doc.objects.filter(id=1).query.sql_with_params()), "connection"),
    "cursor, a printed query with others' values": (lambda: executed(Doc.objects.all().query.sql_with_params()[0], ("other",) * 4), "connection"),
    "cursor, many": (lambda: connection.cursor().executemany("select * from governed_doc where id = %s", [(1,)]), "connection"),
    "cursor, a script": (lambda: connection.cursor().executescript("select * from governed_doc"), "connection"),
    "cursor, a procedure": (lambda: connection.cursor().callproc("f"), "connection"),
    "cursor, a copy": (lambda: connection.cursor().copy("COPY governed_doc TO STDOUT"), "connection"),
    "cursor, chunked": (lambda: _chunked(), "connection"),
    "cursor of a debugging connection": (lambda: _debugged(), "connection"),
    "tables": (lambda: connection.introspection.table_names(), "connection"),
    "schema": (lambda: dropped(), "connection"),
    "what is mapped and not named": (lambda: Vault.objects.count(), None),
    "what is mapped and not named, by a union": (lambda: list(Folder.objects.values("id").union(Vault.objects.values("id"))), None),
    "another model by another name": (lambda: Capital.objects.count(), None),
    # columns that may be hidden
    "hidden column": (lambda: Doc.objects.get(id=1).salary, None),
    "hidden column, only": (lambda: list(Doc.objects.only("salary")), None),
    "hidden column, values": (lambda: list(Doc.objects.values("salary")), None),
    "hidden column, all values": (lambda: list(Doc.objects.values()), None),
    "hidden column, filter": (lambda: list(Doc.objects.filter(salary=10)), None),
    "hidden column, exclude": (lambda: Doc.objects.exclude(salary__gt=10).exists(), None),
    "hidden column, order": (lambda: list(Doc.objects.order_by("salary")), None),
    "hidden column, aggregate": (lambda: Doc.objects.aggregate(n=Max("salary")), None),
    "hidden column, in a filter of an aggregate": (lambda: Doc.objects.aggregate(n=Count("id", filter=F("salary"))), None),
    "hidden column, in a record": (lambda: list(Doc.objects.annotate(n=JSONObject(a="salary"))), None),
    "hidden column, annotate": (lambda: list(Doc.objects.annotate(n=F("salary") + 1)), None),
    "hidden column, alias": (lambda: list(Doc.objects.alias(n=F("salary")).filter(n=10)), None),
    "hidden column, distinct": (lambda: list(Doc.objects.values("salary").distinct()), None),
    "hidden column, joined": (lambda: list(Folder.objects.filter(docs__salary=10)), None),
    "hidden column, counted": (lambda: Folder.objects.aggregate(n=Count("docs__salary")), None),
    "hidden column, filtered relation": (lambda: list(Folder.objects.annotate(x=FilteredRelation("docs", condition=Q(docs__salary=10))).filter(x__id=1)), None),
    "hidden column, outer": (lambda: list(Doc.objects.filter(Exists(Folder.objects.filter(id=OuterRef("salary"))))), None),
    "hidden column, window": (lambda: list(Doc.objects.annotate(n=Window(RowNumber(), order_by="salary"))), None),
    "hidden column, subclass": (lambda: list(Report.objects.filter(salary=50)), None),
    "hidden column, proxy": (lambda: list(Plain.objects.filter(salary=10)), None),
    "hidden column, latest": (lambda: Doc.objects.latest("salary"), None),
    "hidden column, deferred": (lambda: run(sync_to_async(lambda: Doc.objects.only("id")[0].salary)), None),
    "hidden column, dumped": (lambda: serializers.serialize("json", Doc.objects.all()), None),
    "hidden column, refreshed": (lambda: Doc.objects.get(id=1).refresh_from_db(fields=["salary"]), None),
    "hidden column, prefetched": (lambda: list(Folder.objects.prefetch_related(Prefetch("docs", Doc.objects.order_by("salary")))), None),
}  # fmt: skip


def _chunked() -> None:
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute("select * from governed_doc")


def _with(node: Any, **values: Any) -> Any:
    vars(node).update(values)
    return node


def _debugged() -> Any:
    connection.force_debug_cursor = True
    try:
        return connection.cursor().copy("COPY governed_doc TO STDOUT")
    finally:
        connection.force_debug_cursor = False


@pytest.mark.parametrize("name", REFUSED_READS)
def test_a_read_that_nothing_can_check_is_refused(database, name):
    read, waiver = REFUSED_READS[name]
    before = stored()
    with authorized(), pytest.raises(AccessRefused) as refused:
        read()
    assert refused.value.waiver == waiver
    assert stored() == before


def test_a_cursor_from_before_is_refused(database):
    with connection.cursor() as cursor, authorized(), pytest.raises(AccessRefused):
        cursor.execute("select * from governed_doc")


def test_nothing_of_a_scope_is_left(database):
    before = Doc.objects.count()
    with pytest.raises(AccessRefused), authorized():
        Vault.objects.count()
    assert Vault.objects.count() == 1
    assert Doc.objects.count() == before
