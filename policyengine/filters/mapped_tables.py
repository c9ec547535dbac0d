"""Govern tables of SQLAlchemy by the rules for one subject, as a mapping says where entities are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NoReturn, Protocol

try:
    from sqlalchemy import MetaData, Table, inspect
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None

from policyengine.compiler.simplify import TRUE
from policyengine.filters.governed_tables import Condition, GovernedTables, PartOf, Verbs
from policyengine.filters.mapping import (
    ClosureTable,
    EntityTable,
    ParentTable,
    SetTable,
    Stored,
    TableMapping,
    columns_of,
)
from policyengine.filters.row_filter import make_filter
from policyengine.filters.row_requests import RowReader
from policyengine.filters.sqlalchemy_conditions import condition
from policyengine.model.errors import InvalidRequest
from policyengine.model.needs import NOTHING
from policyengine.partial.residual import Residual


class Bound(Protocol):
    """A subject under a policy set, as `PolicyEngine.bind` gives it."""

    @property
    def valid_until(self) -> datetime | None:
        """The moment from which it must be bound again."""

    def partial(
        self,
        action: str,
        context: Any,
        *,
        resource_type: str,
        fields: Collection[str] | None,
        entities: Any,
    ) -> Residual:
        """Return what is left to decide about resources of a type."""


class MappedTables(GovernedTables):
    """The tables of a mapping, governed by the actions that are named for the verbs of classes.

    A class with None in the place of its verbs is not governed; a table of the mapping whose class is not
    named is neither read nor written. Raises `ValueError` for what cannot be governed.
    """

    def __init__(self, mapping: TableMapping, verbs: Mapping[type, Verbs | None]) -> None:
        self.mapping = mapping
        self.types: dict[type, str] = {}
        of_table = {of.table: name for name, of in mapping.tables.items()}
        for entity in verbs:
            table: Table = inspect(entity).local_table
            if table.key not in of_table:
                raise ValueError(f"the mapping has no table `{table.key}`, of `{entity.__name__}`")
            if sum(of.table == table.key for of in mapping.tables.values()) > 1:
                raise ValueError(
                    f"`{table.key}` is the table of several types: its rows are of one"
                )
            if of_table[table.key] in self.types.values():
                raise ValueError(f"`{table.key}` is the table of two classes: name the one above")
            self.types[entity] = of_table[table.key]
        free = {name for entity, name in self.types.items() if verbs[entity] is None}
        governed = {entity: of for entity, of in verbs.items() if of is not None}
        for entity, of in governed.items():
            self._check_actions(self.types[entity], of)
        metadata: list[MetaData] = [inspect(entity).local_table.metadata for entity in verbs]
        parts, others, names = _parts(mapping, metadata, {self.types[e]: e for e in governed}, free)
        super().__init__(governed, parts, others, names)

    def _check_actions(self, type_: str, verbs: Verbs) -> None:
        for action in (verbs.select, verbs.insert, verbs.update, verbs.delete):
            if action is None:
                continue
            known = self.mapping.schema.actions.get(action)
            if known is None or type_ not in known.resources:
                raise ValueError(f"there is no action `{action}` on {type_}")


def _parts(
    mapping: TableMapping,
    metadata: Iterable[MetaData],
    classes: Mapping[str, type],
    free: Collection[str],
) -> tuple[dict[Table, PartOf], list[Table], list[str]]:
    """Return the tables of parts, the others that are not those of *classes* or of *free* types, and names of such."""
    tables = {name: table for one in metadata for name, table in one.tables.items()}
    parts: dict[Table, PartOf] = {}
    others, names = [], []
    for type_, of in mapping.tables.items():
        if type_ in free:
            continue
        if of.table in tables:
            if type_ not in classes:
                others.append(tables[of.table])
        else:
            names.append(of.table)
        for name, column in _part_tables(of):
            table = tables.get(name)
            if table is None:  # in other metadata perhaps
                names.append(name)
            elif type_ not in classes:
                others.append(table)
            else:
                assert not isinstance(of.id, str)
                part = PartOf(classes[type_], {column: of.id.name})
                if parts.setdefault(table, part) != part:
                    raise ValueError(
                        f"rows of `{name}` are parts of two classes: govern one of them"
                    )
    plain = [name.rpartition(".")[2] for name in names]
    return parts, [table for table in others if table not in parts], plain


def _part_tables(of: EntityTable) -> Iterator[tuple[str, str]]:
    """Give the tables of parts of an entity, each with its column that names the entity."""
    for stored in of.attributes.values():
        yield from _set_tables(stored)
    for parents in of.parents.values():
        if isinstance(parents, ParentTable):
            yield parents.table, parents.child
        elif isinstance(parents, ClosureTable):
            yield parents.table, parents.below


def _set_tables(stored: Stored) -> Iterator[tuple[str, str]]:
    if isinstance(stored, SetTable):
        yield stored.table, stored.owner
    elif isinstance(stored, Mapping):
        for part in stored.values():
            yield from _set_tables(part)


class SubjectRules:
    """What is allowed to a bound subject in a context.

    *fields*: those of classes that are read, and only of rows which expose them. *dialect*: of the database of a
    class.
    """

    def __init__(
        self,
        bound: Bound,
        governed: MappedTables,
        dialect: Callable[[type], Any],
        *,
        context: Any,
        entities: Any,
        fields: Mapping[type, Collection[str]],
    ) -> None:
        self._bound, self._governed, self._dialect = bound, governed, dialect
        self._context, self._entities, self._fields = context, entities, fields
        self._left: dict[tuple[type, str], Residual] = {}

    def condition(self, entity: type, action: str) -> Condition:
        """Return the condition of the rows of a class on which the action is allowed."""
        governed = self._governed
        type_, verbs = governed.types[entity], governed.verbs[entity]
        fields = self._fields.get(entity) if action == verbs.select else None
        left = self._left[entity, action] = self._bound.partial(
            action, self._context, resource_type=type_, fields=fields, entities=self._entities
        )
        made = make_filter(left, governed.mapping)
        table: Table = inspect(entity).local_table
        until = [one for one in (made.valid_until, self._bound.valid_until) if one is not None]
        return Condition(
            condition(made.predicate, table, table.metadata, self._dialect(entity)).printed(),
            min(until, default=None),
            frozenset(self._hidden(left)) if action == verbs.select else frozenset(),
        )

    def _hidden(self, left: Residual) -> Iterator[str]:
        """Give the names of columns and tables that hold what some rows do not expose."""
        if left.exposed is None:
            return
        of = self._governed.mapping.table_of(left.target[2])
        shown = {name for name, when in left.exposed.items() if when == TRUE}
        for name, stored in of.attributes.items():
            if name not in shown:
                yield from (column.name for column in columns_of(stored))
                yield from (table for table, _ in _set_tables(stored))
        if "id" not in shown:
            assert not isinstance(of.id, str)
            yield of.id.name

    def decide(self, instance: object, action: str) -> bool | None:
        """Decide about an object with the values that it has now; None if they do not say all that is asked."""
        entity = self._governed.entity(inspect(instance).mapper)
        assert entity is not None
        if (entity, action) not in self._left:
            self.condition(entity, action)
        left = self._left[entity, action]
        needs = NOTHING
        for rule in left.basis.rules:
            needs |= NOTHING if rule.advisory else rule.needs.resource
        reader = RowReader(self._governed.mapping, _not_in_memory)
        try:
            key = reader.read(left.target[2], _HeldRow(instance), needs)
            decision = left.decide(resource=reader.entities()[key])
        except (_NotInMemory, InvalidRequest):
            return None
        return decision.allowed


class _NotInMemory(Exception):  # noqa: N818 - it says what is so
    """Raised for a value that is not known before it is written."""


def _not_in_memory(*_: object) -> NoReturn:
    raise _NotInMemory


_PLAIN: Final = (str, int, bool, Decimal, datetime)


class _HeldRow(Mapping[str, Any]):
    """The row of an object, as far as the object says what will be in it."""

    def __init__(self, instance: object) -> None:
        self._state: Any = inspect(instance)

    def __getitem__(self, name: str) -> Any:
        state = self._state
        column = state.mapper.local_table.c.get(name)
        for attribute in state.mapper.column_attrs:
            if column is None and attribute.columns[0].name == name:
                column = attribute.columns[0]
        value = state.dict.get(state.mapper.get_property_by_column(column).key, _not_in_memory)
        follows = any(
            column in relation.local_columns and state.attrs[relation.key].history.has_changes()
            for relation in state.mapper.relationships
        )
        if follows or not (value is None or type(value) in _PLAIN):
            raise _NotInMemory
        return value

    def __iter__(self) -> NoReturn:
        raise NotImplementedError

    def __len__(self) -> NoReturn:
        raise NotImplementedError
