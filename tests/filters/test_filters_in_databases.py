"""Filters of policies select in databases what `decide` allows, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from tests.filters import filter_law, shipped_filters
from tests.filters.databases import sqlalchemy_database
from tests.filters.mapped_databases import InDatabase, opened
from tests.filters.mapped_worlds import SETS_IN
from tests.strategies.real_sets import SETS
from tests.whole import share


def ask(databases: list[InDatabase], times: int, sets: Sequence[str] = SETS_IN) -> None:
    counts = Counter[str]()
    for seed in range(times):
        counts += filter_law.filters_agree(seed, 3, databases, sets)
        for name in SETS:
            counts += shipped_filters.filters_agree(name, seed, databases, sets)
    assert counts["not said in a database"] == 0
    assert min(counts["allowed"], counts["denied"], counts["unfit"]) >= 2 * times


def test_filters_select_in_databases_what_is_allowed():
    ask(opened(["sqlite", "duckdb"]), share(2, 2), ("table", "json"))
    ask(opened(["duckdb"]), 1, ("array",))


def test_filters_select_in_postgresql_what_is_allowed(postgresql):
    ask([partial(sqlalchemy_database, engine=postgresql)], 4)
