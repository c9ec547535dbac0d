"""Row-level security shows and changes in PostgreSQL what `decide` allows, whoever asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from policyengine import InvalidRequest, PolicyEngine
from policyengine.filters.governing import Verbs
from policyengine.filters.mapping import EntityTable, IncompleteMapping, SetTable, map_tables
from policyengine.filters.predicates import NotPushable
from policyengine.filters.row_level_security import row_level_security
from policyengine.filters.stored_columns import moved
from policyengine.runtime.calendar_operations import add_months
from tests.filters import policy_law, subject_law

SET = """
package shop
entity User { boss?: User, active: bool }
entity Bot {}
entity Doc { owner: User, readers: set<User>, closes: datetime, title: string }
gate rights "may they?"
field gate seeing "what do they see?" for show
action see, edit by User on User
action read by User, Bot on Doc with { office: bool }
action write by User on Doc
action show by User on Doc
action reach by User on Doc
gate rights {
    permit self: see, edit when resource == subject
    permit team: see when resource has boss and resource.boss == subject
    permit readers: read by User
        when context.office and (subject == resource.owner or subject in resource.readers)
    permit bots: read by Bot when resource.title startswith "public"
    permit owner: write when subject == resource.owner and resource.closes > now - 1d
    forbid inactive: write when not subject.active
    permit shown: show
    permit at_night: reach when now within schedule "Mon-Fri 00:00-05:00 Europe/Berlin"
}
gate seeing { permit title: show fields title }
"""
TABLES = {
    "User": EntityTable("users", attributes={"boss": "boss", "active": "active"}),
    "Bot": EntityTable("bots"),
    "Doc": EntityTable(
        "docs",
        attributes={
            "owner": "owner",
            "readers": SetTable("readers", "doc", "reader"),
            "closes": "closes",
            "title": "title",
        },
    ),
}
VERBS = {
    "User": Verbs(select="see", update="edit"),
    "Doc": Verbs(select="read", insert="write", update="write", delete="write"),
}
ROWS = """
CREATE TABLE users (id text PRIMARY KEY, boss text, active boolean);
CREATE TABLE bots (id text PRIMARY KEY);
CREATE TABLE docs (id text PRIMARY KEY, owner text, closes timestamptz, title varchar);
CREATE TABLE readers (doc text, reader text);
INSERT INTO users VALUES ('ann', NULL, true), ('bob', 'ann', true), ('eve', 'bob', NULL);
INSERT INTO bots VALUES ('ann');
INSERT INTO docs VALUES
    ('plan', 'ann', now() - interval '23 hours', 'the plan'), ('memo', 'bob', 'infinity', 'public memo'),
    ('list', 'ann', now() - interval '25 hours', 'public list'), ('note', 'bob', now(), NULL);
