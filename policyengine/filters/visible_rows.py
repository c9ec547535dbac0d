"""Let statements of SQLAlchemy read of a governed table only the rows that their caller may read.

A statement carries `VisibleRows`, a query for each table that it may reach. Wherever such a table is in a FROM,
SQLAlchemy is made to print the query in its place, under the table's name: `FROM (SELECT … FROM doc WHERE …)
AS doc`. So nothing depends on how a statement came to name the table: as an entity, an alias, the target of a join
or of an eager load, in a subquery, or as a plain table. What may name a table without being asked, as text and
tables that only have its name, is refused. Statements without `VisibleRows` are printed as ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from copy import copy
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    CompoundSelect,
    Delete,
    Extract,
    Insert,
    Select,
    Table,
    TableClause,
    TextClause,
    TypeClause,
    Update,
)  # fmt: skip
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm.interfaces import CompileStateOption
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    ColumnClause,
    Grouping,
    TableValuedColumn,
    TString,
    UnaryExpression,
    _anonymous_label,
    quoted_name,
)  # fmt: skip
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import AliasedReturnsRows, TableValuedAlias
from sqlalchemy.sql.visitors import InternalTraversal, iterate
from sqlalchemy.types import TypeEngine, UserDefinedType

from policyengine.filters.governing import AccessRefused, folded

Waiver: TypeAlias = Literal["core", "text", "connection", "bulk", "held objects"]
"""What an authorized session does only where it is waived."""
Refuse: TypeAlias = Callable[[Waiver, str], None]
"""Refuses what is not waived: by which waiver it would be, and why."""


class NotReached(Exception):  # noqa: N818 - it says what is so
    """Raised where a statement reads a governed table for which it carries no query."""

    def __init__(self, table: Table) -> None:
        self.table = table
        super().__init__(f"the statement was not expected to read `{table.fullname}`")


class Tables(Protocol):
    """Tables that are governed: which, and their names as `folded` gives them, also of those that are not mapped."""

    @property
    def tables(self) -> Collection[Table]: ...

    @property
    def names(self) -> Collection[str]: ...


class VisibleRows(CompileStateOption):
    """The option of a statement of which governed tables only some rows are visible.

    *queries*: the visible rows of tables. *governed*: all tables of which rows may be hidden. *waived*: what is
    not refused.
    """

    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy's options say what is in them
        ("queries", InternalTraversal.dp_clauseelement_tuple),
        ("governed", InternalTraversal.dp_plain_obj),
        ("waived", InternalTraversal.dp_plain_obj),
    ]
    propagate_to_loaders = False  # what is loaded later is governed when it is loaded

    def __init__(
        self, visible: Mapping[Table, Select[Any]], governed: Tables, waived: frozenset[Waiver]
    ) -> None:
        self.queries = tuple(visible.values())
        self.governed = governed
        self.waived = waived
        self._of = dict(zip(visible, self.queries, strict=True))

    def query(self, table: Table) -> Select[Any]:
        """Return the query of the visible rows of a governed table."""
        if table not in self._of:
            raise NotReached(table)
        return self._of[table]

    def where(self, table: Table, condition: ColumnElement[bool]) -> VisibleRows:
        """Return the same, with only those visible rows of *table* of which a condition holds."""
        narrowed = {**self._of, table: self.query(table).where(condition)}
        return VisibleRows(narrowed, self.governed, self.waived)

    def refuse(self, waiver: Waiver, why: str) -> None:
        """Refuse what is not waived."""
        if waiver not in self.waived:
            raise AccessRefused(why, waiver)


def carried(statement: Any) -> VisibleRows | None:
    """Return what *statement* carries."""
    options = getattr(statement, "_with_options", ())
    return next((one for one in reversed(options) if isinstance(one, VisibleRows)), None)


class OfAllRows(Grouping[bool]):
    """A condition that reads all rows, whatever is visible in the statement around it."""

    inherit_cache = True


# ---- how SQLAlchemy prints --------------------------------------------------------------

_READS_ALL: Final = ContextVar("_READS_ALL", default=False)
"""Whether what is printed reads all rows, since it says which are visible."""

_HARMLESS: Final = re.compile(r"\*|\d+|NULL|'([^'\\]|'')*'", re.IGNORECASE)
"""Texts that SQLAlchemy itself puts in statements, as in `SELECT 1`, `count(*)`, `LIKE ? || '%'` and unions of classes."""
_OPERATOR: Final = re.compile(
    r"(?!.*(--|/\*))[-+*/<>=~!@#%^&|?:]+"
    r"|is|is not|is( not)? distinct from|at time zone|and|or|xor|not|div|mod|collate|escape|overlaps|member of"
    r"|(not )?(like|ilike|rlike|regexp|glob|match|similar to|sounds like)",
    re.IGNORECASE,
)
"""Texts that are operators and nothing else: signs that begin no comment, and known words, after which no table is."""
_SCHEMA: Final = re.compile(r"__\[SCHEMA_\w+\]")
"""What SQLAlchemy prints in the place of a schema that has another name when the statement is run."""
_OF_THE_DATABASE: Final = re.compile(r"pg_|sqlite_|duckdb_", re.IGNORECASE)
_TYPE_PART: Final = re.compile(r"[\w .@-]*")
"""Texts of types as the names of collations and character sets, which are printed as they are."""

_NAME: Final = r'("([^"]|"")*"|\w+)'
_PRINTED_TYPE: Final = re.compile(
    rf"{_NAME}(\.{_NAME})*"
    r"( (precision|varying|with|without|time|zone|year|month|day|hour|minute|second|to)\b| ?\(\d+(, ?\d+)?\))*"
    rf"(\[\])*( COLLATE {_NAME})?",
    re.IGNORECASE,
)
"""What is printed of a type and names no table; one behind `::` is in no brackets."""


def _option(compiler: Any) -> VisibleRows | None:
    return None if _READS_ALL.get() else carried(getattr(compiler, "statement", None))


@compiles(OfAllRows)
def _print_condition(condition: OfAllRows, compiler: Any, **how: Any) -> str:
    return _reading_all_rows(lambda: compiler.visit_grouping(condition, **how))


def _reading_all_rows(printing: Callable[[], str]) -> str:
    before = _READS_ALL.set(True)
    try:
        return printing()
    finally:
        _READS_ALL.reset(before)


@compiles(Table)
@compiles(TableClause)
def _print_table(table: TableClause, compiler: Any, **how: Any) -> str:
    option = _option(compiler)
    plain: str = compiler.visit_table(table, **how)
    if option is None or not how.get("asfrom"):
        return plain
    check_namesake(table, option.governed, option.refuse)
    if table not in option.governed.tables:
        return plain
    if how.get("iscrud"):
        if getattr(compiler.statement, "table", None) != table or len(compiler.stack) > 1:
            option.refuse("core", f"`{table.name}` is changed by a part of a statement")
        return plain
    visible = option.query(cast("Table", table))
    query = _reading_all_rows(lambda: compiler.process(visible, asfrom=True))
    enclosing = how.get("enclosing_alias")
    if enclosing is not None and enclosing.element is table:
        return f"({query})"
    _, renamed, name = plain.partition(" AS ")  # where another schema has a table of this name
    return f"({query}) AS {name if renamed else compiler.preparer.quote(table.name)}"


@compiles(Column)
def _print_column(column: Column[Any], compiler: Any, **how: Any) -> str:
    option = _option(compiler)
    table: Any = column.table
    _check_scope(column.name, table, compiler)
    while isinstance(table, AliasedReturnsRows):
        table = table.element
    if option is not None and table in option.governed.tables:
        if all(one.name != column.name for one in option.query(table).selected_columns):
            name = f"{table.description}.{column.name}"
            raise AccessRefused(f"`{name}` may be hidden: `fields=` asks for it")
        in_schema = table is column.table and compiler.preparer.schema_for_object(table)
        if in_schema and how.get("include_table", True):  # which a query is not
            name = compiler.visit_column(column, **{**how, "include_table": False})
            return f"{compiler.preparer.quote(table.name)}.{name}"
    printed: str = compiler.visit_column(column, **how)
    return printed


@compiles(ColumnClause)
def _print_literal_column(column: ColumnClause[Any], compiler: Any, **how: Any) -> str:
    option = _option(compiler)
    if option is not None:
        _check_name(column.name, option.refuse)
    if option is not None and column.is_literal and not _HARMLESS.fullmatch(column.name):
        option.refuse("text", "a literal column is in a statement")
    if not column.is_literal or (column.name == "*" and len(compiler.stack) == 1):
        _check_scope(column.name, column.table, compiler)
    printed: str = compiler.visit_column(column, **how)
    return printed


@compiles(TableValuedColumn)
def _print_whole_row(column: TableValuedColumn[Any], compiler: Any, **how: Any) -> str:
    _check_scope(column.name, None, compiler)
    printed: str = compiler.visit_table_valued_column(column, **how)
    return printed


def _check_scope(name: str, table: Any, compiler: Any) -> None:
    """Refuse a column that may be one of the changed table, all of which a database finds there."""
    option, statement = _option(compiler), compiler.statement
    if option is None or not isinstance(statement, Update | Delete):
        return
    changed: Any = statement.table
    if changed not in option.governed.tables or table == changed:
        return
    if table is None or folded(getattr(table, "name", "")) in {folded(changed.name), "old", "new"}:
        option.refuse(
            "text", f"`{name}` is in a change of `{changed.name}`, and no column of its table"
        )


@compiles(TextClause)
def _print_text(text: TextClause, compiler: Any, **how: Any) -> str:
    option = _option(compiler)
    if option is not None:
        option.refuse("text", "text() is in a statement")
    printed: str = compiler.visit_textclause(text, **how)
    return printed


@compiles(TString)
def _print_template(template: TString, compiler: Any, **how: Any) -> str:
    option = _option(compiler)
    if option is not None:
        option.refuse("text", "tstring() is in a statement")
    printed: str = compiler.visit_tstring(template, **how)
    return printed


@compiles(Insert)
def _print_insert(insert: Insert, compiler: Any, **how: Any) -> str:
    option = _quoting(compiler)
    if option is not None:
        check_namesake(insert.table, option.governed, option.refuse)
        if insert.table in option.governed.tables:
            option.refuse("bulk", "a statement inserts rows, whose values nobody decided about")
    printed: str = compiler.visit_insert(insert, **how)
    return printed


@compiles(Select)
def _print_select(query: Select[Any], compiler: Any, **how: Any) -> str:
    option = _quoting(compiler)
    if option is not None and (query._hints or query._statement_hints):  # noqa: SLF001 - printed as they are, and visited by nothing
        option.refuse("text", "a hint is in a statement")
    printed: str = compiler.visit_select(query, **how)
    return printed


@compiles(CTE)
def _print_common_table(table: CTE, compiler: Any, **how: Any) -> str | None:
    option, named = _option(compiler), table
    while named._cte_alias is not None:  # noqa: SLF001 - an alias takes no place, what it is of does
        named = named._cte_alias  # noqa: SLF001 - as above
    if option is not None and not isinstance(named.name, _anonymous_label):
        asked = (node for node in iterate(compiler.statement) if isinstance(node, OfAllRows))
        read = (node for one in (*option.queries, *asked) for node in iterate(one))
        names = {folded(node.name) for node in read if isinstance(node, TableClause)}
        if folded(named.name) in {*names, *option.governed.names}:  # which conditions may read
            option.refuse("core", f"the common table `{named.name}` has the name of another table")
    printed: str | None = compiler.visit_cte(table, **how)
    return printed


@compiles(CompoundSelect)
def _print_compound(query: CompoundSelect[Any], compiler: Any, **how: Any) -> str:
    _quoting(compiler)
    printed: str = compiler.visit_compound_select(query, **how)
    return printed


@compiles(Update)
def _print_update(update: Update, compiler: Any, **how: Any) -> str:
    _quoting(compiler)
    printed: str = compiler.visit_update(update, **how)
    return printed


@compiles(Delete)
def _print_delete(delete: Delete, compiler: Any, **how: Any) -> str:
    _quoting(compiler)
    printed: str = compiler.visit_delete(delete, **how)
    return printed


@compiles(TypeClause)
def _print_type(clause: TypeClause, compiler: Any, **how: Any) -> str:
    _check_type(clause.type, compiler)
    printed: str = compiler.visit_typeclause(clause, **how)
    return printed


@compiles(TableValuedAlias)
def _print_table_valued(table: TableValuedAlias, compiler: Any, **how: Any) -> str:
    for column in table.c:  # whose types may be printed with their names
        _check_type(column.type, compiler)
    printed: str = compiler.visit_table_valued_alias(table, **how)
    return printed


@compiles(BindParameter)
def _print_parameter(parameter: BindParameter[Any], compiler: Any, **how: Any) -> str:
    option, dialect = _option(compiler), compiler.dialect
    if option is not None:
        of_nothing = parameter.expanding and getattr(parameter, "expand_op", None) is None
        for type_ in getattr(parameter.type, "types", [parameter.type]):
            given = type_._unwrapped_dialect_impl(dialect)  # noqa: SLF001 - the type that is printed
            is_printed = given.render_bind_cast or (of_nothing and not type_._isnull)  # noqa: SLF001 - as above
            if is_printed and not _PRINTED_TYPE.fullmatch(
                dialect.type_compiler_instance.process(given, identifier_preparer=compiler.preparer)
            ):
                option.refuse("text", "the type of a value is a text")
    printed: str = compiler.visit_bindparam(parameter, **how)
    return printed


def _check_type(type_: TypeEngine[Any], compiler: Any) -> None:
    """Refuse a type that is printed as a text."""
    option = _option(compiler)
    if option is None:
        return
    for one in _types_in(type_):
        if isinstance(one, UserDefinedType) or not all(
            _TYPE_PART.fullmatch(part) for part in vars(one).values() if isinstance(part, str)
        ):
            option.refuse("text", "a type that is a text is in a statement")


def _types_in(type_: TypeEngine[Any]) -> Iterator[TypeEngine[Any]]:
    yield type_
    for part in vars(type_).values():
        for within in part.values() if isinstance(part, Mapping) else [part]:
            if isinstance(within, TypeEngine):  # as those of arrays, and of other dialects
                yield from _types_in(within)


@compiles(Extract)
def _print_extract(extract: Extract, compiler: Any, **how: Any) -> str:
    option = _option(compiler)
    if option is not None and not re.fullmatch(r"\w+", extract.field):
        option.refuse("text", f"the field `{extract.field}` is a text")
    printed: str = compiler.visit_extract(extract, **how)
    return printed


@compiles(BinaryExpression)
def _print_binary(binary: BinaryExpression[Any], compiler: Any, **how: Any) -> str:
    _check_operator(binary.operator, compiler)
    printed: str = compiler.visit_binary(binary, **how)
    return printed


@compiles(UnaryExpression)
def _print_unary(unary: UnaryExpression[Any], compiler: Any, **how: Any) -> str:
    for operator in (unary.operator, unary.modifier):
        _check_operator(operator, compiler)
    printed: str = compiler.visit_unary(unary, **how)
    return printed


def _check_operator(operator: Any, compiler: Any) -> None:
    """Refuse an operator that is a text in which a table could be named."""
    if isinstance(operator, custom_op) and not _OPERATOR.fullmatch(operator.opstring.strip()):
        option = _option(compiler)
        if option is not None:
            option.refuse("text", f"the operator `{operator.opstring}` is a text")


def _quoting(compiler: Any) -> VisibleRows | None:
    """Return what a statement carries; from now on, names of it that are not quoted are refused."""
    option = _option(compiler)
    if option is not None and "quote" not in vars(compiler.preparer):
        preparer = compiler.preparer = copy(compiler.preparer)
        plain = preparer.quote

        def quote(name: str, *more: Any) -> str:
            if not _READS_ALL.get():
                _check_name(name, option.refuse)
            quoted: str = plain(name, *more)
            return quoted

        preparer.quote = quote
    return option


def _check_name(name: str, refuse: Refuse) -> None:
    """Refuse a name that is printed as it is, and so is a text."""
    if isinstance(name, quoted_name) and name.quote is False and not _SCHEMA.fullmatch(name):
        refuse("text", f"the name `{name}` is not quoted")


def check_namesake(table: Any, governed: Tables, refuse: Refuse) -> None:
    """Refuse a table that is not governed, and may be one that is by another description."""
    for name in (table.name, getattr(table, "schema", None) or ""):
        _check_name(name, refuse)
    if _OF_THE_DATABASE.match(table.name):  # whose statistics and pages have values of rows
        refuse("core", f"`{table.name}` is a table of the database itself")
    if table not in governed.tables and folded(table.name) in governed.names:
        refuse("core", f"`{table.name}` is another table than the governed one")


# ---- whether it does ----------------------------------------------------------------------

_PRINTED: Final[Mapping[Any, Callable[..., str | None]]] = {
    OfAllRows: _print_condition, Table: _print_table, TableClause: _print_table, Column: _print_column,
    ColumnClause: _print_literal_column, TextClause: _print_text, TString: _print_template, TableValuedColumn: _print_whole_row, Insert: _print_insert, Select: _print_select,
    CompoundSelect: _print_compound, CTE: _print_common_table, Update: _print_update, Delete: _print_delete, TypeClause: _print_type,
    Extract: _print_extract, TableValuedAlias: _print_table_valued,
    BinaryExpression: _print_binary, BindParameter: _print_parameter, UnaryExpression: _print_unary,
}  # fmt: skip


def check_printing() -> None:
    """Raise `RuntimeError` if something else has changed how statements are printed."""
    for class_, printing in _PRINTED.items():
        if class_._compiler_dispatcher.specs != {"default": printing}:  # noqa: SLF001 - what `@compiles` sets
            raise RuntimeError(
                f"another `@compiles({class_.__name__})` prints statements: no session can be authorized"
            )
