"""Print which rules a row satisfies, of an Ibis table whose rows are requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any, Final

import ibis
from ibis.expr import datatypes as dt
from ibis.expr import operations as ops

from policyengine.filters import ibis_texts as texts
from policyengine.filters.ibis_printing import TYPES, Printer, holds
from policyengine.filters.predicates import (
    OPERATORS,
    Column,
    Compare,
    Constant,
    Exists,
    HasMore,
    Not,
    OneOf,
    Parameter,
    Predicate,
    Scalar,
    SetColumn,
    Term,
)
from policyengine.filters.satisfied_rules import PARTS, SatisfiedRules
from policyengine.model.limits import Limits

ASKED: Final = "policyengine asked "
"""What the names of columns of the printer begin with."""

_TEXTS: Final = dt.Array(dt.string)
_PATHS: Final[Mapping[str, str]] = {alias: part for part, alias in PARTS.items()}


class RequestPrinter(Printer):
    """What prints conditions on rows of *table*, which has each part of requests in a column; an optional one may lack."""

    def __init__(self, table: Any, columns: Mapping[str, str]) -> None:
        super().__init__(table.get_backend().name, {}, {})
        self._table, self._columns = table, columns
        self._plain: dict[str, bool] = {}
        self._once: dict[Any, str] = {}

    def told(self, columns: Mapping[str, Any]) -> Any:
        """Return the table with *columns*: what is asked of sets is asked once, and not in each case that needs it."""
        once = self._table.mutate({name: node.to_expr() for node, name in self._once.items()})
        found = {node: once[name].op() for node, name in self._once.items()}
        found |= {self._table[name].op(): once[name].op() for name in self._table.columns}
        named = {name: of.op().replace(found).to_expr() for name, of in columns.items()}
        return once.mutate(named).select(*self._table.columns, *columns)

    def _asked_once(self, of: Any) -> Any:
        """Return a truth value, false where it is unknown, that is worked out for all rows at once."""
        total = of.fill_null(False)
        self._once.setdefault(total.op(), f"{ASKED}{len(self._once)}")
        return total

    def fits(self, rules: SatisfiedRules, limits: Limits) -> Any:
        """Return the condition that a row is surely a request."""
        found = [self.total(rules.fits)]
        found += [self._table[self._columns[path]].isnull() for path in sorted(rules.absent)]
        for column, may_lack, names in rules.sets:
            one = self.column(column)
            fits = self._set_fits(column, names, limits)
            found.append(one.isnull() | fits if may_lack else one.notnull() & fits)
        if "now" in self._columns:
            now = self._table[self._columns["now"]]
            is_moment = holds(now.type(), "instant")
            fits = self.is_of_kind(now, "instant").fill_null(False) if is_moment else False
            found.append(now.isnull() | fits)
        return reduce(and_, found)

    def total(self, predicate: Predicate) -> Any:
        """Return the condition that is true or false of every row."""
        return self.condition(predicate).fill_null(False)

    def is_text(self, name: str, text: str | None) -> Any:
        """Return whether a column of the table holds a text, or NULL."""
        column = self._table[name]
        if text is None:
            return column.isnull()
        return texts.equals(column, text, self._backend).fill_null(False)

    def column(self, column: Column) -> Any:
        path = f"{_PATHS[column.alias]}.{column.name}"
        of_one = TYPES[column.kind]
        wanted = dt.Array(of_one) if isinstance(column, SetColumn) else of_one
        if path not in self._columns:
            return ibis.null(wanted)
        found = self._table[self._columns[path]]
        of = found.type()
        if isinstance(column, SetColumn):
            if self._backend not in _DISTINCT or of != _TEXTS:
                raise self.refused(path, f"{of} is not asked for texts in it")
        elif not holds(of, column.kind):
            raise self.refused(path, f"{of} does not hold the kind {column.kind}")
        return found

    def exists(self, exists: Exists) -> Any:
        """Return whether a set, which has no element twice and no NULL, has such an element."""
        if not isinstance(exists.table, SetColumn):
            return super().exists(exists)
        set_, elements = exists.table, self.column(exists.table)
        match exists.where:
            case Constant(True):
                return elements.length() > 0
            case Compare("==", Column(alias=exists.alias), other) | Compare(
                "==", other, Column(alias=exists.alias)
            ):
                return self._has(set_, other)
            case OneOf(Column(alias=exists.alias), values):
                return reduce(or_, (self._has(set_, Parameter(value, "text")) for value in values))
            case Compare("!=", Column(alias=exists.alias), Parameter(value)):
                return self._has_others(set_, [value])
            case Not(Compare("==", Column(alias=exists.alias), Parameter(value))):
                return self._has_others(set_, [value])
            case Not(OneOf(Column(alias=exists.alias), values)):
                return self._has_others(set_, values)
            case _:
                raise self.refused(
                    exists.table.name, "its elements are asked more than whether they are there"
                )

    def has_more(self, more: HasMore) -> Any:
        if not isinstance(more.table, SetColumn):
            return super().has_more(more)
        return self.column(more.table).length() > more.most

    def exact(self, column: Column) -> Any:
        found = self.column(column)
        plain = column.kind != "text" or self._is_plain(found)
        return found if plain else super().exact(column)

    def compare(self, compare: Compare) -> Any:
        match compare:
            case Compare(op, Column(kind="text") as column, Parameter(str() as text)):
                found = self.column(column)
                if "\0" not in text and self._is_plain(found):
                    return OPERATORS[op](found, ibis.literal(text, type="string"))
        return super().compare(compare)

    def one_of(self, column: Column, values: Sequence[Scalar]) -> Any:
        found = self.column(column)
        written = [value for value in values if isinstance(value, str) and "\0" not in value]
        if len(written) == len(values) and self._is_plain(found):
            return found.isin([ibis.literal(text, type="string") for text in written])
        return super().one_of(column, values)

    def _has(self, of: SetColumn, term: Term) -> Any:
        """Return whether an element of a set is a text."""
        elements = self.column(of)
        if isinstance(term, Column):
            value = self.column(term)
        elif "\0" in str(term.value):
            raise self.refused(of.name, "a statement with U+0000 may be refused")
        else:
            value = ibis.literal(term.value, type="string")
        if self._backend == "pyspark":
            exact = elements.map(lambda element: texts.exact(element, "pyspark"))
            return self._asked_once(exact.contains(texts.exact(value, "pyspark")))
        found = elements.contains(value)
        if self._is_plain(elements) and (isinstance(term, Parameter) or self._is_plain(value)):
            return self._asked_once(found)
        return self._asked_once(found & _json_contains(_to_json(elements), _text_to_json(value)))

    def _is_plain(self, column: Any) -> bool:
        """Whether texts of a column of DuckDB have no collation: sets have those of columns of which they were made."""
        if self._backend != "duckdb" or not isinstance(column.op(), ops.Field):
            return self._backend != "pyspark"
        name = column.get_name()
        if name not in self._plain:
            is_set, never = column.type().is_array(), column.isnull() & column.notnull()
            same = []
            for one, other in _SAME_IN_COLLATIONS:
                if is_set:
                    same.append(never.ifelse(column, ibis.array([one])).contains(other))
                else:
                    same.append(never.ifelse(column, one) == other)
            asked = self._table.limit(1).select(same=reduce(or_, same))
            self._plain[name] = not any(asked.to_pyarrow()["same"].to_pylist())
        return self._plain[name]

    def _has_others(self, of: SetColumn, values: Sequence[Any]) -> Any:
        """Return whether an element of a set is none of some texts."""
        return self.column(of).length() > sum(self._has_each(of, values))

    def _has_each(self, of: SetColumn, values: Sequence[Any]) -> Iterator[Any]:
        """Give for each of some texts 1 if a set has it, and else 0."""
        for value in values:
            yield self._has(of, Parameter(value, "text")).cast("int64")

    def _set_fits(self, of: SetColumn, names: Sequence[str] | None, limits: Limits) -> Any:
        """Return whether a set surely has no NULL and no element twice, and is within the limits."""
        elements = self.column(of)
        number = elements.length()
        if names is not None:
            few = number == sum(self._has_each(of, names))
        else:
            few = (_DISTINCT[self._backend](elements) == number) & (
                _JOINED[self._backend](elements, "").length() <= limits.string_size
            )
        return self._asked_once((number <= limits.set_size) & few)


_SAME_IN_COLLATIONS: Final = (("A", "a"), ("é", "e"), ("é", "e\u0301"))
"""Texts of which some are equal by each collation of DuckDB but the plain one."""


def _function(name: str, takes: tuple[Any, ...], gives: Any) -> Any:
    make: Callable[..., Any] = (lambda _: ...) if len(takes) == 1 else lambda _, __: ...
    return ibis.udf.scalar.builtin(make, name=name, signature=(takes, gives))


_to_json: Final = _function("to_json", (_TEXTS,), "json")
_text_to_json: Final = _function("to_json", ("string",), "json")
_json_contains: Final = _function("json_contains", ("json", "json"), "boolean")
_array_compact: Final = _function("array_compact", (_TEXTS,), _TEXTS)
_array_distinct: Final = _function("array_distinct", (_TEXTS,), _TEXTS)
_array_size: Final = _function("array_size", (_TEXTS,), "int64")


_DISTINCT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "duckdb": _function("list_unique", (_TEXTS,), "int64"),
    "pyspark": lambda elements: _array_size(_array_distinct(_array_compact(elements))),
}  # fmt: skip
"""How many elements differ, NULL aside."""

_JOINED: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "duckdb": _function("array_to_string", (_TEXTS, "string"), "string"),
    "pyspark": _function("array_join", (_TEXTS, "string"), "string"),
}  # fmt: skip
