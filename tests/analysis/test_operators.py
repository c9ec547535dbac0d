"""What the analysis does not understand makes it unsure: of no operator it claims what may be false."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import get_args

import pytest
from attrs import evolve
from hypothesis import given, settings

from policyengine.analysis.candidate_values import RuleConstants
from policyengine.analysis.constants import MentionedConstants, walk_conditions
from policyengine.analysis.questions import Questions
from policyengine.analysis.remedies import search
from policyengine.analysis.search import holds
from policyengine.lint.linter import lint
from policyengine.reference import evaluation
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import Typing
from policyengine.syntax import nodes
from policyengine.syntax.operators import OPERATORS, Operator, operator_of
from tests.analysis.exactness import FINDINGS, hold_findings, hold_remedies
from tests.analysis.small_world import (
    ACTIONS,
    ATOMS,
    ROUGH,
    checked_of,
    some_condition,
    validated_requests,
)
from tests.strategies import seeds
from tests.whole import share, some

ONLY_IN_TESTS = {nodes.Update}


def expressions_of(condition: str) -> list[nodes.Expr]:
    """Return the expressions of *condition* and of the definitions that it calls."""
    (rule,) = checked_of(f"permit p: any when {condition}\n").rules
    found = (node for node, _ in walk_conditions(rule))
    return [node for node in found if isinstance(node, get_args(nodes.Expr))]


def test_each_operator_and_expression_occurs_in_the_small_world():
    texts = [some_condition(Random(seed), 3, (*ATOMS, *ROUGH)) for seed in range(40)]
    found = [node for text in (*ATOMS, *ROUGH, *texts) for node in expressions_of(text)]

    assert {type(node) for node in found} == set(get_args(nodes.Expr)) - ONLY_IN_TESTS
    assert {(row.node, row.word) for row in map(operator_of, found) if row} == set(OPERATORS)


def test_what_is_claimed_is_so_where_not_all_can_be_known():
    """`make exact` compares many more."""
    requests = {action: validated_requests(action) for action in ACTIONS}
    found: set[str] = set()

    @settings(max_examples=share(15, 4))
    @given(seeds.SEEDS)
    def check(seed):
        hold_remedies(requests["read"], seed, 2, rough=True)
        found.update(hold_findings(requests, seed, rough=True))

    check()
    assert found


def test_what_is_claimed_of_two_conditions_is_so_where_not_all_can_be_known():
    """Each of them beside each other condition, so that what one mentions is tried on the other."""
    given = [Env(request, checked_of("").schema) for request in validated_requests()]

    def held(condition: str) -> frozenset[int]:
        (rule,) = checked_of(f"permit p: any when {condition}\n").rules
        return frozenset(number for number, env in enumerate(given) if holds(rule, env))

    found = {atom: held(atom) for atom in (*ATOMS, *ROUGH)}
    pairs = [*product(ROUGH, found)]
    for one, other in pairs[:: len(pairs) // share(len(pairs), 48)]:
        both, neither = f"{one} and {other}", f"{one} and not ({other})"
        texts = (one, other, both, neither)
        checked = checked_of("".join(f"permit p{n}: read when {t}\n" for n, t in enumerate(texts)))
        p, q, r, s = checked.rules
        ask = Questions(checked)
        assert not ask.covered(p, [q]) or found[one] <= found[other], texts
        assert not ask.covered(q, [p]) or found[other] <= found[one], texts
        assert not ask.never_holds(r) or not found[one] & found[other], texts
        assert not ask.never_holds(s) or found[one] <= found[other], texts


def mentioning(key: tuple[type[nodes.Expr], str]) -> str:
    """Return a condition with that operator, which is neither always true nor never."""
    for atom in (*ATOMS, *ROUGH, "(resource.hidden or ads in subject.uses)"):
        rows = map(operator_of, expressions_of(atom))
        own = (row for row in rows if row is not None)
        if any((row.node, row.word) == key for row in own):
            return atom
    raise AssertionError(key)


FLAWED = (
    "permit p: any when {it}\npermit q: any when resource.hidden and {it}\n",
    "permit p: any when {it}\npermit q: any when {it} and {it}\n",
    "permit p: any when {it} and not ({it})\npermit q: any when resource.hidden and {it}\n",
    "permit p: any when ({it} or not ({it})) and resource.hidden\n",
    'permit p: any when {it} and resource.hidden\nforbid f: any when {it} because "f"\n',
    'permit p: any when {it} and action.name == "read"\n',
    'permit p: any when {it}\nforbid f: any when subject has age and subject.age < 18 and {it} because "f"\n',
)
"""Sets in which every rule has one condition in it, and that is wrong with some of them."""


def claimed(condition: str) -> set[str]:
    """Return what lint says of all requests in the flawed sets; that something is written twice is seen without them."""
    found = (lint(checked_of(text.format(it=condition))).items for text in FLAWED)
    return {
        d.code
        for items in found
        for d in items
        if d.code in FINDINGS and "written twice" not in d.message
    }


def test_lint_finds_the_flaws_of_operators_that_it_understands():
    assert claimed("subject.uses overlaps many") == {*FINDINGS}


@pytest.mark.parametrize(
    "key", some([*OPERATORS], 3), ids=lambda key: f"{key[0].__name__} {key[1]}"
)
def test_of_rules_with_an_operator_that_is_not_understood_nothing_is_claimed(monkeypatch, key):
    condition = mentioning(key)
    row = evolve(OPERATORS[key], understood=False)
    monkeypatch.setitem(OPERATORS, key, row)

    assert claimed(condition) == set()


def test_an_operator_of_which_nothing_is_said_is_not_understood(monkeypatch):
    def as_many(op, left, right, *rest):
        if op == "overlaps":
            return sum(1 for _ in left) == sum(1 for _ in right)
        return meant(op, left, right, *rest)

    meant = evaluation.compare
    fictive = Operator(nodes.Compare, "overlaps", "A overlaps B", "sets", "two sets of one type")
    monkeypatch.setitem(OPERATORS, (nodes.Compare, "overlaps"), fictive)
    monkeypatch.setattr(evaluation, "compare", as_many)

    assert claimed("subject.uses overlaps many") == set()


@pytest.mark.parametrize("condition", ["size(subject.uses) > 1", "adult(subject)"])
def test_of_rules_with_a_function_that_is_not_understood_nothing_is_claimed(monkeypatch, condition):
    """As it is when the language gains a function that the analysis does not know yet."""

    def binding_of(typing, node):
        return object() if isinstance(node, nodes.Call) else meant(typing, node)

    (rule,) = checked_of(f"permit p: read when {condition}\n").rules
    target = next(iter(rule.typings))
    assert not MentionedConstants.of((rule,), target).unsure
    meant = Typing.binding_of
    monkeypatch.setattr(Typing, "binding_of", binding_of)
    assert MentionedConstants.of((rule,), target).unsure


def test_an_obligation_does_not_make_it_unsure():
    text = "obligation log(a: App)\npermit p: read when resource.hidden oblige log(subject)\n"
    (rule,) = checked_of(text).rules
    assert not MentionedConstants.of((rule,), next(iter(rule.typings))).unsure


@pytest.mark.parametrize(
    "key",
    some([key for key in OPERATORS if key[1] != "lower"], 3),  # it is understood near one request
    ids=lambda key: f"{key[0].__name__} {key[1]}",
)
def test_not_every_change_is_tried_where_an_operator_is_not_understood(monkeypatch, key):
    """Whatever its operands are, also where it is in a definition."""
    condition = mentioning(key)
    checked = checked_of(f"permit p: any when {condition} and not ({condition})\n")
    request = validated_requests()[0]
    monkeypatch.setitem(OPERATORS, key, evolve(OPERATORS[key], understood=False))
    assert not search(checked, request).complete


def test_every_change_is_tried_where_all_operators_are_understood():
    checked = checked_of("permit p: any when subject.uses overlaps many and subject.tier == pro\n")
    request = next(r for r in validated_requests() if not r.subject.v_uses)
    assert search(checked, request).complete


@pytest.mark.parametrize("condition", ["size(subject.uses) > 1", "adult(subject)"])
def test_not_every_change_is_tried_where_a_function_is_not_understood(monkeypatch, condition):
    def binding_of(typing, node):
        return object() if isinstance(node, nodes.Call) else meant(typing, node)

    (rule,) = checked_of(f"permit p: read when {condition}\n").rules
    target = next(iter(rule.typings))
    assert not RuleConstants.of((rule,), target).asked.anything
    meant = Typing.binding_of
    monkeypatch.setattr(Typing, "binding_of", binding_of)
    assert RuleConstants.of((rule,), target).asked.anything


def test_no_word_is_said_to_be_unused_that_such_an_operator_may_reach(monkeypatch):
    checked = checked_of('permit p: any when subject.status == active\ntest "t" {}\n')
    assert "PE407" in {d.code for d in lint(checked).items}
    key = nodes.Compare, "=="
    monkeypatch.setitem(OPERATORS, key, evolve(OPERATORS[key], understood=False))
    assert "PE407" not in {d.code for d in lint(checked).items}


@pytest.mark.parametrize(
    "condition",
    [
        'resource.tag like "ad*" and resource.tag != "adx"',
        'resource.tag startswith "ad" and resource.tag not in {"ad", "adx", "adxx"}',
        'resource.tag not contains "e" and resource.tag not in {"text 1", "a"}',
        'not (resource.tag like "t*") and resource.tag != "a"',
        'resource.tag like "a\\**" and resource.tag != "a*x"',
    ],
)
def test_there_are_other_texts_than_those_that_are_mentioned(condition):
    checked = checked_of(f"permit p: any when {condition}\n")
    assert not Questions(checked).never_holds(checked.rules[0])
    assert [d.code for d in lint(checked).items if d.code in ("PE401", "PE402")] == []


@pytest.mark.parametrize(
    ("condition", "never"),
    [
        ('resource.tag startswith "ad" and not (resource.tag like "ad*")', True),
        ('resource.tag startswith "ad" and resource.tag == "news"', True),
        ('resource.tag not contains ""', True),
        ('resource.tag endswith "s" and resource.tag not contains "s"', False),  # it is not known
        ('lower(resource.tag) == "a" and resource.tag not in {"a", "A"}', False),
        ('size(resource.tag) == 1 and resource.tag == "ab"', False),
    ],
)
def test_texts_that_contradict_each_other_are_found_where_one_pattern_is_used(condition, never):
    checked = checked_of(f"permit p: any when {condition}\n")
    assert Questions(checked).never_holds(checked.rules[0]) is never


def test_of_patterns_that_tell_of_each_other_everything_is_tried():
    tags = 'startswith "b" and resource.tag startswith "by" and resource.tag not startswith "b"'
    checked = checked_of(f"permit p: any when resource.tag {tags}\n")
    found = search(checked, validated_requests()[0])
    assert found.complete
    assert found.remedies == ()


def test_of_many_patterns_it_is_not_said_that_everything_was_tried():
    many = " and ".join(f'resource.tag contains "{one}{one}a"' for one in "bcdefghijk")
    checked = checked_of(f"permit p: any when {many} and not ({many})\n")
    assert not search(checked, validated_requests()[0]).complete
