"""Put rules that differ only in constants into tables, so that their number does not matter.

Some one of a list of rules is to be satisfied. Rules whose conditions are equal but for constants
have one *shape*; where many have, they become one rule with one question:

* Equalities and memberships (`subject.id == "a1"`, `context.use in {…}`) are the key of a table, in
  which the values of the request are looked up at once.
* What is found there is, if nothing else varies, that there is such a rule; if one set does that must
  have the value asked for (`context.purpose within research`) or something in common with it (`"a1" in
  subject.tags`), all that would do; if one bound does (`subject.age <= 30`), the most generous one; if
  a lower and an upper bound of one value do, the ranges, merged and sorted, so that bisection finds the
  one around the value; if a bound of another value does as well, the most generous one in each range.
* Where more varies and keys leave many rules, each element of a set is part of the key. What then still
  varies is compared with the constants of one rule after the other: only that grows with their number.

What does not vary is asked first, once: so guards stay before what they guard. Rules of one condition are
joined without a table (`simplify.joined`). What tables cannot have, or what rules of many shapes are looked
up by together, is dispatched (`dispatch.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import product
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.dispatch import choose_keys, dispatched
from policyengine.compiler.lowered import Rule
from policyengine.compiler.shapes import (
    FLIPPED,
    KEYED,
    LEAST,
    Aspect,
    Shape,
    Values,
    compared,
    join_constants,
    split_constants,
)
from policyengine.compiler.simplify import question

_MOST_UNITED: Final = 64
"""Elements that the sets of several rules may have, on average of all rules, to be united."""

Found: TypeAlias = Mapping[object, list[Values]]
"""What is found by a key: the constants that are left of each rule."""

Range: TypeAlias = tuple[float, float]
"""From and until: integers or infinite."""


def indexed(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules of which some one is satisfied if and only if one of *rules* is."""
    made, others = dispatched(rules)
    shapes: dict[Shape, list[tuple[Rule, Values]]] = {}
    for rule in others:
        if len(rule.conditions) == 1 and question(rule.conditions[0]) is not None:
            made.append(rule)
        else:
            aspects, constants = split_constants(rule.conditions, anywhere=False)
            shapes.setdefault(aspects, []).append((rule, constants))
    for aspects, group in shapes.items():
        if len(group) < LEAST:
            made += [rule for rule, _ in group]
        else:
            first = group[0][0]
            tests = _tests(aspects, first.conditions, [constants for _, constants in group])
            made.append(replace(first, conditions=tests))
    return made


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
    keys = choose_keys(columns, rows)
    rest = {i: aspect for i, aspect in columns.items() if i not in keys}
    found: dict[object, list[Values]] = {}
    for row in rows:
        for key in product(*(row[i] for i in keys)):
            found.setdefault(key if len(keys) != 1 else key[0], []).append(
                tuple(row[i] for i in rest)
            )
    element = ir.Local("element")
    among = [columns[i].asked for i in keys if columns[i].kind == "overlaps"]
    asked = tuple(element if columns[i].kind == "overlaps" else columns[i].asked for i in keys)
    asking = _question(asked, tuple(rest.values()), found)
    for elements in among:  # of one set, if any
        asking = ir.Quantified("some", element.name, elements, asking)
    return (*common, asking)


def _question(asked: tuple[ir.Expr, ...], rest: tuple[Aspect, ...], found: Found) -> ir.Expr:
    """Return the one question; *found*: by key, the constants that *rest* is compared with."""
    if not rest:
        return ir.Lookup(ir.Table(dict.fromkeys(found, True), default=False), asked)
    if len(rest) == 1 and rest[0].kind in KEYED:
        several = (known for values in found.values() if len(values) > 1 for (known,) in values)
        if sum(map(len, several)) <= _MOST_UNITED * sum(map(len, found.values())):
            united = {key: _united(values) for key, values in found.items()}
            return compared(rest[0], ir.Lookup(ir.Table(united, default=frozenset()), asked))
    if all(aspect.kind in FLIPPED for aspect in rest):
        bounded = _bounded(asked, rest, found)
        if bounded is not None:
            return bounded
    rows = {key: tuple(dict.fromkeys(values)) for key, values in found.items()}
    left = ir.Lookup(ir.Table(rows, default=()), asked)
    row = ir.Local("row")
    tests = join_constants(rest, row)
    return ir.Quantified("some", row.name, left, tests[0] if len(tests) == 1 else ir.And(tests))


