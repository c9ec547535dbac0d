"""Holds what is said of all requests to an enumeration of all requests of a small vocabulary."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import example, given, settings

from policyengine.analysis.budget import UndecidedError
from policyengine.analysis.questions import Questions
from policyengine.analysis.search import SearchSpace, holds
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.reference.evaluation import Env
from tests.analysis.exactness import FINDINGS, hold_findings
from tests.analysis.small_world import (
    ACTIONS,
    WORDS,
    checked_of,
    some_condition,
    validated_requests,
)
from tests.strategies import seeds
from tests.whole import share


@pytest.fixture(scope="module")
def requests():
    return validated_requests()


def test_what_holds_for_no_request_is_found_just_then(requests):
    answers = set()

    @settings(max_examples=20)
    @given(seeds.SEEDS)
    def check(seed):
        rng = Random(seed)
        text = some_condition(rng, 3)
        checked = checked_of(f"permit p: any when {text}\n")
        (rule,) = checked.rules
        possible = any(holds(rule, Env(request, checked.schema)) for request in requests)
        assert Questions(checked).never_holds(rule) is not possible, text
        answers.add(possible)

    check()
    assert answers == {False, True}


def test_each_finding_about_all_requests_is_made_just_where_it_is_due():
    """Both ways, for each of them; `make exact` compares many more."""
    requests, found = {action: validated_requests(action) for action in ACTIONS}, Counter()

    @settings(max_examples=share(40, 4))
    @given(seeds.SEEDS)
    @example(14)  # of these three, there is each finding
    @example(20)
    @example(21)
    def check(seed):
        found.update(hold_findings(requests, seed))

    check()
    assert found.keys() == set(FINDINGS)


def test_a_rule_covers_another_just_where_it_holds_whenever_that_does(requests):
    answers = set()

    @settings(max_examples=40)
    @given(seeds.SEEDS)
    def check(seed):
        rng = Random(seed)
        one, other = some_condition(rng, 1), some_condition(rng, 2)
        checked = checked_of(f"permit p: any when {one}\npermit q: any when {other}\n")
        p, q = checked.rules
        envs = [Env(request, checked.schema) for request in requests]
        expected = all(holds(q, env) for env in envs if holds(p, env))
        assert Questions(checked).covered(p, [q]) is expected, (one, other)
        answers.add(expected)

    check()
    assert answers == {False, True}


@pytest.mark.parametrize(
    "condition",
    [
        "now - 1d > now",
        'resource.id like "a*" and resource.id like "b*"',
        "subject.age_of > subject.other and subject.other > subject.age_of",
    ],
)
def test_where_not_all_can_be_tried_nothing_is_claimed(condition):
    words = WORDS.replace("age?: int", "age?: int, age_of: int, other: int")
    checked, found = check_sources(
        {"s.policy": Source("s.policy", words + f"permit p: any when {condition}\n")}
    )
    assert checked is not None, [d.message for d in found.items]
    assert not Questions(checked).never_holds(checked.rules[0])


@pytest.mark.parametrize(
    "condition",
    [
        "(some c in subject.cards: c.n == 7 and c.n == 8)",
        "size(subject.teams) > 5",
        '(some t in subject.teams: "x" in t)',
        "(every f in subject.friends: f.name != f.name)",
        'resource.from == ip "10.0.0.1" and resource.from == ip "10.0.0.2"',
    ],
)
def test_of_sets_of_records_and_of_people_nothing_is_claimed(condition):
    checked, found = check_sources(
        {"s.policy": Source("s.policy", WORLDS + f"permit p: any when {condition}\n")}
    )
    assert checked is not None, [d.message for d in found.items]
    assert not Questions(checked).never_holds(checked.rules[0])


def test_too_many_ways_are_given_up():
    enum = " | ".join(f"e{n}" for n in range(40))
    text = (
        f"package big\nenum E = {enum}\nentity A {{ some: set<E> }}\naction act by A on A\n"
        "permit p: any when size(subject.some) > 39 and size(subject.some) < 39\n"
    )
    checked, _ = check_sources({"s.policy": Source("s.policy", text)})
    space = SearchSpace(checked, ("act", "A", "A"), checked.rules)

    with pytest.raises(UndecidedError):
        space.find(lambda env: holds(checked.rules[0], env))


WORLDS = """\
package far
entity Folder in Folder
entity Person {
    friends: set<Person>, boss?: Person, name: string, cards: set<{n: int}>, teams: set<set<string>>
}
entity File in Folder { owner: Person, from: ip }
action open by Person on File with { at: { city: string } }
"""


@pytest.mark.parametrize(
    ("condition", "possible"),
    [
        ('subject.id == "a" and not (subject == Person "a")', False),
        ('subject.id == "a" and subject.name == "a"', True),
        ("resource.owner == subject and resource.owner.name != subject.name", False),
        ("resource.owner != subject and resource.owner.name == subject.name", True),
        ('resource within Folder "a" and not (resource within Folder "a")', False),
        ('resource within Folder "a" and not (resource within Folder "b")', True),
        ("subject in resource.owner.friends and not (resource.owner == subject)", True),
        ('context.at.city == "x" and context.at.city == "y"', False),
        ('subject.name not like "t*"', True),
        ('subject.name not like "*t*" and subject.name not in {"x", "text 1"}', True),
        ('subject.name like "t*" and subject.name not in {"tx", "ttext"}', True),
        ('subject.name not like "*"', False),
        ('subject.name != "text 1"', True),
        ('subject.name in {"a", "b"} and subject.name == "c"', False),
        ("subject has boss and subject.boss has boss and subject.boss.boss == subject", True),
        ('subject == Person "a" and subject == Person "b"', False),
        ('resource.from within ip "10.0.0.0/8"', True),
        ("(some f in subject.friends: f == resource.owner and f.name == subject.name)", True),
        ("(some c in subject.cards: c.n == 7)", True),
        ("size(subject.teams) == 1", True),
        ('(every f in subject.friends: f.name == "x") and resource.owner in subject.friends', True),
    ],
)
def test_entities_are_one_however_they_are_reached(condition, possible):
    checked, found = check_sources(
        {"s.policy": Source("s.policy", WORLDS + f"permit p: any when {condition}\n")}
    )
    assert checked is not None, [d.message for d in found.items]
    space = SearchSpace(checked, ("open", "Person", "File"), checked.rules)
    assert (space.find(lambda env: holds(checked.rules[0], env)) is not None) is possible
