"""Filters of addresses: exact where a database has a type for them, refused by name elsewhere."""

from __future__ import annotations

from typing import Any

import ibis
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

from policyengine import InvalidRequest, PolicyEngine
from policyengine.filters.django_printing import django_condition
from policyengine.filters.fetching import fetch
from policyengine.filters.ibis_printing import ibis_condition
from policyengine.filters.mapping import (
    EntityTable,
    SetInColumn,
    SetTable,
    StoredColumn,
    map_tables,
)
from policyengine.filters.predicates import NotPushable
from policyengine.filters.row_filter import Filter, make_filter
from policyengine.filters.sql_text import sql_text, tables_of
from policyengine.model.values import Ip

SET = """
package net
entity User {}
entity Host { at: ip, within?: ip, open: set<ip>, shut: set<ip> }
action reach by User on Host with { from: ip, home: set<ip> }
permit a: reach when RULE
"""
INET_COLUMN = StoredColumn("at", kind="ip")
MAPPED = EntityTable(
    "host",
    attributes={
        "at": INET_COLUMN,
        "within": StoredColumn("net", kind="ip"),
        "open": SetTable("opened", "host", StoredColumn("ip", kind="ip")),
        "shut": SetInColumn("shut", kind="ip"),
    },
)
RULES = (
    'resource.at == ip "10.0.0.1"',
    'resource.at != ip "10.0.0.1"',
    'resource.at == ip "2001:db8::1"',
    'resource.at in {ip "10.0.0.1", ip "10.0.0.0/8"}',
    'resource.at within ip "10.0.0.0/8"',
    'resource.at within ip "0.0.0.0/0"',
    'resource.at within ip "::/0"',
    'resource.at not within {ip "10.0.0.0/8", ip "2001:db8::/32"}',
    "context.from within resource.at",
    "resource has within and context.from within resource.within",
    "resource has within and resource.at within resource.within",
    "resource has within and resource.at == resource.within",
    "resource.at in context.home",
    "resource.at in resource.open",
    "resource.at within resource.open",
    "context.from within resource.shut",
    "resource.shut within resource.open",
    "resource.open == context.home",
    "context.home subset resource.open",
    "size(resource.open) == 1",
)  # fmt: skip
HOSTS: tuple[tuple[str, str | None, list[str], list[str]], ...] = (
    ("10.0.0.1", "10.0.0.0/8", ["10.0.0.1"], ["10.0.0.0/8"]),
    ("::ffff:10.0.0.1", "10.0.0.1", ["::ffff:10.0.0.1", "10.0.0.1"], ["::ffff:10.0.0.0/104"]),
    ("::ffff:10.0.0.0/104", "::ffff:0.0.0.0/96", ["10.0.0.0/8"], []),
    ("10.0.0.0/8", "::/0", ["::/0", "10.0.0.1/32"], ["10.1.0.0/16"]),
    ("2001:db8::1", "2001:db8::/32", [], ["2001:db8::/32", "10.0.0.1"]),
    ("::a00:1", "::fffe:0:0/95", ["10.0.0.1"], ["10.0.0.2", "10.0.0.1"]),
    ("::/0", None, ["0.0.0.0/0"], ["::1"]),
    ("10.0.0.1/8", "10.0.0.0/8", [], []),
    ("10.0.0.1", "10.0.0.1/8", ["10.0.0.2"], ["10.0.0.2"]),
    ("10.0.0.1", "10.0.0.2", ["10.0.0.2/8"], ["10.0.0.2"]),
)
CONTEXT = {"from": "10.0.0.1", "home": ["10.0.0.1", "::ffff:10.0.0.0/104"]}
ASKED = {"subject": {"type": "User", "id": "ann"}, "action": "reach", "context": CONTEXT}


class Base(DeclarativeBase):
    pass


class Host(Base):
    __tablename__ = "host"
    id = mapped_column(sa.Text, primary_key=True)
    at = mapped_column(INET)
    net = mapped_column(INET)
    shut = mapped_column(ARRAY(INET))


class Opened(Base):
    __tablename__ = "opened"
    key = mapped_column(sa.Integer, primary_key=True)
    host = mapped_column(sa.Text)
    ip = mapped_column(INET)


def filter_of(engine: PolicyEngine, host: EntityTable = MAPPED, **options: Any) -> Filter:
    mapping = map_tables(engine.schema, {"User": EntityTable("person"), "Host": host})
    return make_filter(engine.partial(**ASKED, resource_type="Host"), mapping, **options)


def once(texts: list[str]) -> list[str]:
    """Return texts of addresses without those that say the same again, as rows are read."""

    def same(text: str) -> object:
        try:
            return Ip.parse(text)
        except ValueError:
            return text

    return [*{same(text): text for text in texts}.values()]


