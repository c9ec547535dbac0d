"""Read what functions of an MCP server receive as clients would say it: with the names of the schema, however it is written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any, get_type_hints

from pydantic import AliasChoices, BaseModel, RootModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from policyengine.adapters.mcp_arguments import PLAIN
from policyengine.adapters.mcp_vocabulary import attribute_of


def received(value: Any) -> Any:
    """Return in JSON what a function receives as an argument: its parts by the names that clients give them, however it is written."""
    if type(value) in PLAIN:  # as most are: to ask what else they are takes longer than the rest
        return to_jsonable_python(value, fallback=str)
    if isinstance(value, RootModel):
        return received(value.root)
    if isinstance(value, SecretStr | SecretBytes):
        return received(value.get_secret_value())
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        parts = {_given_as(name, its): getattr(value, name) for name, its in fields.items()}
        return received({**(value.model_extra or {}), **parts})
    if is_dataclass(value) and not isinstance(value, type):
        fields = getattr(value, "__pydantic_fields__", None) or _fields_of(type(value))
        names = (one.name for one in dataclass_fields(value))
        return received({_given_as(name, fields.get(name)): getattr(value, name) for name in names})
    if isinstance(value, Mapping):
        return {
            str(to_jsonable_python(key, fallback=str)): received(one) for key, one in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [received(one) for one in value]
    return to_jsonable_python(value, fallback=str)


def _given_as(name: str, field: FieldInfo | None) -> str:
    """Return the name of a part in the schema of a tool: the first that clients may give it, as pydantic writes it."""
    said = None if field is None else field.validation_alias
    for one in said.convert_to_aliases() if isinstance(said, AliasChoices) else [[said]]:
        if len(one) == 1 and isinstance(one[0], str):
            return one[0]
    return name


def names_in_schema(function: Callable[..., Any]) -> dict[str, str]:
    """Return the name that each parameter of *function* has in the schema of its tool."""
    hints = _hints_of(function)
    parameters = inspect.signature(function).parameters
    return {
        name: _given_as(name, _field(hints[name], one.default) if name in hints else None)
        for name, one in parameters.items()
    }


def _fields_of(class_: type) -> dict[str, FieldInfo]:
    """Return the fields of a dataclass that is not of pydantic, as pydantic reads them."""
    hints = _hints_of(class_)
    return {
        one.name: _field(hints[one.name], one.default)
        for one in dataclass_fields(class_)
        if one.name in hints
    }


def _field(hint: Any, default: Any) -> FieldInfo:
    if isinstance(default, FieldInfo):
        return FieldInfo.from_annotated_attribute(hint, default)
    return FieldInfo.from_annotation(hint)


def _hints_of(described: Any) -> dict[str, Any]:
    while isinstance(described, functools.partial):
        described = described.func
    try:
        return get_type_hints(described, include_extras=True)
    except (NameError, TypeError):  # which pydantic could not read, either
        return {}


def lacks(given: Any, seen: Any) -> bool:
    """Whether a part that was *seen* of arguments is nowhere in what a function is *given* for them.

    It may be there by another name, by which rules would not see it: so no decision would be about it.
    """
    if isinstance(seen, Mapping) and isinstance(given, Mapping):
        parts = {attribute_of(str(name)): one for name, one in given.items()}
        return any(name not in parts or lacks(parts[name], one) for name, one in seen.items())
    if isinstance(seen, list) and isinstance(given, list) and given:
        parts = {
            name: each for one in given if isinstance(one, Mapping) for name, each in one.items()
        }
        return any(isinstance(one, Mapping) and lacks(parts, one) for one in seen)
    return False
