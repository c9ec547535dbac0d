"""Put rules that differ only in constants into tables, so that their number does not matter.

Some one of a list of rules is to be satisfied. Rules whose conditions are alike but for constants
have one *shape*; where many have, they become one rule with one question:

* Equalities and memberships (`subject.id == "a1"`, `context.use in {…}`) are the key of a table, in
  which the values of the request are looked up at once.
* What is found there is, if nothing else varies, that there is such a rule; if one bound does
  (`subject.age <= 30`), the most generous one; if two do, the ranges, merged and sorted, so that
  bisection finds the one around the value; else the constants of each rule that is left, one by one.

What does not vary is asked first, once: so guards stay before what they guard. Rules that begin or
end at a moment, and those that a waiver is for, stay as they are; rules of one condition are joined
without a table (`simplify.joined`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

from attrs import evolve, frozen

from policyengine.compiler import ir
from policyengine.compiler.lower import Rule
from policyengine.compiler.simplify import question
from policyengine.model.types import INT

LEAST: Final = 8
"""Rules of one shape that are worth a table."""

_MOST_KEYS: Final = 4
"""Keys for each rule, on average, that a table may take."""

_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

Values: TypeAlias = tuple[Any, ...]


@frozen
class Aspect:
    """One condition without its constant: how the value of *asked* is compared."""

    kind: str
    asked: ir.Expr


def indexed(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules of which some one is satisfied if and only if one of *rules* is."""
    made: list[Rule] = []
    shapes: dict[tuple[Aspect | ir.Expr, ...], list[tuple[Rule, Values]]] = {}
    for rule in rules:
        joins = len(rule.conditions) == 1 and question(rule.conditions[0]) is not None
        if rule.is_dated or joins or rule.waivers:
            made.append(rule)
        else:
            aspects, constants = _taken_apart(rule.conditions)
            shapes.setdefault(aspects, []).append((rule, constants))
    for aspects, group in shapes.items():
        if len(group) < LEAST:
            made += [rule for rule, _ in group]
        else:
            first = group[0][0]
            tests = _tests(aspects, first.conditions, [constants for _, constants in group])
            made.append(evolve(first, conditions=tests))
    return made


def _taken_apart(conditions: Sequence[ir.Expr]) -> tuple[tuple[Aspect | ir.Expr, ...], Values]:
    """Return what each condition asks, and the constant that it compares with; None if none."""
    aspects: list[Aspect | ir.Expr] = []
    constants: list[object] = []
    for condition in conditions:
        asked = question(condition)
        match condition:
            case _ if asked is not None:
                aspects.append(Aspect(asked[0], asked[1]))
                constants.append(asked[2].value)
            case ir.Binary("==", left, ir.Const(_, value)):
                aspects.append(Aspect("in", left))
                constants.append(frozenset({value}))
            case ir.Binary("<" | "<=" | ">" | ">=" as op, left, ir.Const(_, int(value)), True):
                aspects.append(Aspect(op, left))
                constants.append(value)
            case ir.Binary("<" | "<=" | ">" | ">=" as op, ir.Const(_, int(value)), right, True):
                aspects.append(Aspect(_FLIPPED[op], right))
                constants.append(value)
            case _:
                aspects.append(condition)
                constants.append(None)
    return tuple(aspects), tuple(constants)


def _tests(
    aspects: Sequence[Aspect | ir.Expr], conditions: Sequence[ir.Expr], rows: Sequence[Values]
) -> tuple[ir.Expr, ...]:
    """Return conditions that hold if and only if they do with the constants of one of *rows*."""
    varying = [i for i, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1]
    common = tuple(c for i, c in enumerate(conditions) if i not in varying)
    if not varying:
        return common
    columns: dict[int, Aspect] = {}
    for i in varying:
        aspect = aspects[i]
        assert isinstance(aspect, Aspect), "what has no constant does not vary"
        columns[i] = aspect
    keys = _keys(columns, rows)
    rest = {i: aspect for i, aspect in columns.items() if i not in keys}
    asked = tuple(columns[i].asked for i in keys)
    found: dict[object, list[Values]] = {}
    for row in rows:
        for key in product(*(row[i] for i in keys)):
            found.setdefault(key if len(keys) != 1 else key[0], []).append(
                tuple(row[i] for i in rest)
            )
    return (*common, _question(asked, tuple(rest.values()), found))


def _keys(columns: Mapping[int, Aspect], rows: Sequence[Values]) -> list[int]:
    """Choose the columns that rules are looked up by."""
    keys: list[int] = []
    sizes = [1] * len(rows)
    for i in sorted(
        (i for i, aspect in columns.items() if aspect.kind == "in"),
        key=lambda i: sum(len(row[i]) for row in rows),
    ):
        more = [size * len(row[i]) for size, row in zip(sizes, rows, strict=True)]
        if sum(more) <= _MOST_KEYS * len(rows):
            keys.append(i)
            sizes = more
    return sorted(keys)


def _question(
    asked: tuple[ir.Expr, ...], rest: Sequence[Aspect], found: Mapping[object, list[Values]]
) -> ir.Expr:
    """Return the one question; *found*: by key, the constants that *rest* is compared with."""
    kinds = [aspect.kind for aspect in rest]
    if not rest:
        return ir.Lookup(ir.Table(dict.fromkeys(found, True), default=False), asked)
    if len(rest) == 1 and kinds[0] in _FLIPPED:
        most = max if kinds[0] in ("<", "<=") else min
        bounds = {key: most(value for (value,) in values) for key, values in found.items()}
        nothing = -math.inf if most is max else math.inf
        bound = ir.Lookup(ir.Table(bounds, default=nothing), asked)
        return ir.Binary(kinds[0], rest[0].asked, bound, numeric=True)
    if len(rest) == 2 and rest[0].asked == rest[1].asked:  # noqa: PLR2004 - a lower and an upper bound
        lower = next((i for i, kind in enumerate(kinds) if kind in (">", ">=")), None)
        upper = next((i for i, kind in enumerate(kinds) if kind in ("<", "<=")), None)
        if lower is not None and upper is not None:
            above, below = int(kinds[lower] == ">"), int(kinds[upper] == "<=")
            ranges = {
                key: _merged((v[lower] + above, v[upper] + below) for v in values)
                for key, values in found.items()
            }
            around = ir.Lookup(ir.Table(ranges, default=()), asked)
            return ir.Operation("between", (rest[0].asked, around))
    rows = {key: tuple(dict.fromkeys(values)) for key, values in found.items()}
    left = ir.Lookup(ir.Table(rows, default=()), asked)
    row = ir.Local("row")
    tests = tuple(
        _compared(aspect, ir.Entry(row, ir.Const(INT, i))) for i, aspect in enumerate(rest)
    )
    return ir.Quantified("some", row.name, left, tests[0] if len(tests) == 1 else ir.And(tests))


def _compared(aspect: Aspect, constant: ir.Expr) -> ir.Expr:
    if aspect.kind == "overlaps":
        return ir.Overlaps(aspect.asked, constant)
    return ir.Binary(aspect.kind, aspect.asked, constant, numeric=aspect.kind in _FLIPPED)


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return where ranges [from, until) begin and end, put together, one after the other."""
    ends: list[int] = []
    for lower, upper in sorted(ranges):
        if lower >= upper:
            continue
        if ends and lower <= ends[-1]:
            ends[-1] = max(ends[-1], upper)
        else:
            ends += [lower, upper]
    return tuple(ends)
