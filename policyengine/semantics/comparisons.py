"""Check comparisons: which operands each operator takes, and which can never be equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policyengine.model.types import (
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    EntityRefType,
    LevelsType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.semantics import messages
from policyengine.semantics.guards import Guards
from policyengine.semantics.vocabulary import UNKNOWN, fits
from policyengine.syntax import nodes

if TYPE_CHECKING:
    from policyengine.semantics.typing import ExpressionChecker

_ORDERED = (INT, DECIMAL, DATETIME, DURATION)


def check_comparison(checker: ExpressionChecker, node: nodes.Compare, guards: Guards) -> None:
    """Check the operands of *node*, noting their types in *checker*."""
    op, left, right = node.op, node.left, node.right
    match op:
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            one, other = _both(checker, left, right, guards)
            if UNKNOWN in (one, other):
                return
            if not fits(other, one):
                checker.problems.append(messages.never_equal(node.span, one, other))
            elif op not in ("==", "!=") and one not in _ORDERED and not isinstance(one, LevelsType):
                takes = "ints, decimals, datetimes, durations or levels"
                checker.problems.append(messages.operator_types(node.span, op, one, other, takes))
        case "in" | "not in":
            _member_test(checker, node, guards)
        case "overlaps" | "subset":
            one, other = _both(checker, left, right, guards)
            takes = "two sets of one type"
            _sets_only(checker, node, one, other, takes, one if fits(other, one) else None)
        case "within":
            _within(checker, node, guards)
        case _:
            assert op == "touches", op
            one = checker.infer(left, guards)
            element = one.element if isinstance(one, SetType) else one
            other = checker.infer(right, guards, SetType(element))
            if UNKNOWN in (one, other, element):
                return
            if not isinstance(element, TaxonomyType) or not isinstance(other, SetType):
                takes = "a term or a set of terms, and a set of terms"
                checker.problems.append(messages.operator_types(node.span, op, one, other, takes))
            elif not fits(other.element, element):
                checker.problems.append(messages.never_equal(node.span, element, other.element))


def _both(
    checker: ExpressionChecker, left: nodes.Expr, right: nodes.Expr, guards: Guards
) -> tuple[Type, Type]:
    """Infer both sides, the one that can say its own type first."""
    if checker.is_indefinite(left) and not checker.is_indefinite(right):
        other = checker.infer(right, guards)
        return checker.infer(left, guards, other), other
    one = checker.infer(left, guards)
    return one, checker.infer(right, guards, one)


def _sets_only(
    checker: ExpressionChecker,
    node: nodes.Compare,
    one: Type,
    other: Type,
    takes: str,
    same: Type | None,
) -> None:
    if UNKNOWN in (one, other):
        return
    if not isinstance(one, SetType) or not isinstance(other, SetType):
        checker.problems.append(messages.operator_types(node.span, node.op, one, other, takes))
    elif same is None:
        checker.problems.append(messages.never_equal(node.span, one, other))


def _member_test(checker: ExpressionChecker, node: nodes.Compare, guards: Guards) -> None:
    left, right = node.left, node.right
    if checker.is_indefinite(left) and not checker.is_indefinite(right):
        other = checker.infer(right, guards)
        one = checker.infer(left, guards, other.element if isinstance(other, SetType) else None)
    else:
        one = checker.infer(left, guards)
        other = checker.infer(right, guards, SetType(one))
    if UNKNOWN in (one, other):
        return
    if not isinstance(other, SetType):
        takes = "a value and a set of such values"
        checker.problems.append(messages.operator_types(node.span, node.op, one, other, takes))
    elif not fits(one, other.element):
        checker.problems.append(messages.never_equal(node.span, one, other.element))


def _within(checker: ExpressionChecker, node: nodes.Compare, guards: Guards) -> None:
    one = checker.infer(node.left, guards)
    element = one.element if isinstance(one, SetType) else one
    hint: Type | None = element
    if isinstance(node.right, nodes.SetDisplay):
        hint = SetType(element)
    if not isinstance(element, TaxonomyType):
        hint = None if not isinstance(node.right, nodes.SetDisplay) or node.right.items else hint
    other = checker.infer(node.right, guards, hint)
    around = other.element if isinstance(other, SetType) else other
    if UNKNOWN in (element, around):
        return
    match element, around:
        case EntityRefType(inner), EntityRefType(outer):
            if inner != outer and outer not in checker.vocabulary.ancestors(inner):
                checker.problems.append(messages.never_within(node.span, inner, outer))
        case TaxonomyType(), TaxonomyType():
            if element != around:
                checker.problems.append(messages.never_equal(node.span, element, around))
        case _:
            if not (element == IP and around == IP):
                takes = "terms of a taxonomy, entities, or ip addresses and networks"
                checker.problems.append(
                    messages.operator_types(node.span, "within", one, other, takes)
                )
