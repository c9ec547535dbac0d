"""Hold that any queryset reads and writes within a scope what it does where there is nothing else than what is visible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

pytest.importorskip("django")
from tests.filters.django_world import (
    DATABASES,
    READERS,
    Doc,
    Folder,
    Grant,
    Note,
    Plain,
    Remark,
    Report,
    User,
    allowed_ids,
    authorized,
    filled,
    prune,
    stored,
    undone,
)  # fmt: skip

from django.db import DatabaseError, transaction  # isort: skip  # after its settings
from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Window,
)  # isort: skip

from django.db.models.functions import Coalesce, RowNumber  # isort: skip

from policyengine.filters.authorized_models import AccessRefused

MANY = 300 if "TEST_DATABASES" in os.environ else 40
DOC = [
    "id",
    "folder_id",
    "notes__id",
    "readers__given__id",
    "report__figure",
    "remarks__id",
    "grants__doc__notes__id",
    "owner__owned__id",
]
NUMBERS: dict[Any, list[str]] = {
    Doc: DOC, Plain: DOC, Report: ["figure", "id", "folder__docs__id", "notes__id"], Note: ["id", "doc_id", "doc__folder_id", "doc__readers__given__id"],
    Folder: ["id", "docs__id", "docs__notes__id", "docs__report__figure"], Remark: ["id", "doc_id", "doc__folder_id", "doc__notes__id"],
    READERS: ["doc_id", "doc__notes__id", "user__owned__id"], Grant: ["doc_id", "doc__folder__docs__id"], User: ["owned__id", "given__notes__id"],
}  # fmt: skip
"""Numbers of models, by the joins that lead to them."""


@pytest.fixture(scope="module", params=DATABASES)
def database(request) -> Iterator[set[int]]:
    with filled(request) as visible:
        yield visible


class Querysets:
    """Makes querysets of numbers, by joins, subqueries and unions in every place."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def number(self, model: Any) -> str:
        return self.random.choice(NUMBERS[model])

    def rows(self, depth: int) -> Any:
        """Return rows of some model."""
        return self.of(self.random.choice(list(NUMBERS)), depth)

    def of(self, model: Any, depth: int) -> Any:
        rows = self.random.choice([model.objects, model._base_manager]).all()
        for _ in range(self.random.randrange(3)):
            match self.random.randrange(6 if depth else 2):
                case 0:
                    rows = rows.filter(self.condition(model, depth))
                case 1:
                    rows = rows.exclude(self.condition(model, depth))
                case 2:
                    rows = rows.annotate(**{self.name(): Count(self.number(model))})
                case 3:
                    rows = rows.annotate(
                        **{self.name(): Coalesce(Subquery(self.one(depth - 1)), 0)}
                    )
                case 4 if model is Folder:
                    name = self.name()
                    rows = rows.annotate(
                        **{
                            name: FilteredRelation(
                                "docs", condition=Q(docs__id__gt=self.random.randrange(6))
                            )
                        }
                    )
                    rows = rows.filter(Q(**{f"{name}__id": 2}) | Q(**{f"{name}__isnull": True}))
                case _:
                    rows = rows.filter(Exists(self.outside(model, depth - 1)))
        return rows

    def name(self) -> str:
        return f"made{self.random.randrange(10**9)}"

    def values(self, depth: int) -> Any:
        """Return one number of each row."""
        rows = self.rows(depth)
        return rows.order_by().values(self.number(rows.model))

    def one(self, depth: int) -> Any:
        """Return one number of one row."""
        rows = self.rows(depth)
        number = self.number(rows.model)
        return rows.order_by(number).values(number)[:1]

    def outside(self, model: Any, depth: int) -> Any:
        """Return rows that have a number of a row outside."""
        inner = self.rows(depth)
        return inner.filter(**{self.number(inner.model): OuterRef(self.number(model))})

    def condition(self, model: Any, depth: int) -> Any:
        number = self.number(model)
        match self.random.randrange(7 if depth else 3):
            case 0:
                return Q(**{number: self.random.randrange(9)})
            case 1:
                return Q(**{f"{number}__gt": self.random.randrange(9)})
            case 2:
                return Q(**{f"{number}__isnull": self.random.random() < 0.5})
            case 3:
                return Q(**{f"{number}__in": self.values(depth - 1)})
            case 4:
                return ~Q(Exists(self.outside(model, depth - 1)))
            case 5:
                return Q(**{number: F(self.number(model))})
            case _:
                one, two = (self.condition(model, depth - 1) for _ in "ab")
                return self.random.choice([one | two, one & two, one ^ two, ~one])

    def read(self) -> Any:
        """Return a function that reads rows of numbers."""
        rows, number = self.rows(2), ""
        number = self.number(rows.model)
        match self.random.randrange(9):
            case 0:
                return rows.count
            case 1:
                return rows.exists
            case 2:
                return lambda: rows.aggregate(n=Count(number), m=Max(number), s=Sum(number))
            case 3:
                return lambda: list(rows.values(number).distinct())
            case 4:
                return lambda: list(rows.order_by().values(number).union(self.values(1), all=True))
            case 5:
                return lambda: list(rows.order_by().values(number).difference(self.values(1)))
            case 6:
                return lambda: list(
                    rows.annotate(w=Window(RowNumber(), order_by="pk")).values("w", number)
                )
            case 7:
                return lambda: [one.pk for one in rows]
            case _:
                return lambda: list(rows.values("pk", number))


