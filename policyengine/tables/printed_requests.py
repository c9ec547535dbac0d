"""Print which rules a row satisfies, of an Ibis table whose rows are requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial, reduce
from operator import and_, or_
from typing import Any, Final

import ibis
from ibis.expr import datatypes as dt
from ibis.expr import operations as ops

from policyengine.concurrency import cached_property
from policyengine.filters import ibis_texts as texts
from policyengine.filters.ibis_printing import TYPES, Printer, holds
from policyengine.filters.predicates import (
    OPERATORS,
    And,
    Column,
    Compare,
    Constant,
    Exists,
    HasMore,
    IsOfKind,
    IsPresent,
    Not,
    OneOf,
    Or,
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
        self._once: dict[Any, str] = {}
        self._named: dict[Any, tuple[str, Any]] = {}

    def asked(self, columns: Mapping[str, Any]) -> Any:
        """Return the table with a column for all that was asked, and *columns*.

        What is asked of sets is asked once, and not in each condition that needs it; conditions, once for all targets.
        """
        once = self._table.mutate({name: node.to_expr() for node, name in self._once.items()})
        found = {node: once[name].op() for node, name in self._once.items()}
        found |= {self._table[name].op(): once[name].op() for name in self._table.columns}
        every = {**columns, **dict(self._named.values())}
        return once.mutate({name: of.op().replace(found).to_expr() for name, of in every.items()})

    def _asked_once(self, of: Any) -> Any:
        """Return a truth value, false where it is unknown, that is worked out for all rows at once."""
        total = of.fill_null(False)
        self._once.setdefault(total.op(), f"{ASKED}of sets {len(self._once)}")
        return total

    def _column(self, key: Any, make: Callable[[], Any]) -> str:
        """Return the name of the column with what *make* returns, which is made once."""
        if key not in self._named:
            made = make()
            self._named[key] = f"{ASKED}{len(self._named)}", made
        return self._named[key][0]

    def bit(self, predicate: Predicate) -> str:
        """Return the column that says whether *predicate* is true, which is never NULL."""
        return self._column(("bit", predicate), lambda: self.condition(predicate).fill_null(False))

    def fits(self, rules: SatisfiedRules, limits: Limits) -> Sequence[str]:
        """Return the columns that are all true if a row is surely a request."""
        parts = rules.fits.operands if isinstance(rules.fits, And) else (rules.fits,)
        found = [self._column(part, partial(self.condition, part)) for part in parts]
        found += [
            self._column(path, partial(self._is_absent, path)) for path in sorted(rules.absent)
        ]
        found += [self._column(of, partial(self._set_fits, limits, *of)) for of in rules.sets]
        if "now" in self._columns:
            found.append(self._column("now", self._now_fits))
        return found

    def _is_absent(self, path: str) -> Any:
        return self._table[self._columns[path]].isnull()

    def _now_fits(self) -> Any:
        now = self._table[self._columns["now"]]
        fits = self.is_of_kind(now, "instant") if holds(now.type(), "instant") else False
        return now.isnull() | fits

    def is_text(self, name: str, text: str | None) -> Any:
        """Return whether a column of the table holds a text, or NULL."""
        column = self._table[name]
        if text is None:
            return column.isnull()
        if "\0" not in text and self._is_plain(column):
            return column == ibis.literal(text, type="string")
        return texts.equals(column, text, self._backend)

    def condition(self, predicate: Predicate) -> Any:
        match predicate:
            case Or((Not(IsPresent(column)), IsOfKind(same))) if column == same and column.kind in {
                "text",
                "int",
                "bool",
            }:  # which the type of the column holds it to
                return ibis.literal(True)
            case _:
                return super().condition(predicate)

    def column(self, column: Column) -> Any:
        path = f"{_PATHS[column.alias]}.{column.name}"
        of_one = TYPES[column.kind]
        wanted = dt.Array(of_one) if isinstance(column, SetColumn) else of_one
        if path not in self._columns:
            return ibis.null(wanted)
        found = self._table[self._columns[path]]
        of = found.type()
        if isinstance(column, SetColumn):
            if self._backend not in _ALL_DIFFER or of != _TEXTS:
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
            case Compare(op, Column(kind="text") as left, Column() as right):
                both = self.column(left), self.column(right)
                # Else the bytes of one are compared with those of the other.
                if not all(map(self._is_plain, both)):
                    both = super().exact(left), super().exact(right)
                return OPERATORS[op](*both)
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
        """Whether texts of a column of DuckDB have no collation."""
        if self._backend != "duckdb" or not isinstance(column.op(), ops.Field):
            return self._backend != "pyspark"
        return column.get_name() not in self._collated

    @cached_property
    def _collated(self) -> Collection[str]:
        """The columns of texts that have a collation, asked at once: sets have those of columns of which they were made."""
        found = {name: self._table[name] for name in self._columns.values()}
        asked = {name: _makes_one(of) for name, of in found.items() if _holds_texts(of.type())}
        if not asked:
            return ()
        named = {str(at): same for at, same in enumerate(asked.values())}
        row = self._table.limit(1).select(**named).to_pyarrow()
        return {
            name for name, same in zip(asked, row.columns, strict=True) if any(same.to_pylist())
        }

    def _has_others(self, of: SetColumn, values: Sequence[Any]) -> Any:
        """Return whether an element of a set is none of some texts."""
        return self.column(of).length() > sum(self._has_each(of, values))

    def _has_each(self, of: SetColumn, values: Sequence[Any]) -> Iterator[Any]:
        """Give for each of some texts 1 if a set has it, and else 0."""
        for value in values:
            yield self._has(of, Parameter(value, "text")).cast("int64")

    def _set_fits(
        self, limits: Limits, of: SetColumn, may_lack: Any, names: Sequence[str] | None
    ) -> Any:
        """Return whether a set surely has no NULL and no element twice, and is within the limits."""
        elements = self.column(of)
        number = elements.length()
        if names is not None:
            fits = number == sum(self._has_each(of, names))
        else:
            fits = _ALL_DIFFER[self._backend](elements, limits.string_size)
        fits = self._asked_once((number <= limits.set_size) & fits)
        return elements.isnull() | fits if may_lack else elements.notnull() & fits


_SAME_IN_COLLATIONS: Final = (("A", "a"), ("é", "e"), ("é", "e\u0301"))
"""Texts of which some are equal by each collation of DuckDB but the plain one."""


def _holds_texts(of: Any) -> bool:
    return bool(of.value_type.is_string() if of.is_array() else of.is_string())


def _makes_one(column: Any) -> Any:
    """Return whether a column makes one of texts that differ."""
    never = column.isnull() & column.notnull()
    if column.type().is_array():
        return reduce(
            or_,
            (
                never.ifelse(column, ibis.array([one])).contains(other)
                for one, other in _SAME_IN_COLLATIONS
            ),
        )
    return reduce(or_, (never.ifelse(column, one) == other for one, other in _SAME_IN_COLLATIONS))


def _function(name: str, takes: tuple[Any, ...], gives: Any) -> Any:
    make: Callable[..., Any] = (lambda _: ...) if len(takes) == 1 else lambda _, __: ...
    return ibis.udf.scalar.builtin(make, name=name, signature=(takes, gives))


_to_json: Final = _function("to_json", (_TEXTS,), "json")
_text_to_json: Final = _function("to_json", ("string",), "json")
_json_contains: Final = _function("json_contains", ("json", "json"), "boolean")
_array_compact: Final = _function("array_compact", (_TEXTS,), _TEXTS)
_array_distinct: Final = _function("array_distinct", (_TEXTS,), _TEXTS)
_array_size: Final = _function("array_size", (_TEXTS,), "int64")


_list_unique: Final = _function("list_unique", (_TEXTS,), "int64")
_list_count: Final = _function("list_count", (_TEXTS,), "int64")
_list_extract: Final = _function("list_extract", (_TEXTS, "int64"), "string")
_list_position: Final = _function("list_position", (_TEXTS, "string"), "int64")
_strlen: Final = _function("strlen", ("string",), "int64")
_array_to_string: Final = _function("array_to_string", (_TEXTS, "string"), "string")
_array_join: Final = _function("array_join", (_TEXTS, "string"), "string")


_FEW: Final = 8
"""Of so many elements each is looked for, which takes less time than a table of them."""


def _all_differ_in_duckdb(elements: Any, longest: int) -> Any:
    places = range(2, _FEW + 1)
    few = reduce(
        and_,
        (
            _list_position(elements, _list_extract(elements, at)).fill_null(at) == at
            for at in places
        ),
    )
    different = (elements.length() <= _FEW).ifelse(
        few & (_list_count(elements) == elements.length()),
        _list_unique(elements) == elements.length(),
    )
    return different & (_strlen(_array_to_string(elements, "")) <= longest)


def _all_differ_in_spark(elements: Any, longest: int) -> Any:
    different = _array_size(_array_distinct(_array_compact(elements)))
    return (different == elements.length()) & (_array_join(elements, "").length() <= longest)


_ALL_DIFFER: Final[Mapping[str, Callable[[Any, int], Any]]] = {
    "duckdb": _all_differ_in_duckdb,
    "pyspark": _all_differ_in_spark,
}
"""Whether no element of a set is NULL, in it twice, or longer than may be."""
