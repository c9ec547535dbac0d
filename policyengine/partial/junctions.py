"""Simplify conjunctions and disjunctions of conditions that cannot fail.

The conditions of a checked rule do not fail on a request that fits, so an operand may be left out that
another one decides, wherever it is. What several operands ask of one value is asked once: `tier >= pro and
tier != top`, of five levels, is `tier in {pro, team}`; what they ask in common stands once, before the rest.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.simplify import FALSE, TRUE, fold_not
from policyengine.model.types import BOOL, EnumType, LevelsType, SetType, TaxonomyType, Type

Junction: TypeAlias = ir.And | ir.Or

_ORDER: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_BOOLEANS: Final = frozenset([False, True])


class _Asked(Struct, frozen=True):
    """That *value* is one of *among*, or (*other*) that it is none of them."""

    value: ir.Expr
    type: Type
    among: frozenset[object]
    other: bool = False


class Facts:
    """Conditions of which the values are known, and with them those that ask of the same values."""

    def __init__(self, values: Mapping[ir.Expr, ir.Expr] | None = None) -> None:
        self._values = dict(values or {})
        self._asked: dict[ir.Expr, _Asked] = {}

    def add(self, condition: ir.Expr, *, holds: bool) -> None:
        """Note whether *condition* holds."""
        asked = _asked(condition)
        if asked is not None:
            self._asked[asked.value] = asked if holds else _opposite(asked)
            return
        self._values[condition] = TRUE if holds else FALSE
        self._values[negation(condition)] = FALSE if holds else TRUE

    def within(self, node: ir.Expr) -> ir.Expr:
        """Return *node* with the values of what is known in it."""
        known = self._values.get(node)
        if known is not None:
            return known
        if isinstance(node, ir.And | ir.Or):
            made = [self.within(operand) for operand in node.operands]
            return node if made == list(node.operands) else junction(type(node), made)
        asked = _asked(node) if self._asked else None
        fact = None if asked is None else self._asked.get(asked.value)
        if asked is None or fact is None:
            return node
        both = _both(ir.And, fact, asked)
        if both == fact:
            return TRUE
        shorter = not (both.other or asked.other) and len(both.among) < len(asked.among)
        return _asking(both) if shorter or not both.among else node


def junction(of: type[Junction], operands: Iterable[ir.Expr]) -> ir.Expr:
    """Return the conjunction or disjunction of *operands*, which are simplified."""
    deciding, neutral = (FALSE, TRUE) if of is ir.And else (TRUE, FALSE)
    flat: dict[ir.Expr, None] = {}
    for operand in operands:
        for one in operand.operands if isinstance(operand, of) else (operand,):
            if one == deciding:
                return deciding
            flat[one] = None
    flat.pop(neutral, None)
    kept = [operand for operand in _merged(of, flat) if operand != neutral]
    if deciding in kept:
        return deciding
    if len(kept) <= 1:
        return kept[0] if kept else neutral
    # What an operand takes for granted must be asked before it, so those that say it come first.
    nested = [operand for operand in kept if isinstance(operand, ir.And | ir.Or)]
    atoms = [operand for operand in kept if not isinstance(operand, ir.And | ir.Or)]
    if _contradict(atoms):
        return deciding
    if nested:
        facts = Facts()
        for atom in atoms:
            facts.add(atom, holds=of is ir.And)
        shorter: Sequence[ir.Expr] = list(map(facts.within, nested))
        if shorter == nested:
            shorter = _with_shared_once(of, nested)
        if shorter != nested:
            return junction(of, (*atoms, *shorter))
    return of((*atoms, *nested))


def negation(operand: ir.Expr) -> ir.Expr:
    """Return the negation of a condition; of a junction, the junction of the negations."""
    if isinstance(operand, ir.And | ir.Or):
        return junction(_other(type(operand)), map(negation, operand.operands))
    asked = _asked(operand)
    return fold_not(ir.Not(operand)) if asked is None else _asking(_opposite(asked))


def where(condition: ir.Expr) -> Facts:
    """Return what is known of requests for which *condition* holds."""
    facts = Facts()
    for fact in condition.operands if isinstance(condition, ir.And) else (condition,):
        facts.add(fact, holds=True)
    return facts


def _other(of: type[Junction]) -> type[Junction]:
    return ir.Or if of is ir.And else ir.And


def _contradict(atoms: Sequence[ir.Expr]) -> bool:
    """Whether one of *atoms*, of which no two ask constants of one value, is the opposite of another."""
    among = frozenset(atoms)
    return any(
        fold_not(ir.Not(atom)) in among
        for atom in atoms
        if isinstance(atom, ir.Not | ir.Binary) and _asked(atom) is None
    )


# ---- what several operands have in common -----------------------------------------------


def _with_shared_once(of: type[Junction], operands: Sequence[ir.Expr]) -> Sequence[ir.Expr]:
    """Return operands, which are junctions, with what some of them have in common taken out once.

    `a and b or a and b and c` is `a and b`, and `a and b or a and c` is `a and (b or c)`.
    """
    parts = {one: frozenset(ir.children(one)) for one in operands}
    kept = _not_implied(parts)
    holding: dict[ir.Expr, list[ir.Expr]] = {}
    for one in kept:
        for part in ir.children(one):
            holding.setdefault(part, []).append(one)
    joined: dict[ir.Expr, ir.Expr | None] = {}
    for shared in sorted(holding, key=lambda part: -len(holding[part])):
        some = [one for one in holding[shared] if one not in joined]
        if len(some) <= 1:
            continue
        common = frozenset.intersection(*(parts[one] for one in some))
        if not _take_for_granted(common, frozenset().union(*(parts[one] for one in some)) - common):
            first = [part for part in ir.children(some[0]) if part in common]
            rest = [[p for p in ir.children(one) if p not in common] for one in some]
            others = junction(of, (junction(_other(of), left) for left in rest))
            joined |= dict.fromkeys(some)
            joined[some[0]] = junction(_other(of), (*first, others))
    made = (joined.get(one, one) for one in kept)
    return [one for one in made if one is not None]


def _not_implied(parts: Mapping[ir.Expr, frozenset[ir.Expr]]) -> list[ir.Expr]:
    """Return the operands which have not all *parts* of another one, and more."""
    counts = Counter(part for held in parts.values() for part in held)
    # An operand that has all parts of another has the rarest of them, which few have.
    by_rarest: dict[ir.Expr, list[frozenset[ir.Expr]]] = {}
    for held in parts.values():
        by_rarest.setdefault(min(held, key=counts.__getitem__), []).append(held)
    return [
        one
        for one, held in parts.items()
        if not any(fewer < held for part in held for fewer in by_rarest.get(part, ()))
    ]


def _take_for_granted(conditions: Iterable[ir.Expr], said: Container[ir.Expr]) -> bool:
    """Whether one of *conditions* reads something that is present only where something *said* says so."""
    for condition in conditions:
        for part in ir.walk(condition):
            if isinstance(part, ir.Slot) and part.optional:
                present = ir.Present(part)
                if present in said or ir.Not(present) in said:
                    return True
    return False


# ---- what is asked of one value ---------------------------------------------------------


def _merged(of: type[Junction], operands: Iterable[ir.Expr]) -> list[ir.Expr]:
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
            decided = _decided(one)
            made.append(operand if decided is None else decided)
        else:
            asked[one.value] = both = _both(of, before, one)
            made[places[one.value]] = _asking(both)
    return made


def _asked(node: ir.Expr) -> _Asked | None:
    """Return what *node* asks of one value, None if it asks something else."""
    # No `match`, since this is called for every condition several times.
    if not isinstance(node, ir.Binary) or not isinstance(node.right, ir.Const):
        return None
    op, type_, known = node.op, node.right.type, node.right.value
    if op in ("==", "!="):
        return _complete(_Asked(node.left, type_, frozenset([known]), op == "!="))
    if op in ("in", "not in"):
        assert isinstance(type_, SetType)
        assert isinstance(known, frozenset)
        return _complete(_Asked(node.left, type_.element, known, op == "not in"))
    if op in _ORDER and isinstance(type_, LevelsType):
        assert isinstance(known, int)
        holds = _ORDER[op]
        levels = frozenset([level for level in range(len(type_.members)) if holds(level, known)])
        return _Asked(node.left, type_, levels)
    return None


def _all_of(type_: Type) -> frozenset[object] | None:
    """Return all values of a type that has few, None of any other."""
    if isinstance(type_, LevelsType | EnumType | TaxonomyType):
        return type_.values
    return _BOOLEANS if type_ == BOOL else None


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


def _decided(asked: _Asked) -> ir.Expr | None:
    """Return what this is for any value, None if that depends on the value."""
    if not asked.among or asked.among == _all_of(asked.type):
        return TRUE if bool(asked.among) != asked.other else FALSE
    return None


def _asking(asked: _Asked) -> ir.Expr:
    """Return the shortest condition that asks this."""
    decided = _decided(asked)
    if decided is not None:
        return decided
    values, among, other = _all_of(asked.type), asked.among, asked.other
    if values is not None and len(values) - len(among) == 1:
        among, other = values - among, not other
    if len(among) == 1:
        return ir.Binary("!=" if other else "==", asked.value, ir.Const(asked.type, *among))
    known = ir.Const(SetType(asked.type), among)
    return ir.Binary("not in" if other else "in", asked.value, known)
