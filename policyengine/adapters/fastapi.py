"""Enforce decisions in services of FastAPI: what a path operation requires is one of its dependencies.

Subject, resource and context are dependencies themselves, so FastAPI gives each once for a request: the resource that is
decided about is the one that the operation gets. (`adapters/gatekeeper.py` refuses routes that require nothing.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from inspect import Parameter, Signature
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, Unpack, get_args, get_origin

from policyengine.adapters.declaring import declared, is_declared
from policyengine.adapters.enforcement import Decides, Options
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.gatekeeper import InstalledGuard
from policyengine.adapters.refusal import Refusal, log_error
from policyengine.model.decision import Decision

try:
    from fastapi import APIRouter, params, routing
    from starlette.routing import Router
except ImportError:
    raise ImportError("this needs FastAPI: install `policyengine-dsl[fastapi]`") from None

__all__ = ["ExplainBudget", "Guard", "Refusal"]

if hasattr(APIRouter, "frontend") and not hasattr(APIRouter, "_iter_low_priority_routes"):
    raise ImportError("this version of FastAPI has routes that a guard would not see")


class Guard(InstalledGuard):
    """Lets requests pass that *decider* allows.

    *subject* and *context* are dependencies: who asks, and the context. The rest is as in `EnforcementPoint`.
    """

    def __init__(
        self,
        decider: Decides,
        *,
        subject: Callable[..., object],
        context: Callable[..., object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(decider, **options)
        self.expect(subject=subject, context=context)
        self._subject = params.Depends(subject)
        self._context = None if context is None else params.Depends(context)

    def requires(
        self, action: str, resource: object, *, context: Callable[..., object] | None = None
    ) -> params.Depends:
        """Return the dependency that gives the `Decision`, if a request is allowed, and else refuses it.

        *resource*: a dependency that gives it, or an entity. *context*: in place of that of all requests.
        """
        self.expect(action, resource=resource, context=context)
        given = {
            "subject": self._subject,
            "resource": params.Depends(resource) if callable(resource) else None,
            "context": self._context if context is None else params.Depends(context),
        }

        async def requirement(**parts: Any) -> Decision:
            about = parts.get("resource", resource)
            return await self.enforce_async(parts["subject"], action, about, parts.get("context"))

        # No parameter without a dependency: FastAPI would take it from the client.
        signature = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=depends)
            for name, depends in given.items()
            if depends is not None
        ]
        setattr(requirement, "__signature__", Signature(signature))  # noqa: B010 - functions have none for mypy
        return params.Depends(declared(requirement))

    @property
    def public(self) -> params.Depends:
        """The dependency of what is for everybody."""
        return params.Depends(_for_everybody)

    def routes_of(self, router: Router) -> Iterable[Any]:
        contexts = getattr(
            routing, "iter_route_contexts", iter
        )  # before it, routers were copied when included
        yield from contexts(router.routes)
        if isinstance(router, APIRouter) and hasattr(router, "frontend"):
            yield from router._iter_low_priority_routes()  # noqa: SLF001 - no public name gives them

    def lists_of(self, router: Router) -> Iterator[tuple[Router, str]]:
        yield router, "routes"
        if hasattr(router, "_low_priority_routes"):
            yield router, "_low_priority_routes"
        for route in router.routes:
            if hasattr(route, "original_router"):  # which was included
                yield from self.lists_of(route.original_router)

    def declared_in(self, route: Any) -> object | None:
        dependant: object | None = getattr(route, "dependant", None)
        for name in () if dependant is None else _chosen_by_client(dependant):
            text = "the resource of %s is another one than its own: `%s` is not in its path, or is read there in another way"
            log_error(text, getattr(route, "path", "a frontend"), name)
            return None
        if dependant is not None and any(map(is_declared, _calls(dependant))):
            return dependant
        return super().declared_in(route)

    def asking(self, route: Any) -> Iterable[Any]:
        dependant = getattr(route, "dependant", None)
        return () if dependant is None else _asking(dependant)


@declared
async def _for_everybody() -> None:
    """Demand nothing."""


def _chosen_by_client(dependant: Any) -> Iterator[str]:
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
"""Where a client also says who asks: what the subject is found by is no choice of a resource."""


class _Parameter(NamedTuple):
    """What a client says: in the path, the query, the body or the headers, by which name, and what is made of it."""

    source: str
    name: Any
    alias: str
    field: Any

    def is_read_as(self, other: _Parameter) -> bool:
        """Whether both are the same value, whatever the client says, also nothing: None may be beside it."""
        mine, its = self.field, other.field
        is_said = mine.is_required() or its.is_required()  # or nothing is decided, or nothing done
        return (
            _types(mine) == _types(its)
            and _changing(mine) == _changing(its)
            and (is_said or _default(mine) == _default(its))
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


def _default(field: Any) -> tuple[Any, ...]:
    return field.default_factory, type(field.default), field.default


def _asking(dependant: Any) -> Iterator[Any]:
    """Give *dependant* if it is declared or depends on what is, and that."""
    below = [one for each in dependant.dependencies for one in _asking(each)]
    if below or is_declared(dependant.call):
        yield dependant
        yield from below


def _calls(dependant: Any) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)
