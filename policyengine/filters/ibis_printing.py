"""Print a predicate as a condition of Ibis, for tables in DuckDB, PostgreSQL, Polars, Spark and SQLite.

Where a column is NULL, an atom is unknown, and the row is not returned: that is false. A negation first says that
its operand is false where it is unknown. Text is compared as bytes of UTF-8 where a database has collations, of
which Ibis knows nothing; the plain comparison is beside it where that lets indexes and statistics be used, since
whatever has equal bytes is equal by every collation.

Rows of other tables are asked for by membership in a subquery that stands alone, where one pair of columns connects
them. Else it refers to the row outside, which Polars cannot, and Spark not everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any, Final, assert_never

try:
    import ibis
    from ibis.expr import datatypes as dt
    from ibis.expr import operations as ops
except ImportError:
    raise ImportError("filters for Ibis need it: install `policyengine-dsl[tables]`") from None

from policyengine.filters import ibis_texts as texts
from policyengine.filters.ibis_texts import Backend
from policyengine.filters.predicates import (
    OPERATORS,
    ROWS,
    Ancestor,
    And,
    Column,
    Compare,
    Comparison,
    Constant,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    IsWithin,
    Kind,
    Matches,
    Not,
    NotPushable,
    OneOf,
    Or,
    Parameter,
    Predicate,
    Scalar,
    Source,
    both,
    columns_of,
    either,
    negated,
    refuse_parts,
    walk,
)

_NAMES: Final[dict[Backend, str]] = {
    "duckdb": "DuckDB", "polars": "Polars", "sqlite": "SQLite", "postgres": "PostgreSQL", "pyspark": "Spark",
}  # fmt: skip
TYPES: Final[dict[Kind, Any]] = {
    "text": dt.string, "int": dt.int64, "bool": dt.boolean,
    "decimal": dt.Decimal(18, 4), "instant": dt.Timestamp(timezone="UTC", scale=6),
}  # fmt: skip
"""The type of columns of each kind."""

_MOST: Final = Decimal("99999999999999.9999")
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_ONE: Final = ibis.literal(1)


def ibis_condition(predicate: Predicate, rows: Any, tables: Mapping[str, Any]) -> Any:
    """Return the expression that selects the rows of *rows*, a table of Ibis, of which *predicate* is true.

    `rows.filter(…)` takes it. *tables*: other tables, by the names that the predicate gives them. Raises
    `NotPushable` for what the database of *rows* cannot say exactly.
    """
    backend = rows.get_backend().name
    if backend not in _NAMES:
        named = ", ".join(_NAMES.values())
        raise NotPushable("a filter", (), backend, f"filters of Ibis are for {named}")
    refuse_parts(predicate, f"Ibis on {_NAMES[backend]}")
    return Printer(backend, tables, {ROWS: rows}).condition(predicate)


class Printer:
    """What prints conditions, where *scope* has the tables of the aliases around."""

    def __init__(
        self, backend: Backend, tables: Mapping[str, Any], scope: Mapping[str, Any]
    ) -> None:
        self._backend, self._tables, self._scope = backend, tables, scope

    def condition(self, predicate: Predicate) -> Any:
        match predicate:
            case Constant(value):
                return ibis.literal(value)
            case Not(And(operands)):
                return self.condition(either(map(negated, operands)))
            case Not(Or(operands)):
                return self.condition(both(map(negated, operands)))
            case Not(operand):
                printed = self.condition(operand)
                return ~(printed if _is_total(printed) else printed.fill_null(False))
            case And(operands):
                return reduce(and_, map(self.condition, operands))
            case Or(operands):
                return reduce(or_, map(self.condition, operands))
            case Exists():
                return self.exists(predicate)
            case HasMore():
                return self.has_more(predicate)
            case Ancestor(table):
                reason = "Ibis has no recursive queries: ancestors must be in a `ClosureTable`"
                raise self.refused(f"ancestors in {table}", reason)
            case IsPresent(column):
                return self.column(column).notnull()
            case IsOfKind(column):
                return self.is_of_kind(self.column(column), column.kind)
            case Compare():
                return self.compare(predicate)
            case OneOf(column, values):
                return self.one_of(column, values)
            case Matches(column, pieces):
                if not all(texts.may_be_stored(piece, self._backend) for piece in pieces):
                    return ibis.literal(False)
                return texts.matches(self.column(column), pieces, self._backend)
            case IsLonger(column, most):
                return texts.is_longer(self.column(column), most, self._backend)
            case IsWithin():
                raise self.refused("within", "it is not asked for addresses")
            case _:
                assert_never(predicate)

    def refused(self, clause: str, reason: str) -> NotPushable:
        return NotPushable(clause, (), f"Ibis on {_NAMES[self._backend]}", reason)

    # ---- columns ------------------------------------------------------------------------

    def column(self, column: Column) -> Any:
        """Return a column, which holds values of its kind."""
        table, named = self._scope[column.alias], f"column {column.name}"
        if column.name not in table.columns:
            raise self.refused(named, "the table has no such column")
        found = table[column.name]
        if not holds(found.type(), column.kind):
            raise self.refused(named, f"{found.type()} does not hold the kind {column.kind}")
        if self._backend == "sqlite" and column.kind in {"decimal", "instant"}:
            raise self.refused(named, f"it writes the kind {column.kind} in several ways")
        return found

    def exact(self, column: Column) -> Any:
        """Return a column that equals another only if the values are equal."""
        found = self.column(column)
        return texts.exact(found, self._backend) if column.kind == "text" else found

    def is_of_kind(self, column: Any, kind: Kind) -> Any:
        """Return whether a column holds a value of its kind, which SQLite does not see to."""
        if kind == "decimal":  # NaN of PostgreSQL is more than all numbers
            return column.between(_literal(-_MOST, kind), _literal(_MOST, kind))
        if kind == "instant":
            return column.between(_literal(_FIRST, kind), _literal(_LAST, kind))
        if self._backend != "sqlite":
            return column.notnull()
        if kind == "bool":
            return (column.typeof() == "integer") & column.cast(dt.int64).isin([0, 1])
        return column.typeof() == ("text" if kind == "text" else "integer")

    def compare(self, compare: Compare) -> Any:
        """Return the comparison of two terms, of which a text may be known."""
        op, left, right = compare.op, compare.left, compare.right
        if isinstance(left, Parameter):
            assert isinstance(right, Column)
            return self.compare(Compare(_TURNED.get(op, op), right, left))
        if left.kind == "text" and isinstance(right, Parameter):
            text, column = str(right.value), self.column(left)
            if not texts.may_be_stored(text, self._backend):
                return ibis.literal(False) if op == "==" else column.notnull()
            if op == "==":
                return texts.equals(column, text, self._backend)
            return texts.exact(column, self._backend) != texts.bound(text, self._backend)
        other = (
            self.exact(right) if isinstance(right, Column) else _literal(right.value, right.kind)
        )
        return OPERATORS[op](self.exact(left), other)

    def one_of(self, column: Column, values: Sequence[Scalar]) -> Any:
        found = self.column(column)
        if column.kind != "text":
            return found.isin([_literal(value, column.kind) for value in values])
        stored = [text for text in map(str, values) if texts.may_be_stored(text, self._backend)]
        return texts.is_one_of(found, stored, self._backend) if stored else ibis.literal(False)

    # ---- rows of other tables -----------------------------------------------------------

    def inside(self, table: Source, alias: str) -> tuple[Any, Printer]:
        """Return a table under a name of its own, and what prints conditions on its rows."""
        assert isinstance(table, str), "sets in columns are refused"
        if table not in self._tables:
            raise self.refused(f"table {table}", "it is not among the tables that are given")
        view = self._tables[table].view()
        return view, Printer(self._backend, self._tables, {**self._scope, alias: view})

    def exists(self, exists: Exists) -> Any:
        view, inner = self.inside(exists.table, exists.alias)
        where = inner.condition(exists.where)
        if _speaks_of_others(exists) or len(exists.on) > 1:
            pairs = (inner.compare(Compare("==", own, outer)) for own, outer in exists.on)
            return ops.ExistsSubquery(self.rows(view, [*pairs, where])).to_expr()
        found = view.filter(where)
        if not exists.on:
            return _ONE.isin(found.select(one=_ONE).one)
        ((own, outer),) = exists.on
        values = inner.exact(own).name("value")
        return self.exact(outer).isin(view.filter(where, values.notnull()).select(values).value)

    def has_more(self, more: HasMore) -> Any:
        view, inner = self.inside(more.table, more.alias)
        counted = inner.exact(more.column)
        if len(more.on) > 1:
            pairs = [inner.compare(Compare("==", own, outer)) for own, outer in more.on]
            rows = self.rows(view, [*pairs, counted.notnull()])
            number = ops.CountDistinct(ops.Field(rows, more.column.name))
            return ops.ScalarSubquery(ops.Aggregate(rows, {}, {"n": number})).to_expr() > more.most
        key = inner.exact(more.on[0][0]) if more.on else _ONE
        rows = view.filter(counted.notnull(), key.notnull()).select(key=key, counted=counted)
        groups = rows.group_by("key").agg(n=rows.counted.nunique())
        found = groups.filter(groups.n > more.most).key
        return (self.exact(more.on[0][1]) if more.on else _ONE).isin(found)

    def rows(self, view: Any, conditions: Sequence[Any]) -> Any:
        """Return the rows of *view* that satisfy *conditions*, which may speak of rows outside."""
        if self._backend in {"polars", "pyspark"}:
            reason = "its subqueries refer to a row outside by one column, if at all"
            raise self.refused("rows of another table", reason)
        own = view[view.columns[0]]  # Ibis takes no condition that does not speak of the table
        every = own.isnull() | own.notnull()
        return ops.Filter(view.op(), [reduce(and_, [*conditions, every]).op()])


_TURNED: Final[dict[Comparison, Comparison]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _literal(value: Scalar, kind: Kind) -> Any:
    return ibis.literal(value, type=TYPES[kind])


def holds(of: Any, kind: Kind) -> bool:
    """Whether a type of Ibis holds values of *kind* exactly."""
    match kind:
        case "text":
            return bool(of.is_string())
        case "int":
            return bool(of.is_integer()) and of != dt.uint64
        case "bool":
            return bool(of.is_boolean())
        case "decimal":
            return bool(of.is_decimal()) and _is_compared(of, TYPES[kind])
        case "json" | "ip":
            return False
        case "instant":
            return bool(of.is_timestamp()) and of.timezone is not None and of.scale in {None, 6}


def _is_compared(of: Any, other: Any) -> bool:
    """Whether Ibis compares decimals of a type exactly with those of another one, which has as many places or more."""
    if of.scale is None or of.scale > other.scale:
        return False
    return of.precision is None or of.precision <= other.precision or of.scale == other.scale


def _is_total(printed: Any) -> bool:
    return isinstance(printed.op(), ops.NotNull | ops.ExistsSubquery | ops.Literal)


def _speaks_of_others(exists: Exists) -> bool:
    """Whether the *where* speaks of a row outside."""
    nodes = [*walk(exists.where)]
    inside = {exists.alias, *(node.alias for node in nodes if isinstance(node, Exists | HasMore))}
    return any(column.alias not in inside for node in nodes for column in columns_of(node))
