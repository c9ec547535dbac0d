"""Say which tables of SQLAlchemy are governed: the actions by which rows are read and written, and parts of rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeAlias, cast

from msgspec import Struct
from msgspec.structs import replace

try:
    from sqlalchemy import ColumnElement, Table, TableClause, inspect, select, tuple_
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.sql.visitors import iterate

from policyengine.filters.governing import AccessRefused, Verb, Verbs, folded


class PartOf(Struct, frozen=True):
    """What rows of a table are parts of: those of the governed class *owner*, by equal columns.

    Of a set, or an association. Its rows are seen where their owner is, and written by who may update that.
    *on*: names of columns of the table, with those of the owner's table.
    """

    owner: type
    on: Mapping[str, str]


class Condition(Struct, frozen=True, eq=False):
    """What holds of the rows that are allowed, valid until a moment, None for ever.

    The criterion is of Core: of columns of tables, and not of attributes of classes. *hidden*: names of the
    columns, and of tables of parts with their schema, that are not to be read.
    """

    criterion: ColumnElement[bool]
    until: datetime | None = None
    hidden: frozenset[str] = frozenset()


class Rules(Protocol):
    """What is allowed to the caller of a session."""

    def condition(self, entity: type, action: str) -> Condition:
        """Return the condition of the rows of a class on which the action is allowed."""

    def decide(self, instance: object, action: str) -> bool | None:
        """Decide about an object with the values that it has now; None if they do not say all that is asked."""


Ask: TypeAlias = Callable[[type, str], Condition]
"""Returns the condition of the rows of a class on which an action is allowed."""


class RowsOf(Struct, frozen=True):
    """A governed table, and the columns by which its rows are found."""

    table: Table
    key: tuple[Any, ...]

    def having(self, keys: Collection[tuple[Any, ...]]) -> ColumnElement[bool]:
        """Return that a row has one of *keys*."""
        if len(self.key) == 1:
            return cast("ColumnElement[bool]", self.key[0].in_([key for (key,) in keys]))
        return tuple_(*self.key).in_(list(keys))

    def key_of(self, state: InstanceState[Any]) -> tuple[Any, ...]:
        """Return the key of an object's row, with the values that the object has now."""
        names = (state.mapper.get_property_by_column(column).key for column in self.key)
        return tuple(getattr(state.obj(), name) for name in names)


