"""Lowering: names are resolved, definitions inlined, types settle what an operator does."""

from __future__ import annotations

import pytest

from policyengine.compiler import ir
from policyengine.model.rules import RuleWaiver, WaivedEntity
from policyengine.model.types import BOOL, INT, EntityRefType, SetType
from tests.compiler.world import conditions, rules

SUBJECT, CONTEXT, NOW = ir.Root("subject"), ir.Root("context"), ir.Root("now")
SUBJECT_ID = ir.Id(SUBJECT)


def lowered(condition: str, more: str = "") -> ir.Expr:
    """Return a condition as it is lowered, before anything is simplified."""
    found = rules(f"{more}\npermit r: act when {condition}", simple=False)
    return found["access.r"].conditions[0]


def test_an_unless_is_a_condition_that_must_not_hold():
    assert conditions("when subject.ok unless resource.ok", simple=False) == (
        ir.Slot(SUBJECT, "ok"),
        ir.Not(ir.Slot(ir.Root("resource"), "ok")),
    )


def test_an_entity_as_a_value_is_its_id():
    assert lowered("subject == resource") == ir.Binary("==", SUBJECT_ID, ir.Id(ir.Root("resource")))
    found = lowered('subject.id == "x"')
    assert found.left == SUBJECT_ID
    assert found == lowered('"x" == subject.id')


def test_a_reference_is_looked_up_where_an_attribute_is_read():
    boss = ir.Slot(SUBJECT, "boss", optional=True)
    found = lowered("not (subject has boss) or subject.boss.ok")
    assert found == ir.Or((ir.Not(ir.Present(boss)), ir.Slot(ir.Entity("User", boss), "ok")))


def test_the_constants_of_the_action_are_known():
    assert lowered("action.limit > context.n") == ir.Binary(
        ">", ir.Const(INT, 3), ir.Slot(CONTEXT, "n"), numeric=True
    )
    assert lowered("action has extra") == ir.Const(BOOL, False)
    assert lowered("action has limit") == ir.Const(BOOL, True)
    _, guarded = conditions("when action has extra and action.extra.a > 1", simple=False)
    assert guarded.left == ir.Slot(ir.Absent(), "a")


def test_an_argument_that_is_a_path_takes_the_place_of_the_parameter():
    made = lowered("old(subject)", "define old(u: User) = now - u.since > 1d and u.ok")
    assert made.operands[0].left == ir.Binary("-", NOW, ir.Slot(SUBJECT, "since"))
    assert made.operands[1] == ir.Slot(SUBJECT, "ok")


def test_any_other_argument_is_bound():
    made = lowered("twice(context.n + 1) > 3", "define twice(x: int) = x + x").left
    assert made == ir.Let(
        ("x_0",),
        (ir.Binary("+", ir.Slot(CONTEXT, "n"), ir.Const(INT, 1)),),
        ir.Binary("+", ir.Local("x_0"), ir.Local("x_0")),
    )


def test_variables_whose_scopes_overlap_have_different_names():
    define = "define some_of(s: set<string>) = some x in s: size(s) > 1"
    made = lowered("(some x in subject.tags: some_of({x}))", define)
    assert (made.local, made.body.names, made.body.body.local) == ("x_0", ("s_1",), "x_2")


def test_equal_conditions_of_different_rules_are_equal_trees():
    condition = 'some x in subject.tags: x like "a*"'
    found = rules(f"permit a: act when {condition}\npermit b: any when {condition}")
    assert found["access.a"].conditions == found["access.b"].conditions


TOPIC = conditions("when subject.topic == art")[0].right.type


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("subject.topic within physics", frozenset({"physics", "optics"})),
        ("subject.topic within {biology, art}", frozenset({"biology", "art"})),
        ("subject.topic within {}", frozenset()),
        ("subject.topic touches {physics}", frozenset({"science", "physics", "optics"})),
    ],
)
def test_known_terms_make_a_set_to_look_in(condition: str, expected: frozenset[str]):
    assert lowered(condition) == ir.Binary(
        "in", ir.Slot(SUBJECT, "topic"), ir.Const(SetType(TOPIC), expected)
    )


def test_sets_of_terms_within_and_touching_known_ones():
    within, touches = lowered("subject.topics within art"), lowered("subject.topics touches {art}")
    assert isinstance(within, ir.AllIn)
    assert isinstance(touches, ir.Overlaps)
    assert within.right == touches.right == ir.Const(SetType(TOPIC), frozenset({"art"}))


@pytest.mark.parametrize(
    ("condition", "operation"),
    [
        ("subject.topics within subject.topics", "terms_within"),
        ("subject.topics touches subject.topics", "touches"),
        ('subject within Team "t"', "lies_in"),
        ("subject within subject.teams", "lies_in_one"),
        ('context.others within Team "t"', "entities_within"),
        ("subject.home within subject.nets", "ip_within"),
        ('subject.nets within ip "10.0.0.0/8"', "ips_within"),
        ('subject.name like "A*"', "like"),
    ],
)
def test_the_types_say_which_operation_is_meant(condition: str, operation: str):
    found = lowered(condition)
    assert isinstance(found, ir.Operation)
    assert found.name == operation


def test_a_term_below_another_is_looked_up():
    found = lowered("subject.topic within resource.topic")
    assert found.right == ir.Entry(ir.Above(TOPIC), ir.Slot(SUBJECT, "topic"))
    found = lowered("subject.topic within resource.topics")
    assert found.left == ir.Entry(ir.Above(TOPIC), ir.Slot(SUBJECT, "topic"))


def test_texts_obligations_and_places():
    found = rules(
        """permit r: act when subject.ok because "{subject} is {subject.age}" oblige tell("x")
            waivable
        waiver w of r for User "u9" until 2027-01-01 ticket "T" approved_by "B"
        """
    )["access.r"]
    assert found.because is not None
    who, text, age = found.because.parts
    assert (who.type, who.expr) == (EntityRefType("User"), SUBJECT_ID)
    assert (text, age.type) == (" is ", INT)
    assert found.duties[0].name == "tell"
    assert found.place == "p.policy:17"
    assert found.waivers == (
        RuleWaiver("w", WaivedEntity("User", "u9"), None, 1_798_761_600_000_000),
    )


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        ("a", ("a",)),
        ("*", ("", "")),
        ("a*b**", ("a", "b", "", "")),
        (r"a\*b", ("a*b",)),
        (r"a\\*b", ("a\\", "b")),
    ],
)
def test_globs_are_cut_at_their_stars(pattern: str, pieces: tuple[str, ...]):
    found = lowered(f'subject.name like "{pattern}"')
    assert found.arguments[1] == ir.Data(pieces)
