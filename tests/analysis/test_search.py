"""Holds what is said of all requests to an enumeration of all requests of a small vocabulary."""

from __future__ import annotations

from itertools import chain, combinations, product
from random import Random

import pytest
from hypothesis import given

from policyengine.analysis.questions import constant_operands, covered, never_holds
from policyengine.analysis.search import Space, UnknownError, holds
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.request import Validator
from policyengine.pipeline import check_sources
from policyengine.reference.evaluation import Env
from tests.strategies import seeds

WORDS = """\
package small
levels Tier = free < basic < pro
enum Status = active | held
taxonomy Use { research { academic } ads }
entity App { tier: Tier, status: Status, uses: set<Use>, age?: int }
entity Post { hidden: bool }
action read by App on Post
const many: set<Use> = {academic, ads}
define adult(app: App) = app has age and app.age >= 18
"""

ATOMS = (
    "subject.tier == pro", "subject.tier < basic", "subject.tier >= basic", "subject.tier != free",
    "subject.status == active", "subject.status in {active, held}", "resource.hidden",
    "subject.uses touches {academic}", "subject.uses within research", "subject.uses overlaps many",
    "many subset subject.uses", "ads in subject.uses", "subject.uses == {}", "size(subject.uses) > 1",
    "(every use in subject.uses: use within research)", "adult(subject)",
    "(subject has age and subject.age < 16)", "not (subject has age)",
    "(if subject.status == held then resource.hidden else subject.tier == basic)",
)  # fmt: skip


def some_condition(rng: Random, depth: int = 2) -> str:
    if depth == 0 or rng.random() < 0.25:
        return rng.choice(ATOMS)
    parts = [some_condition(rng, depth - 1) for _ in range(rng.choice((1, 2, 2, 3)))]
    if len(parts) == 1:
        return f"not ({parts[0]})"
    return "(" + rng.choice((" and ", " or ")).join(parts) + ")"


def checked_of(text: str):
    checked, found = check_sources({"s.policy": Source("s.policy", WORDS + text)})
    assert checked is not None, [d.message for d in found.items]
    return checked


def every_request():
    uses = ("research", "academic", "ads")
    some = [list(s) for s in chain.from_iterable(combinations(uses, n) for n in range(4))]
    ages = ({}, *({"age": n} for n in (15, 16, 17, 18)))
    for tier, status, use, age, hidden in product(
        ("free", "basic", "pro"), ("active", "held"), some, ages, (False, True)
    ):
        properties = {"tier": tier, "status": status, "uses": use, **age}
        yield {
            "subject": {"type": "App", "id": "a", "properties": properties},
            "action": "read",
            "resource": {"type": "Post", "id": "p", "properties": {"hidden": hidden}},
        }


@pytest.fixture(scope="module")
def requests():
    checked = checked_of("permit p: any when resource.hidden and " + " and ".join(ATOMS) + "\n")
    validator = Validator(checked.schema, checked.needs, Limits())
    return [validator.validate(**given, now=0) for given in every_request()]


def test_what_holds_for_no_request_is_found_just_then(requests):
    answers = set()

    @given(seeds.SEEDS)
    def check(seed):
        rng = Random(seed)
        text = some_condition(rng, 3)
        checked = checked_of(f"permit p: any when {text}\n")
        (rule,) = checked.rules
        possible = any(holds(rule, Env(request, checked.schema)) for request in requests)
        assert never_holds(checked, rule) is not possible, text
        answers.add(possible)

    check()
    assert answers == {False, True}


def test_an_operand_is_constant_just_where_it_takes_one_value(requests):
    answers = set()

    @given(seeds.SEEDS)
    def check(seed):
        rng = Random(seed)
        text = some_condition(rng, 2)
        checked = checked_of(f"permit p: any when {text} and {some_condition(rng, 1)}\n")
        (rule,) = checked.rules
        taken: dict[int, set[object]] = {}
        env_trace = lambda expr, value: taken.setdefault(id(expr), set()).add(value)  # noqa: E731 - a name for two lines
        for request in requests:
            holds(rule, Env(request, checked.schema, trace=env_trace))
        for expr, value in constant_operands(checked, rule):
            assert taken.get(id(expr)) == {value}, text
            answers.add(True)
        if not constant_operands(checked, rule):
            answers.add(False)
            for conjunct in rule.conjuncts:
                assert len(taken.get(id(conjunct.expr), {0, 1})) == 2, text

    check()
    assert answers == {False, True}


def test_a_rule_covers_another_just_where_it_holds_whenever_that_does(requests):
    answers = set()

    @given(seeds.SEEDS)
    def check(seed):
        rng = Random(seed)
        one, other = some_condition(rng, 1), some_condition(rng, 2)
        checked = checked_of(f"permit p: any when {one}\npermit q: any when {other}\n")
        p, q = checked.rules
        envs = [Env(request, checked.schema) for request in requests]
        expected = all(holds(q, env) for env in envs if holds(p, env))
        assert covered(checked, p, [q]) is expected, (one, other)
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
    assert not never_holds(checked, checked.rules[0])


def test_too_many_ways_are_given_up():
    enum = " | ".join(f"e{n}" for n in range(40))
    text = (
        f"package big\nenum E = {enum}\nentity A {{ some: set<E> }}\naction act by A on A\n"
        "permit p: any when size(subject.some) > 39 and size(subject.some) < 39\n"
    )
    checked, _ = check_sources({"s.policy": Source("s.policy", text)})
    space = Space(checked, ("act", "A", "A"), checked.rules)

    with pytest.raises(UnknownError):
        space.find(lambda env: holds(checked.rules[0], env))


WORLDS = """\
package far
entity Folder in Folder
entity Person { friends: set<Person>, boss?: Person, name: string }
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
        ("subject has boss and subject.boss has boss and subject.boss.boss == subject", True),
        ('subject == Person "a" and subject == Person "b"', False),
        ('resource.from within ip "10.0.0.0/8"', True),
        ("(some f in subject.friends: f == resource.owner and f.name == subject.name)", True),
    ],
)
def test_entities_are_one_however_they_are_reached(condition, possible):
    checked, found = check_sources(
        {"s.policy": Source("s.policy", WORLDS + f"permit p: any when {condition}\n")}
    )
    assert checked is not None, [d.message for d in found.items]
    space = Space(checked, ("open", "Person", "File"), checked.rules)
    assert (space.find(lambda env: holds(checked.rules[0], env)) is not None) is possible
