"""List the operators: one row for each word, with the types that it takes and the words for it.

The checker reads the types from a row, sentences their words, messages of syntax errors the words that
are operators, and the analysis whether it knows the values at which a result changes. A test compares
`docs/language.md` with the rows. The *meaning* of an operator is not in its row, but in
`reference/evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, assert_never

from attrs import evolve, frozen

from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    MONTHS,
    PATH,
    STRING,
    Type,
)
from policyengine.syntax import nodes

Shape: TypeAlias = Literal["equal", "ordered", "member", "sets", "within", "touches"]
"""Operands of a comparison that a list of types cannot name: see `semantics/comparisons.py`."""

Signatures: TypeAlias = Mapping[tuple[Type, ...], Type]
"""The type of the result for operands of these types."""


@frozen
class Operator:
    """The properties of an operator, apart from its meaning.

    *node* and *word* name it in a tree, *form* is its form in section 6 of `docs/language.md`. *types*:
    the operands that it takes, None where the class of the node determines them; a comparison gives a
    bool. *takes* says it in words. *must* and *must_not*: the words of a sentence about the left side
    where the operator must hold and where it must not. *ancestors*: whether the ancestors of entities on
    the left are read.

    The defaults of the rest are safe. *linear*: whether the cost grows with the size of each side, and
    not with their product. *understood*: whether `analysis/constants.py` finds the values at which the
    result changes. An operator that is not understood makes every analysis of the rule unsure.
    """

    node: type[nodes.Expr]
    word: str
    form: str
    types: Shape | Signatures | None = None
    takes: str = ""
    must: str = "must hold"
    must_not: str = "must not hold"
    ancestors: bool = False
    linear: bool = False
    understood: bool = False

    @property
    def compares(self) -> bool:
        """Whether it is a comparison, which does not chain."""
        return self.node in (nodes.Compare, nodes.Has, nodes.Like)

    @property
    def infix(self) -> bool:
        """Whether it follows an operand."""
        return not self.form.startswith(self.word)

    @property
    def negatable(self) -> bool:
        """Whether `not` may be written before its word."""
        return self.compares and self.word.isalpha()


def _negation(row: Operator, word: nodes.Comparison, form: str) -> Operator:
    """Return the row of the operator that holds exactly where that of *row* does not."""
    return evolve(row, word=word, form=form, must=row.must_not, must_not=row.must)


_EQUAL = Operator(
    nodes.Compare, "==", "a == b", "equal", "two values of one type",
    "must be", "must not be", linear=True, understood=True,
)  # fmt: skip
_BELOW = Operator(
    nodes.Compare, "<", "a < b", "ordered", "ints, decimals, datetimes, durations, months or levels",
    "must be below", "must be at least", linear=True, understood=True,
)  # fmt: skip
_AT_MOST = evolve(
    _BELOW, word="<=", form="a <= b", must="must be at most", must_not="must be above"
)
_STARTSWITH = Operator(
    nodes.Compare, "startswith", "a startswith b", {(STRING, STRING): BOOL}, "two strings",
    "must start with", "must not start with", linear=True, understood=True,
)  # fmt: skip

_ROWS = (
    Operator(nodes.And, "and", "a and b", {(BOOL, BOOL): BOOL}, "conditions", understood=True),
    Operator(nodes.Or, "or", "a or b", {(BOOL, BOOL): BOOL}, "conditions", understood=True),
    Operator(nodes.Not, "not", "not a", {(BOOL,): BOOL}, "a condition", understood=True),
    Operator(
        nodes.If, "if", "if c then a else b", None, "a condition and two values of one type",
        understood=True,
    ),
    _EQUAL,
    _negation(_EQUAL, "!=", "a != b"),
    _BELOW,
    _AT_MOST,
    _negation(_AT_MOST, ">", "a > b"),
    _negation(_BELOW, ">=", "a >= b"),
    Operator(
        nodes.Compare, "in", "x in S", "member", "a value and a set of such values",
        "must be one of", "must not be one of", linear=True, understood=True,
    ),
    Operator(
        nodes.Compare, "overlaps", "A overlaps B", "sets", "two sets of one type",
        "must have something in common with", "must have nothing in common with", linear=True, understood=True,
    ),
    Operator(
        nodes.Compare, "subset", "A subset B", "sets", "two sets of one type",
        "must all be among", "must not all be among", linear=True, understood=True,
    ),
    Operator(
        nodes.Compare, "within", "a within b", "within",
        "terms of a taxonomy, entities, ip addresses and networks, paths, or a datetime and a schedule",
        "must lie within", "must not lie within", ancestors=True, understood=True,
    ),
    Operator(
        nodes.Compare, "touches", "a touches B", "touches",
        "a term or a set of terms, and a set of terms",
        "must have to do with", "must have nothing to do with", understood=True,
    ),
    _STARTSWITH,
    evolve(
        _STARTSWITH, word="endswith", form="a endswith b",
        must="must end with", must_not="must not end with",
    ),
    evolve(
        _STARTSWITH, word="contains", form="a contains b",
        must="must contain", must_not="must not contain",
    ),
    Operator(nodes.Quantified, "every", "every x in S: c", None, "a set", understood=True),
    Operator(nodes.Quantified, "some", "some x in S: c", None, "a set", understood=True),
    Operator(
        nodes.Has, "has", "x has a", None, "an optional attribute",
        "is missing", "must not be given", understood=True,
    ),
    Operator(
        nodes.Like, "like", 's like "glob*"', {(STRING,): BOOL, (PATH,): BOOL}, "a string or a path",
        understood=True,
    ),
    Operator(
        nodes.Arithmetic, "+", "a + b",
        {
            (INT, INT): INT, (DECIMAL, DECIMAL): DECIMAL, (DURATION, DURATION): DURATION,
            (DATETIME, DURATION): DATETIME, (DATETIME, MONTHS): DATETIME,
        },
        "two ints, two decimals, two durations, or a datetime and a duration or months",
        understood=True,
    ),
    Operator(
        nodes.Arithmetic, "-", "a - b",
        {
            (INT, INT): INT, (DECIMAL, DECIMAL): DECIMAL, (DURATION, DURATION): DURATION,
            (DATETIME, DATETIME): DURATION, (DATETIME, DURATION): DATETIME,
            (DATETIME, MONTHS): DATETIME,
        },
        "two ints, two decimals, two durations, two datetimes, or a datetime and a duration or months",
        understood=True,
    ),
    Operator(
        nodes.Arithmetic, "*", "a * b",
        {
            (INT, INT): INT, (INT, DECIMAL): DECIMAL, (DECIMAL, INT): DECIMAL,
            (INT, DURATION): DURATION, (DURATION, INT): DURATION,
        },
        "an int and an int, a decimal or a duration", understood=True,
    ),
    Operator(
        nodes.Negate, "-", "-a",
        {(INT,): INT, (DECIMAL,): DECIMAL, (DURATION,): DURATION, (MONTHS,): MONTHS},
        "an int, a decimal, a duration or months", understood=True,
    ),
    Operator(nodes.Call, "size", "size(a)", None, "a set or a string", understood=True),
    Operator(
        nodes.Call, "lower", "lower(a)", {(STRING,): STRING, (PATH,): PATH}, "a string or a path"
    ),
    Operator(
        nodes.Ancestors, "ancestors", "ancestors(a, T)", None, "an entity and an entity type",
        understood=True,
    ),
)  # fmt: skip

OPERATORS: Mapping[tuple[type[nodes.Expr], str], Operator] = {
    (row.node, row.word): row for row in _ROWS
}
"""Each row by the class of its node and its word."""


BUILT_IN = frozenset(row.word for row in _ROWS if row.node in (nodes.Call, nodes.Ancestors))
"""The names that are called and that nothing may define."""


def of_comparison(node: nodes.Compare) -> Operator:
    """Return the row of a comparison."""
    return OPERATORS[nodes.Compare, node.op]


def operator_of(node: nodes.Expr) -> Operator | None:
    """Return the row of the operator that *node* applies; None if it applies none."""
    match node:
        case nodes.Compare(op) | nodes.Arithmetic(op):
            word: str = op
        case nodes.Quantified(kind):
            word = kind
        case nodes.And():
            word = "and"
        case nodes.Or():
            word = "or"
        case nodes.Not():
            word = "not"
        case nodes.If():
            word = "if"
        case nodes.Has():
            word = "has"
        case nodes.Like():
            word = "like"
        case nodes.Negate():
            word = "-"
        case nodes.Call(nodes.Ident(("size" | "lower") as called, None)):
            word = called
        case nodes.Ancestors():
            word = "ancestors"
        case (
            nodes.Literal() | nodes.Name() | nodes.Attr() | nodes.SetDisplay() | nodes.RecordDisplay()
            | nodes.EntityRef() | nodes.Update() | nodes.LookUp() | nodes.Call()
        ):  # fmt: skip
            return None
        case _:
            assert_never(node)
    return OPERATORS[type(node), word]
