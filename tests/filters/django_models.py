"""Models of Django for generated tables, in a database in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import django
from django.apps import apps
from django.conf import settings

from tests.filters.generated_filters import Case, Field, Rows, Table

if not settings.configured:
    settings.configure(
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()

from django.db import connection, models

PLAIN = {
    "text": models.TextField,
    "int": models.BigIntegerField,
    "bool": models.BooleanField,
    "instant": models.DateTimeField,
}


def field_of(field: Field) -> Any:
    named = {"null": field.nullable, "db_column": field.name, "primary_key": field.name == "key"}
    if field.kind == "decimal":
        return models.DecimalField(max_digits=15, decimal_places=4, **named)
    return PLAIN[field.kind](**named)


def model_of(name: str, fields: Mapping[str, Any]) -> Any:
    """Return a model with *fields*, which another may replace."""
    apps.all_models["filters"].clear()
    meta = type("Meta", (), {"app_label": "filters", "db_table": name})
    return type("Made", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


def model_of_table(table: Table) -> Any:
    # Names of columns need not be names of Python.
    return model_of(
        table.name, {f"field_{at}": field_of(one) for at, one in enumerate(table.fields)}
    )


@contextmanager
def tables_of(*made: Any) -> Iterator[None]:
    """Make the tables of models, and drop them."""
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for model in made:
                editor.delete_model(model)


def insert(model: Any, rows: Rows) -> None:
    names = {field.column: field.attname for field in model._meta.fields}
    model.objects.bulk_create(
        model(**{names[column]: value for column, value in row.items()}) for row in rows
    )


def storable(case: Case) -> dict[str, Rows]:
    """Return the rows of a case with decimals that SQLite tells apart."""
    rows = {name: [{**row} for row in of_table] for name, of_table in case.rows.items()}
    for table in case.tables:
        for field in table.fields:
            for row in rows[table.name] if field.kind == "decimal" else ():
                if row[field.name] is not None:
                    row[field.name] = row[field.name] % 10**11
    return rows
