"""Govern tables of SQLAlchemy by the rules for one subject, as a mapping says where entities are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

try:
    from sqlalchemy import MetaData, Table, inspect
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.orm.exc import UnmappedColumnError

from policyengine.filters.governed_tables import Condition, GovernedTables, PartOf
from policyengine.filters.governing import (
    PLAIN,
    Bound,
    NotInMemory,
    RowInMemory,
    SubjectRows,
    Verbs,
    check_actions,
    not_in_memory,
    part_tables,
    type_of_table,
)
from policyengine.filters.mapping import TableMapping
from policyengine.filters.sqlalchemy_printing import condition


class MappedTables(GovernedTables):
    """The tables of a mapping, governed by the actions that are named for the verbs of classes.

    A class with None in the place of its verbs is not governed; a table of the mapping whose class is not
    named is neither read nor written. Raises `ValueError` for what cannot be governed.
    """

    def __init__(self, mapping: TableMapping, verbs: Mapping[type, Verbs | None]) -> None:
        self.mapping = mapping
        self.types: dict[type, str] = {}
        for entity in verbs:
            table: Table = inspect(entity).local_table
            type_ = type_of_table(mapping, table.key, entity.__name__)
            if type_ in self.types.values():
                raise ValueError(f"`{table.key}` is the table of two classes: name the one above")
            self.types[entity] = type_
        free = {name for entity, name in self.types.items() if verbs[entity] is None}
        governed = {entity: of for entity, of in verbs.items() if of is not None}
        for entity, of in governed.items():
            check_actions(mapping, self.types[entity], of)
        metadata: list[MetaData] = [inspect(entity).local_table.metadata for entity in verbs]
        parts, others, names = _parts(mapping, metadata, {self.types[e]: e for e in governed}, free)
        super().__init__(governed, parts, others, names)


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
        for name, column in part_tables(of):
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
        self._governed, self._dialect = governed, dialect
        types = governed.types
        self._rows = SubjectRows(
            bound,
            governed.mapping,
            {types[entity]: of for entity, of in governed.verbs.items()},
            context=context,
            entities=entities,
            fields={types[entity]: names for entity, names in fields.items()},
        )

    def condition(self, entity: type, action: str) -> Condition:
        """Return the condition of the rows of a class on which the action is allowed."""
        made = self._rows.allowed(self._governed.types[entity], action)
        table: Table = inspect(entity).local_table
        said = condition(made.predicate, table, table.metadata, self._dialect(entity))
        return Condition(said.printed(), made.until, made.hidden)

    def decide(self, instance: object, action: str) -> bool | None:
        """Decide about an object with the values that it has now; None if they do not say all that is asked."""
        entity = self._governed.entity(inspect(instance).mapper)
        assert entity is not None
        row = _HeldRow(instance, inspect(entity).local_table)
        return self._rows.decide(self._governed.types[entity], action, row)


class _HeldRow(RowInMemory):
    """The row of an object, as far as the object says what will be in it."""

    def __init__(self, instance: object, table: Table) -> None:
        self._state: Any = inspect(instance)
        self._columns = {column.name: column for column in table.c}

    def __getitem__(self, name: str) -> Any:
        state, column = self._state, self._columns[name]
        try:
            attribute = state.mapper.get_property_by_column(column)
        except UnmappedColumnError:
            raise NotInMemory from None
        value = state.dict.get(attribute.key, not_in_memory)
        follows = any(
            column in relation.local_columns and state.attrs[relation.key].history.has_changes()
            for relation in state.mapper.relationships
        )
        if follows or not (value is None or type(value) in PLAIN):
            raise NotInMemory
        return value
