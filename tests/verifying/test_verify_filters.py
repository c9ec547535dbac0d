"""Hold that filters are compared with decisions on the rows of a database, and that what differs is found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    MetaData,
    StaticPool,
    Table,
    Text,
    create_engine,
    insert,
)

from policyengine import PolicyEngine
from policyengine.filters.mapping import (
    EntityTable,
    SetTable,
    StoredColumn,
    TableMapping,
    map_tables,
)
from policyengine.filters.predicates import FALSE
from policyengine.filters.row_filter import Filter
from policyengine.filters.sqlalchemy_types import Instant
from policyengine.verifying import verify_filters as verifying
from policyengine.verifying.verify_filters import verify_filters

SET = """
package shop
levels Clearance = public < internal < secret
enum Device = phone | desk
entity User { clearance: Clearance, suspended: bool }
entity Document { owner: User, title?: string, size: int, until?: datetime, shared_with: set<User> }
action read by User on Document with { device: Device, purposes?: set<string>, on_behalf?: User }
action edit by User on Document
permit own: any by User when resource.owner == subject
permit shared: read by User when subject in resource.shared_with and not resource.owner.suspended
permit small: read when resource.size < 50 and resource has title and context.device == desk
permit open: edit when resource has until and now < resource.until
permit proxy: read when context has on_behalf and context.on_behalf == resource.owner
forbid suspended: any when subject.suspended
"""
METADATA = MetaData()
USERS = Table(
    "users",
    METADATA,
    Column("id", Text),
    Column("clearance", BigInteger),
    Column("suspended", Boolean),
)
DOCUMENTS = Table(
    "documents", METADATA,
    Column("id", BigInteger), Column("owner_id", Text), Column("title", Text),
    Column("size", BigInteger), Column("until", Instant),
)  # fmt: skip
SHARES = Table("shares", METADATA, Column("document", BigInteger), Column("user_id", Text))
ATTRIBUTES: dict[str, Any] = {
    "owner": "owner_id", "title": "title", "size": "size", "until": "until",
    "shared_with": SetTable("shares", "document", "user_id"),
}  # fmt: skip


@pytest.fixture
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(SET)


def mapping_of(engine: PolicyEngine, **changed: Any) -> TableMapping:
    return map_tables(engine.schema, {
        "User": EntityTable("users", attributes={n: n for n in ("clearance", "suspended")}),
        "Document": EntityTable("documents", StoredColumn("id", kind="int"), ATTRIBUTES | changed),
    })  # fmt: skip


@pytest.fixture
def database() -> Engine:
    made = create_engine("sqlite://", poolclass=StaticPool)
    METADATA.create_all(made)
    users = ["ann", "Ann", "bob", "eve", "é", ""]
    with made.begin() as connection:
        connection.execute(insert(USERS), [
            {"id": id_, "clearance": at % 3, "suspended": at % 5 == 3} for at, id_ in enumerate(users)
        ])  # fmt: skip
        connection.execute(insert(DOCUMENTS), [{
            "id": at, "owner_id": [*users, "nobody", None][at % 8], "title": [None, "t"][at % 2],
            "size": at % 100, "until": [None, datetime(2020 + at % 20, 1, 1, tzinfo=UTC)][at % 3 > 0],
        } for at in range(300)])  # fmt: skip
        connection.execute(insert(SHARES), [
            {"document": at % 300, "user_id": users[at * 7 % 6]} for at in range(400)
        ])  # fmt: skip
        # SQLite stores them in a column of integers. Of all rows some are drawn, so there are several of each.
        odd = ["'many'", "4.5", "x'00ff'", "NULL"] * 8
        for id_, size in enumerate(odd, 1_000):
            connection.exec_driver_sql(
                f"INSERT INTO documents (id, owner_id, size) VALUES ({id_}, 'ann', {size})"
            )
    return made


def test_filters_and_decisions_agree(engine: PolicyEngine, database: Engine):
    found = verify_filters(engine, mapping_of(engine), database, METADATA, rows=1_000)
    assert found.differences == []
    assert found.rows >= 1_000
    assert min(found.outcomes.values()) > 20
    assert set(found.outcomes) == {"allowed", "denied", "unfit"}
    assert not found.not_pushed
    assert not found.not_mapped


def test_a_filter_that_selects_too_much_is_found(engine, database, monkeypatch):
    monkeypatch.setattr(
        verifying, "make_filter",
        lambda *given: replace(made := verifying_filter(*given), predicate=made.fits),
    )  # fmt: skip
    found = verify_filters(engine, mapping_of(engine), database, METADATA, rows=1_000)
    assert len(found.differences) >= 5
    one = found.differences[0]
    assert one.selected == (True, False, False)
    assert not one.decided.allowed


verifying_filter = verifying.make_filter


def test_rows_that_do_not_fit_are_held_against_requests_that_are_refused(
    engine, database, monkeypatch
):
    monkeypatch.setattr(Filter, "rows_that_do_not_fit", FALSE)
    found = verify_filters(engine, mapping_of(engine), database, METADATA, rows=1_000)
    assert found.differences
    assert all(one.selected == (False, True, False) for one in found.differences)
    said = " ".join(str(one.decided) for one in found.differences)
    assert "of the Python type" in said
    assert "Unfit" not in said


def test_what_cannot_be_asked_is_named(engine: PolicyEngine, database: Engine):
    mapping = mapping_of(engine)
    without = {n: s for n, s in mapping.tables["Document"].attributes.items() if n != "until"}
    tables = {**mapping.tables, "Document": replace(mapping.tables["Document"], attributes=without)}
    found = verify_filters(engine, map_tables(engine.schema, tables), database, METADATA, rows=500)
    assert found.not_mapped == {"Document.until"}
    assert found.rows >= 500
    users = {"User": mapping.tables["User"]}
    found = verify_filters(engine, map_tables(engine.schema, users), database, METADATA)
    assert (found.rows, found.not_mapped) == (0, {"Document"})
    for changed in ({"title": "name"}, {"shared_with": SetTable("share", "document", "user_id")}):
        with pytest.raises(LookupError, match="which the mapping names"):
            verify_filters(engine, mapping_of(engine, **changed), database)


def test_tables_may_be_as_the_database_describes_them(engine: PolicyEngine, database: Engine):
    found = verify_filters(engine, mapping_of(engine), database, rows=300)
    assert found.differences == []
    assert found.rows >= 300
    (refused,) = found.not_pushed.values()  # to SQLite's description, a moment is a number
    assert "documents.until" in str(refused)
