"""Read what functions of an MCP server receive as clients would say it: with the names of the schema, however it is written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from itertools import product
from types import UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import AliasChoices, BaseModel, RootModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from policyengine.adapters.mcp_arguments import PLAIN
from policyengine.adapters.mcp_vocabulary import attribute_of


def received(value: Any, said: Any = Any) -> Any:
    """Return in JSON what a function receives as an argument: its parts by the names that clients give them, however it is written.

    *said*: the type that the function says it has, which alone knows the names of the parts of a dict.
    """
    if type(value) in PLAIN:  # as most are: to ask what else they are takes longer than the rest
        return to_jsonable_python(value, fallback=str)
    if isinstance(value, RootModel):
        return received(value.root, type(value).model_fields["root"].annotation)
    if isinstance(value, SecretStr | SecretBytes):
        return received(value.get_secret_value())
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        parts = _parts({name: getattr(value, name) for name in fields}, fields)
        return {**received(value.model_extra or {}), **parts}
    if is_dataclass(value) and not isinstance(value, type):
        fields = getattr(value, "__pydantic_fields__", None) or _fields_of(type(value))
        return _parts(
            {one.name: getattr(value, one.name) for one in dataclass_fields(value)}, fields
        )
    if isinstance(value, Mapping):
        return _received_dict(value, [*_kinds(said)])
    if isinstance(value, list | tuple | set | frozenset):
        element = next((get_args(one)[0] for one in _kinds(said) if get_args(one)), Any)
        return [received(one, element) for one in value]
    return to_jsonable_python(value, fallback=str)


def received_by(
    parameters: Mapping[str, tuple[str, Any]], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments that a function is *given*, by their names in the schema; *parameters*: as `parameters_of` returns them."""
    return named(
        (shown, received(given[name], hint))
        for name, (shown, hint) in parameters.items()
        if name in given
    )


def named(parts: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return parts by their names; of two that read one argument, and make different things of it, both, which fits no type."""
    found: dict[str, Any] = {}
    for name, one in parts:
        found[name] = one if found.get(name, one) == one else [found[name], one]
    return found


def _parts(values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    return named(
        (
            _given_as(name, fields.get(name)),
            received(one, getattr(fields.get(name), "annotation", Any)),
        )
        for name, one in values.items()
    )


def _received_dict(value: Mapping[Any, Any], kinds: Sequence[Any]) -> dict[str, Any]:
    texts = {str(to_jsonable_python(key, fallback=str)): one for key, one in value.items()}
    typed = [one for one in kinds if hasattr(one, "__required_keys__")]
    if typed:
        hints = {name: hint for one in typed for name, hint in _hints_of(one).items()}
        return _parts(texts, {name: _field(_bare(hint), None) for name, hint in hints.items()})
    of_parts = next((args[1] for one in kinds if (args := get_args(one))[1:]), Any)
    return {key: received(one, of_parts) for key, one in texts.items()}


def _kinds(said: Any) -> Iterator[Any]:
    """Give the types of which a value may be that is said to be of one."""
    said = _bare(getattr(said, "__value__", said))
    origin = get_origin(said)
    if origin is Annotated:
        yield from _kinds(get_args(said)[0])
    elif origin in (Union, UnionType):
        for one in get_args(said):
            yield from _kinds(one)
    else:
        yield said


def _bare(hint: Any) -> Any:
    """Return a hint without what says whether a part of a dict may lack."""
    while get_origin(hint) in (Required, NotRequired):
        hint = get_args(hint)[0]
    return hint


def _given_as(name: str, field: FieldInfo | None) -> str:
    """Return the name of a part in the schema of a tool: the first that clients may give it, as pydantic writes it."""
    said = None if field is None else field.validation_alias
    for one in said.convert_to_aliases() if isinstance(said, AliasChoices) else [[said]]:
        if len(one) == 1 and isinstance(one[0], str):
            return one[0]
    return name


def parameters_of(
    function: Callable[..., Any], names: Collection[str]
) -> dict[str, tuple[str, Any]]:
    """Return for each parameter of *function* its name in the schema, of which these are the *names*, and its type."""
    hints = _hints_of(function)
    found: dict[str, tuple[str, Any]] = {}
    for name, one in inspect.signature(function).parameters.items():
        hint = hints.get(name, Any)
        shown = _given_as(name, _field(hint, one.default))
        if {shown, name} & {*names}:
            found[name] = shown if shown in names else name, hint
    return found


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
    if isinstance(seen, list) and isinstance(given, list):
        in_order = len(seen) == len(given)
        pairs = zip(given, seen, strict=True) if in_order else product(given, seen)
        return any(lacks(one, known) for one, known in pairs)
    return False
