"""Test that suggestions are good, and that many of them take no more work than the budget."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policyengine
from policyengine import InvalidPolicy, InvalidRequest, PolicyEngine
from policyengine.diagnostics.spell import (
    FOR_REQUEST,
    FOR_SET,
    Budget,
    did_you_mean,
    nearest,
    shared_budget,
)

PACKAGE = Path(policyengine.__file__).parent


@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("raed", ["read", "edit", "create"], "read"),
        ("clearence", ["clearance", "teams"], "clearance"),
        ("Status", ["state", "status"], "status"),
        ("nmae", ["name", "names"], "name"),
        ("owner_id", ["owner", "owned_by"], "owner"),
        ("b", ["a", "c"], None),
        ("banana", ["read", "edit"], None),
        ("scope.raed_00042", [f"scope.read_{n:05}" for n in range(500)], "scope.read_00042"),
        ("", ["a"], None),
        ("x" * 1000, ["x" * 999], None),
    ],
)
def test_what_is_meant(word: str, names: list[str], meant: str | None):
    assert nearest(word, names) == meant
    assert nearest(word, reversed(names)) == meant


@given(st.text(max_size=80), st.lists(st.text(max_size=80)), st.integers(0, 2000))
def test_no_more_is_looked_at_than_the_budget_allows(word, names, work):
    looked_at = 0

    def given_out() -> Iterator[str]:
        nonlocal looked_at
        for name in names:
            looked_at += 1
            yield name

    budget = Budget(work)
    found = nearest(word, given_out(), budget)
    assert looked_at <= work + 1
    assert found is None or (found in names and budget.left >= 0)


@given(st.text("abc", max_size=6), st.lists(st.text("abc", min_size=1, max_size=6)))
def test_a_larger_budget_finds_no_other_name(word, names):
    assert nearest(word, names, Budget(300)) in (None, nearest(word, names, Budget(10**9)))


def test_what_shares_a_budget_spends_it_together():
    names = ["read", "edit"]
    with shared_budget(100):
        found = [did_you_mean("raed", names) for _ in range(100)]
    assert found[0] == "did you mean `read`?"
    assert found[-1] == ""
    assert did_you_mean("raed", names)


def test_names_are_compared_in_one_place():
    defining, comparing = set(), set()
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "nearest" for node in tree.body):
            defining.add(file.name)
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}
        if names & {"SequenceMatcher", "get_close_matches"}:
            comparing.add(file.name)
    assert defining == comparing == {"spell.py"}


SCOPES = """package t
enum Scope = {names}
entity User {{ scopes: set<Scope> }}
entity Doc
action read by User on Doc
"""


def scopes(count: int) -> str:
    return SCOPES.format(names=" | ".join(f'"scope.read_{n:05}_users"' for n in range(count)))


def test_a_request_full_of_mistakes_has_suggestions_within_its_budget():
    engine = PolicyEngine.from_text(scopes(1000) + "permit a: read when size(subject.scopes) > 3\n")
    given = [f"scope.raed_{n:05}_users" for n in range(100)]
    user = {"type": "User", "id": "u", "properties": {"scopes": given}}
    with pytest.raises(InvalidRequest) as refusal:
        engine.decide(user, "read", {"type": "Doc", "id": "d"})
    assert len(refusal.value.problems) == 100
    said = str(refusal.value)
    assert "did you mean `scope.read_00000_users`?" in said
    assert said.count("did you mean") <= FOR_REQUEST / (1000 * len("scope.raed_00000_users"))


def test_a_few_mistakes_of_a_request_all_have_their_suggestion():
    engine = PolicyEngine.from_text(scopes(30) + "permit a: read when size(subject.scopes) > 3\n")
    user = {"type": "User", "id": "u", "propertys": {}, "properties": {
        "scopes": ["scope.raed_00001_users", "scope.red_00002_users"]}}  # fmt: skip
    with pytest.raises(InvalidRequest) as refusal:
        engine.decide(user, "raed", {"type": "Dok", "id": "d"})
    problems = [problem.message for problem in refusal.value.problems]
    assert all("did you mean" in message or "it is one of" in message for message in problems)
    assert len(problems) >= 3


def test_a_set_full_of_mistakes_has_suggestions_within_its_budget():
    rules = "".join(
        f'permit r{n}: read when "scope.raed_{n:05}_users" in subject.scopes\n' for n in range(300)
    )
    with pytest.raises(InvalidPolicy) as refusal:
        PolicyEngine.from_text(scopes(5000) + rules)
    suggested = str(refusal.value).count("did you mean")
    assert 0 < suggested <= FOR_SET / (5000 * len("scope.raed_00000_users"))