class GovernedTables:
    """The tables that are governed: of classes, with their verbs, of their parts, and *others*, which are refused.

    *names*: of further tables that are refused, of which no `Table` is known. Raises `ValueError` for what cannot
    be governed.
    """

    def __init__(
        self,
        verbs: Mapping[type, Verbs],
        parts: Mapping[Table, PartOf] | None = None,
        others: Iterable[Table] = (),
        names: Iterable[str] = (),
    ) -> None:
        self.verbs = dict(verbs)
        self._classes = {_table(entity): entity for entity in verbs}
        if len(self._classes) < len(verbs):
            raise ValueError("two classes of one table are governed: name the one above")
        self._parts = dict(parts or {})
        for entity in verbs:
            self._parts |= self._of_subclasses(entity)
        for table, part in self._parts.items():
            if part.owner not in verbs or table in self._classes:
                raise ValueError(f"`{table.name}` is no part of a governed class")
        self.tables = frozenset({*self._classes, *self._parts, *others})
        self.names = frozenset(map(folded, [*(table.name for table in self.tables), *names]))

    def _of_subclasses(self, entity: type) -> Iterator[tuple[Table, PartOf]]:
        """Give the tables that subclasses add to the table of their class."""
        above: Mapper[Any] = inspect(entity)
        for mapper in above.self_and_descendants:
            table = mapper.local_table
            if table is above.local_table or mapper.class_ in self.verbs:
                continue
            if mapper.concrete or not isinstance(table, Table):
                raise ValueError(f"`{mapper.class_.__name__}` must be governed for itself")
            pairs = zip(table.primary_key, above.local_table.primary_key, strict=True)
            yield table, PartOf(entity, {one.name: other.name for one, other in pairs})

    def entity(self, mapper: Mapper[Any]) -> type | None:
        """Return the governed class that *mapper* belongs to."""
        above = (one.class_ for one in mapper.iterate_to_root())
        return next((class_ for class_ in above if class_ in self.verbs), None)

    def rows(self, mapper: Mapper[Any]) -> RowsOf | None:
        """Return what has a row for each object of *mapper*; None if it is not governed.

        Raises `AccessRefused` if the mapper takes in governed tables otherwise.
        """
        entity = self.entity(mapper)
        if entity is not None:
            return RowsOf(_table(entity), inspect(entity).primary_key)
        if mapper.local_table in self._parts:
            return RowsOf(cast("Table", mapper.local_table), mapper.primary_key)
        if not self.tables.isdisjoint(mapper.tables):
            raise AccessRefused(f"`{mapper.class_.__name__}` maps a governed table besides others")
        return None

    def class_of(self, table: Table) -> type:
        """Return the class whose rows, or parts of them, are in a governed table."""
        part = self._parts.get(table)
        if part is None and table not in self._classes:
            raise AccessRefused(f"no class is governed whose rows are in `{table.name}`")
        return self._classes[table] if part is None else part.owner

    def part(self, table: Any) -> PartOf | None:
        """Return what rows of *table* are parts of, None if it is not of parts."""
        return self._parts.get(table)

    def part_rows(self, table: Table) -> RowsOf:
        """Return the rows of a table of parts, by their owner."""
        return RowsOf(table, _named(table, self._parts[table].on))

    def owners(self, part: PartOf) -> RowsOf:
        """Return what has a row for each owner of parts."""
        table = _table(part.owner)
        return RowsOf(table, _named(table, part.on.values()))

    def owned(self, table: Table) -> set[RowsOf]:
        """Return what has a row for each row of *table* that has parts."""
        return {self.owners(part) for part in self._parts.values() if _table(part.owner) is table}

    def condition(self, ask: Ask, table: Table, verb: Verb) -> Condition:
        """Return the condition of the rows of a governed table for which *verb* is allowed; *ask*: of a class."""
        part, entity = self._parts.get(table), self.class_of(table)
        if part is None:
            return ask(entity, self.action(entity, verb))
        owners = _table(part.owner)
        owned = self.condition(ask, owners, "select" if verb == "select" else "update")
        if verb == "select" and table.key in owned.hidden:
            raise AccessRefused(f"`{table.name}` may be hidden: `fields=` asks for it")
        pairs = zip(self.part_rows(table).key, self.owners(part).key, strict=True)
        joined = (one == other for one, other in pairs)
        found = select(owners.c[0]).where(*joined, owned.criterion).correlate(table)
        hidden = frozenset(one for one, other in part.on.items() if other in owned.hidden)
        return replace(owned, criterion=found.exists(), hidden=hidden)

    def action(self, entity: type, verb: Verb) -> str:
        """Return the action that is named for a verb; raises `AccessRefused` if none is."""
        action: str | None = getattr(self.verbs[entity], verb)
        if action is None:
            raise AccessRefused(f"no action is named for the verb `{verb}` of `{entity.__name__}`")
        return action

    def reached(self, statement: Any) -> dict[Table, None]:
        """Return the governed tables that a statement is expected to read.

        Those that it names, and those of classes to which it says that relationships are loaded, or the mapping.
        """
        found: dict[Table, None] = {}
        classes: dict[Mapper[Any], None] = {}
        for node in iterate(statement):
            if isinstance(node, TableClause) and node in self.tables:
                found[cast("Table", node)] = None
            if (entity := getattr(node, "_annotations", {}).get("parententity")) is not None:
                classes[entity.mapper] = None
        for option in getattr(statement, "_with_options", ()):
            for load in getattr(option, "context", ()):
                classes |= {
                    m: None for part in load.path.path if (m := getattr(part, "mapper", None))
                }
        stack = list(classes)
        while stack:
            mapper = stack.pop()
            found |= {cast("Table", table): None for table in mapper.tables}
            for relation in mapper.relationships:
                if relation.lazy == "joined" and relation.mapper not in classes:
                    classes[relation.mapper] = None
                    stack.append(relation.mapper)
        return {table: None for table in found if table in self.tables}


def _named(table: Table, names: Iterable[str]) -> tuple[Any, ...]:
    """Return the columns of a table by their names in the database."""
    columns = {column.name: column for column in table.c}
    return tuple(columns[name] for name in names)


def _table(entity: type) -> Table:
    """Return the table of a class; raises `ValueError` if it has none of its own."""
    mapper: Mapper[Any] = inspect(entity)
    table: Any = mapper.local_table
    if not isinstance(table, Table):
        raise ValueError(f"`{entity.__name__}` is not mapped to a table")  # noqa: TRY004 - of its value
    if {*mapper.tables} != {table}:
        raise ValueError(
            f"`{entity.__name__}` has rows in several tables: govern the class above, with which it goes"
        )
    return table
