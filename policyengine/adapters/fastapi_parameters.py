"""Find whether a client of FastAPI chooses another resource than the operation works with.

Requirement and operation may each read the request. What both read must come from one place of it, and be
read there in one way; else a client is allowed for one resource and served another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from policyengine.adapters.declaring import is_declared


def chosen_by_client(dependant: Any) -> Iterator[str]:
    """Give the parameters by which a client chooses a resource that the operation has nothing to do with."""
    given = [*_given_to(dependant)]
    used = [parameter for one in given for parameter in _parameters(one)]
    calls = {id(one.call) for one in given[1:]}
    for asking in _not_given_to(dependant):
        parts = {part.name: part for part in asking.dependencies}
        part = parts.get("resource")
        if part is not None and id(part.call) not in calls:
            asks = [p for p in _all_parameters(parts["subject"]) if p.source in _OF_HEADERS]
            chosen = [
                one
                for one in _all_parameters(part)
                if not (_is_taken(one, used) or _is_taken(one, asks) or _is_of_path(one, used))
            ]
            yield from sorted({one.alias for one in chosen})


def _given_to(dependant: Any) -> Iterator[Any]:
    """Give *dependant* and what it gets the results of, but not what is asked for a decision."""
    yield dependant
    for one in dependant.dependencies:
        if one.name is not None and not is_declared(one.call):
            yield from _given_to(one)


def _not_given_to(dependant: Any, *, is_given: bool = True) -> Iterator[Any]:
    """Give the requirements of which an operation does not get the decision: what lists of dependencies hold, and that depends on."""
    for one in dependant.dependencies:
        is_named = is_given and one.name is not None
        if not is_declared(one.call):
            yield from _not_given_to(one, is_given=is_named)
        elif not is_named:
            yield one


def _is_taken(parameter: _Parameter, used: Iterable[_Parameter]) -> bool:
    """Whether a parameter is *used*, and in no other way as well: of several values another one."""
    alike = [one for one in used if one[:2] == parameter[:2]]
    return bool(alike) and all(map(parameter.is_read_as, alike))


def _is_of_path(parameter: _Parameter, used: Iterable[_Parameter]) -> bool:
    """Whether a parameter is of the path, and not *used* in another way: `01` is a number as well."""
    is_used = any(one[:2] == parameter[:2] for one in used)
    return parameter.source == _OF_PATH and not is_used


_OF_PATH: Final = "path_params"
_OF_HEADERS: Final = ("header_params", "cookie_params")
"""Where a client also says who the subject is: what the subject is found by is no choice of a resource."""


class _Parameter(NamedTuple):
    """What a client says: in the path, the query, the body or the headers, by which name, and what is made of it."""

    source: str
    name: Any
    alias: str
    field: Any

    def is_read_as(self, other: _Parameter) -> bool:
        """Whether both are the same value, whatever the client says, also nothing: None may be beside it."""
        mine, its = self.field, other.field
        return (
            _types(mine) == _types(its)
            and _changing(mine) == _changing(its)
            and _ways(mine) == _ways(its)
            and (_is_said(mine, its) or _default(mine) == _default(its))
        )


def _parameters(dependant: Any) -> Iterator[_Parameter]:
    for source in (_OF_PATH, "query_params", "body_params", *_OF_HEADERS):
        for one in getattr(dependant, source):
            field = one.field_info
            yield _Parameter(source, field.validation_alias or one.alias, one.alias, field)


def _all_parameters(dependant: Any) -> Iterator[_Parameter]:
    yield from _parameters(dependant)
    for one in dependant.dependencies:
        yield from _all_parameters(one)


def _types(field: Any) -> list[Any]:
    """Return the types of a parameter, but for None; without one, a text is left as it is."""
    said = field.annotation
    types = get_args(said) if get_origin(said) in (Union, UnionType) else (said,)
    return [str if type_ is Any else type_ for type_ in types if type_ is not NoneType]


def _changing(field: Any) -> list[Any]:
    """Return what may make another value of what is said; bounds and patterns do not, nor what is no part of pydantic."""
    return [one for one in field.metadata if _may_change(one)]


def _may_change(one: object) -> bool:
    room = type(one).__module__.partition(".")[0]
    is_of_pydantic = room == "pydantic" or hasattr(one, "__get_pydantic_core_schema__")
    return is_of_pydantic and [*getattr(one, "__dict__", ())] != ["pattern"]


def _ways(field: Any) -> list[Any]:
    """Return how FastAPI looks for a parameter, and which of its types pydantic takes what it finds for."""
    names = ("embed", "convert_underscores", "validate_default", "discriminator")
    return [type(field), *(getattr(field, name, None) for name in names)]


def _is_said(mine: Any, its: Any) -> bool:
    """Whether a client says a value wherever something is decided and done.

    A model may be required, and yet be made where nothing is said: of what its fields are by default.
    """
    return all(map(_is_plain, _types(mine))) and (mine.is_required() or its.is_required())


def _is_plain(type_: Any) -> bool:
    """Whether *type_* is that of a value by itself, and not of one that is made of several, or of what may be so."""
    class_ = get_origin(type_) or type_
    return (
        class_ is not Annotated and isinstance(class_, type) and not issubclass(class_, BaseModel)
    )


def _default(field: Any) -> tuple[Any, ...]:
    return field.default_factory, type(field.default), field.default
