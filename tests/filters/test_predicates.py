"""Predicates: constants are folded, and no junction or list is empty."""

from __future__ import annotations

from policyengine.filters.predicates import (
    FALSE,
    ROWS,
    TRUE,
    Column,
    Compare,
    IsOfKind,
    IsPresent,
    Not,
    OneOf,
    Or,
    Parameter,
    both,
    either,
    exists,
    negated,
    one_of,
    walk,
)

LEVEL = Column(ROWS, "level", "int")
THERE, FITS = IsPresent(LEVEL), IsOfKind(LEVEL)


def test_constants_are_folded():
    assert (both([]), either([])) == (TRUE, FALSE)
    assert both([THERE, FALSE]) == FALSE
    assert either([THERE, TRUE]) == TRUE
    assert both([THERE, TRUE, THERE]) == THERE
    assert either([FITS, either([THERE, FITS])]) == Or((FITS, THERE))
    assert (negated(TRUE), negated(THERE), negated(negated(THERE))) == (FALSE, Not(THERE), THERE)
    assert exists("tag", "tag_1", (), FALSE) == FALSE


def test_no_list_is_empty():
    assert one_of(LEVEL, []) == FALSE
    assert one_of(LEVEL, [2, 2]) == Compare("==", LEVEL, Parameter(2, "int"))
    assert one_of(LEVEL, [2, 1]) == OneOf(LEVEL, (1, 2))


def test_walk_gives_what_is_inside():
    assert [*walk(both([THERE, negated(FITS)]))][1:] == [THERE, Not(FITS), FITS]
