"""Mutants: one small change each, of a rule or of what rules use."""

from __future__ import annotations

import pytest

from policyengine.mutation.mutants import mutants_of, shortened
from tests.testing.world import WORDS, checked_set


def changes(text: str, words: str = WORDS) -> set[tuple[str, str, str]]:
    """Return what is changed: of what, the kind, in words."""
    return {(m.of, m.kind, m.what) for m in mutants_of(checked_set(text, words))}


def of_condition(condition: str, clauses: str = "fields all") -> set[tuple[str, str]]:
    rule = f"gate scope {{ permit r: read when {condition} {clauses} }}"
    whole = {"drop-rule", "swap-effect", "drop-condition"}
    return {(kind, what) for _, kind, what in changes(rule) if kind not in whole}


def test_a_rule_as_a_whole():
    found = changes("gate scope { forbid f: list when subject.away }")
    assert found == {
        ("scope.f", "drop-rule", "the rule is left out"),
        ("scope.f", "swap-effect", "`forbid` becomes `permit`"),
        ("scope.f", "drop-condition", "the condition `subject.away` is left out"),
        ("scope.f", "negate", "`subject.away` is negated"),
    }
    exposes = changes("gate scope { expose e: list fields text }")
    assert {kind for _, kind, _ in exposes} == {"drop-rule", "widen-fields"}


def test_rules_on_trial_are_left_alone():
    assert changes("gate scope { advisory forbid f: list when subject.away }") == set()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            "subject.away and not (subject.age > 1 or subject.tier == pro)",
            {
                ("drop-operand", "`subject.away` is left out"),
                ("drop-operand", "`not (subject.age > 1 or subject.tier == pro)` is left out"),
                ("drop-operand", "`subject.age > 1` is left out"),
                ("drop-operand", "`subject.tier == pro` is left out"),
                ("negate", "`subject.away` is negated"),
                ("negate", "`not` before `subject.age > 1 or subject.tier == pro` is left out"),
                ("negate", "`subject.age > 1` is negated"),
                ("negate", "`subject.tier == pro` is negated"),
                ("move-bound", "`>` becomes `>=`"),
                ("move-bound", "`1` is moved up by one"),
                ("move-bound", "`1` is moved down by one"),
                ("move-level", "`pro` becomes `basic`"),
            },
        ),
        (
            'lower(resource.text) not startswith "a" and resource.text endswith "b"',
            {
                ("drop-operand", '`lower(resource.text) not startswith "a"` is left out'),
                ("drop-operand", '`resource.text endswith "b"` is left out'),
                ("negate", '`lower(resource.text) not startswith "a"` is negated'),
                ("negate", '`resource.text endswith "b"` is negated'),
                ("other-part", "`startswith` becomes `contains`"),
                ("other-part", "`endswith` becomes `contains`"),
                ("drop-lower", "`lower` is left out"),
            },
        ),
        (
            'now within schedule "Mon-Fri 09:00-17:00, Sat 10:00-24:00, 12:00-12:01 UTC"',
            {
                (
                    "negate",
                    '`now within schedule "Mon-Fri 09:00-17:00, Sat 10:00-24:00, …` is negated',
                ),
                ("narrow-schedule", "`Mon-Fri 09:00-17:00` is left out of the schedule"),
                ("narrow-schedule", "`Sat 10:00-24:00` is left out of the schedule"),
                ("narrow-schedule", "`12:00-12:01` is left out of the schedule"),
                ("move-bound", "`Mon-Fri 09:00-17:00` ends a minute later"),
                ("move-bound", "`Sat 10:00-24:00` ends a minute earlier"),
                ("move-bound", "`12:00-12:01` ends a minute later"),
            },
        ),
        (
            "2026-01-01 + 1y6mo < now",
            {
                ("negate", "`2026-01-01 + 1y6mo < now` is negated"),
                ("move-bound", "`2026-01-01` is moved down by one"),
                ("move-bound", "`2026-01-01` is moved up by one"),
                ("move-bound", "`1y6mo` is moved down by one"),
                ("move-bound", "`1y6mo` is moved up by one"),
                ("move-bound", "`<` becomes `<=`"),
            },
        ),
        (
            "if subject.away then subject.age >= 1 else subject.tier < Tier.basic",
            {
                ("negate", "`then` and `else` change places"),
                ("negate", "`subject.away` is negated"),
                ("negate", "`subject.age >= 1` is negated"),
                ("negate", "`subject.tier < Tier.basic` is negated"),
                ("move-bound", "`>=` becomes `>`"),
                ("move-bound", "`1` is moved up by one"),
                ("move-bound", "`1` is moved down by one"),
                ("move-level", "`basic` becomes `free`"),
                ("move-level", "`basic` becomes `pro`"),
            },
        ),
        (
            'subject.status in {active, "on hold"}',
            {
                ("negate", '`subject.status in {active, "on hold"}` is negated'),
                ("narrow-set", "`active` is left out of the set"),
                ("narrow-set", '`"on hold"` is left out of the set'),
                ("widen-set", "`closed` is added to the set"),
            },
        ),
        (
            "context.purposes within research",
            {
                ("negate", "`context.purposes within research` is negated"),
                ("narrow-term", "`research` becomes `health`"),
            },
        ),
        (
            "context.purposes within health",
            {
                ("negate", "`context.purposes within health` is negated"),
                ("widen-term", "`health` becomes `research`"),
            },
        ),
        (
            "some p in context.purposes: (p == health or p within sales)",
            {
                (
                    "negate",
                    "`some p in context.purposes: (p == health or p within sales)` is negated",
                ),
                ("drop-operand", "`p == health` is left out"),
                ("drop-operand", "`p within sales` is left out"),
                ("negate", "`p == health` is negated"),
                ("negate", "`p within sales` is negated"),
                ("widen-term", "`health` becomes `research`"),
            },
        ),
        (
            "every p in context.purposes: not (some q in context.purposes: p != q)",
            {
                ("negate", "`every p in context.purposes: not (some q in …` is negated"),
                ("negate", "`not` before `some q in context.purposes: p != q` is left out"),
                ("negate", "`some q in context.purposes: p != q` is negated"),
                ("negate", "`p != q` is negated"),
            },
        ),
        (
            "subject.rate <= 2.50",
            {
                ("negate", "`subject.rate <= 2.50` is negated"),
                ("move-bound", "`<=` becomes `<`"),
                ("move-bound", "`2.50` is moved up by one"),
                ("move-bound", "`2.50` is moved down by one"),
            },
        ),
    ],
)
def test_conditions(condition, expected):
    assert of_condition(condition) == expected


