"""Simplify conjunctions and disjunctions of conditions that cannot fail.

The conditions of a checked rule do not fail on a request that fits, so an operand may be left out that
another one decides, wherever it is. What several operands ask of one value is asked once: `tier >= pro and
tier != top`, of five levels, is `tier in {pro, team}`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.simplify import FALSE, TRUE, simplify
from policyengine.model.types import BOOL, EnumType, LevelsType, SetType, TaxonomyType, Type

Junction: TypeAlias = ir.And | ir.Or


_ORDER: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class _Asked(Struct, frozen=True):
    """That *value* is one of *among*, or (*other*) that it is none of them."""

    value: ir.Expr
    type: Type
    among: frozenset[object]
    other: bool = False


def junction(of: type[Junction], operands: Iterable[ir.Expr]) -> ir.Expr:
    """Return the conjunction or disjunction of *operands*, which are simplified."""
    deciding, neutral = (FALSE, TRUE) if of is ir.And else (TRUE, FALSE)
    kept = list(dict.fromkeys(_flat(of, operands)))
    kept = [operand for operand in _merged(of, kept) if operand != neutral]
    # What an operand takes for granted must be asked before it, so those that say it come first.
    kept.sort(key=lambda operand: isinstance(operand, ir.And | ir.Or))
    known: dict[ir.Expr, ir.Expr] = {}
    for atom in kept:
        if not isinstance(atom, ir.And | ir.Or):
            known[atom], known[negation(atom)] = neutral, deciding
    if deciding in kept or any(known.get(operand) == deciding for operand in kept):
        return deciding
    learned = [
        with_known(operand, known) if isinstance(operand, ir.And | ir.Or) else operand
        for operand in kept
    ]
    if learned != kept:
        return junction(of, learned)
    if len(kept) == 1:
        return kept[0]
    return of(tuple(kept)) if kept else neutral


def negation(operand: ir.Expr) -> ir.Expr:
    """Return the negation of a condition; of a junction, the junction of the negations."""
    match operand:
        case ir.And(operands):
            return junction(ir.Or, map(negation, operands))
        case ir.Or(operands):
            return junction(ir.And, map(negation, operands))
        case _:
            asked = _asked(operand)
            return simplify(ir.Not(operand)) if asked is None else _asking(_opposite(asked))


def _flat(of: type[Junction], operands: Iterable[ir.Expr]) -> Iterable[ir.Expr]:
    for operand in operands:
        if isinstance(operand, of):
            yield from operand.operands
        else:
            yield operand


def with_known(node: ir.Expr, known: Mapping[ir.Expr, ir.Expr]) -> ir.Expr:
    """Return *node* with the values of conditions in it that are *known*."""
    if node in known:
        return known[node]
    if isinstance(node, ir.And | ir.Or):
        made = [with_known(operand, known) for operand in node.operands]
        return node if made == list(node.operands) else junction(type(node), made)
    return node


def where(condition: ir.Expr, node: ir.Expr) -> ir.Expr:
    """Return *node* for requests for which *condition* holds."""
    known: dict[ir.Expr, ir.Expr] = {}
    for fact in condition.operands if isinstance(condition, ir.And) else (condition,):
        known[fact], known[negation(fact)] = TRUE, FALSE
    return with_known(node, known)


# ---- what is asked of one value ---------------------------------------------------------


def _merged(of: type[Junction], operands: Sequence[ir.Expr]) -> list[ir.Expr]:
    """Return operands of which those that ask for one value among constants are one."""
    made: list[ir.Expr] = []
    places: dict[ir.Expr, int] = {}
    asked: dict[ir.Expr, _Asked] = {}
    for operand in operands:
        one = _asked(operand)
        before = None if one is None else asked.get(one.value)
        if one is None:
            made.append(operand)
        elif before is None:
            places[one.value], asked[one.value] = len(made), one
            short = _asking(one)
            made.append(short if short in (TRUE, FALSE) else operand)
        else:
            asked[one.value] = both = _both(of, before, one)
            made[places[one.value]] = _asking(both)
    return made


def _asked(node: ir.Expr) -> _Asked | None:
    """Return what *node* asks of one value, None if it asks something else."""
    match node:
        case ir.Binary("==" | "!=" as op, value, ir.Const(type_, known)):
            return _complete(_Asked(value, type_, frozenset([known]), op == "!="))
        case ir.Binary(
            "in" | "not in" as op, value, ir.Const(SetType(type_), frozenset() as known)
        ):
            return _complete(_Asked(value, type_, known, op == "not in"))
        case ir.Binary(
            "<" | "<=" | ">" | ">=" as op, value, ir.Const(LevelsType() as type_, int(at))
        ):
            levels, holds = range(len(type_.members)), _ORDER[op]
            return _Asked(value, type_, frozenset([level for level in levels if holds(level, at)]))
        case _:
            return None


def _all_of(type_: Type) -> frozenset[object] | None:
    """Return all values of a type that has few, None of any other."""
    match type_:
        case LevelsType(members=members):
            return frozenset(range(len(members)))
        case EnumType() | TaxonomyType():
            return frozenset(type_.members)
        case _:
            return frozenset([False, True]) if type_ == BOOL else None


def _complete(asked: _Asked) -> _Asked:
    """Return the same without a negation, if all values are known."""
    values = _all_of(asked.type)
    if values is None or not asked.other:
        return asked
    return _Asked(asked.value, asked.type, values - asked.among)


def _both(of: type[Junction], one: _Asked, two: _Asked) -> _Asked:
    """Return what two ask together."""
    if of is ir.Or:
        return _opposite(_both(ir.And, _opposite(one), _opposite(two)))
    match one.other, two.other:
        case False, False:
            among, other = one.among & two.among, False
        case True, True:
            among, other = one.among | two.among, True
        case False, True:
            among, other = one.among - two.among, False
        case _:
            among, other = two.among - one.among, False
    return _Asked(one.value, one.type, among, other)


def _opposite(asked: _Asked) -> _Asked:
    return _complete(_Asked(asked.value, asked.type, asked.among, not asked.other))


def _asking(asked: _Asked) -> ir.Expr:
    """Return the shortest condition that asks this."""
    values = _all_of(asked.type)
    among, other = asked.among, asked.other
    if values is not None and len(values) - len(among) == 1:
        among, other = values - among, not other
    if not among or among == values:
        return TRUE if bool(among) != other else FALSE
    if len(among) == 1:
        return ir.Binary("!=" if other else "==", asked.value, ir.Const(asked.type, *among))
    known = ir.Const(SetType(asked.type), among)
    return ir.Binary("not in" if other else "in", asked.value, known)
