"""A condition of Django selects the rows that the predicate is true of, whatever the database holds."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test.utils import override_settings

from policyengine.filters.django_printing import django_condition
from policyengine.filters.predicates import (
    ROWS,
    TRUE,
    Ancestor,
    Column,
    Compare,
    Comparison,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    Matches,
    Not,
    NotPushable,
    OneOf,
    Parameter,
    Predicate,
    both,
    either,
)
from tests.filters.django_models import (
    connections,
    insert,
    model_of,
    models,
    selected,
    tables_of,
)
from tests.filters.generated_filters import DECIMALS
from tests.filters.interpreter import holds

SIGNS: tuple[Comparison, ...] = ("==", "!=", "<", "<=", ">", ">=")
TITLE, OTHER = Column(ROWS, "title", "text"), Column(ROWS, "other", "text")
PRICE, AT = Column(ROWS, "price", "decimal"), Column(ROWS, "at", "instant")
LEVEL, PUBLIC = Column(ROWS, "level", "int"), Column(ROWS, "public", "bool")
ABC = Parameter("Abc", "text")


def document(**other: Any) -> Any:
    return model_of(
        "document",
        {
            "title": models.CharField(max_length=99, null=True, db_index=True, **other),
            "other": models.TextField(null=True),
            "level": models.IntegerField(null=True),
            "public": models.BooleanField(null=True),
            "price": models.DecimalField(max_digits=9, decimal_places=2, null=True),
            "at": models.DateTimeField(null=True),
        },
    )


def test_decimals_of_fifteen_digits_are_told_apart():
    fields = {"amount": models.DecimalField(max_digits=15, decimal_places=4, null=True)}
    model, amount = model_of("prices", fields), Column(ROWS, "amount", "decimal")
    stored = [{"id": at, "amount": value % 10**11} for at, value in enumerate(DECIMALS)]
    rows = [*stored, {"id": 99, "amount": None}]
    asked = [Compare(op, amount, Parameter(value, "decimal")) for op in SIGNS for value in DECIMALS]
    with tables_of(model):
        insert(model, rows)
        for predicate in [*asked, OneOf(amount, DECIMALS[:5]), IsOfKind(amount)]:
            for each in (predicate, Not(predicate)):
                wanted = [row["id"] for row in rows if holds(each, row, {})]
                assert selected(each, model) == wanted


def test_text_is_compared_exactly_whatever_the_collation():
    model = document(db_collation="NOCASE")
    titles = [None, "Abc", "abc", "Abc ", "Abc\0", "xAbc"]
    with tables_of(model):
        insert(model, [{"title": title, "other": "abc"} for title in titles])
        assert selected(Compare("==", TITLE, ABC), model) == [2]
        assert selected(Compare("!=", ABC, TITLE), model) == [3, 4, 5, 6]
        assert selected(Compare("==", TITLE, OTHER), model) == [3]
        assert selected(OneOf(TITLE, ("Abc", "x")), model) == [2]
        assert selected(Matches(TITLE, ("Ab", "")), model) == [2, 4, 5]
        assert selected(Matches(TITLE, ("", "A", "")), model) == [2, 4, 5, 6]
        assert selected(HasMore("document", "d", (), Column("d", "title", "text"), 4), model)
        assert not selected(HasMore("document", "d", (), Column("d", "title", "text"), 5), model)


def test_ways_up_are_told_apart_whatever_the_collation():
    model = document(db_collation="NOCASE")
    own, up = Column("d", "title", "text"), Column("d", "other", "text")
    with tables_of(model):
        insert(model, [{"title": "a", "other": "B"}, {"title": "b"}, {"title": "B"}])
        where = Compare("==", Column("d", "id", "int"), Parameter(2, "int"))
        assert selected(Ancestor("document", "d", TITLE, own, up, where), model) == [2]
        where = Compare("==", Column("d", "id", "int"), Parameter(3, "int"))
        assert selected(Ancestor("document", "d", TITLE, own, up, where), model) == [1, 3]


FITTING = [
    ("title", "", True), ("title", b"abc", False),
    ("level", 0, True), ("level", 2**62, True), ("level", "x", False), ("level", 1.5, False),
    ("public", 1, True), ("public", 2, False), ("public", "true", False),
    ("price", 1, True), ("price", 1.25, True), ("price", 1.00001, False), ("price", "x", False),
    ("at", "2026-11-01 00:00:00", True), ("at", "2026-11-01 00:00:00.000001", True),
    ("at", "2026-11-01 00:00:00.000000", False), ("at", "2026-11-01T00:00:00", False),
    ("at", "2026-11-01 00:00:00Z", False), ("at", "2026-02-30 00:00:00", False), ("at", "2026-11-01", False),
    ("at", "0000-11-01 00:00:00", False), ("at", "2026-11-01 00:00:00\0", False), ("at", 1, False),
    ("at", "9999-12-31 23:59:59.999999", True), ("at", "2026-11-01 00:00:00.00000x", False),
]  # fmt: skip


def test_what_a_column_holds_fits_its_kind():
    model = document()
    columns = {column.name: column for column in (TITLE, LEVEL, PUBLIC, PRICE, AT)}
    with tables_of(model), connections["default"].cursor() as cursor:
        for key, (name, value, _) in enumerate(FITTING):
            cursor.execute(f"INSERT INTO document (id, {name}) VALUES (%s, %s)", [key, value])
        for name, column in columns.items():
            fit = {key for key, (its, _, fits) in enumerate(FITTING) if its == name and fits}
            assert {*selected(IsOfKind(column), model)} == fit
            assert {*selected(Not(IsOfKind(column)), model)} == {*range(len(FITTING))} - fit


def test_an_outer_row_is_not_hidden_by_a_table_that_nothing_else_is_asked_of():
    model = document()
    with tables_of(model):
        insert(model, [{"title": "Abc"}, {"title": "x"}])
        inside = Exists("document", "inner", (), Compare("==", TITLE, ABC))
        assert selected(inside, model) == [1]
        assert selected(Not(inside), model) == [2]
        assert selected(Exists("document", "inner", (), TRUE), model) == [1, 2]


def test_sqlite_parses_a_filter_of_several_tables():
    model, predicate = document(), IsLonger(Column("d6", "title", "text"), 3)
    for depth in reversed(range(6)):
        inner, outer = f"d{depth + 1}", f"d{depth}" if depth else ROWS
        title, around = Column(inner, "title", "text"), Column(outer, "title", "text")
        asked = Exists("document", inner, ((title, around),), predicate)
        level = IsPresent(Column(outer, "level", "int"))
        predicate = both([level, either([IsOfKind(around), asked])])
    with tables_of(model):
        insert(model, [{"title": "abcd", "level": 1}, {"title": "abcd"}, {"level": 1}])
        assert selected(predicate, model) == [1]


def test_an_index_is_used():
    model = document()
    asked = [Compare("==", TITLE, ABC), OneOf(TITLE, ("a", "b")), Matches(TITLE, ("Ab", ""))]
    with tables_of(model):
        for predicate in asked:
            rows = model.objects.filter(django_condition(predicate, model, {}))
            assert "USING INDEX" in rows.explain()


def test_a_condition_is_copied_and_pickled():
    model = document()
    two = Not(Compare("==", LEVEL, Parameter(1, "int")))
    again = pickle.loads(pickle.dumps(copy.deepcopy(django_condition(two, model, {}))))
    with tables_of(model):
        insert(model, [{"level": 1}, {"level": 2}])
        assert [row.pk for row in model.objects.filter(again)] == [2]


WIDE = {"amount": models.DecimalField(max_digits=18, decimal_places=4)}
EURO = Compare("<", Column(ROWS, "amount", "decimal"), Parameter(Decimal(1), "decimal"))
NOW = Compare("<", AT, Parameter(datetime(2026, 11, 1, tzinfo=UTC), "instant"))


def refused(predicate: Predicate, model: Any) -> str:
    with pytest.raises(NotPushable) as caught:
        str(model.objects.filter(django_condition(predicate, model, {})).query)
    return str(caught.value)


def test_what_cannot_be_said_exactly_is_refused():
    assert "no model for this table" in refused(Exists("tag", "t", (), TRUE), document())
    assert "has no field" in refused(IsPresent(Column(ROWS, "titel", "text")), document())
    assert "BooleanField" in refused(IsPresent(Column(ROWS, "public", "text")), document())
    assert "11 digits before the point" in refused(EURO, model_of("price", WIDE))
    quote = model_of("quote", {"a": models.TextField(db_column='a"b')})
    assert "does not quote" in refused(IsPresent(Column(ROWS, 'a"b', "text")), quote)
    with override_settings(USE_TZ=False):
        assert "local time" in refused(NOW, document())


class Loud(models.TextField):
    def select_format(self, compiler, sql, params):
        return f"upper({sql})", params


class Louder(models.TextField):
    def get_db_converters(self, connection):
        return [lambda value, *_: value and value.upper()]


@pytest.mark.parametrize("kind", [Loud, Louder])
def test_a_field_that_changes_what_is_read_is_refused(kind):
    asked = IsPresent(Column(ROWS, "title", "text"))
    assert kind.__name__ in refused(asked, model_of("loud", {"title": kind()}))


def test_another_database_is_refused(monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    assert "SQLite and PostgreSQL" in refused(IsPresent(TITLE), document())


def test_a_missing_django_is_named():
    code = "import sys; sys.modules['django'] = None; import policyengine.filters.django_printing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.endswith("install `policyengine-dsl[django]`\n")