INSERT INTO readers VALUES ('list', 'bob'), ('note', 'ann'), ('list', 'eve');
CREATE ROLE shop_owner; CREATE ROLE shop_app;
ALTER TABLE users OWNER TO shop_owner; ALTER TABLE docs OWNER TO shop_owner;
GRANT CREATE ON DATABASE postgres TO shop_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, docs TO shop_app;
"""


def made(verbs=VERBS, **options) -> list[str]:
    engine = PolicyEngine.from_text(SET)
    options = {"context": {"office": True}, **options}
    return [
        *row_level_security(engine, map_tables(engine.schema, TABLES), verbs, **options).statements
    ]


@pytest.fixture
def shop(postgresql) -> Iterator[sa.Connection]:
    with postgresql.connect() as connection:
        run(connection, *ROWS.split(";"), *made())
        yield connection
        connection.rollback()


def run(connection: sa.Connection, *statements: str) -> None:
    for statement in statements:
        if statement.strip():
            connection.connection.driver_connection.execute(statement)


@contextmanager
def acting(
    connection: sa.Connection, subject: str | None, role: str = "shop_app"
) -> Iterator[None]:
    with connection.begin_nested() as savepoint:
        if subject is not None:
            connection.execute(sa.func.set_config("policyengine.subject", subject, True).select())
        run(connection, f"SET LOCAL ROLE {role}")
        yield
        savepoint.rollback()


def seen(connection: sa.Connection, subject: str | None, table: str = "docs", **options) -> str:
    with acting(connection, subject, **options):
        found = connection.scalars(sa.text(f"SELECT id FROM {table}"))
        return " ".join(sorted(found))


def refused(connection: sa.Connection, statement: str, subject: str, said: str) -> None:
    with acting(connection, subject), pytest.raises(sa.exc.DBAPIError, match=said):
        connection.execute(sa.text(statement))


# ---- the law ----------------------------------------------------------------------------


def test_filters_of_any_subject_agree_with_decisions():
    counts = Counter[str]()
    for seed in range(100, 108):
        counts += subject_law.filters_agree(seed)
    assert min(counts["allowed"], counts["denied"]) > 80
    assert counts["unfit"] > 20


def test_policies_in_postgresql_agree_with_decisions(postgresql):
    counts = Counter[str]()
    for seed in range(100, 120):
        counts += policy_law.policies_agree(seed, postgresql)
    assert min(counts["allowed"], counts["denied or unfit"]) > 300
    assert min(counts["written"], counts["not written"]) > 100
    asked = (
        "rows above one another",
        "parents in tables",
        "other rows, and sets",
        "sets in columns",
    )
    assert min(counts[f"of {what}"] for what in asked) > 5
    assert counts["of addresses"] > 1


# ---- who sees what ----------------------------------------------------------------------


def test_each_subject_of_postgresql_sees_what_is_theirs(shop):
    assert seen(shop, "User:ann") == "list note plan"
    assert seen(shop, "User:bob") == "list memo note"
    assert seen(shop, "User:eve") == "list"
    assert seen(shop, "Bot:ann") == "list memo"  # rules read the title, which the note lacks


@pytest.mark.parametrize(
    "nobody", [None, "", "ann", "User:", "User:zoe", "user:ann", "Bot:bob", "User:ann "]
)
def test_nobody_sees_nothing_in_postgresql(shop, nobody: str | None):
    assert seen(shop, nobody) == seen(shop, nobody, "users") == ""


def test_a_setting_that_is_reset_in_postgresql_is_nobody(shop):
    run(shop, "SET policyengine.subject = 'User:ann'", "RESET policyengine.subject")
    assert seen(shop, None) == ""


def test_policies_of_the_table_of_subjects_in_postgresql_do_not_hide_the_subject(shop):
    assert seen(shop, "User:ann", "users") == "ann bob"
    assert seen(shop, "User:bob", "users") == "bob eve"  # whether eve is active is not read
    assert seen(shop, "User:eve", "users") == "eve"


def test_the_owner_in_postgresql_is_governed_too(shop):
    assert seen(shop, None, role="shop_owner") == ""
    assert seen(shop, "User:eve", role="shop_owner") == "list"


def test_what_is_written_in_postgresql_is_decided_as_it_was_and_as_it_becomes(shop):
    with acting(shop, "User:ann"):
        changed = sa.text("UPDATE docs SET title = 'x' RETURNING id")
        assert shop.scalars(changed).all() == ["plan"]
        assert shop.scalars(sa.text("DELETE FROM docs RETURNING id")).all() == ["plan"]
    hidden = "violates row-level security"
    refused(shop, "UPDATE docs SET owner = 'bob' WHERE id = 'plan'", "User:ann", hidden)
    refused(shop, "UPDATE docs SET closes = now() - interval '2 days'", "User:ann", hidden)
    refused(shop, "INSERT INTO docs VALUES ('new', 'bob', now(), '')", "User:ann", hidden)
    refused(shop, "INSERT INTO docs VALUES ('new', 'ann', NULL, '')", "User:ann", hidden)
    refused(shop, "INSERT INTO docs VALUES ('new', 'eve', now(), '')", "User:eve", hidden)
    with acting(shop, "User:ann"):
        shop.execute(sa.text("INSERT INTO docs VALUES ('new', 'ann', now(), '') RETURNING id"))
    with acting(shop, "User:ann"):
        assert shop.execute(sa.text("UPDATE users SET active = false")).rowcount == 1
        assert shop.execute(sa.text("DELETE FROM users")).rowcount == 0
    refused(shop, "INSERT INTO users VALUES ('zoe', NULL, true)", "User:ann", hidden)


def test_what_else_there_is_in_postgresql_opens_nothing(shop):
    with acting(shop, "User:eve"):
        run(shop, "CREATE TEMP TABLE readers (doc text, reader text)")
        run(shop, "INSERT INTO pg_temp.readers VALUES ('plan', 'eve'), ('memo', 'eve')")
        run(shop, "SET LOCAL search_path = pg_temp, public")
        assert shop.scalars(sa.text("SELECT id FROM docs")).all() == ["list"]
    refused(shop, "SELECT policyengine_docs.ask_1()", "User:ann", "permission denied for schema")
    refused(shop, "SELECT * FROM readers", "User:ann", "permission denied for table")
    run(shop, "SET LOCAL row_security = off")
    refused(shop, "SELECT * FROM docs", "User:ann", "would be affected by row-level security")


# ---- how they are made ------------------------------------------------------------------


def test_policies_in_postgresql_take_the_place_of_those_before(shop):
    run(shop, *made(context={"office": False}))
    assert seen(shop, "User:ann") == ""
    run(shop, *made(verbs={"Doc": Verbs()}, context={}))
    assert seen(shop, "Bot:ann") == ""
    assert seen(shop, "User:ann", "users") == "ann bob"


def test_a_role_of_postgresql_from_which_rows_are_hidden_makes_no_policies(shop):
    with acting(shop, None, "shop_owner"), pytest.raises(Exception, match="BYPASSRLS"):
        run(shop, *made())


def test_other_policies_in_postgresql_are_not_left_beside(shop):
    run(shop, "CREATE POLICY open ON docs USING (true)")
    with shop.begin_nested() as savepoint:
        with pytest.raises(Exception, match="docs has other policies"):
            run(shop, *made())
        savepoint.rollback()
    run(
        shop,
        "DROP POLICY open ON docs",
        "CREATE POLICY less ON docs AS RESTRICTIVE USING (id <> 'list')",
    )
    run(shop, *made())
    assert seen(shop, "User:ann") == "note plan"


def test_months_are_added_in_postgresql_as_rules_add_them(postgresql):
    rng, epoch = Random(0), datetime(1970, 1, 1, tzinfo=UTC)
    made_of: list[tuple[datetime, int, int]] = []
    for _ in range(2_000):
        day = epoch + timedelta(
            days=rng.randrange(-700_000, 2_900_000), hours=rng.choice((0, 2, 23))
        )
        made_of.append(
            (day, rng.choice((-12, -1, 1, 1, 3, 12, 500)), rng.choice((0, -1, 86_400_000_000)))
        )
    with postgresql.connect() as connection:
        run(connection, "SET LOCAL TIME ZONE 'America/New_York'")
        for day, months, by in made_of:
            moment = sa.literal(day, sa.DateTime(timezone=True))
            found = (
                sa.func.extract("epoch", moved(moment, (months, 1), by, "postgresql")) * 1_000_000
            )
            micros = (day - epoch) // timedelta(microseconds=1)
            wanted = add_months(add_months(micros, months), 1) + by
            assert connection.scalar(sa.select(found)) == wanted, (day, months, by)
        connection.rollback()


@pytest.mark.parametrize(
    ("verbs", "options", "problem", "said"),
    [
        ({"Doc": Verbs(select="reach")}, {"context": {}}, NotPushable, "at_night.*schedules"),
        ({"Doc": Verbs(select="see")}, {}, ValueError, "no action `see` on Doc"),
        ({"Doc": Verbs(select="red")}, {}, ValueError, "no action `red` on Doc"),
        ({"Dog": Verbs(select="read")}, {}, IncompleteMapping, "Dog"),
        (VERBS, {"context": {}}, InvalidRequest, "context.office"),
        (VERBS, {"context": {"office": 1}}, InvalidRequest, "context.office"),
        (VERBS, {"context": {"office": True, "ofice": 1}}, ValueError, "'ofice'"),
    ],
)
def test_what_cannot_be_made_is_named(verbs, options, problem, said):
    with pytest.raises(problem, match=said):
        made(verbs=verbs, **options)


def test_what_field_gates_may_hide_is_named():
    engine = PolicyEngine.from_text(SET)
    mapping, verbs = map_tables(engine.schema, TABLES), {"Doc": Verbs(select="show")}
    assert row_level_security(engine, mapping, verbs).hidden == {
        "Doc": ("closes", "id", "owner", "readers")
    }
