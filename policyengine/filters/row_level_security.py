"""Print rules as row-level security of PostgreSQL: policies that the database itself asks of every statement.

The subject is a row of its own table, whose id a setting of the connection gives. Policies compare columns of the
row in place, so that indexes serve. What they read of other tables, of the subject too, is read by functions that
run as their owner: neither the rights nor the policies of whoever asks hide anything from a rule, and no policy asks
itself. The functions demand that (`row_security = off`): what would be hidden from them is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Protocol

try:
    from sqlalchemy import (
        BigInteger,
        Boolean,
        ColumnElement,
        DateTime,
        FromClause,
        MetaData,
        Numeric,
        Select,
        Text,
        and_,
        case,
        cast,
        func,
        literal,
        literal_column,
        select,
        union_all,
    )  # fmt: skip
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler.simplify import TRUE as ALWAYS
from policyengine.filters.governing import Verb, Verbs, check_actions, type_of_table
from policyengine.filters.mapping import StoredColumn, TableMapping
from policyengine.filters.predicates import (
    CLOCK,
    FALSE,
    ROWS,
    SUBJECT,
    TRUE,
    Ancestor,
    And,
    Column,
    Compare,
    Exists,
    HasMore,
    Kind,
    OneOf,
    Or,
    Predicate,
    SetColumn,
    both,
    columns_of,
    plain,
    tables_asked,
    walk,
)
from policyengine.filters.row_filter import make_filter_by_subject
from policyengine.filters.row_paths import NOW
from policyengine.filters.sql_text import DIALECTS, tables_of
from policyengine.filters.sqlalchemy_printing import (
    Condition,
    Printer,
    Scope,
    by_name,
    selectable,
)
from policyengine.filters.stored_columns import exact
from policyengine.partial.residual import Residual

SETTING: Final = "policyengine.subject"
"""The setting that says who the subject is, as `User:ann`: where it is not set, or empty, nobody is."""

_VERBS: Final[tuple[Verb, ...]] = ("select", "insert", "update", "delete")
_BEFORE: Final = "before"
"""The alias of the row that an update changes."""
_LONGEST_NAME: Final = 63
_DIALECT: Final = DIALECTS["postgresql"]
_TYPES: Final[Mapping[Kind, str]] = {
    "text": "text", "int": "bigint", "decimal": "numeric", "bool": "boolean", "instant": "timestamptz",
    "ip": "inet", "json": "jsonb",
}  # fmt: skip


class Engine(Protocol):
    """A policy set, as `PolicyEngine` has it loaded."""

    def partial(
        self,
        *,
        action: str,
        subject_type: str,
        resource_type: str,
        context: Any,
        entities: Any,
    ) -> Residual:
        """Return what is left to decide of any subject and resource of these types."""


class RowLevelSecurity(Struct, frozen=True):
    """Statements of PostgreSQL, to be run in one transaction by a role that policies hide nothing from.

    *hidden*: by entity type, the attributes that field gates may hide of a row that is shown: policies show whole
    rows, so that the right to select these columns is not to be granted.
    """

    statements: tuple[str, ...]
    hidden: Mapping[str, tuple[str, ...]]


def row_level_security(
    engine: Engine,
    mapping: TableMapping,
    verbs: Mapping[str, Verbs],
    tables: MetaData | Mapping[str, Any] | None = None,
    *,
    context: Mapping[str, Any] | None = None,
    entities: Any = None,
    setting: str = SETTING,
) -> RowLevelSecurity:
    """Return what lets PostgreSQL itself show and change only rows that *engine* allows, whoever asks.

    *verbs*: the actions by which rows of an entity type are read and written; nobody does what has none.
    *tables*: as for `condition`; without them, columns have the types of their kinds. *context*: the facts of
    every request, each for the actions that declare it; *entities*: what they refer to. *setting*: says who the
    subject is, as `User:ann`. What was made before for a table is replaced.

    Raises `NotPushable` for what PostgreSQL cannot say exactly at all times, `IncompleteMapping` for what the
    mapping lacks, `InvalidRequest` if the context lacks what rules read, and `ValueError` for an action or a fact
    that there is not.
    """
    statements, hidden = [_GUARD], dict[str, tuple[str, ...]]()
    of_verbs = {type_: dict(_actions(mapping, type_, of)) for type_, of in verbs.items()}
    actions = [mapping.schema.actions[name] for of in of_verbs.values() for name in of.values()]
    given = {} if context is None else context
    if not isinstance(given, Mapping):
        raise TypeError(f"a context is a mapping of facts by name, not `{type(given).__name__}`")
    if unknown := set(given).difference(*(action.context.by_name for action in actions)):
        raise ValueError(f"no action has {min(unknown)!r} in its context")
    for type_, of in of_verbs.items():
        made = _Policies(mapping, mapping.table_of(type_).table, setting, tables)
        unseen = set[str]()
        for verb, name in of.items():
            action = mapping.schema.actions[name]
            facts = {n: value for n, value in given.items() if n in action.context.by_name}
            for subject in action.subjects:
                left = engine.partial(
                    action=name, subject_type=subject, resource_type=type_, context=facts, entities=entities
                )  # fmt: skip
                made.add(verb, subject, make_filter_by_subject(left, mapping).predicate)
                if verb == "select":
                    unseen |= _hidden(left, mapping)
        statements += made.statements()
        if unseen:
            hidden[type_] = tuple(sorted(unseen))
    return RowLevelSecurity(tuple(statements), hidden)


def _actions(mapping: TableMapping, type_: str, verbs: Verbs) -> Iterator[tuple[Verb, str]]:
    """Give the verbs of a type, each with its action."""
    type_of_table(mapping, mapping.table_of(type_).table, type_)
    check_actions(mapping, type_, verbs)
    for verb in _VERBS:
        action: str | None = getattr(verbs, verb)
        if action is not None:
            yield verb, action


def _hidden(left: Residual, mapping: TableMapping) -> set[str]:
    """Return the attributes of a resource that are not shown of all rows at all times."""
    if left.exposed is None:
        return set()
    known = left.until is None
    shown = {name for name, when in left.exposed.items() if known and when == ALWAYS}
    return {"id", *mapping.table_of(left.target[2]).attributes} - shown


_GUARD: Final = """\
DO $$ BEGIN
    IF NOT (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE 'the functions of policies belong to a role that policies hide nothing from: a superuser, or one with BYPASSRLS';
    END IF;
END $$"""
"""Refuses to be run by a role whose functions would not see all rows."""


class _Policies(Struct):
    """The policies of one table; *functions*: their definitions by what they are, without their names."""

    mapping: TableMapping
    table: str
    setting: str
    tables: MetaData | Mapping[str, Any] | None
    functions: dict[tuple[str, str, str], str] = field(default_factory=dict)
    policies: list[str] = field(default_factory=list)

    @property
    def schema(self) -> str:
        """The name of the schema that has the functions."""
        return _quoted(_short(f"policyengine_{self.table}"))

    def statements(self) -> Iterator[str]:
        """Give the statements; in the end no policy of others may show more."""
        table = self._named(self.table)
        yield f"DROP SCHEMA IF EXISTS {self.schema} CASCADE"
        yield f"CREATE SCHEMA {self.schema}"
        for (parameters, result, body), name in self.functions.items():
            yield (
                f"CREATE FUNCTION {name}({parameters}) RETURNS {result} LANGUAGE sql STABLE SECURITY DEFINER"
                f" SET row_security = off\n{body}"
            )
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
        text = _literal(table)
        others = f"EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = {text}::regclass AND polpermissive)"
        said = _literal(f"{table} has other policies, which would allow more: drop them")
        yield f"DO {_literal(f'BEGIN IF {others} THEN RAISE USING MESSAGE = {said}; END IF; END')}"
        yield from self.policies

    def add(self, verb: Verb, subject: str, predicate: Predicate) -> None:
        """Add the policy of a verb for subjects of a type, who may not do it otherwise."""
        if predicate == FALSE:
            return
        named = self._tables(predicate, subject)
        rows = named[self.table]
        scope: Scope = {
            ROWS: by_name(rows),
            SUBJECT: self._subject(subject, predicate, named),
            CLOCK: {NOW.name: literal_column("statement_timestamp()", DateTime(timezone=True))},
        }
        name = _quoted(_short(f"policyengine_{verb}_{subject}"))
        policy = f"CREATE POLICY {name} ON {self._named(self.table)} FOR {verb.upper()}"
        if verb != "insert":
            of = _Inline(self, named, checks=False).true(predicate, scope)
            policy += f"\nUSING ({_condition(of, rows)})"
        if verb in ("insert", "update"):
            checked = predicate
            if verb == "update" and self.table in tables_asked(predicate):
                checked = both([self._keeps_id(), predicate])
            of = _Inline(self, named, checks=True).true(checked, scope)
            policy += f"\nWITH CHECK ({_condition(of, rows)})"
        self.policies.append(policy)

    def _keeps_id(self) -> Predicate:
        """Return the predicate that a row has an id that there was before: which was its own."""
        own = self.own_id
        return Exists(self.table, _BEFORE, ((Column(_BEFORE, own.name, own.kind), own),), TRUE)

    @property
    def own_id(self) -> Column:
        """The column with the id of the rows."""
        column = self.mapping.id_of(type_of_table(self.mapping, self.table, self.table))
        return Column(ROWS, column.name, column.kind or "text")

    def called(
        self, columns: Sequence[Column], result: str, body: str, arguments: Sequence[str]
    ) -> str:
        """Return the call of a function, which is defined if there is none like it."""
        parameters = ", ".join(map(_type_of, columns))
        name = self.functions.setdefault(
            (parameters, result, body), f"{self.schema}.ask_{len(self.functions) + 1}"
        )
        return f"{name}({', '.join(arguments)})"

    def _tables(self, predicate: Predicate, subject: str) -> Mapping[str, FromClause]:
        """Return the tables of which *predicate* speaks."""
        who = self.mapping.table_of(subject).table
        if self.tables is None:
            return tables_of(predicate, self.table, who)
        named = self.tables.tables if isinstance(self.tables, MetaData) else self.tables
        asked = tables_asked(predicate) | {self.table, who}
        if asked - named.keys():
            raise LookupError(f"there is no table {min(asked - named.keys())}")
        return {name: selectable(named[name]) for name in asked}

    def _named(self, table: str) -> str:
        if self.tables is None:
            return _quoted(table)
        named = self.tables.tables if isinstance(self.tables, MetaData) else self.tables
        return str(_DIALECT.identifier_preparer.format_table(selectable(named[table])))

    # ---- the subject and the time -------------------------------------------------------

    def _subject(
        self, type_: str, predicate: Predicate, tables: Mapping[str, FromClause]
    ) -> dict[str, ColumnElement[Any]]:
        """Return what stands for the columns of the subject: each is read once for a statement."""
        id_ = self.mapping.id_of(type_)
        table = tables[self.mapping.table_of(type_).table]
        printer, scope = Printer(tables, "postgresql", set()), {SUBJECT: by_name(table)}
        of = Column(SUBJECT, id_.name, id_.kind or "text")
        found: dict[str, ColumnElement[Any]] = {}
        for column in sorted(_columns(predicate, {SUBJECT}), key=repr):
            stored = printer.column(column, scope)
            value = cast(stored, Text) if _type_of(column) == "text" else stored
            row = select(value).select_from(table)
            own = exact(printer.column(of, scope), "postgresql")
            row = row.where(own == self._id(type_, id_))
            call = self.called((), _type_of(column), f"RETURN ({_compiled(row)})", ())
            found[column.name] = literal_column(f"(SELECT {call})", stored.type)
        return found

    def _id(self, type_: str, column: StoredColumn) -> ColumnElement[Any]:
        """Return the id of the subject that the setting names, NULL if that is none of the type."""
        said = func.current_setting(self.setting, True)
        id_ = func.substr(said, len(type_) + 2)
        if column.kind != "int":
            return case((func.starts_with(said, f"{type_}:"), id_))
        number = case((said.op("~")(f"^{type_}:(0|-?[1-9][0-9]{{0,18}})$"), cast(id_, Numeric())))
        within = number.between(literal(-(2**63)), literal(2**63 - 1))
        return case((within, cast(number, BigInteger)))


class _Inline(Printer):
    """Prints what a policy itself says: what it reads of other tables is asked of functions.

    *checks*: whether the row is one that is about to be written.
    """

    def __init__(
        self, policies: _Policies, tables: Mapping[str, FromClause], *, checks: bool
    ) -> None:
        super().__init__(tables, "postgresql", set())
        self._policies, self._checks = policies, checks

    def related(self, predicate: Exists | HasMore, scope: Scope) -> Condition:
        if not isinstance(predicate.table, str) and not tables_asked(predicate):
            return super().related(predicate, scope)
        if isinstance(predicate, Exists) and not self._written(predicate):
            listed = listed_values(predicate)
            if listed is not None:
                value, outer, rows = listed
                return self._among(outer, rows, value, scope)
        return self._asked(predicate, scope)

    def above(self, ancestor: Ancestor, scope: Scope) -> Condition:
        if not self._written(ancestor) and is_listed(ancestor):
            return self._among(ancestor.start, ancestor, ancestor.id, scope)
        return self._asked(ancestor, scope)

    def _among(
        self, column: Column, rows: Exists | Ancestor, value: Column, scope: Scope
    ) -> Condition:
        """Return whether a column is among what a function gives, which is asked once for a statement."""
        columns = sorted(_columns(rows, scope.keys() - {ROWS}), key=repr)
        inner, arguments = self._passed(columns, scope)
        body = _compiled(_Body(self.tables, self._policies, {}).values(rows, value, inner))
        result = f"SETOF {_TYPES[value.kind]}"
        call = self._policies.called(columns, result, f"BEGIN ATOMIC\n{body};\nEND", arguments)
        own = self.column(column, scope)
        listed: ColumnElement[Any] = literal_column(f"(SELECT {call})", own.type)
        return and_(own.is_not(None), exact(own, "postgresql").op("IN")(listed))

    def _asked(self, predicate: Exists | HasMore | Ancestor, scope: Scope) -> Condition:
        """Return the call of a function, which gets the columns of which *predicate* speaks."""
        written = self._written(predicate)
        columns = sorted(_columns(predicate, scope.keys()) | written, key=repr)
        inner, arguments = self._passed(columns, scope)
        row = {column.name: inner[ROWS][column.name] for column in written}
        asked = _Body(self.tables, self._policies, row).true(predicate, inner)
        body = _compiled(select(func.coalesce(asked, False)))
        call = self._policies.called(columns, "boolean", f"RETURN ({body})", arguments)
        once = all(column.alias != ROWS for column in columns)
        return literal_column(f"(SELECT {call})" if once else call, Boolean())

    def _passed(
        self, columns: Sequence[Column], scope: Scope
    ) -> tuple[dict[str, dict[str, ColumnElement[Any]]], list[str]]:
        """Return what stands for columns in a function that gets them, and what it gets."""
        inner: dict[str, dict[str, ColumnElement[Any]]] = {alias: {} for alias in scope}
        arguments = []
        for at, column in enumerate(columns, 1):
            value = self.column(column, scope)
            arguments.append(_compiled(cast(value, Text) if _type_of(column) == "text" else value))
            inner[column.alias][column.name] = literal_column(f"${at}", value.type)
        return inner, arguments

    def _written(self, predicate: Predicate) -> set[Column]:
        """Return the columns that are asked of a row that is about to be written, where its table is read."""
        aliases = {
            node.alias
            for node in walk(predicate)
            if isinstance(node, Exists | HasMore | Ancestor) and node.table == self._policies.table
        }
        if not self._checks or not aliases or _BEFORE in aliases:
            return set()
        found = {replace(one, alias=ROWS) for one in _columns(predicate, aliases)}
        return found | {self._policies.own_id}


class _Body(Printer):
    """Prints what a function asks of one row; *written*: the values of that which is about to be written.

    The table of that row is then read as it will be: with that row, and without the one that it takes the place of.
    """

    def __init__(
        self,
        tables: Mapping[str, FromClause],
        policies: _Policies,
        written: Mapping[str, ColumnElement[Any]],
    ) -> None:
        super().__init__(tables, "postgresql", set())
        self._policies, self._written = policies, written

    def table(self, table: str, alias: str) -> FromClause:
        if table != self._policies.table or not self._written:
            return super().table(table, alias)
        stored, own = by_name(self.tables[table]), self._policies.own_id
        id_ = exact(self.column(own, {ROWS: stored}), "postgresql")
        others = select(*(stored[name].label(name) for name in self._written))
        others = others.where(id_.is_distinct_from(self.column(own, {ROWS: self._written})))
        row = select(*(value.label(name) for name, value in self._written.items()))
        return union_all(others, row).subquery(self.name(alias))

    def above(self, ancestor: Ancestor, scope: Scope) -> Condition:
        return self.upward(ancestor, scope)

    def values(self, rows: Exists | Ancestor, value: Column, scope: Scope) -> Select[Any]:
        """Return the query of what a column has in *rows*; of an ancestor, the ids of all below it."""
        if isinstance(rows, Ancestor):
            return select(self.below(rows, scope).c.id)
        table, columns = self.source(rows.table, rows.alias, scope)
        inner = {**scope, rows.alias: columns}
        found = self.column(value, inner)
        return (
            select(exact(found, "postgresql"))
            .select_from(table)
            .where(found.is_not(None), self.true(rows.where, inner))
        )


# ---- what is asked once for a statement -------------------------------------------------


def listed_values(rows: Exists) -> tuple[Column, Column, Exists] | None:
    """Return of which column the values are listed, what is sought among them, and in which rows; None if that is of no use.

    It is where the rows are some of a subject's, whichever row is asked about.
    """
    own_set = None if isinstance(rows.table, str) else rows.table.alias
    if own_set not in (None, SUBJECT):
        return None
    parts: list[Predicate] = [Compare("==", mine, outer) for mine, outer in rows.on]
    parts += rows.where.operands if isinstance(rows.where, And) else (rows.where,)
    linking = [part for part in parts if _columns(part, {ROWS})]
    match linking:
        case [Compare("==", Column(one) as value, Column(other) as sought)]:
            if other == rows.alias:
                value, sought, one, other = sought, value, other, one
            rest = both(part for part in parts if part is not linking[0])
            plain_ones = type(value) is type(sought) is Column
            if not plain_ones or (one, other) != (rows.alias, ROWS):
                return None
            if own_set == SUBJECT or _is_selective(rest, rows.alias):
                return value, sought, Exists(rows.table, rows.alias, (), rest)
    return None


def is_listed(ancestor: Ancestor) -> bool:
    """Whether the entities below those that are asked for are listed, since these are some of a subject's, or named."""
    asked, named = ancestor.where, Column(ancestor.alias, ancestor.id.name, ancestor.id.kind)
    if _columns(asked, {ROWS}) or ancestor.start.alias != ROWS:
        return False
    parts = asked.operands if isinstance(asked, And) else (asked,)
    return _is_selective(asked, ancestor.alias) or any(
        isinstance(part, Compare | OneOf) and named in columns_of(part) for part in parts
    )


def _is_selective(predicate: Predicate, alias: str) -> bool:
    """Whether few rows can satisfy it: those that something of the subject is equal to."""
    match predicate:
        case And(operands):
            return any(_is_selective(one, alias) for one in operands)
        case Or(operands):
            return all(_is_selective(one, alias) for one in operands)
        case Compare("==", Column(one), Column(other)):
            return {one, other} == {alias, SUBJECT}
        case Exists(alias=within, on=on, where=where):
            ends = {outer.alias for _, outer in on}
            return alias in ends and (SUBJECT in ends or _is_selective(where, within))
        case _:
            return False


def _columns(predicate: Predicate, aliases: Any) -> set[Column]:
    """Return the columns of some aliases of which *predicate* speaks."""
    return {
        plain(column)
        for node in walk(predicate)
        for column in columns_of(node)
        if column.alias in aliases
    }


def _type_of(column: Column) -> str:
    """Return the type by which a function gets a column."""
    if isinstance(column, SetColumn):
        return "jsonb" if column.json else f"{_TYPES[column.kind]}[]"
    return _TYPES[column.kind]


def _compiled(element: Any) -> str:
    return str(element.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def _condition(condition: Condition, rows: FromClause) -> str:
    """Return the condition as it stands after `WHERE`."""
    statement: Select[Any] = select(literal_column("1")).select_from(rows)
    return _compiled(statement.where(condition)).removeprefix(f"{_compiled(statement)} \nWHERE ")


def _quoted(name: str) -> str:
    return _DIALECT.identifier_preparer.quote(name)


def _literal(text: str) -> str:
    return _compiled(literal(text))


def _short(name: str) -> str:
    """Return the name, or another if PostgreSQL would cut it short."""
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"policyengine_{sha256(name.encode()).hexdigest()[:40]}"
