"""The interpreter of predicates by examples, and what is generated: all kinds of nodes, true and false ones."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

import pytest
from attrs import evolve

from policyengine.filters import predicates
from policyengine.filters.predicates import (
    ROWS,
    TRUE,
    Ancestor,
    And,
    Column,
    Compare,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    IsWithin,
    Matches,
    Not,
    OneOf,
    Parameter,
    Predicate,
    walk,
)
from policyengine.model.values import Ip
from tests.filters.databases import hold, meant
from tests.filters.generated_filters import PLAIN, Case, Limits, case, shrunk
from tests.filters.interpreter import holds

NAME, LEVEL, AT = (
    Column(ROWS, "name", "text"),
    Column(ROWS, "level", "int"),
    Column(ROWS, "at", "int"),
)
AT_IP, NETWORK = Column(ROWS, "at", "ip"), Parameter(Ip.parse("10.0.0.0/8"), "ip")
TREE = {
    "folder": [
        {"id": 1, "up": 2, "name": "a"},
        {"id": 2, "up": 3, "name": "b"},
        {"id": 3, "up": 1, "name": "c"},
        {"id": 4, "up": 9, "name": None},
    ]
}


def above(where: Predicate, most: int = 9) -> Ancestor:
    own, up = Column("f", "id", "int"), Column("f", "up", "int")
    return Ancestor("folder", "f", AT, own, up, where, most)


def named(name: str) -> Compare:
    return Compare("==", Column("f", "name", "text"), Parameter(name, "text"))


EXAMPLES = [
    (IsPresent(NAME), {"name": ""}, True),
    (IsPresent(NAME), {"name": None}, False),
    (IsOfKind(LEVEL), {"level": "5"}, False),
    (IsOfKind(LEVEL), {"level": 5}, True),
    (Compare("!=", LEVEL, Parameter(5, "int")), {"level": None}, False),
    (Not(Compare("==", LEVEL, Parameter(5, "int"))), {"level": None}, True),
    (Compare("<", Parameter(4, "int"), LEVEL), {"level": 5}, True),
    (OneOf(NAME, ("a", "b")), {"name": "A"}, False),
    (Matches(NAME, ("a", "b")), {"name": "a\nb"}, True),
    (Matches(NAME, ("ab", "ba")), {"name": "aba"}, False),
    (Matches(NAME, ("", "ab", "")), {"name": None}, False),
    (Matches(NAME, ("", "a", "b", "")), {"name": "ba"}, False),
    (IsLonger(NAME, 1), {"name": "\U0001f600\0"}, True),
    (IsOfKind(AT_IP), {"at": "10.0.0.1/8"}, False),
    (IsWithin(AT_IP, NETWORK), {"at": "::ffff:10.0.0.1"}, True),
    (IsWithin(AT_IP, NETWORK), {"at": "::/0"}, False),
    (IsWithin(NETWORK, AT_IP), {"at": "::/0"}, False),
    (IsWithin(NETWORK, AT_IP), {"at": "0.0.0.0/0"}, True),
    (IsWithin(NETWORK, AT_IP), {"at": None}, False),
    (above(named("c")), {"at": 1}, True),
    (above(named("c"), most=2), {"at": 1}, False),
    (above(named("d")), {"at": 1}, False),
    (above(TRUE), {"at": 4}, True),
    (above(TRUE), {"at": 9}, False),
    (above(TRUE), {"at": None}, False),
    (HasMore("folder", "f", (), Column("f", "name", "text"), 2), {}, True),
    (HasMore("folder", "f", (), Column("f", "name", "text"), 3), {}, False),
    (Exists("folder", "f", ((Column("f", "id", "int"), AT),), named("b")), {"at": 2}, True),
    (Exists("folder", "f", ((Column("f", "id", "int"), AT),), named("b")), {"at": None}, False),
]


def test_what_a_predicate_means():
    for predicate, row, expected in EXAMPLES:
        assert holds(predicate, row, TREE) is expected, (predicate, row)


def test_all_kinds_of_nodes_are_generated_and_decide_either_way():
    limits = Limits(rows=10, loose=True, kinds=(*PLAIN, "ip"))
    nodes, answers = Counter(), Counter()
    for seed in range(300):
        made = case(seed, limits)
        nodes.update(type(node).__name__ for node in walk(made.predicate))
        rows = made.rows[made.filtered.name]
        answers.update(holds(made.predicate, row, made.rows) for row in rows)
    kinds = {kind.__name__ for kind in predicates.Predicate.__args__}
    assert nodes.keys() == kinds - {"Constant"}
    assert min(nodes.values()) > 30
    assert min(answers.values()) > 600


def test_a_failure_is_made_small():
    def fails(made) -> bool:
        return any(isinstance(node, Matches) for node in walk(made.predicate)) and any(
            made.rows.values()
        )

    failed = next(made for made in (case(seed, Limits()) for seed in range(100)) if fails(made))
    small = shrunk(failed, fails)
    assert sum(map(len, small.rows.values())) == 1
    assert not any(isinstance(node, And) for node in walk(small.predicate))


def test_of_rows_with_the_same_values_one_is_asked():
    for seed in range(60):
        made = case(seed, Limits(loose=True))
        rows = made.rows[made.filtered.name]
        expected = {row["key"] for row in rows if holds(made.predicate, row, made.rows)}
        assert meant(made) == expected


def test_a_database_that_says_otherwise_is_noticed():
    def without_patterns(made: Case) -> Any:
        def select(predicate: Predicate) -> set[int]:
            selected = meant(evolve(made, predicate=predicate))
            return selected - {0} if isinstance(predicate, Matches) else selected

        return nullcontext(select)

    with pytest.raises(AssertionError, match=r"seed 1: Matches.*\n.*'key': 0") as failed:
        hold(1, Limits(), without_patterns, draws=200)
    assert str(failed.value).count("'key'") == 1
