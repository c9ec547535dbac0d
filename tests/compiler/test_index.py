"""Tables: many rules of one shape are one question, and the answer is that of the reference."""

from __future__ import annotations

import ast
import math
from random import Random
from typing import Any

import pytest
from hypothesis import example, given

from policyengine import InvalidPolicy, PolicyEngine
from policyengine.compiler import decision_codegen, dispatch, generate, index
from policyengine.runtime import compiled_target
from policyengine.runtime.operations import step
from tests.compiler.world import TARGET, TEAM, TOP, VOCABULARY, decided, request, rules, user, world
from tests.strategies import laws, seeds
from tests.whole import share, some


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


USERS = some(
    [
        {"subject": user(age=age, name=f"n{age}", tier=tier, tags=["x", f"t{age}"])}
        for age in (99, 0, 1, 4, 5, 6, 20, 39, 40)
        for tier in ("free", "pro")
    ],
    3,  # with either tier
)

SHAPES = {  # with what is in the code, and how many tests
    "equalities": ('subject.name == "n{i}" and subject.tier == pro', "in table", 1),
    "sets of many": (
        'subject.name in {"n{i}", "m{i}", "a", "b", "c", "d"} and subject.age == {i}', "in table.get(", 1,
    ),
    "numbers": ("subject.age == {i} and subject.tier >= basic and subject.ok", "in table", 1),
    "sets": ('subject.name in {"n{i}", "m{i}"} and subject.ok', "in table", 1),
    "one bound": ('subject.name == "n{i}" and subject.age <= {i}', "<= bound", 1),
    "the other": ('subject.name == "n{i}" and {i} < subject.age + 1', "> bound", 1),
    "only a bound": ("subject.age < {i} and subject.tier == pro", "< table", 1),
    "ranges": ("subject.age * 3 >= {i} * 30 and subject.age * 3 < {i} * 30 + 9", "bisect_right(", 1),
    "memberships": (
        '"t{i}" in subject.tags and subject.tier == pro', ".isdisjoint(table)", 1,
    ),
    "memberships and more": (
        '"t{i}" in subject.tags and subject.tier == pro and subject.age >= {i}', ">= table.get(element", 2,
    ),
    "bounds of two values": (
        "subject.age >= {i} and context.n < {i} and subject.tier == pro", "context.v_n < step(", 1,
    ),
    "a range and a bound": (
        "{i} <= subject.age and subject.age < {i} + 2 and context.n > {i} - 3", "context.v_n > step(", 1,
    ),
    "several": (
        'subject.name == "n{i}" and subject.age >= {i} and "t{i}" in subject.tags', "for row in table.get(", 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", some([*SHAPES], 2))
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


def test_rules_that_end_or_are_waived_are_looked_up_like_others():
    rule = 'subject.name == "n{i}" and subject.tier == basic'
    ending = many(rule.replace('"n', '"e')).replace("permit p", "permit e").splitlines()
    text = (
        many(rule)
        + "\n"
        + "\n".join(
            f"{one} from 2026-01-01 until 2026-0{2 + i % 6}-01" for i, one in enumerate(ending)
        )
        + (
            '\npermit q: act when subject.name == "Ada" and subject.tier == basic until 2026-03-01\n'
            'permit r: act when subject.name == "Bob" and subject.tier == basic waivable\n'
            'waiver w of r for User "u1" until 2026-06-01 ticket "T" approved_by "B"\n'
            'waiver v of r for User "u1" until 2026-06-02 ticket "T" approved_by "B"'
        )
    )
    moments = [{"now": now} for now in ("2026-02-01", "2026-03-01", "2026-06-01", "2026-06-02")]
    users = [
        {"now": now, "subject": user(name=f"e{i}")}
        for now in ("2025-12-31", "2026-04-01")
        for i in range(8)
    ]
    agrees(text, *moments, {"now": "2026-07-01", "subject": user(name="n1")}, *users)
    assert decided(text).count("e1") == 0


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
    rule = f'subject.name in {{"n{{i}}", {names}}} and subject.tier == pro and subject.age >= {{i}}'
    text = many(rule)
    assert "for row in table" in decided(text)
    agrees(text, *USERS)


def test_sets_that_would_be_too_large_together_are_looked_at_one_by_one():
    names = ", ".join(f'"x{n}"' for n in range(10))
    rule = f'subject.name in {{"n{{i}}", {names}}} and subject.age == {{i}}'
    other = many(rule.replace('"x', '"y')).replace("permit p", "permit q")
    text = f"{many(rule)}\n{other}"
    made = [decided(text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_MOST_UNITED", 10)
        patch.setattr(index, "_united", None)  # which might be too large to be made at all
        compiled_target._kept.clear()
        made.append(decided(text))
        agrees(text, *USERS)
    compiled_target._kept.clear()
    assert ["for row in " in source for source in made] == [False, True]


def test_each_element_of_a_set_is_looked_up_where_keys_leave_many_rules():
    rule = '"t{i}" in subject.tags and subject.age >= {i} and subject.tier == '
    both = many(rule + "pro") + "\n" + many(rule + "basic").replace("permit p", "permit q")
    assert "for element in subject.v_tags" in decided(both)
    assert ">= table.get((element, subject.v_tier)" in decided(both)
    agrees(both, *USERS)
    few = '"t{i}" in subject.tags and subject.age >= {i} and subject.name == "n{i}"'
    assert "for row in table.get(subject.v_name" in decided(many(few))
    agrees(many(few), *USERS)


def test_what_bounds_many_values_is_looked_at_one_by_one():
    rule = (
        "subject.age >= {i} and context.n < {i} and resource.age > {i} - 9 and subject.tier == pro"
    )
    assert "for row in table" in decided(many(rule))
    agrees(many(rule), *USERS)
    twice = "subject.age >= {i} and subject.age > 2 * {i} and subject.tier == pro"
    assert "for row in table" in decided(many(twice))
    agrees(many(twice), *USERS)


def test_steps_are_the_most_generous_bound_around_a_value():
    pieces = [(0, 10, 5), (3, 7, 9), (5, 20, 6), (30, 30, 99), (40, math.inf, 1)]
    ends, bounds = index._steps(pieces, max, -math.inf)
    for value in range(-5, 60):
        around = [bound for lower, upper, bound in pieces if lower <= value < upper]
        assert step(value, (ends, bounds)) == max(around, default=-math.inf)
    ends, bounds = index._steps([(-math.inf, 4, 5), (2, 9, 3)], min, math.inf)
    assert [step(v, (ends, bounds)) for v in (0, 2, 4, 9)] == [5, 3, 3, math.inf]


# ---- keys beside what has no table ------------------------------------------------------

BESIDE = {
    "like": 'subject.name like "n{i}*"',
    "like in the middle": 'subject.name like "*n*{i}*"',
    "beginning": 'subject.name startswith "n{i}"',
    "beginning of another": "subject.name startswith resource.name",
    "no end": 'subject.name not endswith "{i}"',
    "part, lowered": 'lower(subject.name) contains "n{i}"',
    "networks": 'subject.home within ip "10.0.{i}.0/24"',
    "difference": 'subject.name != "n{i}"',
    "or": '(subject.name == "n{i}" or subject.age > {i} or subject.tier == pro)',
    "guarded or": '(not subject has place or subject.place.city == "n{i}")',
    "not in": 'subject.name not in {"n{i}", "n0"}',
    "another path": "resource.age > subject.age + {i} * 2",
    "choice": '(if subject.age > {i} then subject.name else "n{i}") == "n{i}"',
    "quantified": '(some tag in subject.tags: tag like "n{i}*")',
    "sums": "subject.age + context.n < {i} + 20 and subject.age - {i} > 3",
    "entities": '(subject has boss and subject.boss == User "u{i}" and subject.boss.age > {i})',
    "dates": "now < subject.since + 30d * {i}",
    "bound": "subject.age > {i}",
    "set": '"n{i}" in subject.tags',
}  # fmt: skip
KEYS = {
    "an equality": 'resource.name == "n{i}"',
    "a membership": 'resource.name in {"n{i}", "m{i}"}',
    "a lowered string": 'lower(resource.name) == "n{i}"',
    "an entity": 'resource == User "u{i}"',
    "elements": '"n{i}" in resource.tags',
    "a guarded path": 'resource has place and resource.place.city == "n{i}"',
    "an ancestor": 'resource within Team "t{i}"',
    "what is denied": 'not (resource.name != "n{i}")',
    "a conjunction": '(resource.ok and (resource.tier == basic and resource.name == "n{i}"))',
}  # fmt: skip
MOMENTS = ("2026-02-01", "2026-03-01", "2026-06-01")


def near(rng: Random, number: int) -> dict[str, Any]:
    """Return parts of a request that is about what rules of that *number* ask for, or nearly."""

    def values(parents: list[int]) -> dict[str, Any]:
        i = number if rng.random() < 0.8 else rng.randrange(6)
        place = {"place": {"city": f"n{i}"}} if rng.random() < 0.6 else {}
        return place | {
            "name": rng.choice((f"n{i}", f"m{i}", f"xn{i}n{i}")), "age": rng.choice((i, i + 1, 30)),
            "tags": [f"n{i}", "x"], "home": f"10.0.{i}.7", "tier": rng.choice(("basic", "pro")),
            "boss": {"type": "User", "id": f"u{i}"},
            "parents": [{"type": "Team", "id": f"t{n}"} for n in parents],
        }  # fmt: skip

    teams = [{"type": "Team", "id": f"t{n}", "properties": {}, "parents": []} for n in range(6)]
    bosses = [user(f"u{n}", age=n + rng.randrange(2), parents=[]) for n in range(6)]
    return {
        "subject": user("s", **values([])),
        "resource": user(f"u{number}r", **values(rng.sample(range(6), 2))),
        "entities": [user("u3x", parents=[]), TEAM, TOP, *teams, *bosses],
        "context": {"n": rng.randrange(9), "when": "2026-03-01", "others": []},
        "now": rng.choice(MOMENTS),
    }


@pytest.mark.parametrize(
    ("key", "beside"),
    some(
        [
            *((key, "networks") for key in list(KEYS)[1:]),
            *(("an equality", beside) for beside in BESIDE),
        ],
        3,
    ),
)
def test_a_key_finds_the_rules_whatever_else_they_ask(key: str, beside: str):
    rule = f"{KEYS[key]} and {BESIDE[beside]} and {BESIDE['like in the middle']}"
    loaded = world(many(rule, 20))
    made = loaded.program.source(TARGET).partition("\n\n\n")[0]
    assert "some_holds(" in made or "(row := table.get(" in made
    assert made.count('"""') <= 4
    rng = Random(1)
    for _ in range(4):
        asked = request(loaded, **near(rng, rng.randrange(6)))
        laws.compiled_agrees(laws.Case(None, loaded, {}, asked, 1))


@pytest.mark.parametrize("beside", ["subject.ok", BESIDE["like in the middle"]])
@pytest.mark.parametrize("written", ['"n{i}" == subject.name', 'not ("n{i}" != subject.name)'])
def test_an_equality_is_a_key_in_either_order(written: str, beside: str):
    text = many(f"{written} and {beside}", 20)
    straight = text
    for i in range(20):
        straight = straight.replace(written.replace("{i}", str(i)), f'subject.name == "n{i}"')
    assert decided(straight) == decided(text)
    assert "table" in decided(text)


def test_rules_of_many_shapes_are_looked_up_at_once():
    shapes = list(BESIDE.values())
    text = "\n".join(
        many(f"{KEYS['an equality']} and {beside} and {more}", share(30, 2)).replace(
            "permit p", f"{effect} {effect[0]}{n}_"
        )
        for n, beside in enumerate(shapes)
        for effect, more in (("permit", "subject.ok"), ("forbid", "context.n > 2"))
    )
    made = decided(text)
    assert made.count("some_holds(") == 2
    assert made.count("table") == 2
    agrees(text, *({"resource": user("u2", name=f"n{i}", age=i)} for i in range(-1, 4)))


def test_a_shape_that_is_found_too_often_has_a_table_of_its_own():
    often = 'subject.name == "n{small}" and subject.age >= {i} and subject.tier == basic'
    often = "\n".join(
        f"permit o{i}: act when " + often.replace("{small}", str(i % 2)).replace("{i}", str(i))
        for i in range(100)
    )
    seldom = many('subject.name == "n{i}" and subject.tags overlaps {"t{i}", "x"}', 60)
    seldom += "\n" + many(
        'subject.name == "n{i}" and subject.home within ip "10.0.{i}.0/24"'
    ).replace("permit p", "permit q")
    made = decided(f"{often}\n{seldom}")
    assert made.count("(row := table") == 1
    assert "v_age >= bound" in made
    agrees(f"{often}\n{seldom}", *USERS)


def test_what_is_owed_is_looked_up_as_well():
    def text(count: int) -> str:
        rules = [
            f'permit p{i}: act when subject.name == "n{i // 3}" and subject.age >= {i % 3} oblige tell("w{i}")'
            for i in range(count)
        ]
        rules += [
            f'permit q{i}: act when subject.tier == pro and subject.name == "n{i}"'
            for i in range(9)
        ]
        rules += ['permit r: act when "x" in subject.tags and subject.age > 90 oblige tell("r")']
        return "\n".join(rules)

    made = decided(text(90))
    assert made.count("marks_of(") == 1
    assert abs(len(made) - len(decided(text(60)))) < 40
    agrees(text(90), *USERS, {"subject": user(name="n3", age=1)}, {"subject": user(name="m")})
    loaded = world(text(90))
    owed = loaded.program.decide(request(loaded, subject=user(name="n3", age=1))).obligations
    assert [duty.parameters for duty in owed] == [{"who": "w10"}, {"who": "w9"}]


@given(seeds.SEEDS)
def test_keys_of_every_kind_decide_as_the_reference_does(seed: int):
    rng = Random(seed)
    lines = []
    for shape in range(rng.randint(1, 6)):
        parts = [
            KEYS[rng.choice(list(KEYS))],
            *rng.sample(list(BESIDE.values()), rng.randint(0, 3)),
        ]
        rng.shuffle(parts)
        effect = rng.choice(("permit", "permit", "forbid"))
        clause = rng.choice(("", "", "", " until 2026-03-01", " from 2026-03-01 until 2026-06-01"))
        owed = rng.choice(("", ' oblige tell("w{i}")')) if effect == "permit" else ""
        for number in range(rng.choice((1, 3, 20))):
            rule = " and ".join(part.replace("{i}", str(rng.randrange(6))) for part in parts)
            more = owed.replace("{i}", str(rng.randrange(20)))
            lines.append(f"{effect} r{shape}_{number}: act when {rule}{clause}{more}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "_INLINE", rng.choice((3, 1_000)))
        patch.setattr(dispatch, "LEAST", rng.choice((1, 8)))
        patch.setattr(decision_codegen, "LEAST", rng.choice((1, 8)))
        compiled_target._kept.clear()
        loaded = world("\n".join(lines))
        for _ in range(6):
            asked = request(loaded, **near(rng, rng.randrange(6)))
            laws.compiled_agrees(laws.Case(None, loaded, {}, asked, seed))
    compiled_target._kept.clear()


# ---- tables of every shape --------------------------------------------------------------

CONDITIONS = (
    'subject.name == "n{small}"', 'subject.name in {{"n{small}", "n{other}"}}',
    '"t{small}" in subject.tags', 'subject.tags overlaps {{"t{small}", "t{other}"}}',
    "subject.age >= {small}", "subject.age < {other}", "subject.age > {small}", "{other} >= subject.age",
    "context.n <= {small}", "context.n > {other}", "resource.age < {small}", "subject.tier == {tier}",
    'subject.name like "*{small}"', 'subject.name != "n{small}"', "subject.age + {small} < {other} + resource.age",
)  # fmt: skip


def of_one_shape(rng: Random, number: int) -> str:
    """Return rules that differ in constants."""
    shape = rng.sample(CONDITIONS, rng.randint(1, 4))
    effect = rng.choice(("permit", "permit", "forbid"))
    return "\n".join(
        f"{effect} r{number}_{i}: act when "
        + " and ".join(
            condition.format(
                small=rng.randrange(6), other=rng.randrange(6), tier=rng.choice(("basic", "pro"))
            )
            for condition in shape
        )
        for i in range(rng.randint(index.LEAST, 16))
    )


@given(seeds.SEEDS)
def test_tables_of_every_shape_decide_as_the_reference_does(seed: int):
    rng = Random(seed)
    loaded = world("\n".join(of_one_shape(rng, number) for number in range(2)))
    for _ in range(8):
        subject = user(
            name=f"n{rng.randrange(6)}", age=rng.randrange(7), tier=rng.choice(("basic", "pro")),
            tags=[f"t{i}" for i in range(6) if rng.random() < 0.4],
        )  # fmt: skip
        context = {"n": rng.randrange(7), "when": "2026-03-01", "others": []}
        resource = user("u2", age=rng.randrange(7))
        asked = request(loaded, subject=subject, resource=resource, context=context)
        laws.compiled_agrees(laws.Case(None, loaded, {}, asked, seed))


def test_ranges_are_merged():
    assert index._merged([(5, 7), (1, 3), (3, 4), (9, 9), (6, 8)]) == (1, 4, 5, 8)


@given(seeds.SEEDS)
@example(1489)  # a rule with two conditions on one value
def test_tables_decide_as_the_reference_does(seed: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "LEAST", 1)
        patch.setattr(dispatch, "LEAST", 1)
        patch.setattr(decision_codegen, "LEAST", 1)
        patch.setattr(dispatch, "_INLINE", 1_000 * (seed % 2))  # every other time wherever it can
        compiled_target._kept.clear()
        laws.hold(laws.compiled_agrees, seed, requests=5)
    compiled_target._kept.clear()


def test_many_rules_of_one_shape_are_told_of_by_one_function():
    rule = 'subject.name == "n{i}" and subject.age >= {i} and subject.ok'
    timed = many("now > 2030-01-01 and subject.age > {i}", 9).replace("permit p", "permit t")

    def functions(text: str) -> int:
        tree = generate.generate_rule_functions(tuple(rules(text).values())).tree
        return sum(isinstance(f, ast.FunctionDef) and f.name.startswith("fails") for f in tree.body)

    assert functions(many(rule, 190)) == 0  # each rule has its own when it is asked
    assert functions(many(rule, 210)) == 1
    assert functions(many(rule, 210) + "\n" + timed) == 1 + 9


@given(seeds.SEEDS)
def test_what_rules_share_tells_as_the_reference_does(seed: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "LEAST", 1)
        patch.setattr(generate, "_MOST_JUDGED", 0)
        compiled_target._kept.clear()
        laws.hold(laws.compiled_agrees, seed, requests=5)
    compiled_target._kept.clear()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("subject.name == 5 and subject.ok", "PE303"),
        ('subject.nme == "a" and subject.ok', "PE301"),
        ('subject.name == "a" subject.ok', "PE1"),
    ],
)
def test_one_malformed_rule_of_many_is_what_is_reported(wrong: str, code: str):
    lines = many('subject.name == "n{i}" and subject.ok', 300).splitlines()
    lines[150] = f"permit bad: act when {wrong}"
    with pytest.raises(InvalidPolicy) as caught:
        PolicyEngine.from_text(VOCABULARY, "package p\n" + "\n".join(lines))
    told = str(caught.value)
    assert told.count("error[") == told.count(f"error[{code}") == 1
    assert "text 2:152:" in told
