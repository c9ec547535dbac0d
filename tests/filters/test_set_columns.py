"""Sets in columns are asked as `decide` is, whatever is in them: arrays, JSON, and what is neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from policyengine import PolicyEngine
from policyengine.filters.mapping import (
    EntityTable,
    InvalidMapping,
    SetInColumn,
    TableMapping,
    map_tables,
)
from policyengine.filters.predicates import NotPushable, refuse_parts
from policyengine.filters.row_filter import make_filter
from policyengine.filters.sql_text import sql_text, tables_of
from policyengine.verifying.verify_filters import verify_filters

SET = """
package shop
enum Kind = memo | plan
levels Grade = low < high
entity User { teams: set<string>, grades: set<Grade> }
entity Doc {
    tags: set<string>, sizes: set<int>, flags: set<bool>, kinds: set<Kind>, readers: set<User>
    notes?: set<string>
}
action tagged, sized, flagged, kind, read, noted, whole by User on Doc
permit p1: tagged when resource.tags overlaps subject.teams or "é" in resource.tags
permit p2: sized when some s in resource.sizes: (s > 1 and s != 3)
permit p3: flagged when true in resource.flags and size(resource.flags) < 2
permit p4: kind when resource.kinds == {plan} or resource.kinds subset {memo}
permit p5: read when subject in resource.readers and subject.grades overlaps {high}
permit p6: noted when resource has notes and not ("a" in resource.notes)
permit p7: whole when size(resource.tags) > 0 and (every t in resource.tags: t in subject.teams)
"""
ARRAYS: dict[str, tuple[Any, ...]] = {
    "tags": (
        None, [], ["a"], ["a", "a"], ["a", None], [None], ["é", "b"], ["ann"], ["plan"], ["memo", "plan"], ["memo"],
    ),
    "sizes": (None, [], [1], [3], [2, 3], [4, None], [10**18], [-5, -5]),
    "flags": (None, [], [True], [True, True], [True, False], [False], [None]),
}  # fmt: skip
JSON = (
    "null", "[]", '["a"]', '["a","a"]', '["a",null]', "[null]", '["\\u00e9"]', '["é","b"]', '{"a":"a"}', '"a"', "7",
    "true", '[["a"]]', '[{"a":1}]', "[1]", "[1.0]", "[2,3]", "[3]", "[-5]", "[9223372036854775808]",
    "[99999999999999999999]", "[true]", "[true,false]", "[true,true]", '["true"]', '["1"]', '["plan"]',
    '["memo","plan"]', '["memo"]', '["ann"]', '["high"]', "[1,0]", ' [ "a" ] ', "[-0]", "{}", '["\\\\u0000"]',
)  # fmt: skip
NO_JSON = (
    "", "nope", "[1", '["a",]', "['a']", "[NaN]", "[1]x", "\x00", '["a"] ["b"]', "// a\n[]", "[+1]", "[01]", "[.5]", '["a"]\0',
    '["a"]\0x', '["a\\u0000"]', '["a\\u0000b"]', '["\\ud800"]', '["a\\udfff"]', '["\\ufffd"]',
)  # fmt: skip


def mapped(in_json: bool) -> TableMapping:
    def of(name: str, **options: Any) -> SetInColumn:
        return SetInColumn(name, in_json, **options)

    engine = PolicyEngine.from_text(SET)
    doc = {n: of(n) for n in ("tags", "sizes", "flags", "kinds", "readers", "notes")}
    user = {"teams": of("teams"), "grades": of("grades", names={"low": "low", "high": "high"})}
    return map_tables(
        engine.schema,
        {"User": EntityTable("users", attributes=user), "Doc": EntityTable("docs", attributes=doc)},
    )


def tables(text: Any, number: Any, truth: Any) -> sa.MetaData:
    made = sa.MetaData()
    of = {
        "tags": text,
        "kinds": text,
        "readers": text,
        "notes": text,
        "sizes": number,
        "flags": truth,
    }
    sa.Table("docs", made, sa.Column("id", sa.Text), *map(sa.Column, of, of.values()))
    users = sa.Column("teams", text), sa.Column("grades", text)
    sa.Table("users", made, sa.Column("id", sa.Text), *users)
    return made


def fill(
    connection: sa.Connection, made: sa.MetaData, written: Callable[..., Any], values: Any
) -> None:
    """Put each of *values*, of a column, into that column, while the others have what fits."""
    docs, users = made.tables["docs"], made.tables["users"]
    fine = {column.name: written([]) for column in docs.c if column.name != "id"}
    rows = [
        {**fine, name: value, "id": f"{name}{at}"}
        for name in fine
        for at, value in enumerate(values(name))
    ]
    high = {"teams": written(["a", "b"]), "grades": written(["high"])}
    people = [{"id": id_, **high} for id_ in ("ann", "a", "bob")]
    people += [{"id": f"u{at}", **high, "teams": value} for at, value in enumerate(values("tags"))]
    people += [{"id": f"v{at}", **high, "grades": value} for at, value in enumerate(values("tags"))]
    connection.execute(sa.insert(docs), rows)
    connection.execute(sa.insert(users), people)


def verify(database: sa.Engine, metadata: sa.MetaData, *, in_json: bool) -> None:
    engine = PolicyEngine.from_text(SET)
    found = verify_filters(engine, mapped(in_json), database, metadata, rows=3_000)
    assert found.differences == []
    assert not found.not_pushed
    assert min(found.outcomes.values()) > 50


def test_json_in_sqlite_whatever_it_is():
    database = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata = tables(sa.Text, sa.Text, sa.Text)
    metadata.create_all(database)
    with database.begin() as connection:
        fill(connection, metadata, json.dumps, lambda _: (None, *JSON, *NO_JSON))
        for odd in ("x'5b5d'", "5", "1.5"):
            connection.exec_driver_sql(f"INSERT INTO docs (id, tags) VALUES ('odd{odd[0]}', {odd})")
    verify(database, metadata, in_json=True)


def test_json_in_postgresql_whatever_it_is(postgresql):
    texts, metadata = tables(sa.Text, sa.Text, sa.Text), tables(JSONB, JSONB, JSONB)
    with postgresql.begin() as connection:
        texts.create_all(connection)
        fill(connection, texts, json.dumps, lambda _: (None, *JSON))
        for table in texts.tables.values():
            for column in [one.name for one in table.c if one.name != "id"]:
                to = f"TYPE jsonb USING {column}::jsonb"
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ALTER {column} {to}")
    try:
        verify(postgresql, metadata, in_json=True)
    finally:
        texts.drop_all(postgresql)


def test_arrays_in_postgresql_whatever_they_hold(postgresql):
    metadata = tables(sa.ARRAY(sa.Text), sa.ARRAY(sa.BigInteger), sa.ARRAY(sa.Boolean))
    with postgresql.begin() as connection:
        metadata.create_all(connection)
        fill(connection, metadata, list, lambda name: ARRAYS.get(name, ARRAYS["tags"]))
        for odd in ("{{a},{b}}", "[3:4]={a,b}"):
            insert = sa.text(
                "INSERT INTO docs (id, tags) VALUES (CAST(:odd AS text), CAST(CAST(:odd AS text) AS text[]))"
            )
            connection.execute(insert, {"odd": odd})
    try:
        verify(postgresql, metadata, in_json=False)
    finally:
        metadata.drop_all(postgresql)


# ---- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "stored", "said"),
    [
        ("tags", "tags", "SetInColumn"),
        ("tags", SetInColumn("tags", kind="int"), "stored as `text`"),
        ("tags", SetInColumn("", json=True), "a name of a table or a column is a text"),
        ("tags", SetInColumn("tags", json=1), "this is no bool"),
        ("kinds", SetInColumn("kinds", names={"memo": "m"}), "'plan' is missing"),
        ("days", SetInColumn("days", json=True), "JSON has no values of the kind 'instant'"),
        ("pairs", SetInColumn("pairs"), "no sets, and records in JSON only"),
        ("one", SetInColumn("one"), "is in a column"),
    ],
)
def test_a_mapping_to_what_holds_no_set_is_named(attribute, stored, said):
    text = SET.replace(
        "notes?: set<string>", "days: set<datetime>, pairs: set<{ a: int }>, one: string"
    )
    text = text.replace('resource has notes and not ("a" in resource.notes)', 'resource.one == "a"')
    schema = PolicyEngine.from_text(text).schema
    with pytest.raises(InvalidMapping, match=said):
        map_tables(schema, {"Doc": EntityTable("docs", attributes={attribute: stored})})


def a_filter(in_json: bool):
    engine = PolicyEngine.from_text(SET)
    ann = {"type": "User", "id": "ann", "properties": {"teams": ["a"], "grades": ["high"]}}
    left = engine.partial(action="tagged", subject=ann, context={}, resource_type="Doc")
    return make_filter(left, mapped(in_json))


@pytest.mark.parametrize(
    ("dialect", "in_json", "type_", "said"),
    [
        ("sqlite", False, sa.Text(), "JSON, as SQLite has no arrays"),
        ("postgresql", True, sa.JSON(), "JSONB"),
        ("postgresql", True, sa.Text(), "JSONB"),
        ("postgresql", False, JSONB(), "an array"),
        ("postgresql", False, sa.ARRAY(sa.Integer), "does not hold the kind text"),
        ("postgresql", False, sa.ARRAY(sa.CHAR(3)), "CHAR adds spaces"),
        ("duckdb", True, sa.Text(), "JSON"),
    ],
)
def test_a_column_that_does_not_hold_sets_exactly_is_refused(dialect, in_json, type_, said):
    made = a_filter(in_json)
    metadata = tables(type_, type_, type_)
    with pytest.raises(NotPushable, match=said):
        sql_text(made.predicate, metadata.tables["docs"], metadata, dialect)


def test_other_libraries_do_not_ask_for_elements_in_columns():
    with pytest.raises(NotPushable, match="map the set to a `SetTable`"):
        refuse_parts(a_filter(in_json=True).predicate, "Django")


def test_sql_for_tables_that_are_not_known_asks_for_json_and_arrays():
    for in_json, asked in ((True, "jsonb_array_elements"), (False, "unnest")):
        predicate = a_filter(in_json).predicate
        named = tables_of(predicate, "docs")
        assert asked in sql_text(predicate, named["docs"], named, "postgresql").text
