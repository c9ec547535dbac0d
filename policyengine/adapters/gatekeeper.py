"""Refuse what an application of Starlette or FastAPI serves without a declaration.

The gatekeeper is the innermost middleware, next to the router. It knows all routes
(`adapters/undeclared_routes.py`), and refuses every request that matches one which is neither declared nor
public, whichever route would have been taken. The routes are looked at again when they change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from policyengine.adapters.declaring import is_declared
from policyengine.adapters.enforcement import EnforcementPoint
from policyengine.adapters.refusal import MEDIA_TYPE, Refusal

try:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.routing import Match, Router
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError:
    raise ImportError("this needs Starlette: install `policyengine-dsl[fastapi]`") from None

from policyengine.adapters.undeclared_routes import (
    Everything,
    UndeclaredRoutes,
    is_made_by_framework,
)

_ACCEPTED: Final = "policyengine.accepted"
_POLICY_VIOLATION: Final = 1008


class InstalledGuard(EnforcementPoint):
    """Refuses what an application serves without a declaration."""

    def install(
        self, app: Starlette, *, public: Collection[str] = (), trusted: Collection[type] = ()
    ) -> None:
        """Stand before the router of *app*, behind its other middleware.

        *public*: the paths of routes that are for everybody and only read (`"/docs"`), and of mounts (`"/static/*"`).
        *trusted*: classes of your own, of routes, routers and applications, which answer nothing themselves,
        but hand each request on as the class does that they are derived from.
        """
        if app.middleware_stack is not None:
            raise RuntimeError("a guard is installed before the application begins to serve")
        paths = frozenset([public] if isinstance(public, str) else public)
        app.user_middleware.append(
            Middleware(Gatekeeper, guard=self, public=paths, trusted=(*trusted,))
        )
        app.exception_handlers.setdefault(Refusal, _response)

    def routes_of(self, router: Any) -> Iterator[Any]:
        """Give the routes of *router*, each with its path and `matches`.

        An application of FastAPI may be mounted on one of Starlette, so its frontends are known to both guards.
        """
        yield from self.listed(router.routes)
        if hasattr(router, "frontend"):
            yield from router._iter_low_priority_routes()  # noqa: SLF001 - no public name gives them

    def listed(self, routes: list[Any]) -> Iterable[Any]:
        """Return what a list of routes leads to: each of them, in Starlette."""
        return routes

    def declared_in(self, route: Any) -> object | None:
        """Return what is declared of *route*, which leads to one endpoint."""
        parts = (getattr(route, name, None) for name in ("app", "endpoint"))
        return next(filter(is_declared, parts), None)

    def asking(self, _: Any) -> Iterable[Any]:
        """Return what a route depends on: nothing, of Starlette."""
        return ()


class Gatekeeper:
    """The middleware: refuses what is not declared, and answers with the refusals of what is."""

    def __init__(
        self,
        app: ASGIApp,
        guard: InstalledGuard,
        public: frozenset[str],
        trusted: tuple[type, ...],
    ) -> None:
        self.app, self._guard, self._public, self._trusted = app, guard, public, trusted
        # Replaced as a whole: loops of several threads may share it, and looking may fail half-way.
        self._known: _Known | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = self._known
        if known is None or known.routes.has_changed():
            known = self._known = self._look()
        if scope["type"] == "websocket":
            send = _noting(scope, send)
        if scope["type"] != "lifespan":
            for route, refusal in known.refused:
                if route.matches(scope)[0] is Match.FULL:
                    return await answer(refusal, scope, receive, send)
        try:
            await self.app(scope, receive, send)
        except Refusal as refusal:
            await answer(refusal, scope, receive, send)

    def _look(self) -> _Known:
        router, is_next = _router_in(self.app)
        routes = UndeclaredRoutes(router, self._guard, self._public, self._trusted, _is_guarded)
        found = [(route if is_next else Everything, what) for what, route in routes.found]
        return _Known(routes, [(route, self._guard.undeclared(what)) for route, what in found])


class _Known(NamedTuple):
    """What is known of the routes as they were looked at."""

    routes: UndeclaredRoutes
    refused: list[tuple[Any, Refusal]]


def _router_in(app: Any) -> tuple[Router, bool]:
    """Return the router of *app*, and whether no middleware is before it which may lead a request to another path."""
    is_next = True
    while not isinstance(app, Router):
        is_next = is_next and is_made_by_framework(type(app))
        app = app.app
    return app, is_next


def _is_guarded(app: Starlette) -> bool:
    one: Any = app.middleware_stack
    if one is None:  # it is made with the first request
        middleware: list[Any] = app.user_middleware
        return any(each.cls is Gatekeeper for each in middleware)
    while not isinstance(one, Gatekeeper | Router):
        one = one.app
    return isinstance(one, Gatekeeper)


def _noting(scope: Scope, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "websocket.accept":
            scope[_ACCEPTED] = True
        await send(message)

    return noting


def _written(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, MEDIA_TYPE)


async def _response(connection: HTTPConnection, refusal: Exception) -> Response:
    if connection.scope["type"] == "websocket" or not isinstance(refusal, Refusal):
        raise refusal
    return _written(refusal)


async def answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the problem; a websocket that was accepted, or cannot be answered so, is closed."""
    answers = "websocket.http.response" in scope.get("extensions", {}) and _ACCEPTED not in scope
    if scope["type"] == "http" or answers:
        await _written(refusal)(scope, receive, send)
    else:
        reason = refusal.closing_reason
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
