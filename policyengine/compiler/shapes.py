"""Split rules into a shape, which many may have, and the constants in which those differ.

The shape of a rule is what each of its conditions asks, without the constants: code is generated for a
shape once, however many rules have it, and the constants of each are a *row*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.simplify import question, replaced
from policyengine.model.types import BOOL, INT, RecordType

LEAST: Final = 8
"""Rules of one shape that are worth a table, or a function that they share."""

Kind: TypeAlias = Literal["in", "overlaps", "<", "<=", ">", ">=", "holds"]
"""How a condition compares a value with its constant; `holds`: otherwise than tables can."""

Order: TypeAlias = Literal["<", "<=", ">", ">="]
"""The kinds whose constant is a bound."""

FLIPPED: Final[Mapping[Order, Order]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The orders, each with the one that holds of the two sides exchanged."""

KEYED: Final = ("in", "overlaps")
"""Kinds of aspects whose constant is a set of values that may be looked up."""

_CONSTANT: Final = ir.Local("constant")
"""The placeholder in a condition for its constant, or for all of them if there are several."""

Values: TypeAlias = tuple[Any, ...]
"""The constants of a rule, one for each aspect; None where that has none."""


class Aspect(Struct, frozen=True, cache_hash=True):
    """One condition without its constant: how the value of *asked* is compared.

    Of the kind `holds`, *asked* is the whole condition, and its constant may be a tuple of several.
    """

    kind: Kind
    asked: ir.Expr


Shape: TypeAlias = tuple[Aspect | ir.Expr, ...]
"""What rules ask that differ only in constants: of each condition."""


def split_constants(
    conditions: Sequence[ir.Expr], *, anywhere: bool = True
) -> tuple[Shape, Values]:
    """Return what each condition asks, and the constant that it compares with; None if none.

    *anywhere*: whether conditions are split as well that compare otherwise than tables can.
    """
    aspects: list[Aspect | ir.Expr] = []
    constants: list[object] = []
    for condition in conditions:
        aspect, constant = _split(condition)
        if anywhere and not (isinstance(aspect, Aspect) and has_no_constant(aspect.asked)):
            aspect, constant = _split_anywhere(condition)
        aspects.append(aspect)
        constants.append(constant)
    return tuple(aspects), tuple(constants)


def _split(condition: ir.Expr) -> tuple[Aspect | ir.Expr, object]:
    """Return what *condition* compares as tables can, and with what; itself if it is not of that kind."""
    asked = question(condition)
    match condition:
        case _ if asked is not None:
            return Aspect(asked[0], asked[1]), _interned(asked[2].value)
        case ir.Binary("==", left, ir.Const(type_, value)) if not isinstance(type_, RecordType):
            return Aspect("in", left), frozenset({value})
        case ir.Binary("<" | "<=" | ">" | ">=" as op, left, ir.Const(_, int(value)), True):
            return Aspect(op, left), value
        case ir.Binary("<" | "<=" | ">" | ">=" as op, ir.Const(_, int(value)), right, True):
            return Aspect(FLIPPED[op], right), value
        case ir.Operation("lies_in", (line, ir.Data(type_), ir.Const(_, id_))):
            return Aspect("overlaps", line), frozenset({(type_, id_)})
        case _:
            return condition, None


def _split_anywhere(condition: ir.Expr) -> tuple[Aspect | ir.Expr, object]:
    """Return *condition* without the constants that stand anywhere in it, and these."""
    if isinstance(condition, ir.Const) or has_no_constant(condition):
        return condition, None
    count = sum(map(_is_constant, ir.walk(condition)))
    constants: list[object] = []

    def split(node: ir.Expr) -> ir.Expr:
        if not _is_constant(node):
            return ir.rebuilt(node, split)
        assert isinstance(node, ir.Const | ir.Data)
        value = node.value
        constants.append(intern(value) if type(value) is str else value)
        return _CONSTANT if count == 1 else ir.Entry(_CONSTANT, ir.Const(INT, len(constants) - 1))

    asked = split(condition)
    return Aspect("holds", asked), constants[0] if count == 1 else tuple(constants)


def has_no_constant(node: ir.Expr) -> bool:
    """Whether nothing stands in *node* that rules of one shape may differ in."""
    return ir.is_path(node) or not any(map(_is_constant, ir.walk(node)))


def _is_constant(node: ir.Expr) -> bool:
    """Whether *node* is what rules of one shape may differ in."""
    match node:
        case ir.Const(type_):
            return type_ != BOOL
        case ir.Data(value):
            return isinstance(value, tuple)
        case _:
            return False


def join_constants(shape: Shape, row: ir.Local) -> tuple[ir.Expr, ...]:
    """Return the conditions of rules of that *shape* again, with constants that stand in a *row*."""
    return tuple(
        compared(asked, ir.Entry(row, ir.Const(INT, i))) if isinstance(asked, Aspect) else asked
        for i, asked in enumerate(shape)
    )


def compared(aspect: Aspect, constant: ir.Expr) -> ir.Expr:
    """Return the condition that compares as *aspect* says with what the value of *constant* is."""
    match aspect.kind:
        case "holds":
            return replaced(aspect.asked, {_CONSTANT.name: constant})
        case "overlaps":
            return ir.Overlaps(aspect.asked, constant)
        case kind:
            return ir.Binary(kind, aspect.asked, constant, numeric=kind in FLIPPED)


def compared_with_one(aspect: Aspect, constant: ir.Expr) -> ir.Expr:
    """Return the condition that compares as *aspect* does with the only element of its set."""
    if aspect.kind == "overlaps":
        return ir.Binary("in", constant, aspect.asked)
    return ir.Binary("==", aspect.asked, constant)


def _interned(known: Any) -> frozenset[object]:
    """Return the same set, of strings that many rules name one object, which is looked at sooner."""
    return frozenset([intern(value) if type(value) is str else value for value in known])
