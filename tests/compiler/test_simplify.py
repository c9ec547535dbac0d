"""Simplifying: the same meaning with less to do, and nothing left out that might fail."""

from __future__ import annotations

from typing import get_args

import pytest

from policyengine.compiler import ir
from policyengine.compiler.emitter import _ARITHMETIC
from policyengine.compiler.simplify import _OPERATORS, _OPPOSITE, FALSE, TRUE, joined, simplify
from policyengine.compiler.turn_codegen import COMPARISONS
from policyengine.model.types import BOOL, INT, Attribute, RecordType, SetType
from tests.compiler.world import conditions

A, B = (ir.Slot(ir.Root("subject"), name) for name in ("a", "b"))
NOW = ir.Root("now")


def number(value: int) -> ir.Const:
    return ir.Const(INT, value)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("action.limit == 3", True),
        ('action.name like "a*"', True),
        ('action.name startswith "a" and action.name endswith "ct"', True),
        ('action.name not contains "c"', False),
        ('lower("ACT") == action.name and size(action.name) == 3', True),
        ("size(action.scopes) + 1 > 2", False),
        ('"read" in action.scopes and not ("write" in action.scopes)', True),
        ("{1, action.limit} overlaps {3}", True),
        ("{science} within art", False),
        ("physics within {science, art}", True),
        ("{physics, art} touches {optics}", True),
        ('ip "10.0.0.1" within ip "10.0.0.0/8"', True),
        ("-action.limit * 2 <= 1 - 7", True),
        ("if action.limit > 5 then subject.ok else true", True),
        ("{a: 1, b: action.limit} == {a: 1, b: 3}", True),
        ("not (action has extra)", True),
        ("{a: action.limit}.a == 3", True),
        ("plus(1, action.limit) == 4", True),
        ("2024-01-02 - 1d == 2024-01-01", True),
        ("Tier.basic < Tier.pro", True),
    ],
)
def test_what_is_known_is_worked_out(condition: str, value: bool):
    define = "define plus(x: int, y: int) = x + y + y - y"
    found = conditions(f"when ({condition}) == true\n{define}")
    assert found == (ir.Const(BOOL, value),)


@pytest.mark.parametrize(
    ("node", "simpler"),
    [
        (ir.And((A, TRUE, B)), ir.And((A, B))),
        (ir.And((A, TRUE)), A),
        (ir.And((TRUE, TRUE)), TRUE),
        (ir.And((FALSE, A)), FALSE),
        (ir.And((A, FALSE, B)), ir.And((A, FALSE))),
        (ir.And((A, ir.And((B, A)))), ir.And((A, B, A))),
        (ir.And((A, ir.Or((B, A)))), ir.And((A, ir.Or((B, A))))),
        (ir.Or((FALSE, A)), A),
        (ir.Or((A, TRUE, B)), ir.Or((A, TRUE))),
        (ir.Or((TRUE, A)), TRUE),
        (ir.Not(ir.Not(A)), A),
        (ir.Not(TRUE), FALSE),
        (ir.Not(ir.Binary("==", A, B)), ir.Binary("!=", A, B)),
        (ir.Not(ir.Binary("not in", A, B)), ir.Binary("in", A, B)),
        (ir.Not(ir.Binary("<", A, B, numeric=True)), ir.Binary(">=", A, B, numeric=True)),
        (ir.Not(ir.Binary("<=", A, B)), ir.Not(ir.Binary("<=", A, B))),
        (ir.Choice(TRUE, A, B), A),
        (ir.Choice(FALSE, A, B), B),
        (ir.Present(ir.Absent()), FALSE),
        (ir.Quantified("some", "x", ir.Const(SetType(INT), frozenset()), A), FALSE),
    ],
)
def test_each_step(node: ir.Expr, simpler: ir.Expr):
    assert simplify(node) == simpler


def test_sets_are_not_ordered_totally():
    assert conditions('unless subject.tags subset {"x"}')[0] == ir.Not(
        ir.Binary(
            "<=",
            ir.Slot(ir.Root("subject"), "tags"),
            conditions('when subject.tags == {"x"}')[0].right,
        )
    )


