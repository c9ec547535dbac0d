"""Printed predicates and their negations select what the interpreter says, whatever the rows hold."""

from __future__ import annotations

import os

import duckdb
import pytest
import sqlalchemy as sa

from tests.filters.databases import LIMITS, duckdb_database, hold, sqlalchemy_database

SEEDS = range(int(os.environ.get("FROM", "0")), int(os.environ.get("TO", "50")))  # of 40 rows each


@pytest.mark.parametrize("text", ["", "literals", "values"])
def test_sqlite_selects_what_the_predicate_says(text):
    engine = sa.create_engine("sqlite://")
    for seed in SEEDS:
        hold(seed, LIMITS["sqlite"], sqlalchemy_database, engine=engine, text=text)


@pytest.mark.parametrize("text", ["literals", "values"])
def test_duckdb_selects_what_the_predicate_says(text):
    with duckdb.connect() as connection:
        for seed in SEEDS:
            hold(seed, LIMITS["duckdb"], duckdb_database, connection=connection, text=text)


@pytest.mark.parametrize("text", ["", "literals", "values"])
def test_postgresql_selects_what_the_predicate_says(postgresql, text):
    with postgresql.connect() as connection:
        connection.exec_driver_sql(
            "CREATE COLLATION IF NOT EXISTS insensitive"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
        connection.commit()
    for seed in SEEDS:
        hold(seed, LIMITS["postgresql"], sqlalchemy_database, engine=postgresql, text=text)