def found(read: Any) -> Any:
    """Return what is read in no order, or of which kind its mistake is."""
    try:
        with transaction.atomic():
            made = read()
    except Exception as problem:  # noqa: BLE001 - it must be the same
        return "of SQL" if isinstance(problem, DatabaseError) else type(problem).__name__
    return sorted(map(repr, made)) if isinstance(made, list) else made


@pytest.mark.filterwarnings("ignore")
def test_any_queryset_reads_what_is_visible(database):
    def outcomes() -> list[Any]:
        return [found(Querysets(seed).read()) for seed in range(MANY)]

    with undone():
        prune(database)
        expected = outcomes()
    with authorized():
        seen = outcomes()
    for seed in range(MANY):
        assert seen[seed] == expected[seed], seed
    assert sum(isinstance(one, str) for one in expected) < MANY // 10
    assert sum(bool(one) and not isinstance(one, str) for one in expected) > MANY // 3
    assert len(set(map(repr, expected))) > 10


def change(seed: int) -> tuple[Any, Any]:
    """Return rows of documents or parts, and a function that changes them."""
    made = Querysets(seed)
    model = made.random.choice([Doc, Note, Grant, Folder])
    rows = model.objects.filter(made.condition(model, 1)).filter(made.condition(model, 0))
    texts = {Doc: {"title": "x"}, Note: {"text": "x"}, Grant: {"why": "x"}, Folder: {"name": "x"}}
    if model is Folder or made.random.random() < 0.5:
        return rows, lambda: rows.update(**texts[model])
    return rows, rows.delete


@pytest.mark.filterwarnings("ignore")
def test_any_change_is_made_if_all_its_rows_may_be_changed(database):
    editable, removable = allowed_ids("edit"), allowed_ids("remove")
    changed = refused = 0
    everything = stored()
    for seed in range(MANY):
        with undone():
            prune(database)
            shown = stored()
            rows, make = change(seed)
            keys = {row.pk if rows.model is Doc else getattr(row, "doc_id", None) for row in rows}
            may = removable if make == rows.delete and rows.model is Doc else editable
            is_refused = rows.model is not Folder and not keys <= may
            make()
            expected = stored()
        for table, held in everything.items():
            expected[table] |= {key: row for key, row in held.items() if key not in shown[table]}
        with undone():
            try:
                with authorized(), transaction.atomic():
                    change(seed)[1]()
                assert not is_refused, seed
            except AccessRefused:
                assert is_refused, seed
                refused += 1
                expected = everything
            assert stored() == expected, seed
            changed += expected != everything
    assert changed > MANY // 10
    assert refused > MANY // 10
