"""Print predicates as conditions of SQLAlchemy: for SQLite, PostgreSQL and DuckDB.

Negations are pushed inwards until they are at atoms, where NULL is said to be so or not. What is printed is
then true of a row if and only if the predicate is, and else false or NULL, which select the same; and atoms
stay as plain as indexes need them. Texts are compared by code points whatever their collation
(`stored_columns.py`).

The way to the top is followed downwards where the question does not speak of the row that is filtered: from
the rows that satisfy it to all below them, once for the whole statement. It stops at each row that satisfies
it too, from where the way goes on by itself: so no row is reached twice and no cycle is entered.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, TypeAlias, assert_never, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    MetaData,
    Select,
    and_,
    bindparam,
    distinct,
    false,
    func,
    inspect,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)  # fmt: skip
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler, StrSQLCompiler
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.visitors import InternalTraversal

from policyengine.filters.predicates import (
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
    Matches,
    Not,
    NotPushable,
    OneOf,
    Or,
    Parameter,
    Predicate,
    Scalar,
    columns_of,
    walk,
)
from policyengine.filters.stored_columns import DATABASES, Dialect, exact, fits, stored
from policyengine.filters.text_conditions import is_longer, matches

Condition: TypeAlias = ColumnElement[bool]


def condition(
    predicate: Predicate, rows: Any, tables: MetaData | Mapping[str, Any], dialect: Dialect
) -> Condition:
    """Return *predicate* as a condition, for `select(…).where(…)` and every other statement.

    *rows*: the mapped class, alias of one, or table whose rows are filtered. *tables*: the others by their
    names in the predicate, mapped classes too. The condition is for one dialect: it refuses to be compiled
    for another, where it might select other rows. Raises `NotPushable` for a column whose type does not
    hold its values exactly.
    """
    if dialect not in DATABASES:
        raise ValueError(f"no filters are made for {dialect}, but for {', '.join(DATABASES)}")
    named = tables.tables if isinstance(tables, MetaData) else tables
    root = selectable(rows)
    printer = _Printer(named, dialect, {getattr(root, "name", "").casefold()})
    return _OfRows(printer.true(predicate, {ROWS: root}), next(iter(root.c)), dialect)


def selectable(rows: Any) -> FromClause:
    """Return the table that a mapped class, or an alias of one, stands for; a table stands for itself."""
    return cast("FromClause", rows if isinstance(rows, FromClause) else inspect(rows).selectable)


class _OfRows(Grouping[bool]):
    """A condition in parentheses, which is compiled for one dialect, and of rows that are in a `FROM`.

    *row*: a column of these rows. A statement that does not name them selects from them, so that no
    subquery takes them to be its own.
    """

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - it is read only
        *Grouping._traverse_internals,  # noqa: SLF001 - so SQLAlchemy's elements say what is in them
        ("row", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, element: Condition, row: ColumnElement[Any], dialect: Dialect) -> None:
        super().__init__(element)
        self.row, self.dialect = row, dialect

    @property
    def _from_objects(self) -> list[FromClause]:
        return [*self.element._from_objects, *self.row._from_objects]  # noqa: SLF001 - as above


@compiles(_OfRows)
def _compile(element: _OfRows, compiler: SQLCompiler, **options: Any) -> str:
    if not isinstance(compiler, StrSQLCompiler):  # which only shows a statement
        dialect = compiler.dialect.name
        if dialect != element.dialect:
            raise CompileError(
                f"this filter is for {DATABASES[element.dialect]}, not for {dialect}"
            )
        if not compiler.stack:
            raise CompileError("a filter is compiled within the statement that selects its rows")
    inner = compiler.process(element.element, **options)
    return f"({inner})"


_Scope: TypeAlias = dict[str, FromClause]
"""What the aliases around stand for."""

_Atom: TypeAlias = IsPresent | IsOfKind | Compare | OneOf | Matches | IsLonger

_OPERATORS: Final[dict[Comparison, Callable[[Any, Any], Condition]]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_FLIPPED: Final[dict[Comparison, Comparison]] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
_NEGATED: Final[dict[Comparison, Comparison]] = {
    "==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<",
}  # fmt: skip


class _Printer:
    """Prints for one dialect; *taken* are names that no alias may have, lest it hides another."""

    def __init__(self, tables: Mapping[str, Any], dialect: Dialect, taken: set[str]) -> None:
        self.tables, self.dialect, self.taken = tables, dialect, taken

    # ---- whether a predicate is so, and whether it is not -------------------------------

    def true(self, predicate: Predicate, scope: _Scope) -> Condition:
        """Return what is true if and only if *predicate* is."""
        match predicate:
            case Constant(value):
                return true() if value else false()
            case Not(operand):
                return self.false(operand, scope)
            case And(operands):
                return and_(*(self.true(operand, scope) for operand in operands))
            case Or(operands):
                return or_(*(self.true(operand, scope) for operand in operands))
            case Exists() | HasMore():
                return self.related(predicate, scope)
            case Ancestor():
                return self.above(predicate, scope)
            case _:
                return self.atom(predicate, scope)

    def false(self, predicate: Predicate, scope: _Scope) -> Condition:
        """Return what is true if and only if *predicate* is not."""
        match predicate:
            case Constant(value):
                return false() if value else true()
            case Not(operand):
                return self.true(operand, scope)
            case And(operands):
                return or_(*(self.false(operand, scope) for operand in operands))
            case Or(operands):
                return and_(*(self.false(operand, scope) for operand in operands))
            case Exists() | HasMore():
                return not_(self.related(predicate, scope))
            case Ancestor():
                return self.unless_null(predicate, not_(self.above(predicate, scope)), scope)
            case Compare(op, left, right):
                negated = self.compare(Compare(_NEGATED[op], left, right), scope)
                return self.unless_null(predicate, negated, scope)
            case IsPresent(column):
                return self.column(column, scope).is_(None)
            case _:
                return self.unless_null(predicate, not_(self.atom(predicate, scope)), scope)

    def unless_null(self, atom: Predicate, condition: Condition, scope: _Scope) -> Condition:
        """Return that *condition* holds, or one of the columns of *atom* is NULL."""
        columns = (
            self.column(column, scope) for column in columns_of(atom) if column.alias in scope
        )
        return or_(*(column.is_(None) for column in columns), condition)

    # ---- atoms ----------------------------------------------------------------------------

    def atom(self, atom: _Atom, scope: _Scope) -> Condition:
        """Return what is true if *atom* is, and else false, or NULL if a column is."""
        if isinstance(atom, Compare):
            return self.compare(atom, scope)
        column = self.column(atom.column, scope)
        match atom:
            case IsPresent():
                return column.is_not(None)
            case IsOfKind():
                return and_(column.is_not(None), fits(column, self.dialect))
            case OneOf(_, values):
                able = [value for value in values if self.can_be(value)]
                if not able:
                    return false()
                among = bindparam(None, able, column.type, unique=True, expanding=True)
                return exact(column, self.dialect).in_(among)
            case Matches(_, pieces):
                if not all(map(self.can_be, pieces)):
                    return false()
                return matches(column, pieces, self.dialect)
            case IsLonger(_, most):
                return is_longer(column, most, self.dialect)
            case _:
                assert_never(atom)

    def compare(self, atom: Compare, scope: _Scope) -> Condition:
        left, op, right = atom.left, atom.op, atom.right
        if isinstance(left, Parameter):
            left, op, right = right, _FLIPPED[op], left
        assert isinstance(left, Column), "a term of a comparison is a column"
        column = self.column(left, scope)
        if isinstance(right, Column):
            return self.compared(op, column, self.column(right, scope))
        if not self.can_be(right.value):
            return column.is_not(None) if op == "!=" else false()
        return _OPERATORS[op](exact(column, self.dialect), literal(right.value, column.type))

    def compared(
        self, op: Comparison, one: ColumnElement[Any], other: ColumnElement[Any]
    ) -> Condition:
        """Return how two stored columns compare."""
        forms = {type(one.type), type(other.type)}
        if self.dialect == "sqlite" and len(forms) > 1:
            reason = "the columns hold moments in two forms: declare both as `Instant`"
            raise NotPushable(f"{one} {op} {other}", (), DATABASES[self.dialect], reason)
        return _OPERATORS[op](exact(one, self.dialect), exact(other, self.dialect))

    def can_be(self, value: Scalar) -> bool:
        """Whether a column can hold *value*: no text holds half a surrogate pair, nor U+0000 in PostgreSQL."""
        if not isinstance(value, str):
            return True
        nul = self.dialect == "postgresql" and "\0" in value
        return not nul and not any("\ud800" <= point <= "\udfff" for point in value)

    def column(self, column: Column, scope: _Scope) -> ColumnElement[Any]:
        """Return the column of the row that its alias stands for, as it is stored."""
        table = scope[column.alias]
        found = next((one for one in table.c if one.name == column.name), None)
        if found is None:
            raise LookupError(f"{table.description} has no column {column.name}")
        return stored(found, column.kind, self.dialect, f"{table.description}.{column.name}")

    # ---- rows of other tables ---------------------------------------------------------------

    def related(self, predicate: Exists | HasMore, scope: _Scope) -> Condition:
        """Return whether there is such a row, or there are more different values."""
        table = self.table(predicate.table, predicate.alias)
        inner = {**scope, predicate.alias: table}
        on = (
            self.compared("==", self.column(mine, inner), self.column(outer, inner))
            for mine, outer in predicate.on
        )
        if isinstance(predicate, Exists):
            rows = _rows(table, literal_column("1"))
            return rows.where(*on, self.true(predicate.where, inner)).exists()
        values = exact(self.column(predicate.column, inner), self.dialect)
        counted = _rows(table, func.count(distinct(values))).where(*on)
        return counted.scalar_subquery() > literal(predicate.most, Integer())

    def above(self, ancestor: Ancestor, scope: _Scope) -> Condition:
        """Return whether a row on the way to the top satisfies the question."""
        nodes = list(walk(ancestor.where))
        asked = {column for node in nodes for column in columns_of(node)}
        inside = {node.alias for node in nodes if isinstance(node, Exists | HasMore | Ancestor)}
        if {column.alias for column in asked} - inside <= {ancestor.alias}:
            return self.downward(ancestor, scope)
        return self.upward(ancestor, scope, {one for one in asked if one.alias == ancestor.alias})

    def downward(self, ancestor: Ancestor, scope: _Scope) -> Condition:
        """Return whether the start is among the rows that satisfy the question, and those below them."""
        alias, where = ancestor.alias, ancestor.where
        top, below = (self.table(ancestor.table, name) for name in (alias, f"{alias}_below"))
        ids = [self.column(ancestor.id, {alias: row}) for row in (top, below)]
        first, further = (exact(its, self.dialect) for its in ids)
        found = _rows(top, first.label("id"), _ONE.label("steps"))
        found = found.where(ids[0].is_not(None), self.true(where, {alias: top}))
        down = found.cte(self.name(f"{alias}_down"), recursive=True, nesting=True)
        parent = self.column(ancestor.parent, {alias: below})
        step = _rows(below, further, down.c.steps + _ONE).correlate_except(below, down)
        down = down.union(
            step.where(
                self.compared("==", parent, down.c.id),
                down.c.steps < ancestor.most,
                self.false(where, {alias: below}),
            )
        )
        start = exact(self.column(ancestor.start, scope), self.dialect)
        return start.in_(select(down.c.id))

    def upward(self, ancestor: Ancestor, scope: _Scope, asked: set[Column]) -> Condition:
        """Return whether one of the rows that are found from the start on satisfies the question."""
        alias = ancestor.alias
        at, above = (self.table(ancestor.table, name) for name in (alias, f"{alias}_above"))
        needed = {column.name: column for column in (ancestor.id, ancestor.parent, *asked)}
        steps = "steps"
        while steps in map(str.casefold, needed):
            steps += "_"

        def of(row: FromClause) -> list[ColumnElement[Any]]:
            columns = {name: self.column(column, {alias: row}) for name, column in needed.items()}
            return [exact(column, self.dialect).label(name) for name, column in columns.items()]

        start, own = self.column(ancestor.start, scope), self.column(ancestor.id, {alias: at})
        first = _rows(at, *of(at), _ONE.label(steps)).where(self.compared("==", own, start))
        up = first.cte(self.name(f"{alias}_up"), recursive=True, nesting=True)
        own, parent = (
            self.column(ancestor.id, {alias: above}),
            self.column(ancestor.parent, {alias: up}),
        )
        step = _rows(above, *of(above), up.c[steps] + _ONE).correlate_except(above, up)
        up = up.union(step.where(self.compared("==", own, parent), up.c[steps] < ancestor.most))
        where = self.true(ancestor.where, {**scope, alias: up})
        return _rows(up, literal_column("1")).where(where).exists()

    def table(self, table: str, alias: str) -> FromClause:
        """Return the table under a name that nothing else has."""
        if table not in self.tables:
            raise LookupError(f"there is no table {table}")
        return selectable(self.tables[table]).alias(self.name(alias))

    def name(self, wanted: str) -> str:
        """Return the name, or another if it is taken or PostgreSQL would cut it short."""
        others = (f"row_{number}" for number in count())
        while wanted.casefold() in self.taken or len(wanted) > _LONGEST_NAME:
            wanted = next(others)
        self.taken.add(wanted.casefold())
        return wanted


_LONGEST_NAME: Final = 50
_ONE: Final = literal_column("1", Integer())


def _rows(table: FromClause, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select from *table* in a subquery that may speak of all rows around."""
    return select(*columns).select_from(table).correlate_except(table)
