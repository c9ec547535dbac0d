"""Outlines: of many rules only those are made that something is told of, and it is told as before."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given

from policyengine import PolicyEngine
from policyengine.compiler import generate, outline
from policyengine.compiler.load_rules import RuleMaker
from policyengine.compiler.outline import outline_rules
from policyengine.runtime import compiled_target
from policyengine.runtime.directory import Outline, Rules
from tests.compiler.world import TARGET, world
from tests.privacy import test_whom_rules_are_for as tenants
from tests.strategies import laws, seeds
from tests.strategies.laws import Case
from tests.strategies.loading import load
from tests.strategies.spoiling import spoilings

LAWS = (
    laws.compiled_agrees,
    laws.compiled_holds_until,
    laws.failures_agree_and_open_nothing,
)


@pytest.fixture
def _all_are_many(monkeypatch):
    monkeypatch.setattr(generate, "_MOST_JUDGED", -1)
    compiled_target._kept.clear()
    yield
    compiled_target._kept.clear()


@pytest.mark.usefixtures("_all_are_many")
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_rules_that_are_made_one_by_one_keep_the_laws(law):
    @given(seeds.SEEDS)
    def keep(seed):
        compiled_target._kept.clear()
        laws.hold(law, seed, requests=5)

    keep()


def is_that_of_the_rules(case: Case) -> None:
    """Compare the outline of what was written with that of the rules that are made of it."""
    for target in case.loaded.checked.by_target:
        compare(case.loaded.checked, target)


def compare(checked, target) -> bool:
    """Compare outlines, and return whether rules are filed under the same."""
    outlined = outline_rules(checked, target)
    made = Rules(outlined.outline, RuleMaker(outlined.lowered, outlined.contested, "rules").make)
    one, other = outlined.outline, Outline.of(list(made))
    assert [head.id for head in one.heads] == [head.id for head in other.heads]
    assert one.keyed == other.keyed
    assert {gate: paths for gate, paths in one.contested.items() if paths} == other.contested
    assert one.waivable == other.waivable
    assert one.bounds == other.bounds
    # What simplifying leaves out, as `1 > 2 and now > …`, may still be in an outline.
    assert one.turning >= other.turning
    assert one.moving >= other.moving
    one_places, other_places = places(one), places(other)
    for number in one.counting:
        assert (number in one.always) == (not one_places[number])
        # It is found wherever it must be, and filed under nothing that it does not ask for.
        assert all(
            any(p <= place for p in one_places[number]) for place in other_places[number]
        ) or (number in one.always)
        assert all(any(p <= place for place in other_places[number]) for p in one_places[number])
    # Some are always looked at for what they have in common with others.
    return all(
        one_places[n] == other_places[n]
        for n in one.counting
        if one_places[n] or n not in one.always
    )


def places(outline: Outline) -> dict[int, set[frozenset[object]]]:
    """Return under which values at which paths each rule is filed."""
    found: dict[int, set[frozenset[object]]] = defaultdict(set)
    for paths, filed in outline.filed.items():
        for values, numbers in filed.items():
            for number in numbers:
                found[number].add(frozenset(zip(paths, values, strict=True)))
    return found


@pytest.mark.usefixtures("_all_are_many")
@given(seeds.SEEDS)
def test_an_outline_is_that_of_the_rules(seed):
    laws.hold(is_that_of_the_rules, seed, requests=1)


@pytest.mark.usefixtures("_all_are_many")
@given(seeds.SEEDS)
def test_an_outline_of_rules_for_tenants_is_that_of_the_rules(seed):
    rng = Random(seed)
    text = tenants.HEAD + tenants.rules(rng, "access") + tenants.rules(rng, "other")
    checked = load({"p.policy": text}).checked
    assert all(compare(checked, target) for target in checked.by_target)


@pytest.mark.usefixtures("_all_are_many")
@pytest.mark.parametrize(
    "rules",
    [
        # Nothing is one of no constants, so no rule is found by them.
        "forbid a: act when subject.name in {} permit b: act",
        # The name of a term or tier is no constant: what has another is of another form.
        "permit a: act when subject.tier == pro permit b: act when subject.tier == free",
        'permit a: act when subject.name in {"a", "b"} permit b: act when subject.name in {"c", "d"}',
        'permit a: act when subject.name like "a*" permit b: act when subject.name like "b*"',
        'forbid a: act when not (subject.name != "a") permit b: act when "b" == subject.name',
        'forbid a: act when subject.name == "a" and subject.name in {"a", "b"} permit b: act',
        "permit a: act when subject.age in {1, 2, 3} advisory permit b: act when subject.age in {4, 5, 6}",
    ],
)
def test_outlines_of_rules_that_are_nearly_alike(rules):
    assert compare(world(rules).checked, TARGET)


@pytest.mark.usefixtures("_all_are_many")
def test_what_constants_leave_out_of_some_rules_may_be_in_their_outline():
    rule = 'subject.name == "{0}" and ({0} > 5 or now > 2030-01-01) and subject.age == {0}'
    made = "\n".join(f"permit r{i}: act when {rule.format(i)}" for i in (1, 9))
    assert not compare(world(made).checked, TARGET)


def test_few_rules_have_no_outline():
    assert outline_rules(world("permit a: act when subject.ok").checked, TARGET) is None


def test_one_rule_shows_whether_those_like_it_fail():
    rules = "".join(
        f'permit r{i}: act when subject.ok and subject.name == "{i}"'
        f' forbid f{i}: act when subject.age > {10 + i % 2} and subject.name == "{i}"\n'
        for i in range(150)
    )
    outline = outline_rules(world(rules).checked, TARGET).outline
    assert len(outline.always) == 2
    assert sum(map(len, outline.filed["subject.name",].values())) == 298


def test_a_reason_makes_only_the_rules_that_it_needs():
    engine = PolicyEngine.from_text(tenants.TENANTS)
    user = {
        "type": "User",
        "id": "u",
        "properties": {"tenant": "tenant9", "level": 1, "dept": "sales"},
    }
    doc = {"type": "Doc", "id": "d", "properties": {"tenant": "tenant9"}}
    decision = engine.decide(user, "read", doc)
    with mock.patch.object(outline, "simplify_rule", wraps=outline.simplify_rule) as made:
        assert decision.reason == "your level is 1; it must be above 2"
        assert len(decision.rules) == 300
        assert made.call_count <= 3
        again = engine.decide(user, "read", doc)
        assert again.reason == decision.reason
        assert made.call_count <= 3


@pytest.mark.usefixtures("_all_are_many")
def test_where_a_value_cannot_be_read_every_rule_is_judged():
    text = """package p