def test_what_is_absent_is_left_alone():
    read = ir.Slot(ir.Absent(), "a")
    assert simplify(ir.Binary("==", read, number(1))) == ir.Binary("==", read, number(1))


def test_an_attribute_of_a_known_record_is_known_or_absent():
    type_ = RecordType((Attribute("a", INT), Attribute("b", INT, optional=True)))
    record = ir.MakeRecord(type_, (number(1), ir.Absent()))
    assert simplify(ir.Slot(record, "a")) == number(1)
    assert simplify(ir.Slot(record, "b")) == ir.Absent()
    assert simplify(ir.Present(ir.Slot(record, "b"))) == FALSE


def bound(value: ir.Expr, body: ir.Expr) -> ir.Expr:
    return simplify(ir.Let(("x",), (value,), body))


X = ir.Local("x")
SUM = ir.Binary("+", A, B)


def test_what_is_plain_or_asked_for_once_takes_the_place_of_its_variable():
    assert bound(A, ir.Binary("+", X, X)) == ir.Binary("+", A, A)
    assert bound(SUM, ir.Binary("+", X, B)) == ir.Binary("+", SUM, B)
    assert bound(SUM, A) == A
    assert bound(ir.Binary("+", number(1), number(2)), ir.Binary("+", X, X)) == number(6)


def test_what_is_asked_for_often_stays_bound():
    twice = ir.Let(("x",), (SUM,), ir.Binary("+", X, X))
    assert simplify(twice) == twice
    in_a_loop = ir.Let(("x",), (SUM,), ir.Quantified("some", "y", A, ir.Binary("==", X, NOW)))
    assert simplify(in_a_loop) == in_a_loop


def test_some_variables_stay_and_others_go():
    body = ir.Binary("+", ir.Binary("*", X, X), ir.Local("y"))
    made = simplify(ir.Let(("x", "y"), (SUM, A), body))
    assert made == ir.Let(("x",), (SUM,), ir.Binary("+", ir.Binary("*", X, X), A))


def test_what_is_put_in_a_place_is_put_inside_other_variables_too():
    inner = ir.Let(("y",), (ir.Binary("+", X, A),), ir.Binary("*", ir.Local("y"), ir.Local("y")))
    made = bound(number(1), inner)
    assert made == ir.Let(("y",), (ir.Binary("+", number(1), A),), inner.body)


# ---- several questions of one value -----------------------------------------------------


def among(*numbers: int) -> ir.Const:
    return ir.Const(SetType(INT), frozenset(numbers))


ONE, TWO = (ir.Binary("==", A, number(n)) for n in (1, 2))


def test_questions_of_one_value_become_one():
    assert joined([ONE, B, TWO, ir.Binary("in", A, among(3))]) == [
        ir.Binary("in", A, among(1, 2, 3)),
        B,
    ]
    assert joined([ir.Overlaps(A, among(1)), ir.Overlaps(A, among(2)), ONE]) == [
        ir.Overlaps(A, among(1, 2)),
        ONE,
    ]
    assert joined([B, B]) == [B]


def test_other_questions_stay():
    with_a_clock = [ir.Binary("==", NOW, number(n), numeric=True) for n in (1, 2)]
    others = [ir.Binary("!=", A, number(1)), ir.Binary("!=", A, number(2)), ir.Binary("in", A, B)]
    assert joined([*with_a_clock, *others]) == [*with_a_clock, *others]


def test_questions_are_joined_only_where_nothing_stands_between():
    assert simplify(ir.Or((ONE, TWO))) == ir.Binary("in", A, among(1, 2))
    assert simplify(ir.Or((ONE, TWO, B))) == ir.Or((ir.Binary("in", A, among(1, 2)), B))
    assert simplify(ir.Or((ONE, B, TWO))) == ir.Or((ONE, B, TWO))


def test_every_operator_can_be_folded_emitted_and_negated():
    relations, signs = set(get_args(ir.Relation)), set(get_args(ir.Sign))

    assert set(_OPERATORS) == relations | signs
    assert set(_OPPOSITE) == relations
    assert set(COMPARISONS) == relations
    assert set(_ARITHMETIC) == signs
