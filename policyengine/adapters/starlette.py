"""Enforce decisions in services of Starlette: a decorator says which action an endpoint is.

A guard that is installed refuses what says nothing (`adapters/gatekeeper.py`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Unpack

from policyengine.adapters.declaring import E, declared, declared_apart
from policyengine.adapters.enforcement import Decides, Options
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.gatekeeper import InstalledGuard
from policyengine.adapters.refusal import Refusal

try:
    from starlette.concurrency import run_in_threadpool
    from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError:
    raise ImportError("this needs Starlette: install `policyengine-dsl[fastapi]`") from None

from policyengine.adapters.undeclared_routes import CHECKED

__all__ = ["ExplainBudget", "Guard", "Refusal", "Requirement"]


class Guard(InstalledGuard):
    """Lets requests pass that *decider* allows.

    *subject* gives who asks, and *context*, if there is one, the context, from the connection: a request or a
    websocket. They may be asynchronous; if not, they are called in a thread. The rest is as in
    `EnforcementPoint`.
    """

    def __init__(
        self,
        decider: Decides,
        *,
        subject: Callable[[HTTPConnection], object],
        context: Callable[[HTTPConnection], object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(decider, **options)
        self.expect(subject=subject, context=context)
        self.subject = subject
        self.context = context

    def requires(self, action: str, resource: object) -> Requirement:
        """Return the outermost decorator for endpoints that are *action* on *resource*, or on what that gives from the connection.

        `state` of the connection has the `decision` and the `resource`.
        """
        self.expect(action, resource=resource)
        return Requirement(self, action, resource)

    def public(self, endpoint: E) -> E:
        """Return *endpoint* as one that is for everybody."""
        return declared_apart(endpoint)


class Requirement:
    """Demands that a connection is allowed: decorates functions and the classes of endpoints."""

    def __init__(self, guard: Guard, action: str, resource: object) -> None:
        self._guard, self._action, self._resource = guard, action, resource

    async def check(self, connection: HTTPConnection) -> None:
        """Raise `Refusal` unless the connection is allowed."""
        guard = self._guard
        subject = await _given(guard.subject, connection)
        resource = None if subject is None else await _given(self._resource, connection)
        context = await _given(guard.context, connection)
        decision = await guard.enforce_async(subject, self._action, resource, context)
        connection.state.decision, connection.state.resource = decision, resource

    def __call__(self, endpoint: E) -> E:
        made: Any
        inner: Any = endpoint
        if isinstance(endpoint, type):
            maker: Any = object.__new__
            makes_others = type(inner) is not type or inner.__new__ is not maker
            if makes_others or not issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
                raise TypeError(
                    f"an object of {endpoint.__name__} may be no endpoint, and answer unchecked"
                )
            check = self.check

            def begin(self: Any, *args: Any, **more: Any) -> None:
                inner.__init__(self, *args, **more)
                if not isinstance(self, made):
                    raise TypeError(f"an object of {inner.__name__} became one of another class")

            def answer(
                self: Any,
            ) -> Iterator[Any]:  # of the class: an object may have its own `dispatch`
                yield from check(HTTPConnection(self.scope)).__await__()
                yield from inner.__await__(self)

            parts = {"__init__": begin, "__await__": answer}
            made = type(endpoint.__name__, (endpoint,), parts)
        else:

            @functools.wraps(endpoint)
            async def made(*args: Any) -> Any:
                await self.check(args[-1])  # after `self` of a method
                if inspect.iscoroutinefunction(endpoint):
                    return await endpoint(*args)
                return await run_in_threadpool(endpoint, *args)

        decorated: E = declared(made)
        return decorated

    def app(self, app: ASGIApp) -> ASGIApp:
        """Return *app*, whatever it is made with, for those who are allowed: to be mounted."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            await self.check(HTTPConnection(scope))
            await app(scope, receive, send)

        vars(guarded)[CHECKED] = app
        return declared(guarded)


async def _given(source: Any, connection: HTTPConnection) -> object:
    if not callable(source):
        return source
    if inspect.iscoroutinefunction(source):
        return await source(connection)
    found = await run_in_threadpool(source, connection)
    return await found if isinstance(found, Awaitable) else found
