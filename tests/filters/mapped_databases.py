"""Put mapped tables into databases, and ask these by the filters that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import duckdb
import sqlalchemy as sa

from policyengine.filters.mapping import (
    ClosureTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    Stored,
    StoredColumn,
    columns_of,
)
from policyengine.filters.predicates import (
    Kind,
    NotPushable,
    Predicate,
    tables_asked,
)
from policyengine.filters.row_filter import Filter
from tests.filters.databases import Select, disagreements, duckdb_database, sqlalchemy_database
from tests.filters.generated_filters import Case, Field, Table
from tests.filters.mapped_worlds import Database

InDatabase = Callable[[Case], AbstractContextManager[Select]]
"""Puts tables into a database, and gives what selects in it."""


def opened(names: Iterable[str]) -> list[InDatabase]:
    """Return databases of these names, in memory."""
    found: list[InDatabase] = []
    for name in names:
        if name == "sqlite":
            found.append(partial(sqlalchemy_database, engine=sa.create_engine("sqlite://")))
        else:
            found.append(partial(duckdb_database, connection=duckdb.connect()))
    return found


def check_in(databases: Sequence[InDatabase], made: Database, filter_: Filter) -> int:
    """Hold what databases select against the meaning of a filter; return how many cannot say it."""
    refused = 0
    for predicate in (filter_.predicate, filter_.fits) if databases else ():
        case = case_of(made, filter_.table, predicate, made.rng.randrange(100))
        for database in databases:
            try:
                with database(case) as select:
                    found = disagreements(case, select)
            except NotPushable:
                refused += 1
                continue
            except sa.exc.OperationalError as problem:  # nested too deep for SQLite
                if "parser stack overflow" not in str(problem):
                    raise
                refused += 1
                continue
            assert found == [], "\n".join(found)
    return refused


def case_of(made: Database, table: str, predicate: Predicate, seed: int) -> Case:
    """Return the tables that a predicate asks, of which *table* is filtered, with numbers for its rows."""
    asked = tables_asked(predicate)
    kinds = {name: of for name, of in fields_of(made).items() if name in {table, *asked}}
    tables = [
        Table(name, (Field("key", "int"), *kinds[name].values()))
        for name in sorted(kinds, key=lambda name: (name != table, name))
    ]
    rows = {
        name: [{"key": key, **row} for key, row in enumerate(made.tables[name])] for name in kinds
    }
    return Case(tuple(tables), rows, predicate, seed)


def fields_of(made: Database) -> dict[str, dict[str, Field]]:
    """Return the columns of all tables."""
    fields: dict[str, dict[str, Field]] = {}

    def has(table: str, name: str, kind: Kind, set_in: str = "") -> None:
        fields.setdefault(table, {})[name] = Field(name, kind, set_in=set_in)

    def id_kind(type_: str) -> Kind:
        return made.mapping.id_of(type_).kind or "text"

    def add(table: str, stored: Stored, type_: str) -> None:
        if isinstance(stored, SetTable):
            has(stored.table, stored.owner, id_kind(type_))
            add(stored.table, stored.element, type_)
        elif not isinstance(stored, str | StoredColumn | SetInColumn | RecordInColumn):
            for part in stored.values():
                add(table, part, type_)
        else:
            for column in columns_of(stored):
                if isinstance(column, RecordInColumn):
                    has(table, column.name, "text", "json")
                    continue
                form = ""
                if isinstance(column, SetInColumn):
                    form = "json" if column.json else "array"
                has(table, column.name, "text" if form == "json" else column.kind or "text", form)

    for name, table in made.mapping.tables.items():
        has(table.table, "id", id_kind(name))
        for stored in table.attributes.values():
            add(table.table, stored, name)
        for parent, link in table.parents.items():
            match link:
                case str(column):
                    has(table.table, column, id_kind(parent))
                case ParentTable(of, one, other) | ClosureTable(of, one, other):
                    has(of, one, id_kind(name))
                    has(of, other, id_kind(parent))
    return fields
