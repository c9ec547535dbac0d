"""Hold what a scope of models promises besides what is read and written: fields, waivers, times, threads, bad input."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("django")
from policyengine import PolicyEngine, StaleSubject
from policyengine.filters import authorized_writes, model_authorization
from policyengine.filters.governing import SubjectRows
from policyengine.filters.mapping import EntityTable, SetTable, StoredColumn, map_tables
from policyengine.filters.model_authorization import FREE
from policyengine.filters.predicates import NotPushable
from policyengine.runtime import clock
from tests.filters.django_models import tables_of
from tests.filters.django_world import (
    DATABASES,
    ENGINE,
    EVERY,
    GOVERNED,
    MAPPING,
    POLICY,
    Doc,
    Folder,
    Grant,
    Kept,
    KeptMore,
    Made,
    Note,
    Plain,
    Report,
    User,
    authorized,
    executed,
    filled,
    subject,
    undone,
)  # fmt: skip

from django.db import IntegrityError, connection, models, transaction  # isort: skip  # after its settings
from django.db.backends.signals import connection_created  # isort: skip
from django.db.models.expressions import RawSQL  # isort: skip
from django.test.utils import CaptureQueriesContext  # isort: skip

from policyengine.filters.authorized_models import (
    AccessRefused,
    MappedModels,
    Verbs,
    authorized_models,
    unauthorized_models,
)


@pytest.fixture(scope="module", params=DATABASES)
def database(request) -> Iterator[None]:
    with filled(request):
        yield


def ids(rows: Any = None) -> list[int]:
    return sorted(row.id for row in (Doc.objects.all() if rows is None else rows))


# ---- fields -----------------------------------------------------------------------------


def test_fields_are_read_of_rows_that_expose_them(database):
    assert Doc.objects.get(id=2).salary == 20
    with authorized(fields={Doc: ["salary"]}):
        assert [(d.id, d.salary) for d in Doc.objects.all()] == [(1, 10)]
        assert Doc.objects.filter(salary__gt=0).count() == 1
    with authorized(fields={Doc: ["salary"]}, hr=True):
        assert ids() == [1, 2, 5, 6, 7, 8]
    with authorized():
        assert "salary" not in vars(Doc.objects.get(id=1))
        assert Doc.objects.only("title").get(id=1).get_deferred_fields() >= {"salary"}


def test_an_id_that_may_be_hidden_is_read_nowhere(database):
    engine = PolicyEngine.from_text(POLICY.replace("fields id, owner", "fields owner"))
    governed = MappedModels(map_tables(engine.schema, MAPPING.tables), {Doc: Verbs("read")})
    with authorized_models(engine.bind(subject()), governed):
        assert Doc.objects.values("title").count() == 6
        assert Note.objects.filter(text="one").values_list("text").get() == ("one",)
        for hidden in (
            Doc.objects.all(),
            Note.objects.values("doc_id"),
            Note.objects.filter(doc_id=1),
        ):
            with pytest.raises(AccessRefused, match="may be hidden"):
                list(hidden)


def test_a_set_that_may_be_hidden_is_read_by_no_table(database):
    policy = POLICY.replace("opens, readers, granted", "opens, granted").replace(
        "fields salary", "fields salary, readers"
    )
    engine = PolicyEngine.from_text(policy)
    governed = MappedModels(
        map_tables(engine.schema, MAPPING.tables), {Doc: Verbs("read"), User: None}
    )
    hidden = [
        Doc.readers.through.objects.all(), Doc.objects.filter(readers__id="other"), User.objects.filter(given__id=1),
        Doc.objects.prefetch_related("readers"), Doc(id=1).readers.all(), User.objects.annotate(n=models.Count("given")),
    ]  # fmt: skip
    with authorized_models(engine.bind(subject()), governed):
        assert len(ids()) == 6
        for rows in hidden:
            with pytest.raises(AccessRefused, match="`governed_doc_readers` may be hidden"):
                list(rows)
    with authorized_models(engine.bind(subject()), governed, fields={Doc: ["readers"]}):
        assert Doc.readers.through.objects.filter(doc__title="one").count() == 0
        assert ids() == [1]


def test_a_change_leaves_what_was_not_read(database):
    with undone():
        with authorized():
            doc = Doc.objects.get(id=1)
            doc.title = "x"
            doc.save()
        assert Doc.objects.values_list("title", "salary").get(id=1) == ("x", 10)


# ---- waivers ----------------------------------------------------------------------------


WAIVED: dict[str, Callable[[], Any]] = {
    "text": lambda: Folder.objects.annotate(x=RawSQL(EVERY, ())).first().x,
    "connection": lambda: [d.id for d in Doc.objects.raw("select * from governed_doc where id = 3")],
    "explain": lambda: Doc.objects.explain() != "",
    "conflicts": lambda: Doc.objects.bulk_create(
        [Doc(id=3, owner_id="me", title="x")], update_conflicts=True, unique_fields=["id"], update_fields=["title"]
    )[0].pk,
}  # fmt: skip


@pytest.mark.parametrize("waiver", WAIVED)
def test_what_is_waived_is_done(database, waiver):
    with undone(), authorized(waive=[waiver]):
        assert WAIVED[waiver]() in ("two", [3], True, 3)
    for other in WAIVED.keys() - {waiver}:
        with undone(), authorized(waive=[other]), pytest.raises(AccessRefused):
            WAIVED[waiver]()


# ---- times ------------------------------------------------------------------------------


def test_what_opens_with_time_is_read_when_it_has(database):
    with undone(), authorized():
        assert 21 not in ids()
        with unauthorized_models():
            Doc.objects.filter(id=21).update(opens=datetime.now(UTC))
        assert 21 in ids()


def test_a_condition_is_made_again_when_the_clock_was_set_back(database, monkeypatch):
    policy = PolicyEngine.from_text("""