def moved(literal: str) -> set[object]:
    """Return the values that a literal is moved to, by how far each is from it."""
    left = {"2": "subject.age", "1.50": "subject.rate", "2d": "now - subject.seen"}
    left |= {
        "90m": "now - subject.seen",
        "1d12h": "now - subject.seen",
        "5us": "now - subject.seen",
    }
    text = f"gate scope {{ permit r: list when {left.get(literal, 'subject.seen')} < {literal} }}"
    found = set()
    checked = checked_set(text)
    (rule,) = checked.rules
    before = rule.node.clauses[0].condition.right.value
    for mutant in mutants_of(checked):
        if "is moved" in mutant.what:
            found.add(mutant.rule.clauses[0].condition.right.value - before)
    return found


@pytest.mark.parametrize(
    ("literal", "unit"),
    [
        ("2", 1), ("1.50", 100), ("2d", 86_400_000_000), ("1d12h", 3_600_000_000),
        ("90m", 60_000_000), ("5us", 1), ("2026-01-01", 86_400_000_000),
        ("2026-01-01T10:00:00Z", 1_000_000),
    ],
)  # fmt: skip
def test_bounds_move_by_the_last_unit_that_was_written(literal, unit):
    assert moved(literal) == {unit, -unit}


def test_validity_fields_and_obligations():
    found = changes(
        "gate scope { permit r: list fields text, id oblige erase(1d), erase(2d)\n"
        "    from 2026-01-01 until 2027-01-01 }"
    )
    assert {(kind, what) for _, kind, what in found} == {
        ("drop-rule", "the rule is left out"),
        ("swap-effect", "`permit` becomes `forbid`"),
        ("narrow-fields", "the field `text` is left out"),
        ("narrow-fields", "the field `id` is left out"),
        ("widen-fields", "`fields` becomes `fields all`"),
        ("drop-obligation", "the obligation `erase` is left out"),
        ("drop-from", "`from` is left out"),
        ("drop-until", "`until` is left out"),
    }


