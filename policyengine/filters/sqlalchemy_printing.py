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

import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, TypeAlias, assert_never, cast

try:
    from sqlalchemy import (
        CTE,
        Boolean,
        ColumnElement,
        FromClause,
        Integer,
        MetaData,
        Select,
        and_,
        case,
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
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy import Column as TableColumn
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler, StrSQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from policyengine.filters.addresses import column_within, columns_within, is_within_column
from policyengine.filters.json_columns import is_record_at, present_at, value_at
from policyengine.filters.predicates import (
    ELEMENT,
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
    Later,
    Matches,
    Not,
    NotPushable,
    OneOf,
    Or,
    Parameter,
    Part,
    Predicate,
    Scalar,
    SetColumn,
    Source,
    columns_of,
    plain,
    tables_asked,
    walk,
)
from policyengine.filters.set_columns import elements, holds_set, path_of, raw_column
from policyengine.filters.stored_columns import (
    DATABASES,
    Dialect,
    exact,
    fits,
    is_among,
    moved,
    stored,
)
from policyengine.filters.text_conditions import is_longer, matches
from policyengine.model.request_messages import meant
from policyengine.model.values import Ip

Condition: TypeAlias = ColumnElement[bool]


def condition(
    predicate: Predicate, rows: Any, tables: MetaData | Mapping[str, Any], dialect: Dialect
) -> Condition:
    """Return *predicate* as a condition, for `select(…).where(…)` and every other statement.

    *rows*: the mapped class, alias of one, or table whose rows are filtered. *tables*: the others by their
    names in the predicate, mapped classes too. The condition is for one dialect: it refuses to be compiled
    for another, where it might select other rows. Raises `NotPushable` for what the dialect cannot say
    exactly.
    """
    if dialect not in DATABASES:
        known = ", ".join(DATABASES)
        raise ValueError(
            f"no filters are made for {dialect}, but for {known}{meant(dialect, DATABASES)}"
        )
    own = _columns_of_rows(rows)
    nodes = list(walk(predicate))
    needed = {its.name for node in nodes for its in columns_of(node) if its.alias == ROWS}
    if needed - own.keys():
        raise LookupError(
            f"the rows have no column `{min(needed - own.keys())}`: are they of another table?"
        )
    asked = tables_asked(predicate)
    named = tables.tables if isinstance(tables, MetaData) else tables
    if asked - named.keys():
        raise LookupError(
            f"there is no table `{min(asked - named.keys())}` in what is given as tables"
        )
    made = _Filter(
        predicate,
        {name: own[name] for name in sorted(needed or own)},
        {name: selectable(named[name]) for name in sorted(asked)},
        dialect,
    )
    made.printed()  # so that what cannot be said is refused now
    return made


def selectable(rows: Any) -> FromClause:
    """Return the table that a mapped class, or an alias of one, stands for; a table stands for itself."""
    return cast("FromClause", rows if isinstance(rows, FromClause) else inspect(rows).selectable)


def _columns_of_rows(rows: Any) -> dict[str, ColumnElement[Any]]:
    """Return the columns of *rows* by their names in the database.

    Those of a mapped class know it: else joined loads would not adapt them to their aliases.
    """
    if isinstance(rows, FromClause):
        return by_name(rows)
    entity = inspect(rows)
    return {
        attribute.columns[0].name: getattr(entity.entity, attribute.key).expression
        for attribute in entity.mapper.column_attrs
        if isinstance(attribute.columns[0], TableColumn)
    }


class _Filter(ColumnElement[bool]):
    """A predicate of rows that are in a `FROM`, which is printed when a statement is compiled.

    Then SQLAlchemy has put *columns* of the rows in terms of the statement, of an alias perhaps: recursive
    queries that are printed cannot be adapted. A statement that does not name the rows selects from them,
    so that no subquery takes them to be its own.
    """

    inherit_cache = True
    type = Boolean()
    _is_implicitly_boolean = True  # else SQLite is asked whether it equals 1, and uses no index
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy reads it
        ("predicate", InternalTraversal.dp_plain_obj),
        ("names", InternalTraversal.dp_plain_obj),
        ("columns", InternalTraversal.dp_clauseelement_tuple),
        ("tables", InternalTraversal.dp_plain_obj),
        ("dialect", InternalTraversal.dp_plain_obj),
    ]

    def __init__(
        self,
        predicate: Predicate,
        columns: Mapping[str, ColumnElement[Any]],
        tables: Mapping[str, FromClause],
        dialect: Dialect,
    ) -> None:
        self.predicate, self.dialect = predicate, dialect
        self.names, self.columns = tuple(columns), tuple(columns.values())
        self.tables = tuple(tables.items())

    @property
    def _from_objects(self) -> list[FromClause]:
        return [of for column in self.columns for of in column._from_objects]  # noqa: SLF001 - as SQLAlchemy's own elements do

    def printed(self) -> Condition:
        froms = {getattr(of, "name", "").casefold() for of in self._from_objects}
        printer = Printer(dict(self.tables), self.dialect, froms)
        rows = dict(zip(self.names, self.columns, strict=True))
        return printer.true(self.predicate, {ROWS: rows})


