"""Records in JSON are asked as `decide` is, whatever is in the column."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from policyengine import PolicyEngine
from policyengine.filters.governing import Verbs
from policyengine.filters.mapping import (
    EntityTable,
    IncompleteMapping,
    InvalidMapping,
    RecordInColumn,
    SetInColumn,
    SetTable,
    StoredColumn,
    TableMapping,
    map_tables,
)
from policyengine.filters.predicates import NotPushable, refuse_parts
from policyengine.filters.row_filter import make_filter
from policyengine.filters.row_level_security import row_level_security
from policyengine.filters.sql_text import sql_text
from policyengine.verifying.verify_filters import verify_filters
from tests.filters.interpreter import holds

SET = """
package shop
levels Grade = low < high
entity User { city: string, level: int, home: { city: string, floor?: int } }
entity Doc {
    home: { city: string, floor?: int, open: bool, grade: Grade, by: User, tags: set<string>, in?: { zip: string } }
    away?: { city: string, floor?: int }
    pairs: set<{ who: string, as: Grade, at?: { zip: string } }>
}
action town, storey, opened, graded, owned, tagged, deep, abroad, paired, alone by User on Doc
permit p1: town when resource.home.city == subject.city or subject.home.city == resource.home.city
permit p2: storey when not (resource.home has floor) or resource.home.floor > subject.level
permit p3: opened when resource.home.open
permit p4: graded when resource.home.grade >= high
permit p5: owned when resource.home.by == subject or resource.home.by.city == "x"
permit p6: tagged when subject.city in resource.home.tags or size(resource.home.tags) > 1
permit p7: deep when not (resource.home has in and resource.home.in.zip == "1")
permit p8: abroad when not (resource has away) or (resource.away has floor and resource.away.floor == 1)
permit p9: paired when some p in resource.pairs: (p.who == subject.city and p.as == high)
permit p10: alone when not (some p in resource.pairs: (p has at and p.at.zip != "1"))
"""
FINE: dict[str, Any] = {
    "city": "x", "floor": 2, "open": True, "grade": 1, "by": "ann", "tags": ["x"], "in": {"zip": "1"},
}  # fmt: skip
VALUES = (
    "null", "1", "1.0", "1e0", "-0", "0", "true", "false", '"x"', '"1"', '"true"', '""', "[]", "{}", '["x"]', '["x","y"]',
    '["x",null]', "[[]]", '{"zip":"1"}', '{"zip":"2"}', '{"zip":1}', '{"zip":"1","zip":"1"}', "9223372036854775807",
    "9223372036854775808", "123456789012345678901234", "-9223372036854775809", "999999999999999999", "1000000000000000000",
    '"\\u0078"', '"ann"', '"bob"', "2", "3", '"X"', '"x "',
)  # fmt: skip
NO_TEXTS = ('"x\\u0000"', '"x\\u0000y"', '"\\\\u0000"', '"\\ud800"', '"x\\udc00"', '"\\ufffd"')
"""What PostgreSQL does not hold."""
KEYS = (
    '"city"', '"\\u0063ity"', '"City"', '"city "', '"$.city"', '"floor"', '"a.b"', '"0"', '""', '"zip"', '"who"',
)  # fmt: skip
WHOLES = (
    "null", "{}", "[]", '"x"', "7", '{"city":"x"}', '{"city":"x","floor":1}', '{"city":"x","floor":null}', '{"city":null}',
    '[{"city":"x"}]', '"{\\"city\\":\\"x\\"}"', '{"city":"x","city":"y"}', '{"\\u0063ity":"y","city":"x"}',
    '{"city":"x","other":1,"other":2}', '[{"who":"x","as":1}]', '[{"who":"x","as":1},{"who":"x","as":1}]', '[{"who":"x"}]',
    '[{"who":"x","as":1,"at":{"zip":"1"}}]', '[{"who":"x","as":1,"at":{"zip":"2"}}]', '[{"who":"x","as":1,"at":{}}]',
    '[{"who":"x","as":true}]', '[{"who":"x","as":1},null]', '[{"who":"x","as":1},7]', '[{"who":"x","as":1,"who":"x"}]',
    '[["who","x"]]', '{"who":"x","as":1}', '[{"who":"y","as":1,"at":null}]', '{"city":"x","floor":1.0}', '{"city":"x","floor":true}',
)  # fmt: skip
NO_JSON = (
    "",
    "nope",
    '{"city":"x"',
    "{'city':'x'}",
    '{"city":"x",}',
    '{"city":"x"}x',
    '{"city":"x"}\0',
    '{"city":NaN}',
)


def mapped(**options: Any) -> TableMapping:
    doc = {name: RecordInColumn(name, **options) for name in ("home", "away")}
    pairs = SetInColumn("pairs", json=True, **options)
    user = {"city": "city", "level": "level", "home": RecordInColumn("home")}
    return map_tables(
        PolicyEngine.from_text(SET).schema,
        {
            "User": EntityTable("users", attributes=user),
            "Doc": EntityTable("docs", attributes={**doc, "pairs": pairs}),
        },
    )


def tables(of: Any) -> sa.MetaData:
    made = sa.MetaData()
    columns = [sa.Column(name, of) for name in ("home", "away", "pairs")]
    sa.Table("docs", made, sa.Column("id", sa.Text), *columns)
    city, level = sa.Column("city", sa.Text), sa.Column("level", sa.BigInteger)
    sa.Table("users", made, sa.Column("id", sa.Text), city, level, sa.Column("home", of))
    return made


def texts(*others: str) -> dict[str, list[str | None]]:
    """Return what is put into each column: values at each key, keys that are like one, and wholes."""
    values = (*VALUES, *(one for one in others if one.startswith('"')))
    home: list[str | None] = [None, *WHOLES, *others, json.dumps(FINE)]
    for key in FINE:
        rest = {name: value for name, value in FINE.items() if name != key}
        home += [f'{json.dumps(rest)[:-1]}, "{key}": {value}}}' for value in values]
        home.append(json.dumps(rest))
    rest = {name: value for name, value in FINE.items() if name != "city"}
    home += [f'{json.dumps(rest)[:-1]}, {key}: "x"}}' for key in KEYS]
    home += [f'{json.dumps(FINE)[:-1]}, {key}: "x"}}' for key in KEYS]
    return {"home": home, "away": [None, *WHOLES, *others], "pairs": [None, *WHOLES, *others]}


def rows(*others: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    fine = {"home": json.dumps(FINE), "away": None, "pairs": "[]"}
    docs = [
        {**fine, column: text, "id": f"{column}{at}"}
        for column, some in texts(*others).items()
        for at, text in enumerate(some)
    ]
    ann = {"city": "x", "level": 1, "home": '{"city": "y"}'}
    users = [{"id": id_, **ann} for id_ in ("ann", "x", "X")]
    users += [{**ann, "id": f"u{at}", "home": text} for at, text in enumerate(WHOLES)]
    return docs, users


def verify(database: sa.Engine, metadata: sa.MetaData, rows: int = 2_500) -> None:
    found = verify_filters(PolicyEngine.from_text(SET), mapped(), database, metadata, rows=rows)
    assert found.differences == []
    assert not found.not_pushed
    assert min(found.outcomes.values()) > 50


def test_records_in_sqlite_whatever_they_are():
    database = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata = tables(sa.Text)
    metadata.create_all(database)
    docs, users = rows(*NO_TEXTS, *NO_JSON)
    with database.begin() as connection:
        connection.execute(sa.insert(metadata.tables["docs"]), docs)
        connection.execute(sa.insert(metadata.tables["users"]), users)
        for at, odd in enumerate(("x'7b7d'", "5", "1.5")):
            connection.exec_driver_sql(f"INSERT INTO docs (id, home) VALUES ('odd{at}', {odd})")
    verify(database, metadata)


def test_records_in_postgresql_whatever_they_are(postgresql):
    written, metadata = tables(sa.Text), tables(JSONB)
    docs, users = rows()
    with postgresql.begin() as connection:
        written.create_all(connection)
        connection.execute(sa.insert(written.tables["docs"]), docs)
        connection.execute(sa.insert(written.tables["users"]), users)
        for table, column in (
            ("docs", "home"),
            ("docs", "away"),
            ("docs", "pairs"),
            ("users", "home"),
        ):
            to = f"TYPE jsonb USING {column}::jsonb"
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER {column} {to}")
    try:
        verify(postgresql, metadata)
    finally:
        written.drop_all(postgresql)


def test_policies_of_postgresql_show_the_rows_of_filters(postgresql):
    written, metadata = tables(sa.Text), tables(JSONB)
    docs, users = rows()
    with postgresql.connect() as connection:
        written.create_all(connection)
        connection.execute(sa.insert(written.tables["docs"]), docs)
        connection.execute(sa.insert(written.tables["users"]), users)
        for table, column in [(t, c) for t in ("docs", "users") for c in ("home", "away", "pairs")]:
            if column in written.tables[table].c:
                to = f"TYPE jsonb USING {column}::jsonb"
                connection.exec_driver_sql(f"ALTER TABLE {table} ALTER {column} {to}")
        connection.exec_driver_sql("CREATE ROLE reader; GRANT SELECT ON docs TO reader")
        connection.exec_driver_sql("SET LOCAL policyengine.subject = 'User:ann'")
        for action in ACTIONS:
            made = row_level_security(
                PolicyEngine.from_text(SET), mapped(), {"Doc": Verbs(select=action)}
            )
            for statement in made.statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            connection.exec_driver_sql("GRANT USAGE ON SCHEMA policyengine_docs TO reader")
            said = sql_text(
                question(action).predicate, metadata.tables["docs"], metadata, "postgresql"
            )
            text = f"SELECT id FROM docs WHERE {said.text}".replace("%", "%%")
            expected = {*connection.exec_driver_sql(text).scalars()}
            connection.exec_driver_sql("SET LOCAL ROLE reader")
            shown = {*connection.exec_driver_sql("SELECT id FROM docs").scalars()}
            connection.exec_driver_sql("RESET ROLE")
            assert shown == expected, action
            assert shown
        connection.rollback()


def question(action: str, mapping: TableMapping | None = None) -> Any:
    ann = {"city": "x", "level": 1, "home": {"city": "y"}}
    left = PolicyEngine.from_text(SET).partial(
        action=action,
        subject={"type": "User", "id": "ann", "properties": ann},
        context={},
        resource_type="Doc",
    )
    return make_filter(left, mapping or mapped())


ACTIONS = (
    "town",
    "storey",
    "opened",
    "graded",
    "owned",
    "tagged",
    "deep",
    "abroad",
    "paired",
    "alone",
)


def test_records_in_duckdb_whatever_they_are():
    """By the meaning of predicates, which the tests of the others hold against decisions."""
    docs, users = rows('"x\\u0000"', '"\\\\u0000"', '"\\ufffd"')
    metadata = tables(sa.JSON)
    with duckdb.connect() as database:
        database.execute("CREATE TABLE docs (id VARCHAR, home JSON, away JSON, pairs JSON)")
        database.execute("CREATE TABLE users (id VARCHAR, city VARCHAR, level BIGINT, home JSON)")
        for table, some in (("docs", docs), ("users", users)):
            names = list(some[0])
            marks = ", ".join("?" for _ in names)
            database.executemany(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
                [[row[name] for name in names] for row in some],
            )
        for action in ACTIONS:
            made = question(action)
            for predicate in (made.predicate, made.rows_that_do_not_fit):
                expected = {
                    r["id"] for r in docs if holds(predicate, r, {"docs": docs, "users": users})
                }
                said = sql_text(predicate, metadata.tables["docs"], metadata, "duckdb")
                found = database.execute(f"SELECT id FROM docs WHERE {said.text}").fetchall()
                assert {id_ for (id_,) in found} == expected, action
                assert expected


# ---- mappings ---------------------------------------------------------------------------


def test_parts_have_keys_and_forms_of_their_own():
    parts = {"grade": StoredColumn("g/r~\"'", names={"low": "l", "high": "h"}), "city": "town"}
    mapping = map_tables(
        PolicyEngine.from_text(SET).schema,
        {"Doc": EntityTable("docs", attributes={"home": RecordInColumn("home", parts)})},
    )
    database = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata = tables(sa.Text)
    metadata.create_all(database)
    for action, given, others in (
        ("graded", {"g/r~\"'": "h"}, ({"g/r~\"'": "l"}, {"grade": "h"})),
        ("town", {"town": "x"}, ({"city": "x"}, {"town": "z"})),
    ):
        some = [{"id": str(at), "home": json.dumps(one)} for at, one in enumerate((given, *others))]
        said = sql_text(
            question(action, mapping).predicate, metadata.tables["docs"], metadata, "sqlite"
        )
        with database.begin() as connection:
            connection.execute(sa.delete(metadata.tables["docs"]))
            connection.execute(sa.insert(metadata.tables["docs"]), some)
            found = connection.execute(sa.text(f"SELECT id FROM docs WHERE {said.text}"))
            assert [*found.scalars()] == ["0"]


def test_what_the_database_sees_to_is_not_asked():
    said = sql_text(
        question("opened", mapped(checked=True)).predicate,
        *(tables(JSONB).tables["docs"], tables(JSONB)),
        "postgresql",
    ).text
    assert said.count("jsonb_object_field") == said.count("jsonb_typeof") + 1 == 2


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"home": RecordInColumn("")}, "a name of a table or a column is a text"),
        ({"home": RecordInColumn("home", {"town": "town"})}, "there is no such attribute"),
        ({"home": RecordInColumn("home", 1)}, "this is no Mapping"),
        ({"home": RecordInColumn("home", {}, 1)}, "this is no bool"),
        (
            {"home": RecordInColumn("home", {"tags": SetTable("t", "o", "e")})},
            "no JSON holds `SetTable`",
        ),
        ({"home": RecordInColumn("home", {"tags": SetInColumn("t")})}, "no JSON holds"),
        ({"home": RecordInColumn("home", {"in": {"zip": "zip"}})}, "no JSON holds"),
        ({"home": RecordInColumn("home", {"grade": RecordInColumn("g")})}, "is in a column"),
        ({"home": "home"}, "RecordInColumn"),
        ({"pairs": SetInColumn("pairs")}, "records in JSON only"),
        ({"pairs": SetInColumn("pairs", json=True, kind="text")}, "records have `parts`"),
    ],
)
def test_a_mapping_to_what_holds_no_record_is_named(stored, said):
    schema = PolicyEngine.from_text(SET).schema
    with pytest.raises(InvalidMapping, match=said):
        map_tables(schema, {"Doc": EntityTable("docs", attributes=stored)})


def test_what_json_does_not_hold_is_named_when_it_is_asked_for():
    engine = PolicyEngine.from_text("""
        package shop
        entity User {}
        entity Doc { it: { at: datetime, cost: decimal, days: set<datetime>, name: string } }
        action named, dated, priced, listed by User on Doc
        permit p1: named when resource.it.name == "x"
        permit p2: dated when resource.it.at < now
        permit p3: priced when resource.it.cost > 1.5
        permit p4: listed when size(resource.it.days) > 1
    """)
    mapping = map_tables(
        engine.schema, {"Doc": EntityTable("docs", attributes={"it": RecordInColumn("it")})}
    )

    def made(action: str, *, split: bool = False) -> Any:
        ann = {"type": "User", "id": "ann"}
        left = engine.partial(action=action, subject=ann, context={}, resource_type="Doc")
        return make_filter(left, mapping, split=split)

    assert made("named").remaining is None
    for action in ("dated", "priced"):
        with pytest.raises(NotPushable, match="JSON has no values of the kind"):
            made(action)
        assert made(action, split=True).remaining is not None
    with pytest.raises(IncompleteMapping, match=r"Doc.it.days"):
        made("listed")


@pytest.mark.parametrize(("dialect", "type_"), [("postgresql", sa.JSON()), ("duckdb", sa.Text())])
def test_a_column_that_does_not_hold_records_exactly_is_refused(dialect, type_):
    metadata = tables(type_)
    with pytest.raises(NotPushable, match="holds no record"):
        sql_text(question("town").predicate, metadata.tables["docs"], metadata, dialect)


def test_other_libraries_do_not_ask_for_parts_of_json():
    with pytest.raises(NotPushable, match="a column for each part"):
        refuse_parts(question("town").predicate, "Django")
