"""A decision asks nothing twice: what is left to ask where something is known, and that it comes out the same."""

from __future__ import annotations

from itertools import product
from random import Random

from policyengine.compiler import ir
from policyengine.compiler.facts import Facts
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.model.types import BOOL, INT
from tests.compiler.world import decided

SLOTS = [ir.Slot(ir.Root("subject"), name) for name in "abc"]
ATOMS = [
    *SLOTS,
    ir.Binary("==", SLOTS[0], SLOTS[1]),
    ir.Binary("!=", SLOTS[1], SLOTS[0]),
    ir.Binary("<", SLOTS[0], ir.Const(INT, 1)),
    ir.Binary(">=", SLOTS[0], ir.Const(INT, 1)),
    ir.Binary("in", SLOTS[2], ir.Const(INT, 1)),
    ir.Binary("not in", SLOTS[2], ir.Const(INT, 1)),
]
MEANINGS = {
    "==": lambda a, b, _: a == b, "!=": lambda a, b, _: a != b,
    "<": lambda a, *_: not a, ">=": lambda a, *_: a,
    "in": lambda _, __, c: c, "not in": lambda _, __, c: not c,
}  # fmt: skip


def made(rng: Random, depth: int = 3) -> ir.Expr:
    kind = rng.choice(("atom", "not", "and", "or") if depth else ("atom",))
    if kind == "atom":
        return rng.choice(ATOMS)
    if kind == "not":
        return ir.Not(made(rng, depth - 1))
    operands = tuple(made(rng, depth - 1) for _ in range(rng.randint(2, 3)))
    return ir.And(operands) if kind == "and" else ir.Or(operands)


def value(node: ir.Expr, values: tuple[bool, ...]) -> bool:
    match node:
        case ir.Const(_, known):
            return bool(known)
        case ir.Not(operand):
            return not value(operand, values)
        case ir.And(operands):
            return all(value(operand, values) for operand in operands)
        case ir.Or(operands):
            return any(value(operand, values) for operand in operands)
        case ir.Binary(op):
            return bool(MEANINGS[op](*values))
    return values[SLOTS.index(node)]


def test_what_is_left_comes_out_the_same_wherever_what_is_assumed_holds():
    rng, left_out = Random(7), 0
    for _ in range(600):
        facts, steps = Facts(), [made(rng) for _ in range(4)]
        for values in product((False, True), repeat=3):
            facts = Facts()
            for step in steps:
                left, came_out = facts.left_of(step), value(step, values)
                assert value(left, values) == came_out, (steps, values)
                left_out += left != step
                facts.assume(left, holds=came_out)
    assert left_out > 5_000


def test_it_forgets_what_holds_in_one_place_alone():
    facts, (a, b, c) = Facts(), SLOTS
    assert facts.left_of(ir.Or((ir.And((a, b)), ir.And((a, c))))) == ir.Or(
        (ir.And((a, b)), ir.And((a, c)))
    )
    assert facts.left_of(a) == a
    facts.assume(a, holds=True)
    assert facts.left_of(ir.Or((ir.And((a, b)), ir.And((a, c))))) == ir.Or((b, c))


def test_what_could_fail_is_left_where_it_was_not_computed_before():
    facts, (a, b, _) = Facts(), SLOTS
    facts.assume(b, holds=False)
    assert facts.left_of(ir.And((a, b))) == ir.And((a, FALSE))
    assert facts.left_of(ir.And((b, a))) == FALSE
    assert facts.left_of(ir.Or((a, ir.Not(b)))) == ir.Or((a, TRUE))
    assert facts.left_of(ir.Not(b)) == TRUE
    facts.assume(ir.Const(BOOL, True), holds=True)


def test_a_decision_asks_nothing_twice():
    text = """gate a "a" gate b "b"
        gate a { permit r: act when subject.age > 7 }
        gate b { permit s: act when subject.ok and subject.age > 7
            permit t: act when not subject.ok and subject.age <= 7 }"""
    code = decided(text)
    assert code.count("v_age") == code.count("v_ok") == 1