package p
entity User { ends: datetime }
entity Doc { title: string }
action read by User on Doc
permit any_: read
forbid early: read when now < subject.ends
""")
    mapping = map_tables(policy.schema, {"Doc": EntityTable("governed_doc", StoredColumn("id", kind="int"), {
        "title": "title"})})  # fmt: skip
    governed = MappedModels(mapping, {Doc: Verbs(select="read")})
    ended = {"type": "User", "id": "me", "properties": {"ends": "2020-01-01T00:00:00Z"}}
    with authorized_models(policy.bind(ended), governed):
        assert ids()
        monkeypatch.setattr(clock, "now", lambda: 0)
        assert not ids()


def test_a_subject_that_is_too_old_reads_nothing_more(database):
    bound = ENGINE.bind(subject(), max_age=timedelta(microseconds=1))
    with authorized_models(bound, GOVERNED), pytest.raises(StaleSubject):
        ids()


# ---- what is decided before it is written -------------------------------------------------


def test_an_object_is_decided_about_before_it_is_inserted(database):
    with undone(), authorized(), CaptureQueriesContext(connection) as run:
        with pytest.raises(AccessRefused, match="`create` is not allowed on the `Doc` as it is"):
            Doc.objects.create(id=9, owner_id="me", title="forbidden")
        assert not any("INSERT" in one["sql"] for one in run.captured_queries)


def test_what_a_database_cuts_is_not_decided_about_before(database):
    """Of rows whose conflicts are ignored, which nothing can decide about as they are stored."""
    policy = PolicyEngine.from_text("""
