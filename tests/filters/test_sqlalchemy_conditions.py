"""Printed predicates and their negations select what the interpreter says, whatever the rows hold."""

from __future__ import annotations

from itertools import cycle

import duckdb
import pytest
import sqlalchemy as sa
from attrs import evolve

from tests.filters.databases import LIMITS, duckdb_database, hold, sqlalchemy_database

SEEDS = range(50)  # of 40 rows each
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
