"""Simplify expressions: the same meaning with less work. Small functions, each one node deep.

A function gets a node whose parts are simplified already, and returns it or a simpler one. What
might fail is never left out: a rule that fails must do so whatever else it says, so `x and false`
stays, while what comes after `false and` goes.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, Literal

from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.lowered import Duty, Part, Rule, Sentence, Text
from policyengine.model.records import record_class
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DURATION,
    INT,
    PATH,
    STRING,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.values import ABSENT, slot
from policyengine.runtime.operations import EXPORTED

_OPERATORS: Final[Mapping[ir.Relation | ir.Sign, Callable[[Any, Any], object]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "+": operator.add, "-": operator.sub, "*": operator.mul,
    "in": lambda one, other: one in other, "not in": lambda one, other: one not in other,
}  # fmt: skip
_ARITHMETIC = ("+", "-", "*")
_OPPOSITE: Final[Mapping[ir.Relation | ir.Sign, ir.Relation]] = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", "<=": ">", ">": "<=", "in": "not in", "not in": "in",
}  # fmt: skip

TRUE, FALSE = ir.Const(BOOL, True), ir.Const(BOOL, False)


def simplify_rule(rule: Rule) -> Rule:
    """Simplify every expression of *rule*; the order and number of its conditions stay."""

    def part(written: Part) -> Part:
        return Part(written.type, simplify(written.expr), written.words)

    def text(written: Text | None) -> Text | None:
        return written and Text(tuple(p if isinstance(p, str) else part(p) for p in written.parts))

    def sentence(written: Sentence) -> Sentence:
        full = text(written.text)
        assert full is not None
        test = written.test and part(written.test)
        return Sentence(full, text(written.quiet), written.paths, test)

    return replace(
        rule,
        conditions=tuple(map(simplify, rule.conditions)),
        duties=tuple(
            Duty(duty.name, tuple((name, part(argument)) for name, argument in duty.arguments))
            for duty in rule.duties
        ),
        because=text(rule.because),
        otherwise=text(rule.otherwise),
        refer=text(rule.refer),
        sentences=tuple(tuple(map(sentence, about)) for about in rule.sentences),
        keys=tuple(replace(key, part=part(key.part)) for key in rule.keys),
    )


def simplify(node: ir.Expr) -> ir.Expr:
    """Return an expression with the same value for every request, and less to do."""
    if isinstance(node, ir.Let):
        return _without_plain(node)
    made = ir.rebuilt(node, simplify)
    for step in STEPS.get(type(node), ()):
        made = step(made)
    return made


def _without_plain(node: ir.Let) -> ir.Expr:
    """Put an expression that is simple, or read in one place only, in the place of its variable.

    The values come first, so that the body is simplified once.
    """
    bound = dict(zip(node.names, map(simplify, node.values), strict=True))
    uses = _uses(node.body, Counter())
    moved = {name: value for name, value in bound.items() if ir.is_plain(value) or uses[name] <= 1}
    rest = {name: value for name, value in bound.items() if name not in moved}
    body = simplify(replaced(node.body, moved))
    return ir.Let(tuple(rest), tuple(rest.values()), body) if rest else body


def _uses(node: ir.Expr, counts: Counter[str], times: int = 1) -> Counter[str]:
    """Count how often each variable is asked for; in a loop it may be asked for often."""
    match node:
        case ir.Local(name):
            counts[name] += times
        case ir.Quantified(_, _, over, body):
            _uses(over, counts, times)
            _uses(body, counts, 2)
        case _:
            for part in ir.children(node):
                _uses(part, counts, times)
    return counts


def replaced(node: ir.Expr, values: Mapping[str, ir.Expr]) -> ir.Expr:
    """Return *node* with *values* in the place of the variables of these names."""
    if isinstance(node, ir.Local):
        return values.get(node.name, node)
    return ir.rebuilt(node, lambda part: replaced(part, values))


# ---- steps ------------------------------------------------------------------------------


def fold_operators(node: ir.Expr) -> ir.Expr:
    """`1 + 2` is 3, `size({a, b})` is 2."""
    match node:
        case ir.Binary(op, ir.Const(type_, one), ir.Const(of, other)):
            made = type_of_result(op, type_, of) if op in _ARITHMETIC else BOOL
            return ir.Const(made, _OPERATORS[op](one, other))
        case ir.Overlaps(ir.Const(_, frozenset() as one), ir.Const(_, frozenset() as other)):
            return ir.Const(BOOL, not one.isdisjoint(other))
        case ir.AllIn(ir.Const(_, frozenset() as one), ir.Const(_, frozenset() as other)):
            return ir.Const(BOOL, bool(one) and one <= other)
        case ir.Binary("in", ir.Const(_, one), ir.Entry(table, ir.Const(_, name))):
            among: Any = _known(table)
            return node if among is None else ir.Const(BOOL, one in among[name])
        case ir.Overlaps(ir.Entry(table, ir.Const(_, name)), ir.Const(_, frozenset() as other)):
            among = _known(table)
            return node if among is None else ir.Const(BOOL, not other.isdisjoint(among[name]))
        case ir.Operation("lower", (ir.Const(type_, text),)):
            return ir.Const(type_, EXPORTED["lower"](text))
        case ir.Operation(name, arguments):
            values = list(map(_known, arguments))
            if None not in values:
                return ir.Const(_RESULTS.get(name, BOOL), EXPORTED[name](*values))
    return node


def type_of_result(op: ir.Relation | ir.Sign, one: Type, other: Type) -> Type:
    """Return the type of arithmetic with values of two types; `-a` is `0 - a`, whatever `a` is."""
    if op == "-" and one == other == DATETIME:
        return DURATION
    return other if one == INT else one


_RESULTS: Final[Mapping[str, Type]] = {
    "len": INT, "add_months": DATETIME, "prefixes": SetType(PATH),
}  # fmt: skip
"""The types of what operations give that are no conditions."""


def _known(node: ir.Expr) -> object:
    """Return the value of a constant argument; None, which is no value, for any other."""
    match node:
        case ir.Const(_, value) | ir.Data(value):
            return value
        case ir.Above(taxonomy):
            return taxonomy.above
        case ir.Below(taxonomy):
            return taxonomy.below
        case _:
            return None


def fold_values(node: ir.Expr) -> ir.Expr:
    """A set or a record of constants is a constant, and so is an attribute of one."""
    match node:
        case ir.MakeSet(type_, items):
            values = [i.value for i in items if isinstance(i, ir.Const)]
            return ir.Const(type_, frozenset(values)) if len(values) == len(items) else node
        case ir.MakeRecord(type_, parts):
            if all(isinstance(part, ir.Const | ir.Absent) for part in parts):
                given = (part.value if isinstance(part, ir.Const) else ABSENT for part in parts)
                return ir.Const(type_, record_class(type_)(*given))
        case ir.Slot(ir.Const(RecordType() as type_, record), name):
            found = getattr(record, slot(name))
            return ir.Absent() if found is ABSENT else ir.Const(type_.by_name[name].type, found)
        case ir.Present(ir.Const() | ir.Absent() as known):
            return ir.Const(BOOL, not isinstance(known, ir.Absent))
    return node


def fold_entry(node: ir.Expr) -> ir.Expr:
    """`limits[free]` is what the row of `free` has."""
    match node:
        case ir.Entry(ir.Rows(type_, values), ir.Const(_, name)):
            return ir.known(type_.value, type_.row(values, name))
    return node


def fold_not(node: ir.Expr) -> ir.Expr:
    """`not a == b` is `a != b`; numbers are ordered totally, sets are not."""
    match node:
        case ir.Not(ir.Const(type_, value)):
            return ir.Const(type_, not value)
        case ir.Not(ir.Not(inner)):
            return inner
        case ir.Not(ir.Binary(op, left, right, numeric)) if op in _OPPOSITE:
            if op in ("==", "!=", "in", "not in") or numeric:
                return ir.Binary(_OPPOSITE[op], left, right, numeric)
    return node


def fold_and(node: ir.Expr) -> ir.Expr:
    """`a and true` is `a`; `false and a` is false; `a and (b and c)` is one conjunction."""
    if not isinstance(node, ir.And | ir.Or):
        return node
    neutral, ruling = (TRUE, FALSE) if isinstance(node, ir.And) else (FALSE, TRUE)
    kept: list[ir.Expr] = []
    for operand in node.operands:
        inner = operand.operands if isinstance(operand, type(node)) else (operand,)
        kept += [o for o in inner if o != neutral]
    if ruling in kept:
        kept = kept[: kept.index(ruling) + 1]
    if len(kept) <= 1:
        return kept[0] if kept else neutral
    return replace(node, operands=tuple(kept))


def fold_conditions(conditions: Sequence[ir.Expr]) -> tuple[ir.Expr, ...]:
    """Return what is left to ask of *conditions* that are to hold together, in order; `(FALSE,)` if they cannot."""
    match fold_and(ir.And(tuple(conditions))):
        case ir.And(operands):
            return operands
        case only:
            return () if only == TRUE else (only,)


def fold_like(node: ir.Expr) -> ir.Expr:
    """A glob with one star or two asks for what Python is quick at, one without for the same text."""
    match node:
        case ir.Operation("like", (text, ir.Data([whole]))):
            return ir.Binary("==", text, ir.Const(STRING, whole))
        case ir.Operation("like", (text, ir.Data([start, ""]))):
            return ir.Operation("startswith", (text, ir.Const(STRING, start)))
        case ir.Operation("like", (text, ir.Data(["", end]))):
            return ir.Operation("endswith", (text, ir.Const(STRING, end)))
        case ir.Operation("like", (text, ir.Data(["", middle, ""]))):
            return ir.Operation("contains", (text, ir.Const(STRING, middle)))
    return node


def fold_choice(node: ir.Expr) -> ir.Expr:
    """`if true then a else b` is `a`, `if a then true else false` is `a`."""
    match node:
        case ir.Choice(condition, ir.Const(_, True), ir.Const(_, False)):
            return condition
        case ir.Choice(condition, ir.Const(_, False), ir.Const(_, True)):
            return fold_not(ir.Not(condition))
        case ir.Choice(ir.Const(_, value), yes, no):
            return yes if value else no
    return node


def fold_quantified(node: ir.Expr) -> ir.Expr:
    """Of no elements every one satisfies anything, and none does."""
    match node:
        case ir.Quantified(kind, _, ir.Const(_, frozenset() as elements), _) if not elements:
            return ir.Const(BOOL, {"every": True, "some": False}[kind])
    return node


def fold_or(node: ir.Expr) -> ir.Expr:
    """`a == 1 or a == 2` is `a in {1, 2}`, if nothing is between them."""
    if not isinstance(node, ir.Or):
        return node
    made: list[ir.Expr] = []
    for operand in node.operands:
        made[-1:] = joined([*made[-1:], operand])
    return made[0] if len(made) == 1 else ir.Or(tuple(made))


def joined(conditions: Iterable[ir.Expr]) -> list[ir.Expr]:
    """Return conditions of which some one holds if and only if one of those given does.

    Those that ask whether one value is among known ones become one question.
    """
    groups: dict[object, list[ir.Expr]] = {}
    for condition in conditions:
        asked = question(condition)
        groups.setdefault(asked[:2] if asked else condition, []).append(condition)
    return [reduce(_either, group) for group in groups.values()]


def question(node: ir.Expr) -> tuple[Literal["in", "overlaps"], ir.Expr, ir.Const] | None:
    """Return what *node* asks of which value, and the set that it knows."""
    match node:
        case ir.Overlaps(asked, ir.Const() as known):
            return "overlaps", asked, known
        case ir.Binary("in", asked, ir.Const() as known):
            return "in", asked, known
        case ir.Binary("in", ir.Const(type_, value), asked):
            return "overlaps", asked, ir.Const(SetType(type_), frozenset({value}))
        # Records are compared part by part, and of a hash every part must be there.
        case ir.Binary("==", asked, ir.Const(type_, value), numeric=False) if not isinstance(
            type_, RecordType
        ):
            return "in", asked, ir.Const(SetType(type_), frozenset({value}))
        case _:
            return None


def _either(one: ir.Expr, other: ir.Expr) -> ir.Expr:
    """Return one condition for two of the same kind; equal conditions are one anyway."""
    match question(one), question(other):
        case (
            (kind, asked, ir.Const(type_, frozenset() as known)),
            (_, _, ir.Const(_, frozenset() as more)),
        ):
            among = ir.Const(type_, known | more)
            return (
                ir.Overlaps(asked, among) if kind == "overlaps" else ir.Binary("in", asked, among)
            )
        case _:
            return one


STEPS: Final[Mapping[type[ir.Expr], Sequence[Callable[[ir.Expr], ir.Expr]]]] = {
    ir.Binary: (fold_operators,),
    ir.Overlaps: (fold_operators,),
    ir.AllIn: (fold_operators,),
    ir.Operation: (fold_operators, fold_like),
    ir.MakeSet: (fold_values,),
    ir.MakeRecord: (fold_values,),
    ir.Slot: (fold_values,),
    ir.Present: (fold_values,),
    ir.Entry: (fold_entry,),
    ir.Not: (fold_not,),
    ir.And: (fold_and,),
    ir.Or: (fold_and, fold_or),
    ir.Choice: (fold_choice,),
    ir.Quantified: (fold_quantified,),
}
"""What is tried on nodes of each class, once their parts are simplified."""