package p
entity User {}
entity Priced { price: decimal, tag: string }
action create by User on Priced
permit dear: create when resource.price > 10.00 and resource.tag != "no"
""")
    mapping = map_tables(policy.schema, {"Priced": EntityTable("governed_priced", StoredColumn("id", kind="int"), {
        "price": "price", "tag": "tag"})})  # fmt: skip
    governed = MappedModels(mapping, {Priced: Verbs(insert="create")})
    with tables_of(Priced):
        with authorized_models(policy.bind({"type": "User", "id": "me"}), governed):
            for price, tag in [("10.004", "x"), ("11", "no "), ("NaN", "x")]:
                with pytest.raises(AccessRefused):
                    Priced.objects.bulk_create(
                        [Priced(id=1, price=Decimal(price), tag=tag)], ignore_conflicts=True
                    )
            Priced.objects.bulk_create(
                [Priced(id=2, price="10.01", tag="x")], ignore_conflicts=True
            )
        assert Priced.objects.count() == 1


class Priced(Made):
    price = models.DecimalField(max_digits=6, decimal_places=2)
    tag = models.CharField(max_length=2)


def test_parts_go_with_what_is_deleted(database):
    removing = MappedModels(MAPPING, {Doc: Verbs(select="read", delete="remove"), User: None})
    with undone():
        with authorized_models(ENGINE.bind(subject()), removing):
            with pytest.raises(AccessRefused, match="no action is named for the verb `update`"):
                Note.objects.filter(id=1).delete()
            Doc.objects.get(id=2).delete()
        assert not Doc.objects.filter(id=2).exists()
        assert not Note.objects.filter(id=2).exists()


def test_what_refers_to_what_is_deleted_is_not_left_over(database):
    folder = Folder.objects.create(id=9)
    Doc.objects.create(id=30, owner_id="other", folder=folder)
    with authorized(), pytest.raises(IntegrityError):
        folder.delete()
    assert Doc.objects.get(id=30).folder_id == 9
    for rows in (Doc.objects.filter(id=30), Folder.objects.filter(id=9)):
        rows._raw_delete("default")


def test_a_subclass_is_inserted_by_the_action_for_that(database):
    inserting = MappedModels(MAPPING, {Doc: Verbs(select="read", insert="create"), User: None})
    with undone(), authorized_models(ENGINE.bind(subject()), inserting):
        assert Report.objects.create(owner_id="me", figure=1).figure == 1
        with pytest.raises(AccessRefused, match="the verb `update` of `Doc`"):
            Report(doc_ptr_id=1, figure=1).save_base(raw=True)


@pytest.mark.parametrize("verb", ["select", "insert", "update", "delete"])
def test_a_verb_without_an_action_is_refused(database, verb):
    named = {"select": "read", "insert": "create", "update": "edit", "delete": "remove", verb: None}
    governed = MappedModels(MAPPING, {Doc: Verbs(**named), User: None})
    ways: dict[str, Callable[[], Any]] = {
        "select": lambda: Doc.objects.count(),
        "insert": lambda: Doc.objects.create(owner_id="me"),
        "update": lambda: Doc.objects.filter(id=1).update(title="x"),
        "delete": lambda: Doc.objects.filter(id=2).delete(),
    }
    for other, way in ways.items():
        with undone(), authorized_models(ENGINE.bind(subject()), governed):
            if other == verb or (verb == "select" and other != "insert"):
                with pytest.raises(AccessRefused, match=f"the verb `{verb}` of `Doc`"):
                    way()
            else:
                way()


def test_keys_may_be_given_as_text(database):
    with undone(), authorized():
        Note.objects.create(doc_id="1", text="x")
        Note.objects.filter(id="1").update(doc="2")
        Grant.objects.create(doc_id="5", user_id="other")
        Doc(id="2").delete()
        with pytest.raises(AccessRefused):
            Note.objects.filter(text="x").update(doc="3")


def test_errors_show_no_values_of_rows(database):
    with authorized(), pytest.raises(IntegrityError) as taken, transaction.atomic():
        Doc.objects.create(id=3, owner_id="me")
    assert "\n" not in str(taken.value)


def test_rows_are_asked_for_in_batches_and_not_too_many_at_once(database, monkeypatch):
    monkeypatch.setattr(model_authorization, "_AT_ONCE", 1)
    with undone(), authorized():
        Doc.objects.filter(id__in=[1, 2]).update(title="x")
        with pytest.raises(AccessRefused), transaction.atomic():
            Doc.objects.filter(id__in=[1, 2, 6]).update(title="y")
        assert {*Doc.objects.filter(id__lt=3).values_list("title")} == {("x",)}
        monkeypatch.setattr(authorized_writes, "_MOST_CHANGED", 1)
        with pytest.raises(AccessRefused, match="more than 1 rows"):
            Doc.objects.filter(id__in=[1, 2]).update(title="z")


@pytest.mark.parametrize(
    "name", ['governed_doc" AS "x', '"governed_doc"', 'main"."governed_doc', "GOVERNED_note"]
)
def test_other_names_of_a_table_are_refused(name):
    with pytest.raises(AccessRefused, match="may be another name"):
        GOVERNED.governs(name)
    assert not GOVERNED.governs('main"."another')


# ---- scopes -----------------------------------------------------------------------------


@pytest.mark.parametrize("who", [{"type": "User", "id": "ann"}, None])
def test_a_subject_that_is_not_bound_is_refused_at_once(who: Any):
    with pytest.raises(TypeError, match="a subject is bound"):
        authorized_models(who, GOVERNED)


def test_a_scope_is_no_decorator_and_is_not_in_another(database):
    with pytest.raises(TypeError):
        authorized()(lambda: None)  # whose body would be outside, were it a coroutine function
    with authorized(), pytest.raises(AccessRefused, match="already"), authorized():
        pass
    with authorized(), unauthorized_models(), authorized(hr=True):
        assert ids() == [1, 2, 5, 6, 7, 8]


def test_a_scope_may_be_entered_in_several_threads(database):
    for scope in (authorized(), unauthorized_models()):
        with scope, scope if scope.said is FREE else nullcontext():
            thread = Thread(target=scope.__enter__)  # which leaves it later, or never
            thread.start()
            thread.join()
        assert "within `authorized_models`" in _error(Kept.objects.count)


def test_what_a_generator_leaves_open_frees_nothing(database):
    def freed() -> Iterator[None]:
        with unauthorized_models():
            yield

    one, other, rows = freed(), freed(), len(ids())
    with authorized():
        next(one)
        assert len(ids()) == rows
    assert "within `authorized_models`" in _error(Kept.objects.count)
    next(other)
    with authorized():
        for left in (one, other):
            left.close()
            assert len(ids()) == 6
    assert "within `authorized_models`" in _error(Kept.objects.count)


def test_a_thread_is_in_the_scope_whose_context_it_has(database):
    found: list[Any] = []

    def read() -> None:
        try:
            found.append(executed("select 1"))
        except AccessRefused:
            found.append("refused")
        finally:
            connection.close()

    with authorized():
        for target in (read, contextvars.copy_context().run):
            thread = Thread(target=target, args=() if target is read else (read,))
            thread.start()
            thread.join()
    assert found[0] != "refused"
    assert found[1] == "refused"


def test_a_connection_that_is_made_within_is_set_up(database):
    def set_up(connection: Any, **_: Any) -> None:
        connection.cursor().execute("select 1")

    connection_created.connect(set_up)
    try:
        with authorized():
            another = connection.copy()
            another.ensure_connection()
            with pytest.raises(AccessRefused):
                another.cursor().execute("select 1")
            another.close()
    finally:
        connection_created.disconnect(set_up)


def test_a_database_that_prints_otherwise_is_refused(database, monkeypatch):
    monkeypatch.setattr(type(connection.ops), "compiler", lambda *_: None, raising=False)
    with pytest.raises(RuntimeError, match="in another way"):
        authorized()


# ---- models that demand a scope -----------------------------------------------------------


def test_a_model_may_demand_a_scope(database):
    ways: list[Callable[[], Any]] = [
        lambda: Kept.objects.count(), lambda: Kept._base_manager.first(), lambda: KeptMore.objects.first(),
        lambda: Folder.objects.filter(kept__id=1).exists(), lambda: Folder(id=1).kept.first(),
        lambda: Kept.vaults.through.objects.count(), lambda: Kept().save(), lambda: Kept.objects.update(folder=1),
        lambda: Kept(id=1).delete(), lambda: list(late), lambda: Folder.objects.filter(id__in=late.values("id")).count(),
    ]  # fmt: skip
    with authorized():
        late = Kept.objects.all()
        refused = ["and this one does not name it" in _error(way) for way in ways]
    assert refused == [True] * len(ways)
    for way in ways:
        assert "`Kept` is read and written within" in _error(way)
    with undone(), unauthorized_models():
        assert Kept.objects.create().pk
        assert Kept.objects.count() == 1


def _error(way: Callable[[], Any]) -> str:
    with undone(), pytest.raises(AccessRefused) as refused:
        way()
    return str(refused.value)


def test_a_model_that_demands_a_scope_is_as_the_scope_names_it(database):
    mapping = map_tables(ENGINE.schema, MAPPING.tables | {"User": EntityTable("governed_kept")})
    with authorized_models(ENGINE.bind(subject()), MappedModels(mapping, {Kept: None})):
        assert Kept.objects.filter(vaults__id=1).count() == 0
        assert Kept.vaults.through.objects.count() == 0
    with (
        authorized_models(ENGINE.bind(subject()), MappedModels(mapping, {})),
        pytest.raises(AccessRefused),
    ):
        Kept.objects.count()


# ---- bad input --------------------------------------------------------------------------


class Nowhere(Made):
    class Meta:
        app_label = "governed"
        abstract = True


class Unmapped(Made):
    pass


def test_what_cannot_be_governed_is_refused():
    for named, message in [
        ({Unmapped: None}, "no table `governed_unmapped`, of `Unmapped`"),
        ({Nowhere: None}, "`Nowhere` is abstract"),
        ({Doc: Verbs("fly")}, "no action `fly` on Doc"),
        ({Doc: Verbs("read"), User: Verbs("read")}, "no action `read` on User"),
        ({Doc: None, Plain: None}, "named besides"),
    ]:
        with pytest.raises(ValueError, match=message):
            MappedModels(MAPPING, named)
    twice = map_tables(
        ENGINE.schema, {name: EntityTable("governed_user") for name in ("User", "Vault")}
    )
    with pytest.raises(ValueError, match="several types"):
        MappedModels(twice, {User: None})
    bound = ENGINE.bind(subject())
    with pytest.raises(ValueError, match="nothing is waived by 'all'"):
        authorized_models(bound, GOVERNED, waive=["all"])
    with pytest.raises(ValueError, match="`Folder` is not governed"):
        authorized_models(bound, GOVERNED, fields={Folder: ["name"]})


def test_a_mapping_to_what_is_not_there_is_named_when_it_is_needed(database):
    owned = {"owner": "owner_id", "title": "title", "salary": "salary", "opens": "opens", "notes": SetTable("nowhere", "doc_id", "text"),
             "readers": SetTable("nowhere", "doc_id", "user_id"), "granted": SetTable("nowhere", "doc_id", "user_id")}  # fmt: skip
    for attributes, problem in [(owned, "nowhere"), (owned | {"title": "heading"}, "heading")]:
        mapping = map_tables(
            ENGINE.schema,
            {"Doc": EntityTable("governed_doc", StoredColumn("id", kind="int"), attributes)},
        )
        governed = MappedModels(mapping, {Doc: Verbs("read")})
        with (
            authorized_models(ENGINE.bind(subject()), governed),
            pytest.raises(NotPushable, match=problem),
        ):
            ids()


def test_the_owner_of_parts_may_be_found_by_another_column(database, monkeypatch):
    """Of an entity whose id is no key of the table; conditions that do not follow the time are made once."""
    made, plain = [], SubjectRows.allowed
    monkeypatch.setattr(
        SubjectRows, "allowed", lambda self, *of: made.append(of[1]) or plain(self, *of)
    )
    policy = PolicyEngine.from_text("""
