"""Enforce decisions in services of FastAPI: what a path operation requires is one of its dependencies.

Subject, resource and context are dependencies themselves, so FastAPI gives each once for a request: the
resource that is decided about is the one that the operation gets. (`adapters/gatekeeper.py` refuses routes
that require nothing.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from inspect import Parameter, Signature
from typing import Any, Unpack

from policyengine.adapters.declaring import declared, is_declared
from policyengine.adapters.enforcement import Decides, Options
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.fastapi_parameters import chosen_by_client
from policyengine.adapters.gatekeeper import InstalledGuard
from policyengine.adapters.refusal import Refusal, log_error
from policyengine.model.decision import Decision

try:
    from fastapi import APIRouter, params, routing
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

    def listed(self, routes: list[Any]) -> Iterable[Any]:
        # Without it, routers were copied when they were included.
        contexts: Callable[[Any], Iterable[Any]] = getattr(routing, "iter_route_contexts", iter)
        return contexts(routes)

    def declared_in(self, route: Any) -> object | None:
        dependant: object | None = getattr(route, "dependant", None)
        for name in () if dependant is None else chosen_by_client(dependant):
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
