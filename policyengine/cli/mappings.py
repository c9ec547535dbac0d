"""Load what commands about databases need: a mapping in a module of the user's, tables, a database."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policyengine.cli.output import FailingInput, failing

if TYPE_CHECKING:
    from policyengine.filters.mapping import EntityTable, TableMapping
    from policyengine.model.types import Schema


def load_mapping(name: str, schema: Schema) -> TableMapping:
    """Return the mapping `module:name`, a dict of `EntityTable` or what `map_tables` made of one."""
    from policyengine.filters.mapping import InvalidMapping, TableMapping, map_tables

    found = named(name)
    tables = found.tables if isinstance(found, TableMapping) else found
    if not isinstance(tables, Mapping):
        raise FailingInput(f"`{name}` is no mapping: a dict of `EntityTable` by entity type")
    try:
        return map_tables(schema, tables)
    except InvalidMapping as problem:
        raise failing(f"`{name}` does not fit the policies:", problem.problems) from None


def mapping_by_names(schema: Schema) -> TableMapping:
    """Return a mapping of tables and columns that are called as types and attributes are."""
    from policyengine.filters.mapping import EntityTable, Stored, map_tables
    from policyengine.model.types import Attribute, RecordType, SetType

    def stored(attribute: Attribute, name: str) -> Stored:
        if not isinstance(attribute.type, RecordType):
            return name
        return {a.name: stored(a, f"{name}_{a.name}") for a in attribute.type.attributes}

    def has_set(attribute: Attribute) -> bool:
        parts = attribute.type.attributes if isinstance(attribute.type, RecordType) else ()
        return isinstance(attribute.type, SetType) or any(map(has_set, parts))

    tables: dict[str, EntityTable] = {
        name: EntityTable(
            name, attributes={a.name: stored(a, a.name) for a in type_.attributes if not has_set(a)}
        )
        for name, type_ in schema.entities.items()
    }
    return map_tables(schema, tables)


def named(name: str) -> Any:
    """Return `module:name`; the module may be in the current folder."""
    module, colon, inner = name.partition(":")
    if not colon or not module or not inner:
        raise FailingInput(
            f"`{name}` is no `module:name`, as `tables:MAPPING` is for `MAPPING` of `tables.py`"
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module)
        for part in inner.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - a module of the user's may raise anything
        said = f"{type(problem).__name__}: {problem}".split("\n")[0]
        raise FailingInput(f"`{name}` cannot be imported: {said}") from None
    return found


def needs_sqlalchemy(lacking: ModuleNotFoundError) -> FailingInput:
    """Return what is said where SQLAlchemy is missing; raises *lacking* if it is something else."""
    if (lacking.name or "").partition(".")[0] != "sqlalchemy":
        raise lacking
    return FailingInput("this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`")


def json_value(value: Any) -> Any:
    """Return a value of a request or a database as JSON has it."""
    if isinstance(value, dict):
        return {key: json_value(part) for key, part in value.items()}
    if isinstance(value, list):
        return [*map(json_value, value)]
    return value if isinstance(value, str | int | bool | float | None) else str(value)