package p
entity User {}
entity Slugged { owner: User, tags: set<string> }
action read, edit by User on Slugged
gate rows "rows" for read, edit
gate rows {
    permit own: read, edit when resource.owner == subject
    permit open: read when "open" in resource.tags
}
""")
    mapping = map_tables(policy.schema, {"Slugged": EntityTable("governed_slugged", "slug", {
        "owner": "owner_id", "tags": SetTable("governed_labelled", "slugged_id", "text")})})  # fmt: skip
    governed = MappedModels(mapping, {Slugged: Verbs("read", "edit", "edit", "edit")})
    me = {"type": "User", "id": "me", "properties": {}}
    with tables_of(Slugged, Labelled):
        for name in ("me", "other"):
            Slugged.objects.create(slug=name, owner_id=name)
            Labelled.objects.create(slugged_id=name, text="x")
        with authorized_models(policy.bind(me), governed):
            assert [one.slugged_id for one in Labelled.objects.all()] == ["me"]
            assert Labelled.objects.filter(slugged__owner_id="me").count() == 1
            assert made == ["read"]
            Labelled.objects.create(slugged_id="me", text="y")
            with pytest.raises(AccessRefused):
                Labelled.objects.create(slugged_id="other", text="y")
            with unauthorized_models():
                Labelled.objects.create(slugged_id="other", text="open")
            mine = Slugged.objects.get(slug="me")
            mine.slug = "other"  # by which Django finds what goes with it
            with pytest.raises(AccessRefused):
                mine.delete()
            Slugged.objects.get(slug="me").delete()
        assert [one.slugged_id for one in Labelled.objects.all()] == ["other", "other"]


class Slugged(Made):
    slug = models.TextField(unique=True)
    owner_id = models.TextField()


class Labelled(Made):
    slugged = models.ForeignKey(Slugged, models.CASCADE, to_field="slug")
    text = models.TextField()
