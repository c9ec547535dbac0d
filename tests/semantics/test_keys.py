"""Operators that compare a value with constants show which values other requests may have."""

from __future__ import annotations

import pytest
from attrs import evolve
from msgspec.structs import replace

from policyengine.semantics.keys import comparisons
from policyengine.syntax import nodes, operators
from policyengine.syntax.operators import OPERATORS
from tests.strategies.loading import load

TARGET = ("read", "App", "Doc")
WORLD = """package p
entity App { tenant: string, tenants: set<string> }
entity Doc
action read by App on Doc
permit p: read when """


def paths(condition: str, **changes: str) -> set[str]:
    (rule,) = load({"a.policy": WORLD + condition}).checked.rules
    (conjunct,) = rule.conjuncts
    expr = conjunct.expr
    if changes:
        assert isinstance(expr, nodes.Compare)
        expr = replace(expr, **changes)
    return {path for path, _ in comparisons(expr, rule.typings[TARGET])}


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ('subject.tenant == "t"', "subject.tenant"),
        ('"t" != subject.tenant', "subject.tenant"),
        ('subject.tenant in {"t", "u"}', "subject.tenant"),
        ('subject.tenant not in {"t"}', "subject.tenant"),
        ('subject.tenant not endswith "t"', "subject.tenant"),
        ('lower(subject.tenant) startswith "t"', "subject.tenant"),
        ('"t" in subject.tenants', "subject.tenants"),
        ('subject.tenants overlaps {"t"}', "subject.tenants"),
        ('subject.tenants subset {"t"}', "subject.tenants"),
    ],
)
def test_a_comparison_with_a_constant_is_found(condition: str, path: str):
    assert paths(condition) == {path}


def test_a_new_comparison_is_found_unless_it_is_known_to_test_a_side(monkeypatch):
    row = evolve(OPERATORS[nodes.Compare, "overlaps"], word="new")
    monkeypatch.setattr(operators, "OPERATORS", {**OPERATORS, (nodes.Compare, "new"): row})
    assert paths('subject.tenant == "t"', op="new") == {"subject.tenant"}
    assert paths('subject.tenant == "t"', op="<") == set()