def engine_of(rule: str) -> PolicyEngine:
    return PolicyEngine.from_text(SET.replace("RULE", rule))


@pytest.fixture(scope="module")
def hosts(postgresql: sa.Engine):
    with Session(postgresql) as session:
        Base.metadata.create_all(session.connection())
        for number, (at, net, opened, shut) in enumerate(HOSTS):
            session.add(Host(id=f"h{number}", at=at, net=net, shut=shut))
            session.add_all(Opened(host=f"h{number}", ip=one) for one in opened)
        session.flush()
        yield session
        session.rollback()


@pytest.mark.parametrize("rule", RULES)
def test_addresses_in_postgresql_are_those_of_decide(hosts: Session, rule: str):
    engine = engine_of(rule)
    made, allowed, unfit = filter_of(engine), set(), set()
    read = ["at", "within", "open", "shut"]
    read = [name for name in read if f"resource.{name}" in rule or f"has {name}" in rule]
    for number, values in enumerate(HOSTS):
        given = dict(zip(("at", "within", "open", "shut"), values, strict=True))
        given |= {"open": once(values[2]), "shut": once(values[3])}
        properties = {name: given[name] for name in read if given[name] is not None}
        resource = {"type": "Host", "id": f"h{number}", "properties": properties}
        try:
            if engine.decide(**ASKED, resource=resource).allowed:
                allowed.add(f"h{number}")
        except InvalidRequest:
            unfit.add(f"h{number}")
    for predicate, expected in ((made.predicate, allowed), (made.rows_that_do_not_fit, unfit)):
        said = sql_text(predicate, Host.__table__, Base.metadata, "postgresql")
        where = sa.text(said.text.replace(":", r"\:"))
        assert set(hosts.scalars(sa.select(Host.id).where(where))) == expected, said
    assert {host.id for host in fetch(hosts, made, Host)} == allowed


def test_an_index_of_postgresql_finds_addresses(hosts: Session):
    made = filter_of(engine_of('resource.at within ip "10.1.2.0/24"'), checked())
    said = sql_text(made.predicate, Host.__table__, Base.metadata, "postgresql").text
    hosts.execute(sa.text("CREATE INDEX by_at ON host USING gist (at inet_ops)"))
    hosts.execute(sa.text("SET LOCAL enable_seqscan = off"))
    plan = hosts.scalars(
        sa.text("EXPLAIN SELECT id FROM host WHERE " + said.replace(":", r"\:"))
    ).all()
    assert "by_at" in " ".join(plan), plan


def checked() -> EntityTable:
    return EntityTable("host", attributes=MAPPED.attributes, checked=True)


RULE = 'resource.at within ip "10.0.0.0/8"'


def test_a_text_that_may_write_an_address_in_several_ways_is_refused_by_name():
    texts = EntityTable("host", attributes={"at": StoredColumn("at", checked=True)})
    with pytest.raises(NotPushable, match=r"within \{ip .*several ways.* the kind `ip`") as found:
        filter_of(engine_of(RULE), texts)
    assert found.value.rules == ("access.a",)
    assert filter_of(engine_of(RULE), texts, split=True).remaining is not None


@pytest.mark.parametrize(
    ("dialect", "said"), [("sqlite", "SQLite cannot say"), ("duckdb", "DuckDB cannot say")]
)
def test_databases_without_addresses_refuse_them_by_name(dialect: Any, said: str):
    predicate = filter_of(engine_of(RULE)).predicate
    tables = tables_of(predicate, "host")
    with pytest.raises(NotPushable, match=f"{said} `host.at`: it has no type for addresses"):
        sql_text(predicate, tables["host"], tables, dialect)


def test_columns_of_postgresql_that_hold_none_are_refused():
    predicate = filter_of(engine_of(RULE)).predicate
    table = sa.Table("host", sa.MetaData(), sa.Column("id", sa.Text), sa.Column("at", sa.Text))
    with pytest.raises(NotPushable, match=r"Text\(\) does not hold the kind ip"):
        sql_text(predicate, table, {}, "postgresql")
    networks = sa.Table("host", sa.MetaData(), sa.Column("id", sa.Text), sa.Column("at", CIDR))
    assert "<<=" in sql_text(predicate, networks, {}, "postgresql").text


@pytest.mark.filterwarnings("default")  # of Ibis with the newest DuckDB
def test_django_and_ibis_refuse_addresses_by_name():
    predicate = filter_of(engine_of(RULE)).predicate
    with pytest.raises(NotPushable, match="Django cannot say `at`: it is not asked for addresses"):
        django_condition(predicate, object, {})
    rows = ibis.duckdb.connect().create_table("host", schema={"id": "string", "at": "string"})
    with pytest.raises(NotPushable, match="DuckDB cannot say `at`: it is not asked for addresses"):
        ibis_condition(predicate, rows, {})
