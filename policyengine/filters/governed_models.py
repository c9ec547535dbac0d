"""Say which models of Django are governed: the actions by which their rows are read and written, and parts of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias
from weakref import WeakSet

from msgspec import Struct

try:
    from django.apps import apps
except ImportError:
    raise ImportError("models of Django need it: install `policyengine-dsl[django]`") from None

from policyengine.filters.governing import (
    AccessRefused,
    Verb,
    Verbs,
    check_actions,
    folded,
    part_tables,
    type_of_table,
)
from policyengine.filters.mapping import TableMapping

Model: TypeAlias = type[Any]
"""A model of Django, which has no types."""


class ModelPart(Struct, frozen=True):
    """What rows of a model are parts of: those of the governed model *owner*, by equal columns.

    *on*: names of columns of the part, with those of the owner.
    """

    owner: Model
    on: Mapping[str, str]


class MappedModels:
    """The models of a mapping, governed by the actions that are named for the verbs of models.

    A model with None in the place of its verbs is not governed; a table of the mapping whose model is not
    named is neither read nor written. Raises `ValueError` for what cannot be governed.
    """

    def __init__(self, mapping: TableMapping, verbs: Mapping[Model, Verbs | None]) -> None:
        self.mapping = mapping
        self.types: dict[Model, str] = {}
        self.verbs: dict[Model, Verbs] = {}
        free = set()
        for named, of in verbs.items():
            model = named._meta.concrete_model
            if named._meta.abstract:
                raise ValueError(f"`{named.__name__}` is abstract, and has no rows")
            if model in self.types:
                raise ValueError(f"`{named.__name__}` is named besides a model of the same table")
            table = model._meta.db_table
            type_ = self.types[model] = type_of_table(mapping, table, named.__name__)
            if of is None:
                free.add(table)
                continue
            check_actions(mapping, type_, of)
            self.verbs[model] = of
        classes = {model._meta.db_table: model for model in self.verbs}
        self.models: Final = {**_models(), **classes}
        """The models by the names of their tables."""
        self.parts: Final = dict(self._parts(classes, free))
        """What the rows of tables are parts of."""
        named_tables = {of.table for of in mapping.tables.values()} | {
            part for of in mapping.tables.values() for part, _ in part_tables(of)
        }
        owned = {
            table
            for type_, of in mapping.tables.items()
            if of.table in free
            for table, _ in part_tables(of)
        }
        self.tables: Final = frozenset((named_tables - free - owned) | self.parts.keys())
        """The tables that are governed."""
        self._names = {_bare(table) for table in self.tables}

    def _parts(
        self, classes: Mapping[str, Model], free: set[str]
    ) -> Iterator[tuple[str, ModelPart]]:
        found: dict[str, ModelPart] = {}
        for type_, of in self.mapping.tables.items():
            if of.table not in classes:
                continue
            for table, column in part_tables(of):
                part = ModelPart(classes[of.table], {column: self.mapping.id_of(type_).name})
                if table in classes or found.setdefault(table, part) != part:
                    raise ValueError(
                        f"rows of `{table}` are parts of two models: govern one of them"
                    )
        for model in self.models.values():
            for owner in classes.values():
                table = model._meta.db_table
                if owner in model._meta.get_parent_list() and table not in classes.keys() | free:
                    link = model._meta.get_ancestor_link(owner)
                    found[table] = ModelPart(owner, {link.column: owner._meta.pk.column})
        yield from found.items()

    def governs(self, table: str) -> bool:
        """Return whether a table is governed; raises `AccessRefused` for another name of one that is."""
        if table in self.tables:
            return True
        if _bare(table) in self._names or '"' in "".join(table.strip('"').split('"."')):
            raise AccessRefused(f"`{table}` may be another name of a governed table")
        return False

    def check_named(self, table: str) -> None:
        """Raise `AccessRefused` for a table of a model that demands a scope, and is not named here."""
        model = demanding(table)
        if model is not None and model not in self.types:
            raise AccessRefused(
                f"`{model.__name__}` demands a scope, and this one does not name it"
            )

    def entity(self, table: str) -> Model:
        """Return the governed model whose rows are in *table*; raises `AccessRefused` if there is none."""
        model = self.models.get(table)
        if model not in self.verbs:
            raise AccessRefused(f"no model is governed whose rows are in `{table}`")
        return model

    def action(self, model: Model, verb: Verb) -> str:
        """Return the action that is named for a verb; raises `AccessRefused` if none is."""
        action: str | None = getattr(self.verbs[model], verb)
        if action is None:
            raise AccessRefused(f"no action is named for the verb `{verb}` of `{model.__name__}`")
        return action


DEMANDING: Final[WeakSet[Model]] = WeakSet()
"""The models that are read and written in a scope only."""


def demanding(table: str) -> Model | None:
    """Return the model that demands a scope whose rows, or those of a relation of many, are in *table*."""
    for model in list(DEMANDING):
        meta = model._meta
        through: list[Any] = [one.remote_field.through for one in meta.local_many_to_many]
        tables = {one._meta.db_table for one in through if not isinstance(one, str)}
        if table == meta.db_table or table in tables:
            return model
    return None


def attribute_of(model: Model, column: str) -> str:
    """Return the name of the attribute in which objects of a model have a column."""
    for field in model._meta.concrete_fields:
        if field.column == column:
            return str(field.attname)
    raise AccessRefused(f"`{model.__name__}` has no field for the column `{column}`")


def _models() -> dict[str, Model]:
    """Return the models that have tables, by their names: of several on one table, one that Django manages."""
    found: dict[str, Model] = {}
    for of in list(apps.all_models.values()):
        for model in of.values():
            meta = model._meta
            if not (meta.proxy or meta.swapped) and (meta.managed or meta.db_table not in found):
                found[meta.db_table] = model
    return found


def _bare(table: str) -> str:
    """Return the name of a table without its schema, by which databases may find it."""
    return folded(table.rpartition('"."')[2].strip('"'))
