"""Put generated tables into the databases of Ibis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

import pyarrow as pa

from policyengine.filters.ibis_printing import ibis_condition
from policyengine.filters.predicates import Predicate
from tests.filters.databases import Select
from tests.filters.generated_filters import Case

TYPES: Final = {
    "text": ("VARCHAR", pa.string()), "int": ("BIGINT", pa.int64()), "bool": ("BOOLEAN", pa.bool_()),
    "decimal": ("DECIMAL(18, 4)", pa.decimal128(18, 4)), "instant": ("TIMESTAMPTZ", pa.timestamp("us", "UTC")),
}  # fmt: skip
COLLATIONS: Final = {
    "duckdb": ("", " COLLATE NOCASE"), "sqlite": ("", " COLLATE NOCASE", " COLLATE RTRIM"),
    "postgres": ("", ' COLLATE "insensitive"', ' COLLATE "C"'),
}  # fmt: skip


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def ibis_database(made: Case, *, connection: Any) -> Iterator[Select]:
    """Put *made* into a database: with other collations by its seed."""
    random, backend = Random(made.seed), connection.name
    for table in made.tables:
        rows = made.rows[table.name]
        columns = {
            field.name: pa.array([row[field.name] for row in rows], TYPES[field.kind][1])
            for field in table.fields
        }
        if backend == "polars":
            connection.create_table(table.name, pa.table(columns), overwrite=True)
            continue
        if backend == "pyspark":
            frame = connection._session.createDataFrame(pa.table(columns))
            frame.createOrReplaceTempView(table.name)
            continue
        declared = [
            f"{quoted(field.name)} {TYPES[field.kind][0]}"
            + (random.choice(COLLATIONS[backend]) if field.kind == "text" else "")
            for field in table.fields
        ]  # fmt: skip
        create = f"CREATE TABLE {quoted(table.name)} ({', '.join(declared)})"
        if backend == "duckdb":
            connection.con.execute(create)
            connection.con.register("arrow", pa.table(columns))
            connection.con.execute(f"INSERT INTO {quoted(table.name)} SELECT * FROM arrow")
            continue
        cursor = connection.con.cursor()
        cursor.execute(create)
        marks = ", ".join(["?" if backend == "sqlite" else "%s"] * len(table.fields))
        insert = f"INSERT INTO {quoted(table.name).replace('%', '%%' if backend == 'postgres' else '%')} VALUES ({marks})"
        cursor.executemany(insert, [[row[field.name] for field in table.fields] for row in rows])
    tables = {table.name: connection.table(table.name) for table in made.tables}
    rows = tables[made.filtered.name]

    def select(predicate: Predicate) -> set[int]:
        found = rows.filter(ibis_condition(predicate, rows, tables))
        return set(found.key.to_pyarrow().to_pylist())

    try:
        yield select
    finally:
        for table in made.tables:
            if backend == "polars":
                connection.drop_table(table.name)
            elif backend == "pyspark":
                connection._session.catalog.dropTempView(table.name)
            else:
                connection.con.execute(f"DROP TABLE {quoted(table.name)}")
