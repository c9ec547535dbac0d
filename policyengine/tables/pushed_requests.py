"""Have a database say which rows of a table of requests have the same decision, so that few are decided here.

To each row comes its target, NULL where it is not sure that the row is a request whose decision columns tell, and a bit
for each rule of the target that it satisfies (`filters.satisfied_rules`). Rows that are equal in these have
the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add, and_, or_
from typing import Any, Final

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from policyengine.filters.mapping import IncompleteMapping
from policyengine.filters.predicates import NotPushable
from policyengine.filters.satisfied_rules import satisfied_rules
from policyengine.model.limits import Limits
from policyengine.model.types import TargetKey
from policyengine.semantics.checked import CheckedSet
from policyengine.tables.printed_requests import ASKED, RequestPrinter
from policyengine.tables.request_columns import PROBLEM

_BITS: Final = 60
"""The rules that one column tells."""

_MOSTTARGETS: Final = 100
"""The actions and types that rows may have together."""

TOLD: Final = "policyengine told "
"""What the names of the columns begin with that tell rows apart."""

TARGET: Final = f"{TOLD}target"
"""The column with the number of the target, NULL in rows that are not told apart."""

_WORD: Final = f"{TOLD}rules"
_NUMBER: Final = f"{ASKED}target"

_NAMING: Final = ("action", "subject.type", "resource.type")


def told_apart(
    checked: CheckedSet, limits: Limits, table: Any, columns: Mapping[str, str]
) -> Any | None:
    """Return *table* with the columns that tell decisions apart, whose names begin as `TOLD`; None if none do."""
    if any(name.startswith((TOLD, ASKED)) for name in table.columns):
        return None
    naming = {path: columns[path] for path in _NAMING if path in columns}
    if not all(table[name].type().is_string() for name in naming.values()):
        return None
    targets: dict[TargetKey, list[dict[str, str | None]]] = {}
    for row in _combinations(table, naming):
        target = _target(checked, row)
        if target is not None:
            targets.setdefault(target, []).append(row)
    printer, told = RequestPrinter(table, columns), []
    for target, named in targets.items():
        try:
            rules = satisfied_rules(checked, target, limits, columns)
            bits = [*map(printer.bit, rules.bits)]
            fits = printer.fits(rules, limits)
        except (NotPushable, IncompleteMapping):
            continue
        rows = (
            reduce(and_, (printer.is_text(naming[path], value) for path, value in row.items()))
            for row in named
        )
        told.append((reduce(or_, rows) if naming else ibis.literal(True), fits, bits))
    if not told:
        return None
    number = ibis.cases(*((rows, number) for number, (rows, _, _) in enumerate(told)))
    asked = printer.asked({_NUMBER: number})
    of_all = [name for name in told[0][1] if all(name in fits for _, fits, _ in told)]
    is_of = (
        (number, _all_of(asked, [name for name in fits if name not in of_all]).ifelse(number, None))
        for number, (_, fits, _) in enumerate(told)
    )
    made = {TARGET: _all_of(asked, of_all).ifelse(asked[_NUMBER].cases(*is_of), None)}
    for at in range(0, max(len(bits) for _, _, bits in told), _BITS):
        words = (
            (number, _word([asked[name] for name in bits[at : at + _BITS]]))
            for number, (_, _, bits) in enumerate(told)
        )
        made[f"{_WORD} {at}"] = asked[_NUMBER].cases(*words)
    return asked.mutate(made).select(*table.columns, *made)


def _combinations(table: Any, naming: Mapping[str, str]) -> Sequence[dict[str, str | None]]:
    """Return which actions and types there are together; none if there are too many."""
    if not naming:
        return [{}]
    found = table.select(**naming).distinct().limit(_MOSTTARGETS + 1).to_pyarrow()
    return found.to_pylist() if found.num_rows <= _MOSTTARGETS else []


def _target(checked: CheckedSet, row: Mapping[str, str | None]) -> TargetKey | None:
    """Return the target of rows with such an action and such types, None if they have none."""
    actions = checked.schema.actions
    only = next(iter(actions), None) if len(actions) == 1 else None
    action = actions.get(row["action"] or "") if "action" in row else actions.get(only or "")
    if action is None:
        return None
    types = []
    for path, allowed in (("subject.type", action.subjects), ("resource.type", action.resources)):
        type_ = row.get(path)
        if type_ is None and len(allowed) == 1:
            type_ = allowed[0]
        if type_ is None or type_ not in allowed:
            return None
        types.append(type_)
    return action.name, types[0], types[1]


def _all_of(asked: Any, names: Sequence[str]) -> Any:
    return reduce(and_, (asked[name] for name in names), ibis.literal(True))


def _word(bits: Sequence[Any]) -> Any:
    return reduce(
        add,
        (bit.cast("int64") * (1 << at) for at, bit in enumerate(bits)),
        ibis.literal(0, type="int64"),
    )


def groups_of(rows: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Return the number of the group of each row, NULL where it has none, and the first row of each group."""
    told = [name for name in rows.column_names if name.startswith(TOLD)]
    code: Any = None
    for name in told:
        encoded = rows[name].combine_chunks().dictionary_encode()
        index = encoded.indices.cast(pa.int64())
        if code is None:
            code = index
        else:
            code = pc.add(pc.multiply(code, max(1, len(encoded.dictionary))), index)
            code = code.dictionary_encode().indices.cast(pa.int64())
    numbers = code.dictionary_encode().indices
    at = pc.cumulative_sum(pa.repeat(1, rows.num_rows))
    firsts = pa.table({"group": numbers, "at": at}).group_by("group").aggregate([("at", "min")])
    firsts = firsts.filter(pc.is_valid(firsts["group"])).sort_by("group")
    return numbers, pc.subtract(firsts["at_min"].combine_chunks(), 1)


def are_sure(gained: pa.Table) -> pa.ChunkedArray:
    """Return of what each kind of rows gains whether all of them do: none was to be no request, or hold for a time."""
    return pc.and_(pc.is_null(gained[PROBLEM]), pc.is_null(gained["valid_until"]))
