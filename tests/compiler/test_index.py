"""Tables: many rules of one shape are one question, and the answer is that of the reference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from policyengine.compiler import index
from policyengine.runtime import program
from tests.compiler.world import decided, request, user, world
from tests.strategies import laws, seeds


def many(rule: str, count: int = 40) -> str:
    """Return *count* permits; `{i}` stands for their number."""
    return "\n".join(f"permit p{i}: act when {rule.replace('{i}', str(i))}" for i in range(count))


def agrees(text: str, *changes: dict[str, Any]) -> None:
    """Decide some requests, which the reference must decide alike, some so and some otherwise."""
    loaded = world(text)
    allowed = set()
    for change in changes:
        asked = request(loaded, **change)
        laws.compiled_agrees(laws.Case(None, loaded, {}, asked, 1))
        allowed.add(loaded.program.decide(asked).allowed)
    assert allowed == {True, False}


USERS = [
    {"subject": user(age=age, name=f"n{age}", tier=tier, tags=["x", f"t{age}"])}
    for age in (0, 1, 4, 5, 6, 20, 39, 40, 99)
    for tier in ("free", "pro")
]

SHAPES = {
    "equalities": ('subject.name == "n{i}" and subject.tier == pro', "table.get(", 1),
    "numbers": ("subject.age == {i} and subject.tier >= basic and subject.ok", "table.get(", 1),
    "sets": ('subject.name in {"n{i}", "m{i}"} and subject.ok', "table.get(", 1),
    "one bound": ('subject.name == "n{i}" and subject.age <= {i}', "<= table.get(", 1),
    "the other": ('subject.name == "n{i}" and {i} < subject.age + 1', "> table.get(", 1),
    "only a bound": ("subject.age < {i} and subject.tier == pro", "< table", 1),
    "ranges": ("subject.age * 3 >= {i} * 30 and subject.age * 3 < {i} * 30 + 9", "between(", 1),
    "memberships": ('"t{i}" in subject.tags and subject.tier == pro', "any(", 1),
    "several": (
        'subject.name == "n{i}" and subject.age >= {i} and "t{i}" in subject.tags', "any(", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_rules_of_one_shape_become_one_question(shape: str):
    rule, part, ifs = SHAPES[shape]
    made = decided(many(rule))
    assert part in made
    assert made.count("if ") == ifs
    assert len(made) < 800
    agrees(many(rule), *USERS)


def test_few_rules_are_asked_one_by_one():
    rule = SHAPES["equalities"][0]
    assert "table" not in decided(many(rule, index.LEAST - 1))
    assert "table" in decided(many(rule, index.LEAST))


def test_what_does_not_vary_is_asked_before():
    rule = 'subject has place and subject.place.city == "c{i}" and subject.tier == basic'
    made = decided(many(rule))
    assert made.index("is not ABSENT") < made.index("table")
    at = [{"subject": user(place={"city": city})} for city in ("c3", "nowhere")]
    agrees(many(rule), *at, {})


def test_rules_that_end_or_are_waived_stay_as_they_are():
    rule = 'subject.name == "n{i}" and subject.tier == basic'
    text = (
        many(rule)
        + "\n"
        + (
            'permit q: act when subject.name == "Ada" and subject.tier == basic until 2026-03-01\n'
            'permit r: act when subject.name == "Bob" and subject.tier == basic waivable\n'
            'waiver w of r for User "u1" until 2026-06-01 ticket "T" approved_by "B"'
        )
    )
    moments = [{"now": now} for now in ("2026-02-01", "2026-03-01", "2026-06-01")]
    agrees(text, *moments, {"now": "2026-07-01", "subject": user(name="n1")})


def test_rules_that_give_the_same_tell_so_together():
    text = (
        'field gate a "a" gate a {'
        + "\n".join(
            f'permit p{i}: act when subject.name == "n{i}" and subject.tier == basic fields '
            + ("id, age" if i % 2 else "id, name")
            for i in range(40)
        )
        + "\nexpose e: act when subject.ok fields tier }"
    )
    made = decided(text)
    assert made.count("given |= ") == 3
    agrees(text, {}, *({"subject": user(name=f"n{i}")} for i in range(4)))
    loaded = world(text)
    assert loaded.program.decide(request(loaded, subject=user(name="n1"))).exposed == {
        "id", "age", "tier",
    }  # fmt: skip


def test_too_many_keys_are_no_keys():
    names = ", ".join(f'"x{i}"' for i in range(50))
    rule = f'subject.name in {{"n{{i}}", {names}}} and subject.tier == pro and subject.age == {{i}}'
    text = many(rule)
    assert "any(" in decided(text)
    agrees(text, *USERS)


def test_ranges_are_merged():
    assert index._merged([(5, 7), (1, 3), (3, 4), (9, 9), (6, 8)]) == (1, 4, 5, 8)


@given(seeds.SEEDS)
def test_tables_decide_as_the_reference_does(seed: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "LEAST", 1)
        program._compiled.clear()
        laws.hold(laws.compiled_agrees, seed, requests=5)
    program._compiled.clear()
