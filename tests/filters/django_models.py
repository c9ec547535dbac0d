"""Models of Django for generated tables, in a SQLite in memory, or a PostgreSQL that a fixture has started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import sqlalchemy as sa
from django.apps import apps
from django.db import connections, models  # after its settings

import tests.django_settings  # noqa: F401 - before what needs them
from policyengine.filters.django_printing import django_condition
from policyengine.filters.predicates import Predicate
from tests.filters.databases import Select
from tests.filters.generated_filters import Case, Field, Rows, Table

PLAIN = {
    "text": models.TextField,
    "int": models.BigIntegerField,
    "bool": models.BooleanField,
    "instant": models.DateTimeField,
}


def field_of(field: Field, collation: str | None) -> Any:
    named = {"null": field.nullable, "db_column": field.name, "primary_key": field.name == "key"}
    if field.kind == "text":
        named["db_collation"] = collation
    if field.kind == "decimal":
        return models.DecimalField(max_digits=18, decimal_places=4, **named)
    return PLAIN[field.kind](**named)


def model_of(name: str, fields: Mapping[str, Any]) -> Any:
    """Return a model with *fields*, which another may replace."""
    apps.all_models["filters"].clear()
    meta = type("Meta", (), {"app_label": "filters", "db_table": name})
    return type("Made", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


def model_of_table(table: Table, collations: Sequence[str | None]) -> Any:
    """Return a model with the columns of a table, whose texts have one of *collations* each."""
    fields = enumerate(zip(table.fields, cycle(collations), strict=False))
    # Names of columns need not be names of Python.
    return model_of(table.name, {f"field_{at}": field_of(*each) for at, each in fields})


@contextmanager
def tables_of(*made: Any, using: str = "default") -> Iterator[None]:
    """Make the tables of models, and drop them."""
    with connections[using].schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    try:
        yield
    finally:
        with connections[using].schema_editor() as editor:
            for model in made:
                editor.delete_model(model)


def insert(model: Any, rows: Rows, using: str = "default") -> None:
    names = {field.column: field.attname for field in model._meta.fields}
    model.objects.using(using).bulk_create(
        model(**{names[column]: value for column, value in row.items()}) for row in rows
    )


def insert_many(model: Any, rows: Rows, using: str) -> None:
    """Insert rows with all columns in one statement, each value of a column being prepared once."""
    connection, columns = connections[using], []
    for field in model._meta.fields:
        values = [row[field.column] for row in rows]
        stored = {value: field.get_db_prep_save(value, connection) for value in {*values}}
        columns.append([stored[value] for value in values])
    name = connection.ops.quote_name(model._meta.db_table).replace("%", "%%")
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", [*zip(*columns, strict=True)])


def selected(predicate: Predicate, model: Any, *others: Any, using: str = "default") -> list[int]:
    of = {each._meta.db_table: each for each in (model, *others)}
    found = model.objects.using(using).filter(django_condition(predicate, model, of))
    return sorted(found.values_list("pk", flat=True))


@contextmanager
def django_database(
    made: Case, *, using: str, collations: Sequence[str | None]
) -> Iterator[Select]:
    """Put *made* into a database."""
    of = {table.name: model_of_table(table, collations) for table in made.tables}
    with tables_of(*of.values(), using=using):
        for name, model in of.items():
            insert_many(model, made.rows[name], using)
        yield lambda predicate: {
            *selected(predicate, of[made.filtered.name], *of.values(), using=using)
        }


def use_postgresql(engine: sa.Engine) -> None:
    """Let Django find the PostgreSQL of *engine*."""
    url = engine.url
    found = {"NAME": url.database, "USER": url.username, "HOST": url.query["host"]}
    connections["postgresql"].settings_dict |= found