def test_exceptions_are_left_out_one_by_one():
    checked = checked_set("gate scope { permit r: any except edit, list }")
    found = [m for m in mutants_of(checked) if m.kind == "drop-exception"]
    assert [(m.what, m.actions) for m in found] == [
        ("the exception `edit` is left out", {"edit"}),
        ("the exception `list` is left out", {"list"}),
    ]
    assert [[str(i) for i in m.rule.target.exceptions] for m in found] == [["list"], ["edit"]]


def test_a_mask_is_made_more_telling_and_left_out():
    words = WORDS.replace("text: string", "text: string, made: datetime")
    text = "gate scope { expose e: list fields made as month, id as pseudonym, owner as present }"
    found = changes(text, words)
    assert {what for _, kind, what in found if kind == "widen-mask"} == {
        "`made as month` becomes `made as day`",
        "`made as month` becomes `made`",
        "`id as pseudonym` becomes `id`",
        "`owner as present` becomes `owner`",
    }
    assert ("scope.e", "narrow-fields", "the field `made as month` is left out") in found


def test_constants_and_definitions_that_rules_use():
    checked = checked_set(
        "const grown: int = 18\nconst idle: int = 3\nconst most: set<Tier> = {pro}\n"
        "define adult(user: User) = user.age >= grown\ndefine unused(user: User) = user.away\n"
        "gate scope { permit a: list when adult(subject)  permit b: list when subject.tier in most }"
    )
    of_words = [m for m in mutants_of(checked) if m.before is not None]
    assert {(m.of, m.what, m.rules) for m in of_words} == {
        ("grown", "`18` is moved up by one", frozenset({"scope.a"})),
        ("grown", "`18` is moved down by one", frozenset({"scope.a"})),
        ("most", "`pro` is left out of the set", frozenset({"scope.b"})),
        ("most", "`pro` becomes `basic`", frozenset({"scope.b"})),
        ("most", "`free` is added to the set", frozenset({"scope.b"})),
        ("adult", "`user.age >= grown` is negated", frozenset({"scope.a"})),
        ("adult", "`>=` becomes `>`", frozenset({"scope.a"})),
    }


def test_rows_of_tables_that_rules_use():
    checked = checked_set(
        "const most: Tier -> int = { free: -3, basic: 1_000, pro: 9 }\n"
        "const fit: Purpose -> bool = { research: true, health: false, sales: true }\n"
        "gate scope { permit a: list when subject.age < most[subject.tier]\n"
        "permit b: read when every p in context.purposes: fit[p] }"
    )
    of_words = [m for m in mutants_of(checked) if m.before is not None]
    assert {(m.of, m.what, m.rules) for m in of_words} == {
        *(("most", f"`{n}` is moved {way} by one", frozenset({"scope.a"}))
          for n in ("3", "1_000", "9") for way in ("up", "down")),
        *(("fit", f"the row of `{name}` is turned round", frozenset({"scope.b"}))
          for name in ("research", "health", "sales")),
        ("fit", "the row of `health` is left out", frozenset({"scope.b"})),
    }  # fmt: skip
    negated = [m.what for m in mutants_of(checked) if m.of == "scope.b" and m.kind == "negate"]
    assert negated == [
        "`every p in context.purposes: fit[p]` is negated", "`fit[p]` is negated"
    ]  # fmt: skip


def test_each_points_at_what_is_changed():
    text = "gate scope { permit r: list when subject.age > 3 and subject.age < 9 or subject.age > 3 }\n"
    checked = checked_set(text)
    for mutant in mutants_of(checked):
        at = checked.sources[mutant.span.file].text[mutant.span.start : mutant.span.end]
        quoted = mutant.what.split("`")[1] if "`" in mutant.what else ""
        assert quoted in at or mutant.kind in ("swap-effect", "drop-rule"), mutant


def test_what_is_long_is_cut():
    checked = checked_set(
        "gate scope { permit r: list when\n  subject.away\n  and subject.age > 3 }\n"
    )
    (rule,) = checked.rules
    condition = rule.node.clauses[0].condition
    assert shortened(condition, checked.sources) == "subject.away and subject.age > 3"
    assert shortened(condition, checked.sources, most=10) == "subject.away …"
    assert shortened(condition, checked.sources, most=20) == "subject.away and …"
    assert WORDS  # the vocabulary is part of the same text
