"""Decide about what a flush of an authorized session writes.

Before anything is written, each object that is new or changed is decided about with its new values, and each row
that is to be deleted must satisfy the condition for it, and is locked. An UPDATE gets the condition of its action, so
that a row of which it does not hold is not written, which is an error. When all is written, each row that was
inserted or changed must satisfy the condition as it is stored then. If any of that fails, the flush does, and
what it wrote is rolled back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Delete, Insert, Select, Table, Update, inspect, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstanceState, Session
from sqlalchemy.sql.elements import BindParameter, ClauseList, False_, Grouping, Null, True_
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import iterate

from policyengine.filters.authorization import Authorization
from policyengine.filters.governed_tables import RowsOf
from policyengine.filters.governing import AccessRefused, Verb
from policyengine.filters.visible_rows import carried, check_namesake

if TYPE_CHECKING:
    from sqlalchemy.orm import UOWTransaction

Keys = defaultdict[RowsOf, set[tuple[Any, ...]]]
_AT_ONCE = 500


class AuthorizedFlush:
    """One flush, from the moment at which its objects are known."""

    def __init__(
        self, authorization: Authorization, session: Session, context: UOWTransaction
    ) -> None:
        self._authorization = authorization
        self._governed = authorization.governed
        self._session = session
        self._context = context
        self._has_begun = False
        self._held: dict[InstanceState[Any], dict[str, Any]] = {}
        """What objects had before anything was written."""
        self._owners: Keys = defaultdict(set)
        """Owners whose parts were written, which had been decided about before."""
        self._deleted: dict[Table, set[tuple[Any, ...]]] = defaultdict(set)
        """Keys of the rows that may be deleted."""
        self._gone: Keys = defaultdict(set)
        """The same as owners of parts."""
        self._owned_before: dict[tuple[Table, tuple[Any, ...]], tuple[Any, ...]] = {}
        """Owners of parts, by their table and key, before anything was written."""

    def decide(self) -> None:
        """Decide about new and changed objects with their new values."""
        session, rules = self._session, self._authorization.rules
        written: dict[Verb, Iterable[object]] = {"insert": session.new, "update": session.dirty}
        for verb, objects in written.items():
            for instance in objects:
                entity = self._governed.entity(inspect(instance).mapper)
                if entity is None or (verb == "update" and not session.is_modified(instance)):
                    continue
                self._authorization.criterion(inspect(entity).local_table, verb)  # as of now
                action = self._governed.action(entity, verb)
                if rules.decide(instance, action) is False:
                    raise AccessRefused(
                        f"`{action}` is not allowed on the `{entity.__name__}` as it is written"
                    )

    # ---- while it writes ----------------------------------------------------------------

    def before(self, connection: Connection, statement: Any, rows: list[Any]) -> Any:
        """Check what can be checked before a statement of the flush is run, and return it with its condition."""
        if not isinstance(statement, Insert | Update | Delete) or carried(statement) is not None:
            return statement
        self._check_values(statement)
        begin_to_write(connection)
        if not self._has_begun:
            self._has_begun = True
            self._begin()
        table = statement.table
        check_namesake(table, self._governed, self._authorization.demand)
        if table not in self._governed.tables:
            return statement
        assert isinstance(table, Table)
        if connection is not self._connection(table):  # on which it is asked what is written
            raise AccessRefused(
                f"rows of `{table.name}` are written to another database than `get_bind` gives for its class"
            )
        part = self._governed.part(table)
        if part is not None:
            self._before_parts(statement, table, rows)
        of = () if part is None else self._governed.part_rows(table).key
        if isinstance(statement, Delete) and not (of and {c.key for c in of} <= rows[0].keys()):
            names = [column.key for column in table.primary_key]
            if not {tuple(row[name] for name in names) for row in rows} <= self._deleted[table]:
                raise AccessRefused(
                    f"a row of `{table.name}` is deleted by another key than it had"
                )
        if isinstance(statement, Update):
            return statement.where(self._authorization.criterion(table, "update"))
        return statement

    def _check_values(self, statement: Insert | Update | Delete) -> None:
        """Refuse expressions that could read rows, since nothing says to a flush which are visible."""
        if isinstance(statement, Delete):
            return
        for value in (statement._values or {}).values():  # noqa: SLF001 - nothing else has them
            if not all(map(_reads_no_row, iterate(value))):
                self._authorization.demand(
                    "text", "the value of an attribute is an expression: `update(…)` takes those"
                )

    def after(self, statement: Any, rows: list[Any], rowcount: int) -> None:
        """Refuse an UPDATE that did not reach all its rows."""
        if not isinstance(statement, Update) or carried(statement) is not None:
            return
        if statement.table in self._governed.tables and rowcount != len(rows):
            raise AccessRefused(
                f"a row of `{statement.table.description}` may not be changed, or is no longer there"
            )

    def _connection(self, table: Table) -> Connection:
        """Return the connection on which rows of a governed table are read and written."""
        class_ = self._governed.class_of(table)
        arguments: Any = {"mapper": inspect(class_), "clause": table}
        return Session.connection(self._session, bind_arguments=arguments)

    def _begin(self) -> None:
        """Demand that rows which are to be deleted may be."""
        self._held = {state: dict(state.dict) for state in self._context.states}
        deleted: Keys = defaultdict(set)
        parts: Keys = defaultdict(set)
        for state, rows in self._states():
            if state.key is None:
                continue
            if self._context.states[state][0]:
                deleted[rows].add(tuple(state.key[1]))
            if self._governed.part(rows.table) is not None:
                parts[rows].add(tuple(state.key[1]))
        owners_first = sorted(deleted, key=lambda rows: self._governed.part(rows.table) is not None)
        for rows in owners_first:
            keys = deleted[rows]
            self._demand(rows, keys, "delete", lock=True)
            self._deleted[rows.table] |= keys
            for owners in self._governed.owned(rows.table):
                for some in _in_batches(keys):
                    query = select(*owners.key).where(rows.having(some))
                    found = self._connection(rows.table).execute(query)
                    self._gone[owners].update(map(tuple, found))
        for rows, keys in parts.items():
            owner = self._governed.part_rows(rows.table).key
            for some in _in_batches(keys):
                query = select(*rows.key, *owner).where(rows.having(some))
                for row in self._connection(rows.table).execute(query):
                    key, of = tuple(row[: len(rows.key)]), tuple(row[len(rows.key) :])
                    self._owned_before[rows.table, key] = of

    def _before_parts(self, statement: Any, table: Table, rows: list[Any]) -> None:
        """Demand that owners whose parts are inserted or deleted, or that get parts of others, may be updated.

        Not of those that are inserted or deleted themselves.
        """
        part = self._governed.part(table)
        assert part is not None
        owners = self._governed.owners(part)
        names = [column.key for column in self._governed.part_rows(table).key]
        if isinstance(statement, Update):
            rows = [row for row in rows if not row.keys().isdisjoint(names)]
            if any(row.get(name) is None for row in rows for name in names):
                raise AccessRefused(f"owners of rows of `{table.name}` are changed in part")
        keys = {tuple(row.get(name) for name in names) for row in rows}
        if any(None in key for key in keys):
            if isinstance(statement, Insert):
                raise AccessRefused(f"rows of `{table.name}` are written without an owner")
            return  # an object of its own, which is deleted as such
        decided = self._keys_of(owners) | self._owners[owners]
        if keys - decided:
            self._demand(owners, keys - decided, "update", lock=True)
        self._owners[owners] |= keys - decided

    def _keys_of(self, rows: RowsOf) -> set[tuple[Any, ...]]:
        """Return the keys of what the flush inserts, and those that what it deletes had before."""
        return self._gone[rows] | {
            rows.key_of(state)
            for state, found in self._states()
            if found.table is rows.table and state.key is None
        }

    # ---- when all is written -------------------------------------------------------------

    def finish(self) -> None:
        """Refuse to leave a row that may not be as it is stored now."""
        written: dict[Verb, Keys] = {"insert": defaultdict(set), "update": defaultdict(set)}
        for state, rows in self._states():
            instance, (is_deleted, _) = state.obj(), self._context.states[state]
            if instance is None or not (
                is_deleted or state.key is None or self._session.is_modified(instance)
            ):
                continue
            if not is_deleted:
                written["insert" if state.key is None else "update"][rows].add(rows.key_of(state))
            part = self._governed.part(rows.table)
            if part is not None:
                owners = self._governed.owners(part)
                of = (
                    {self._governed.part_rows(rows.table).key_of(state)}
                    if not is_deleted
                    else set()
                )
                if state.key is not None:
                    of.add(self._owned_before[rows.table, tuple(state.key[1])])
                self._owners[owners] |= of - self._keys_of(owners)
        for rows, keys in self._owners.items():
            written["update"][rows] |= keys
        with self._authorization.trusted():
            for verb, of_tables in written.items():
                for rows, keys in of_tables.items():
                    if keys:
                        self._demand(rows, keys, verb)

    def fetched(self) -> Iterator[tuple[object, list[str]]]:
        """Give objects with those attributes that the flush read back, though they may be hidden."""
        for state, held in self._held.items():
            names = []
            for attribute in state.mapper.column_attrs:
                name, column = attribute.key, attribute.columns[0]
                is_fetched = name in state.dict and state.dict[name] is not held.get(name, held)
                table = getattr(column, "table", None)
                if (
                    is_fetched
                    and table in self._governed.tables
                    and self._authorization.may_be_hidden(table, column.name)
                    and not column.primary_key
                ):
                    names.append(name)
            if names and (instance := state.obj()) is not None:
                yield instance, names

    # ---- rows ---------------------------------------------------------------------------

    def _states(self) -> Iterator[tuple[InstanceState[Any], RowsOf]]:
        """Give the objects that the flush writes, with what has their rows.

        With one that is deleted, and whose row a new object gets: it is then only listed.
        """
        for state, (is_deleted, is_only_listed) in self._context.states.items():
            is_written = is_deleted or not is_only_listed
            rows = self._governed.rows(state.mapper) if is_written else None
            if rows is not None:
                yield state, rows

    def _demand(
        self, rows: RowsOf, keys: Collection[tuple[Any, ...]], verb: Verb, *, lock: bool = False
    ) -> None:
        """Refuse if one of the rows does not satisfy the condition of *verb* as it is now."""
        connection = self._connection(rows.table)
        begin_to_write(connection)
        condition = self._authorization.criterion(rows.table, verb)
        part = self._governed.part(rows.table)
        if part is not None:  # an owner that is inserted or deleted is decided about as a whole
            decided = self._keys_of(self._governed.owners(part))
            own = self._governed.part_rows(rows.table)
            condition = or_(condition, own.having(decided)) if decided else condition
        demand(connection, rows, keys, condition, verb, lock=lock)


def _reads_no_row(node: Any) -> bool:
    """Return whether a node of an expression is a value, or a function that is no text."""
    if isinstance(node, BindParameter):
        return node.type.bind_expression(node) is None
    if isinstance(node, FunctionElement):
        named = (*getattr(node, "packagenames", ()), getattr(node, "name", ""))
        return all(re.fullmatch(r"\w+", name) for name in named)
    return isinstance(node, ClauseList | False_ | Grouping | Null | True_)


def demand(
    connection: Connection,
    rows: RowsOf,
    keys: Iterable[tuple[Any, ...]],
    condition: Any,
    verb: Verb,
    *,
    lock: bool = False,
) -> None:
    """Refuse if one of the rows with *keys* does not satisfy the condition of *verb*; *lock*: and lock them."""
    for some in _in_batches(keys):
        query = select(*rows.key).where(rows.having(some), condition)
        if lock:
            query = query.with_for_update(of=rows.table)
        if len(connection.execute(query).all()) != len(some):
            raise AccessRefused(
                f"a row of `{rows.table.name}` may not be written so, or is no longer there ({verb})"
            )


def demand_stays(
    connection: Connection, rows: RowsOf, wanted: Select[Any], found: Collection[tuple[Any, ...]]
) -> None:
    """Refuse if what *wanted* has *found* of rows, their keys and owners, is another now."""
    keys = {row[: len(rows.key)] for row in found}
    now = connection.execute(select(*wanted.selected_columns).where(rows.having(keys)))
    if set(found) != set(map(tuple, now)):
        raise AccessRefused(
            f"rows of `{rows.table.name}` get other owners by a statement: change the objects"
        )


def _in_batches(keys: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    left = iter(keys)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def begin_to_write(connection: Connection) -> None:
    """See to it that what is written can be rolled back."""
    if connection._is_autocommit_isolation():  # noqa: SLF001 - asking the database costs a query
        raise AccessRefused("nothing is written in AUTOCOMMIT, where nothing is rolled back")
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        # A transaction begins with some statements only, and not before reading.
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