@compiles(_Filter)
def _compile(element: _Filter, compiler: SQLCompiler, **options: Any) -> str:
    if not isinstance(compiler, StrSQLCompiler):  # which only shows a statement
        dialect = compiler.dialect.name
        if dialect != element.dialect:
            raise CompileError(
                f"this filter is for {DATABASES[element.dialect]}, not for {dialect}"
            )
        if not compiler.stack:
            raise CompileError("a filter is compiled within the statement that selects its rows")
    return f"({compiler.process(element.printed(), **options)})"


Scope: TypeAlias = Mapping[str, Mapping[str, ColumnElement[Any]]]
"""The columns, by name, of the rows that aliases stand for."""

_Atom: TypeAlias = IsPresent | IsOfKind | Compare | OneOf | Matches | IsLonger | IsWithin

_FLIPPED: Final[dict[Comparison, Comparison]] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
_NEGATED: Final[dict[Comparison, Comparison]] = {
    "==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<",
}  # fmt: skip


class Printer:
    """Prints for one dialect; *taken* are names that no alias may have, lest it hides another."""

    def __init__(self, tables: Mapping[str, FromClause], dialect: Dialect, taken: set[str]) -> None:
        self.tables, self.dialect, self.taken = tables, dialect, taken

    # ---- whether a predicate is so, and whether it is not -------------------------------

    def true(self, predicate: Predicate, scope: Scope) -> Condition:
        """Return what is true if and only if *predicate* is."""
        match predicate:
            case Constant(value):
                return true() if value else false()
            case Not(operand):
                return self.false(operand, scope)
            case And(operands):
                implied = set(map(_surely_text, operands))
                asked = (operand for operand in operands if operand not in implied)
                return and_(*(self.true(operand, scope) for operand in asked))
            case Or(operands):
                return or_(*(self.true(operand, scope) for operand in operands))
            case Exists() | HasMore():
                return self.related(predicate, scope)
            case Ancestor():
                return self.above(predicate, scope)
            case _:
                return self.atom(predicate, scope)

    def false(self, predicate: Predicate, scope: Scope) -> Condition:
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
                return self.present(column, scope).is_(None)
            case _:
                return self.unless_null(predicate, not_(self.atom(predicate, scope)), scope)

    def unless_null(self, atom: Predicate, condition: Condition, scope: Scope) -> Condition:
        """Return that *condition* holds, or one of the columns of *atom* is NULL."""
        columns = (
            self.column(column, scope) for column in columns_of(atom) if column.alias in scope
        )
        return or_(*(column.is_(None) for column in columns), condition)

    # ---- atoms ----------------------------------------------------------------------------

    def atom(self, atom: _Atom, scope: Scope) -> Condition:
        """Return what is true if *atom* is, and else false, or NULL if a column is."""
        if isinstance(atom, Compare):
            return self.compare(atom, scope)
        match atom:
            case IsPresent(found):
                return self.present(found, scope).is_not(None)
            case IsOfKind(SetColumn() as found):
                return holds_set(self.raw(found, scope), found, self.dialect)
            case IsOfKind(Column(kind="json") as found):
                return is_record_at(self.raw(found, scope), path_of(found), self.dialect)
            case IsWithin(Column() as inner, Column() as outer):
                return columns_within(self.column(inner, scope), self.column(outer, scope))
            case IsWithin(Column() as inner, Parameter(value)):
                return column_within(self.column(inner, scope), value)
            case IsWithin(Parameter(value), Column() as outer):
                return is_within_column(value, self.column(outer, scope))
            case IsWithin():
                raise TypeError("a term is a column")
        column = self.column(atom.column, scope)
        match atom:
            case IsOfKind():
                return and_(column.is_not(None), fits(column, self.dialect))
            case OneOf(_, values):
                return is_among(column, list(filter(self.can_be, values)), self.dialect)
            case Matches(_, pieces):
                if not all(map(self.can_be, pieces)):
                    return false()
                return matches(column, pieces, self.dialect)
            case IsLonger(Part(), most):  # without U+0000
                return func.length(column, type_=Integer()) > literal(most, Integer())
            case IsLonger(_, most):
                return is_longer(column, most, self.dialect)
            case _:
                assert_never(atom)

    def compare(self, atom: Compare, scope: Scope) -> Condition:
        left, op, right = atom.left, atom.op, atom.right
        if isinstance(left, Parameter):
            left, op, right = right, _FLIPPED[op], left
        assert isinstance(left, Column), "a term of a comparison is a column"
        column = self.column(left, scope)
        if isinstance(right, Column):
            return self.compared(op, column, self.column(right, scope))
        if not self.can_be(right.value):
            return column.is_not(None) if op == "!=" else false()
        if isinstance(right.value, Ip):
            same = is_among(column, [right.value], self.dialect)
            return same if op == "==" else not_(same)
        made: Condition = OPERATORS[op](
            exact(column, self.dialect), literal(right.value, column.type)
        )
        return made

    def compared(
        self, op: Comparison, one: ColumnElement[Any], other: ColumnElement[Any]
    ) -> Condition:
        """Return how two stored columns compare."""
        forms = {type(one.type), type(other.type)}
        if self.dialect == "sqlite" and len(forms) > 1:
            reason = "the columns hold moments in two forms: declare both as `Instant`"
            raise NotPushable(f"{one} {op} {other}", (), DATABASES[self.dialect], reason)
        made: Condition = OPERATORS[op](exact(one, self.dialect), exact(other, self.dialect))
        return made

    def can_be(self, value: Scalar) -> bool:
        """Whether a column can hold *value*: no text holds half a surrogate pair, nor U+0000 in PostgreSQL."""
        if not isinstance(value, str):
            return True
        nul = self.dialect == "postgresql" and "\0" in value
        return not nul and not any("\ud800" <= point <= "\udfff" for point in value)

    def column(self, column: Column, scope: Scope) -> ColumnElement[Any]:
        """Return the column of the row that its alias stands for, as it is stored."""
        if isinstance(column, SetColumn) or column.kind == "json":
            return self.present(column, scope)
        if isinstance(column, Part):
            return value_at(self.raw(column, scope), column.path, column.kind, self.dialect)
        if isinstance(column, Later):
            moment = self.column(plain(column), scope)
            return moved(moment, column.months, column.microseconds, self.dialect)
        found = scope[column.alias].get(column.name)
        if found is None:
            raise LookupError(f"there is no column {column.name} in the table of {column.alias}")
        return stored(found, column.kind, self.dialect)

    def present(self, column: Column, scope: Scope) -> ColumnElement[Any]:
        """Return what is NULL if and only if nothing is in a column, of its kind or not."""
        match column:
            case Part() | SetColumn(json=True) | Column(kind="json"):
                return present_at(self.raw(column, scope), path_of(column), self.dialect)
            case SetColumn():
                return self.raw(column, scope)
            case _:
                return self.column(column, scope)

    def raw(self, column: Column, scope: Scope) -> ColumnElement[Any]:
        """Return the column that holds a set or JSON, as it is."""
        return raw_column(scope[column.alias][column.name], column, self.dialect)

    # ---- rows of other tables ---------------------------------------------------------------

    def related(self, predicate: Exists | HasMore, scope: Scope) -> Condition:
        """Return whether there is such a row, or there are more different values."""
        table, columns = self.source(predicate.table, predicate.alias, scope)
        inner = {**scope, predicate.alias: columns}
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

    def above(self, ancestor: Ancestor, scope: Scope) -> Condition:
        """Return whether a row on the way to the top satisfies the question."""
        nodes = list(walk(ancestor.where))
        asked = {column for node in nodes for column in columns_of(node)}
        inside = {node.alias for node in nodes if isinstance(node, Exists | HasMore | Ancestor)}
        if {column.alias for column in asked} - inside <= {ancestor.alias}:
            return self.downward(ancestor, scope)
        return self.upward(ancestor, scope)

    def downward(self, ancestor: Ancestor, scope: Scope) -> Condition:
        """Return whether the start is among the rows that satisfy the question, and those below them."""
        start = exact(self.column(ancestor.start, scope), self.dialect)
        return start.in_(select(self.below(ancestor, scope).c.id))

    def below(self, ancestor: Ancestor, scope: Scope) -> CTE:
        """Return the ids of the rows that satisfy the question, and of those below them."""
        alias, where = ancestor.alias, ancestor.where
        top, below = (self.table(ancestor.table, name) for name in (alias, f"{alias}_below"))
        at_top, at_below = ({**scope, alias: by_name(table)} for table in (top, below))
        ids = [self.column(ancestor.id, rows) for rows in (at_top, at_below)]
        first, further = (exact(its, self.dialect) for its in ids)
        found = _rows(top, first.label("id"), _ONE.label("steps"))
        found = found.where(ids[0].is_not(None), self.true(where, at_top))
        down = found.cte(self.name(f"{alias}_down"), recursive=True, nesting=True)
        parent = self.column(ancestor.parent, at_below)
        step = _rows(below, further, down.c.steps + _ONE).correlate_except(below, down)
        ends = self.false(where, at_below)
        # SQLite reads all rows to skip some if a condition is of them alone.
        if self.dialect == "sqlite":
            ends = case((down.c.steps > 0, ends))
        goes_on = self.compared("==", parent, down.c.id), down.c.steps < ancestor.most, ends
        return down.union(step.where(*goes_on))

    def upward(self, ancestor: Ancestor, scope: Scope) -> Condition:
        """Return whether one of the rows that are found from the start on satisfies the question.

        A cycle is noticed by R. P. Brent's algorithm: at each power of two, a row is marked, and the way ends
        where it comes back to the mark.
        """
        alias = ancestor.alias
        asked = {
            plain(its)
            for node in walk(ancestor.where)
            for its in columns_of(node)
            if its.alias == alias
        }
        at, above = (self.table(ancestor.table, name) for name in (alias, f"{alias}_above"))
        needed = {column.name: column for column in (ancestor.id, ancestor.parent, *asked)}
        taken = {*map(str.casefold, needed)}
        steps, mark = (_other_than(taken, name) for name in ("steps", "mark"))

        def of(row: FromClause, *columns: Column) -> list[ColumnElement[Any]]:
            named = {alias: by_name(row)}
            return [exact(self.column(one, named), self.dialect) for one in columns]

        def labelled(row: FromClause, *others: ColumnElement[Any]) -> list[ColumnElement[Any]]:
            values = (*of(row, *needed.values()), *others)
            names = (*needed, steps, mark)
            return [value.label(name) for name, value in zip(names, values, strict=True)]

        (own,) = of(at, ancestor.id)
        start = self.column(ancestor.start, scope)
        first = _rows(at, *labelled(at, _ONE, own)).where(own == exact(start, self.dialect))
        up = first.cte(self.name(f"{alias}_up"), recursive=True, nesting=True)
        (own,), (here, parent) = of(above, ancestor.id), of(up, ancestor.id, ancestor.parent)
        marked, power = exact(up.c[mark], self.dialect), up.c[steps].bitwise_and(up.c[steps] - _ONE)
        moved = case((power == 0, here), else_=marked)
        step = _rows(above, *labelled(above, up.c[steps] + _ONE, moved)).correlate_except(above, up)
        goes_on = own == parent, own != marked, up.c[steps] < ancestor.most
        up = up.union(step.where(*goes_on))
        where = self.true(ancestor.where, {**scope, alias: by_name(up)})
        return _rows(up, literal_column("1")).where(where).exists()

    def source(
        self, source: Source, alias: str, scope: Scope
    ) -> tuple[FromClause, Mapping[str, ColumnElement[Any]]]:
        """Return where rows are, under a name that nothing else has, and their columns."""
        if isinstance(source, str):
            table = self.table(source, alias)
            return table, by_name(table)
        listed, element = elements(self.raw(source, scope), source, self.name(alias), self.dialect)
        return listed, {ELEMENT: element}

    def table(self, table: str, alias: str) -> FromClause:
        """Return the table under a name that nothing else has."""
        return self.tables[table].alias(self.name(alias))

    def name(self, wanted: str) -> str:
        """Return the name, or another if it is taken or PostgreSQL would cut it short."""
        others = (f"row_{number}" for number in count())
        while wanted.casefold() in self.taken or len(wanted) > _LONGEST_NAME:
            wanted = next(others)
        self.taken.add(wanted.casefold())
        return wanted


_LONGEST_NAME: Final = 50
_ONE: Final = literal_column("1", Integer())


def _surely_text(predicate: Predicate) -> Predicate | None:
    """Return that a column holds a text, if *predicate* is true of nothing else."""
    match predicate:
        case Compare("==", Column(kind="text") as column, Parameter(value)):
            values: tuple[Scalar, ...] = (value,)
        case OneOf(Column(kind="text") as column, values):
            pass
        case _:
            return None
    # In a column of numbers, SQLite compares a text that it can read as one with the number.
    plain = not any(_MAY_BE_A_NUMBER.match(str(value)) for value in values)
    return IsOfKind(column) if plain else None


_MAY_BE_A_NUMBER: Final = re.compile(r"\s*[-+.0-9]")


def _other_than(taken: set[str], name: str) -> str:
    while name in taken:
        name += "_"
    return name


def by_name(table: FromClause) -> dict[str, ColumnElement[Any]]:
    """Return the columns of a table by their names in the database."""
    return {column.name: column for column in table.c}


def _rows(table: FromClause, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select from *table* in a subquery that may speak of all rows around."""
    return select(*columns).select_from(table).correlate_except(table)