def _united(values: Sequence[Values]) -> frozenset[object]:
    """Return what all would do that any of the only constants of *values* has; of one, itself."""
    known: list[frozenset[object]] = list(dict.fromkeys(known for (known,) in values))
    return known[0].union(*known[1:]) if len(known) > 1 else known[0]


def _bounded(asked: tuple[ir.Expr, ...], rest: Sequence[Aspect], found: Found) -> ir.Expr | None:
    """Return the one question where only bounds are left; None if they bound too many values."""
    groups: dict[ir.Expr, list[int]] = {}
    for i, aspect in enumerate(rest):
        groups.setdefault(aspect.asked, []).append(i)
    match sorted(groups.values(), key=len, reverse=True):
        case [[last]]:
            most, nothing = _generous(rest[last])
            bounds = {key: most(v[last] for v in values) for key, values in found.items()}
            bound: ir.Expr = ir.Lookup(ir.Table(bounds, nothing), asked)
        case [those] if _is_range(rest, those):
            ranges = {
                key: _merged(_range(rest, those, v) for v in values)
                for key, values in found.items()
            }
            around = ir.Lookup(ir.Table(ranges, default=()), asked)
            return ir.Between(rest[those[0]].asked, around)
        case [those, [last]] if _is_range(rest, those):
            most, nothing = _generous(rest[last])
            steps = {
                key: _steps([(*_range(rest, those, v), v[last]) for v in values], most, nothing)
                for key, values in found.items()
            }
            table = ir.Lookup(ir.Table(steps, default=((), (nothing,))), asked)
            bound = ir.Operation("step", (rest[those[0]].asked, table))
        case _:
            return None
    return compared(rest[last], bound)


def _generous(aspect: Aspect) -> tuple[Callable[..., Any], float]:
    """Return what chooses the most generous of several bounds, and a bound that nothing keeps."""
    return (max, -math.inf) if aspect.kind in ("<", "<=") else (min, math.inf)


def _is_range(rest: Sequence[Aspect], those: Sequence[int]) -> bool:
    """Whether there is one lower bound at most, and one upper."""
    return len({rest[i].kind[0] for i in those}) == len(those)


def _range(rest: Sequence[Aspect], those: Sequence[int], values: Values) -> Range:
    """Return the range [from, until) that a rule gives for what *those* bound."""
    lower, upper = -math.inf, math.inf
    for i in those:
        kind, value = rest[i].kind, values[i]
        if kind in (">", ">="):
            lower = value + (kind == ">")
        else:
            upper = value + (kind == "<=")
    return lower, upper


def _steps(
    pieces: Sequence[tuple[float, float, int]], most: Callable[..., Any], nothing: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return where the most generous bound of the ranges around a value changes, and to what.

    The first bound is for what lies before all ends.
    """
    sign = -1 if most is max else 1
    waiting = sorted(pieces, reverse=True)
    around: list[tuple[int, float]] = []  # a heap: the most generous first, and until where
    ends: list[float] = []
    bounds: list[float] = [nothing]
    for end in sorted({end for lower, upper, _ in pieces for end in (lower, upper)}):
        while waiting and waiting[-1][0] <= end:
            _, until, bound = waiting.pop()
            heappush(around, (sign * bound, until))
        while around and around[0][1] <= end:
            heappop(around)
        best = sign * around[0][0] if around else nothing
        if best != bounds[-1]:
            ends.append(end)
            bounds.append(best)
    return tuple(ends), tuple(bounds)


def _merged(ranges: Iterable[Range]) -> tuple[float, ...]:
    """Return where ranges [from, until) begin and end, put together, one after the other."""
    ends: list[float] = []
    for lower, upper in sorted(ranges):
        if lower >= upper:
            continue
        if ends and lower <= ends[-1]:
            ends[-1] = max(ends[-1], upper)
        else:
            ends += [lower, upper]
    return tuple(ends)
