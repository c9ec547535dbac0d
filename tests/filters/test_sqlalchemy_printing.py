"""Printed predicates and their negations select what the interpreter says, whatever the rows hold."""

from __future__ import annotations

from itertools import product

import sqlalchemy as sa

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
from policyengine.filters.sqlalchemy_printing import condition
from tests.filters.interpreter import holds


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
