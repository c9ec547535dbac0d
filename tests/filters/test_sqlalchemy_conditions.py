"""Printed predicates and their negations select what the interpreter says, whatever the rows hold."""

from __future__ import annotations

from itertools import cycle, product

import duckdb
import pytest
import sqlalchemy as sa
from attrs import evolve

from policyengine.filters.predicates import (
    ROWS,
    Column,
    IsLonger,
    IsOfKind,
    Matches,
    both,
    negated,
    one_of,
)
from policyengine.filters.sqlalchemy_conditions import condition
from tests.filters.databases import LIMITS, duckdb_database, hold, sqlalchemy_database
from tests.filters.interpreter import holds
from tests.whole import share

SEEDS = range(share(50, 5))  # of 40 rows each
TEXTS = ("literals", "values")


@pytest.mark.parametrize("texts", [("",), TEXTS], ids=["conditions", "texts"])
def test_sqlite_selects_what_the_predicate_says(texts):
    engine = sa.create_engine("sqlite://")
    for seed, text in zip(SEEDS, cycle(texts)):
        hold(seed, LIMITS["sqlite"], sqlalchemy_database, engine=engine, text=text)
    engine.dispose()


def test_duckdb_selects_what_the_predicate_says():
    with duckdb.connect() as connection:
        for seed, text in zip(SEEDS, cycle(TEXTS)):
            hold(seed, LIMITS["duckdb"], duckdb_database, connection=connection, text=text)


@pytest.mark.parametrize("texts", [("",), TEXTS], ids=["conditions", "texts"])
def test_postgresql_selects_what_the_predicate_says(postgresql, texts):
    limits = evolve(LIMITS["postgresql"], rows=100)
    for seed, text in zip(range(500), cycle(texts)):
        hold(seed, limits, sqlalchemy_database, engine=postgresql, text=text)


def test_sqlite_finds_every_short_pattern_in_every_short_text():
    texts = ["".join(of) for size in range(4) for of in product("ab\0", repeat=size)]
    rows = [{"key": key, "text": text} for key, text in enumerate(texts)]
    table = sa.Table(
        "t", sa.MetaData(), sa.Column("key", sa.BigInteger), sa.Column("text", sa.Text)
    )
    column, parts = Column(ROWS, "text", "text"), ("", "a", "b\0")
    patterns = [Matches(column, of) for size in (2, 3, 4) for of in product(parts, repeat=size)]
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), rows)
        for asked in (*patterns, *(IsLonger(column, most) for most in range(4))):
            for predicate in (asked, negated(asked)):
                made = condition(predicate, table, {}, "sqlite")
                found = set(connection.scalars(sa.select(table.c.key).where(made)))
                assert found == {row["key"] for row in rows if holds(predicate, row, {})}, predicate
    engine.dispose()


def test_a_text_is_none_of_the_numbers_that_sqlite_takes_it_for():
    table = sa.Table("t", sa.MetaData(), sa.Column("text", sa.Text))
    column, engine = Column(ROWS, "text", "text"), sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (text INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1), (1.5), ('a')")
        for asked, texts in ((["1"], []), ([" 1.5", "+1", "b"], []), (["1", "a"], ["a"])):
            predicate = both([IsOfKind(column), one_of(column, asked)])
            made = condition(predicate, table, {}, "sqlite")
            assert [*connection.scalars(sa.select(table.c.text).where(made))] == texts
    engine.dispose()
