"""Look rules up by what they compare with constants, and ask the few that are found.

An equality or a membership is a key even where no table has the rest of the rule (`like`, `within`,
`!=`, `or`, another path): each key leads to the rules that it finds, as the number of a *test* and the
constants that the test takes. There is one test for each shape, not for each rule.

* Rules of different shapes that ask for one value (`subject.tenant == "t1" and …`) are looked up at once,
  unless a shape has so many rules with one key that tables of its own serve it better.
* Rules of one shape are looked up by as many keys as they have, where tables could not have all of it.

What a key reads may be absent only behind a guard (`has`), which is then asked before. A test has the
other conditions in their order. What is not worth a dispatch is left to tables (`index.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.emitter import ROW
from policyengine.compiler.lowered import Rule
from policyengine.compiler.shapes import (
    KEYED,
    LEAST,
    Aspect,
    Shape,
    Values,
    compared,
    compared_with_one,
    split_constants,
)
from policyengine.compiler.simplify import question
from policyengine.model.types import INT

_MOST_KEYS: Final = 4
"""Keys for each rule, on average, that a table may take."""

_FEW: Final = 4
"""Rules with one key, on average, that are looked at one by one."""

_INLINE: Final = 3
_TABLE: Final = 15
_TEST: Final = 10
_LOOK_UP: Final = {"in": 15, "overlaps": 60}
"""About how long it takes to ask a rule that is written in the code, a table, a test that was found, and to
find tests by a value or by each element of a set."""

Group: TypeAlias = list[tuple[Rule, Values]]
"""Rules of one shape, and their constants."""

Path: TypeAlias = tuple[str, ir.Expr, tuple[ir.Expr, ...]]
"""What a key asks for: the kind of the comparison, the value, and what guards it."""


class _Keyed(Struct, frozen=True, eq=False):
    """The rules of one shape, and which of its conditions are keys, behind which guards."""

    shape: Shape
    group: Group
    keys: tuple[int, ...]
    guards: tuple[ir.Expr, ...]


def dispatched(
    rules: Iterable[Rule], marks: Mapping[str, int] | None = None
) -> tuple[list[Rule], list[Rule]]:
    """Return rules that look some of *rules* up, and the others.

    Some one of all those is satisfied if and only if one of *rules* is. With *marks*, by the ids of the
    rules, it matters which one is: the last condition of a rule that looks up then gives all their marks.
    """
    groups: dict[Shape, Group] = {}
    others: list[Rule] = []
    for rule in rules:
        joins = len(rule.conditions) == 1 and question(rule.conditions[0]) is not None
        if joins and marks is None:
            others.append(rule)
        else:
            shape, row = split_constants(rule.conditions)
            groups.setdefault(shape, []).append((rule, row))
    made: list[Rule] = []
    for together in _shared(groups, marked=marks is not None):
        made.append(_dispatch(together, marks))
        for keyed in together:
            del groups[keyed.shape]
    for shape, group in groups.items():
        alone = _alone(shape, group, marked=marks is not None)
        if alone is None:
            others += [rule for rule, _ in group]
        else:
            made.append(_dispatch([alone], marks))
    return made, others


# ---- keys -------------------------------------------------------------------------------


def _shared(groups: Mapping[Shape, Group], *, marked: bool) -> Iterator[list[_Keyed]]:
    """Give what is worth being looked up together by one value, what gains most first."""
    paths: dict[Path, list[tuple[_Keyed, Counter[object]]]] = {}
    for shape, group in groups.items():
        # By one value a shape is looked up once, also if two of its conditions ask for it.
        for path, at in {path: at for at, path in _paths(shape, marked=marked)}.items():
            counts = Counter(key for _, row in group for key in row[at])
            entries = sum(counts.values())
            if entries <= _MOST_KEYS * len(group) and _found(counts) <= _FEW:
                keyed = _Keyed(shape, group, (at,), path[-1])
                paths.setdefault(path, []).append((keyed, counts))
    while paths:
        gains = {path: _gain(path[0], found, marked=marked) for path, found in paths.items()}
        best = max(gains, key=gains.__getitem__)
        if gains[best] <= 0:
            return
        together = [keyed for keyed, _ in paths.pop(best)]
        yield together
        gone = {keyed.shape for keyed in together}
        left = {
            path: [one for one in found if one[0].shape not in gone]
            for path, found in paths.items()
        }
        paths = {path: found for path, found in left.items() if found}


def _gain(kind: str, found: Sequence[tuple[_Keyed, Counter[object]]], *, marked: bool) -> float:
    """Return about how much less it takes to look these rules up together than each shape alone.

    A table does not say which of its rules holds, so it is nothing for rules that are *marked*.
    """
    if len(found) == 1 and not marked:
        return 0
    most = math.inf if marked else _TABLE
    apart = sum(min(_INLINE * len(keyed.group), most) for keyed, _ in found)
    together: Counter[object] = Counter()
    for _, counts in found:
        together.update(counts)
    return apart - _LOOK_UP[kind] - _TEST * _found(together)


def _found(counts: Counter[Any]) -> float:
    """Return how many rules a key finds, on average of the rules."""
    return sum(n * n for n in counts.values()) / max(1, sum(counts.values()))


def _alone(shape: Shape, group: Group, *, marked: bool) -> _Keyed | None:
    """Return what rules of one shape are looked up by, where tables could not have all of them."""
    rows = [row for _, row in group]
    different = _varying(rows)
    if len(group) < LEAST or (not marked and _is_one_table(shape, group, different)):
        return None
    paths = _paths(shape, marked=marked)
    guarded = {at: path[-1] for at, path in paths if at in different}
    columns = {at: aspect for at in guarded if isinstance(aspect := shape[at], Aspect)}
    keys = choose_keys(columns, rows, others=len(different) - len(columns))
    counts = Counter(key for row in rows for key in product(*(row[at] for at in keys)))
    if not keys or _LOOK_UP["in"] + _TEST * _found(counts) > _INLINE * len(group):
        return None
    guards = dict.fromkeys(guard for at in keys for guard in guarded[at])
    return _Keyed(shape, group, tuple(keys), tuple(guards))


def _is_one_table(shape: Shape, group: Group, different: Iterable[int]) -> bool:
    """Whether one table can have all of *group*: whether conditions differ as tables compare, alone."""
    if all(isinstance(a := shape[at], Aspect) and a.kind != "holds" for at in different):
        return True
    return len({split_constants(rule.conditions, anywhere=False)[0] for rule, _ in group}) == 1


def _varying(rows: Sequence[Values]) -> set[int]:
    """Return the numbers of the constants in which *rows* differ."""
    return {i for i, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1}


def choose_keys(
    columns: Mapping[int, Aspect], rows: Sequence[Values], *, others: int = 0
) -> list[int]:
    """Choose the columns that rules are looked up by; of sets one at most, by each element.

    *others*: how many constants vary beside *columns*.
    """
    keys: list[int] = []
    sizes = [1] * len(rows)
    for i in sorted(
        (i for i, aspect in columns.items() if aspect.kind in KEYED),
        key=lambda i: (columns[i].kind == "overlaps", sum(len(row[i]) for row in rows)),
    ):
        more = [size * len(row[i]) for size, row in zip(sizes, rows, strict=True)]
        if sum(more) > _MOST_KEYS * len(rows):
            continue
        if columns[i].kind == "overlaps":
            different = {tuple(row[key] for key in keys) for row in rows}
            alone = len(columns) + others == len(keys) + 1
            if alone or len(rows) <= _FEW * len(different):
                break
        keys.append(i)
        sizes = more
        if columns[i].kind == "overlaps":
            break
    return sorted(keys)


def _paths(shape: Shape, *, marked: bool) -> Iterator[tuple[int, Path]]:
    """Give the number of each condition that may be a key, and what it asks for.

    Marks of what is found by each element of a set are not gathered.
    """
    kinds = KEYED[:1] if marked else KEYED
    for at, aspect in enumerate(shape):
        if isinstance(aspect, Aspect) and aspect.kind in kinds:
            guards = _guards(aspect.asked)
            if guards is not None and set(guards).issubset(shape[:at]):
                yield at, (aspect.kind, aspect.asked, guards)


def _guards(node: ir.Expr) -> tuple[ir.Expr, ...] | None:
    """Return what must be present for *node* to be read, in order; None if it is no path.

    A string may be lowered.
    """
    guards: list[ir.Expr] = []
    while not isinstance(node, ir.Root):
        match node:
            case ir.Slot(object_, _, optional):
                if optional:
                    guards.append(ir.Present(node))
                node = object_
            case (
                ir.Id(inner)
                | ir.Line(inner)
                | ir.Entity(_, inner)
                | ir.Operation("lower" | "prefixes", (inner,))
            ):
                node = inner
            case ir.Rows():
                break
            case ir.Entry(table, term):
                before, last = _guards(table), _guards(term)
                if before is None or last is None:
                    return None
                return (*before, *last, *reversed(guards))
            case _:
                return None
    return tuple(reversed(guards))


# ---- dispatching ------------------------------------------------------------------------


def _dispatch(together: Sequence[_Keyed], marks: Mapping[str, int] | None) -> Rule:
    """Return a rule that looks up those of several shapes that have the same keys."""
    places: dict[object, list[tuple[int, Rule, Values]]] = {}
    for number, keyed in enumerate(together):
        for rule, row in keyed.group:
            for key in product(*(row[at] for at in keyed.keys)):
                places.setdefault(key if len(key) != 1 else key[0], []).append((number, rule, row))
    first = together[0]
    aspects = [aspect for at in first.keys if isinstance(aspect := first.shape[at], Aspect)]
    element = ir.Local("element")
    asked = tuple(element if a.kind == "overlaps" else a.asked for a in aspects)
    asking: ir.Expr
    if marks is None and len(together) == 1 and all(len(rows) == 1 for rows in places.values()):
        test = _test(first, before=0)
        only = {key: test.row(row) for key, [(_, _, row)] in places.items()}
        if len(test.columns) == 1:  # which needs no row
            alone = {key: constant for key, (constant,) in only.items()}
            asking = ir.Found(ir.Table(alone, None), asked, _without_row(test.condition))
        else:
            asking = ir.Found(ir.Table(only, None), asked, test.condition)
    else:
        tests = [_test(keyed, before=1 if marks is None else 2) for keyed in together]
        # Rows of one key are made one after the other, to lie in one place.
        found = {
            key: tuple(
                [
                    (n, *(() if marks is None else (marks[rule.id],)), *tests[n].row(row))
                    for n, rule, row in rows
                ]
            )
            for key, rows in places.items()
        }
        like = tuple(keyed.group[0][0].id for keyed in together)
        conditions = tuple(test.condition for test in tests)
        table = ir.Table(found, default=())
        asking = ir.Dispatch(table, asked, conditions, like, gathers=marks is not None)
    for aspect in aspects:
        if aspect.kind == "overlaps":  # of one set at most
            asking = ir.Quantified("some", element.name, aspect.asked, asking)
    return replace(first.group[0][0], conditions=(*first.guards, asking))


class _Test(Struct, frozen=True, eq=False):
    """The test that rules of one shape, once found, must pass.

    *columns*: which of their constants the condition takes, and whether of each set its only element.
    """

    condition: ir.Expr
    columns: tuple[tuple[int, bool], ...]

    def row(self, values: Values) -> Values:
        """Return which of *values*, the constants of a rule, stand in its row."""
        return tuple(
            [values[at] if not only else next(iter(values[at])) for at, only in self.columns]
        )


def _test(keyed: _Keyed, before: int) -> _Test:
    """Return the test of rules whose constants stand in a row *before* which there are other values."""
    rows = [row for _, row in keyed.group]
    different = _varying(rows)
    first = keyed.group[0][0].conditions
    conditions: list[ir.Expr] = []
    columns: list[tuple[int, bool]] = []
    for at, aspect in enumerate(keyed.shape):
        if at in keyed.keys or aspect in keyed.guards:
            continue
        if not isinstance(aspect, Aspect) or at not in different:
            conditions.append(first[at])
            continue
        only = aspect.kind in KEYED and all(len(row[at]) == 1 for row in rows)
        constant = ir.Entry(ir.Local(ROW), ir.Const(INT, before + len(columns)))
        columns.append((at, only))
        conditions.append((compared_with_one if only else compared)(aspect, constant))
    return _Test(ir.conjunction(conditions), tuple(columns))


def _without_row(test: ir.Expr) -> ir.Expr:
    """Return a test whose only constant is asked for as `row`, not as an element of one."""
    if isinstance(test, ir.Entry) and test.table == ir.Local(ROW):
        return test.table
    return ir.rebuilt(test, _without_row)
