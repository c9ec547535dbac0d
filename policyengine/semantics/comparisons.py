"""Check operands: which types each operator takes, and which can never be equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from policyengine.model.types import (
    DATETIME,
    IP,
    ORDERED,
    PATH,
    SCHEDULE,
    STRING,
    EntityRefType,
    LevelsType,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.semantics import advice, messages
from policyengine.semantics.capitals import report_capitals
from policyengine.semantics.guards import Guards
from policyengine.semantics.inference import Inference
from policyengine.semantics.names import VALUE
from policyengine.semantics.vocabulary import UNKNOWN, fits
from policyengine.syntax import nodes
from policyengine.syntax.operators import of_comparison, operator_of


def check_comparison(checker: Inference, node: nodes.Compare, guards: Guards) -> None:
    """Check the operands of *node*, noting their types in *checker*."""
    shape = of_comparison(node).types
    match shape:
        case "equal":
            _alike(checker, node, guards)
        case "ordered":
            one = _alike(checker, node, guards)
            if one not in (UNKNOWN, *ORDERED) and not isinstance(one, LevelsType):
                _refused(checker, node)
        case "member":
            _member_test(checker, node, guards)
        case "sets":
            _sets(checker, node, guards)
        case "within":
            _within(checker, node, guards)
        case "touches":
            _touches(checker, node, guards)
        case None | Mapping():
            sides = (checker.infer(side, guards) for side in (node.left, node.right))
            applied(checker, node, list(sides))
        case _:
            assert_never(shape)
    report_capitals(checker, node)


def applied(checker: Inference, node: nodes.Expr, types: Sequence[Type]) -> Type:
    """Return the type of the result of an operator with a list of types, for operands of *types*."""
    row = operator_of(node)
    assert row is not None
    assert isinstance(row.types, Mapping), row
    if UNKNOWN in types:
        return UNKNOWN
    result = row.types.get(tuple(types), UNKNOWN)
    if result is UNKNOWN:
        checker.problems.append(messages.operator_types(node, row, *types))
    return result


def _refused(checker: Inference, node: nodes.Compare) -> None:
    types = (checker.types[id(side)] for side in (node.left, node.right))
    checker.problems.append(messages.operator_types(node, of_comparison(node), *types))


def _alike(checker: Inference, node: nodes.Compare, guards: Guards) -> Type:
    """Return the type that both sides have; report sides that can never be equal."""
    for null, asked in ((node.right, node.left), (node.left, node.right)):
        if _is_null(null, checker):
            there = _always_there(asked, checker, guards)
            checker.problems.append(messages.compared_with_null(node, null, asked, there=there))
            return UNKNOWN
    one, other = _both(checker, node.left, node.right, guards)
    if UNKNOWN in (one, other):
        return UNKNOWN
    if not fits(other, one):
        leave_unguarded_out(checker, node.left, node.right)
        checker.problems.append(messages.never_equal(node, one, other))
        return UNKNOWN
    if one == SCHEDULE:
        _refused(checker, node)
        return UNKNOWN
    return one


def leave_unguarded_out(checker: Inference, *sides: nodes.Expr) -> None:
    """Leave out that *sides* may be absent, since they are wrong where they are in any case."""
    spans = [side.span for side in sides]
    checker.problems[:] = [
        p for p in checker.problems if not (p.code == "PE302" and p.span in spans)
    ]


def _always_there(node: nodes.Expr, checker: Inference, guards: Guards) -> bool:
    """Whether *node* is an attribute that is not optional, or a variable."""
    if not isinstance(node, nodes.Attr):
        return isinstance(node, nodes.Name) and node.name in checker.variables
    match checker.infer(node.object, guards):
        case EntityRefType(entity):
            known = checker.vocabulary.entities[entity].by_name
        case RecordType() as record:
            known = record.by_name
        case _:
            return False
    return node.name.name in known and not known[node.name.name].optional


def _is_null(node: nodes.Expr, checker: Inference) -> bool:
    """Whether *node* is the null of another language, and no name of this set."""
    return (
        advice.is_null(node)
        and isinstance(node, nodes.Name)
        and node.name not in checker.variables
        and not checker.scope.candidates(VALUE, node.name)
        and not checker.vocabulary.enumerations_of(node.name, checker.scope)
    )


def _both(
    checker: Inference, left: nodes.Expr, right: nodes.Expr, guards: Guards
) -> tuple[Type, Type]:
    """Infer both sides, the one that can say its own type first."""
    if checker.is_indefinite(left) and not checker.is_indefinite(right):
        other = checker.infer(right, guards)
        return checker.infer(left, guards, other), other
    one = checker.infer(left, guards)
    return one, checker.infer(right, guards, one)


def _sets(checker: Inference, node: nodes.Compare, guards: Guards) -> None:
    one, other = _both(checker, node.left, node.right, guards)
    if UNKNOWN in (one, other):
        return
    if not isinstance(one, SetType) or not isinstance(other, SetType):
        _refused(checker, node)
    elif not fits(other, one):
        checker.problems.append(messages.never_equal(node, one, other))


def _touches(checker: Inference, node: nodes.Compare, guards: Guards) -> None:
    one = checker.infer(node.left, guards)
    element = one.element if isinstance(one, SetType) else one
    other = checker.infer(node.right, guards, SetType(element))
    if UNKNOWN in (one, other, element):
        return
    if not isinstance(element, TaxonomyType) or not isinstance(other, SetType):
        _refused(checker, node)
    elif not fits(other.element, element):
        checker.problems.append(messages.never_equal(node, element, other.element))


def _member_test(checker: Inference, node: nodes.Compare, guards: Guards) -> None:
    left, right = node.left, node.right
    if checker.is_indefinite(left) and not checker.is_indefinite(right):
        other = checker.infer(right, guards)
        one = checker.infer(left, guards, other.element if isinstance(other, SetType) else None)
    else:
        one = checker.infer(left, guards)
        bare = checker.is_indefinite(right)
        other = checker.infer(right, guards, _set_of(one, right) if bare else SetType(one))
    if UNKNOWN in (one, other):
        return
    if not isinstance(other, SetType) or one == other:
        _refused(checker, node)
    elif not fits(one, other.element):
        known = other.element if not isinstance(other.element, RecordType) else other
        checker.problems.append(messages.never_equal(node, one, known))


def _set_of(element: Type, node: nodes.Expr) -> Type:
    """Return the type of a set with *element*; of elements of *element*, if it is a set beside one."""
    is_set = isinstance(element, SetType) and not isinstance(element.element, SetType)
    shallow = (
        isinstance(node, nodes.SetDisplay)
        and bool(node.items)
        and not any(isinstance(item, nodes.SetDisplay) for item in node.items)
    )
    return element if is_set and shallow else SetType(element)


def _within(checker: Inference, node: nodes.Compare, guards: Guards) -> None:
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
                checker.problems.append(messages.never_equal(node, element, around))
        case _:
            if {element, around} == {STRING, PATH}:
                checker.problems.append(messages.never_equal(node, element, around))
            elif (one, other) != (DATETIME, SCHEDULE) and not (
                element == around and element in (IP, PATH)
            ):
                _refused(checker, node)