entity User { at: { place: ip } }
action read by User on User
permit a: read
forbid b: read when subject.at.place == ip "10.0.0.1"
"""
    user = {"type": "User", "id": "u", "properties": {"at": {"place": "::1"}}}
    given = {"subject": user, "action": "read", "resource": user, "now": "2026-01-01"}
    loaded = load({"p": text})
    case = Case(None, loaded, given, loaded.request(**given), 0)
    assert any(True for _ in spoilings(case.request, Random(0)))
    laws.failures_agree_and_open_nothing(case)


@pytest.mark.usefixtures("_all_are_many")
@pytest.mark.parametrize(
    "rules",
    [
        "permit always: any forbid a: any when {} and subject.name == 'somebody'",
        "permit a: any when {0} and subject.name == 'x' permit b: any when {0} and subject.name == 'y'",
    ],
    ids=["forbid", "permit"],
)
@pytest.mark.parametrize(
    "condition",
    ["subject.boss.boss within subject.boss", "subject.boss.age > 3", 'subject.boss.name == "b"'],
)
def test_a_rule_that_may_fail_before_a_key_is_not_passed_over(rules, condition):
    loaded = load(
        {
            "p.policy": f"""
            package p
            entity User {{ name: string, age: int, boss: User }}
            action act by User on User
            {rules.format(condition).replace("'", '"')}
            """
        }
    )
    user = {"age": 1, "name": "ann", "boss": {"type": "User", "id": "b"}}
    boss = {"type": "User", "id": "b", "parents": [], "properties": {**user, "name": "b"}}
    given = {"type": "User", "id": "a", "parents": [], "properties": user}
    request = loaded.request(subject=given, action="act", resource=given, entities=[boss])
    for seed in range(10):
        case = SimpleNamespace(loaded=loaded, request=request, seed=seed)
        laws.failures_agree_and_open_nothing(case)


@pytest.mark.usefixtures("_all_are_many")
def test_records_are_compared_part_by_part():
    text = """package p
entity User
action read by User on User with { first?: int, second: { n: int } }
permit a: read when context == {first: 1, second: {n: 2}} and context has first
permit b: read
"""
    user = {"type": "User", "id": "u", "properties": {}}
    given = {
        "subject": user,
        "action": "read",
        "resource": user,
        "now": 0,
        "context": {"second": {"n": 1}},
    }
    loaded = load({"p": text})
    laws.failures_agree_and_open_nothing(Case(None, loaded, given, loaded.request(**given), 0))


@pytest.mark.parametrize(
    "before",
    [
        'subject.name like "n{i}*"',
        'subject.name != "n{i}"',
        "subject.age > {i}",
        'subject within Team "t{i}"',
    ],
)
@pytest.mark.usefixtures("_all_are_many")
def test_one_rule_stands_for_all_that_ask_something_of_a_value_before_the_key(before):
    rule = f'{before} and resource.name == "r{{i}}"'
    text = "\n".join(f"permit p{i}: act when {rule.replace('{i}', str(i))}" for i in range(20))
    outlined = outline_rules(world(text).checked, TARGET).outline
    assert len(outlined.always) <= 2  # some that look the same are compiled apart
    # What is computed with a constant may fail for that one alone.
    twice = "\n".join(
        f'permit p{i}: act when subject.age * {i + 1} > 3 and resource.name == "r{i}"'
        for i in range(20)
    )
    assert len(outline_rules(world(twice).checked, TARGET).outline.always) == 20
