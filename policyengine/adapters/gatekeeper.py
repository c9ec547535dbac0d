"""Refuse what an application of Starlette or FastAPI serves without a declaration.

The gatekeeper is the innermost middleware, next to the router. It knows all routes, and refuses every request that
matches one which is neither declared nor public, whichever route would have been taken. The routes are looked at again when
they change. What is below a mount counts as one with it, unless a guard is installed there, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from operator import is_
from typing import Any, Final, NamedTuple, TypeAlias

from policyengine.adapters.declaring import is_declared
from policyengine.adapters.enforcement import EnforcementPoint
from policyengine.adapters.refusal import MEDIA_TYPE, Refusal

try:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.routing import Host, Match, Mount, Router
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError:
    raise ImportError("this needs Starlette: install `policyengine-dsl[fastapi]`") from None

_READ_ONLY: Final = frozenset({"GET", "HEAD"})
_MAKERS: Final = frozenset({"starlette", "fastapi"})
_ACCEPTED: Final = "policyengine.accepted"
_POLICY_VIOLATION: Final = 1008


class InstalledGuard(EnforcementPoint):
    """Refuses what an application serves without a declaration."""

    def install(self, app: Starlette, *, public: Collection[str] = ()) -> None:
        """Stand before the router of *app*, behind its other middleware.

        *public*: the paths of routes that are for everybody and only read (`"/docs"`), and of mounts (`"/static/*"`).
        """
        if app.middleware_stack is not None:
            raise RuntimeError("a guard is installed before the application begins to serve")
        paths = frozenset([public] if isinstance(public, str) else public)
        app.user_middleware.append(Middleware(Gatekeeper, guard=self, public=paths))
        app.exception_handlers.setdefault(Refusal, _response)

    def routes_of(self, router: Router) -> Iterable[Any]:
        """Return the routes of *router*, each with its path and `matches`."""
        return router.routes

    def lists_of(self, router: Router) -> Iterable[tuple[object, str]]:
        """Return where the lists of these routes are: an object and the name of its attribute."""
        return [(router, "routes")]

    def declares(self, route: Any) -> bool:
        """Whether *route*, which leads to one endpoint, is declared."""
        return is_declared(getattr(route, "endpoint", None))


class Gatekeeper:
    """The middleware: refuses what is not declared, and answers with the refusals of what is."""

    def __init__(self, app: ASGIApp, guard: InstalledGuard, public: frozenset[str]) -> None:
        self.app, self._guard, self._public = app, guard, public
        # Replaced as a whole: loops of several threads may share it, and looking may fail half-way.
        self._known: _Known | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = self._known
        if known is None or any(_has_changed(*one) for one in known.lists):
            known = self._known = self._look()
        if scope["type"] == "websocket":
            send = _noting(scope, send)
        if scope["type"] != "lifespan":
            for route, refusal in known.refused:
                if route.matches(scope)[0] is Match.FULL:
                    return await _answer(refusal, scope, receive, send)
        try:
            await self.app(scope, receive, send)
        except Refusal as refusal:
            await _answer(refusal, scope, receive, send)

    def _look(self) -> _Known:
        lists: _Lists = []
        found = self._undeclared(_router_in(self.app), lists)
        return _Known(lists, [(route, self._guard.undeclared(what)) for what, route in found])

    def _undeclared(self, router: Router, lists: _Lists) -> list[tuple[str, Any]]:
        """Return the routes that are not declared, with what they are called; note the *lists* of all routes."""
        if not _is_theirs(router, "__call__", "app"):
            return [("what a router of its own kind answers", _Everything)]
        guard = self._guard
        for owner, name in guard.lists_of(router):
            routes = getattr(owner, name)
            lists.append((owner, name, routes, [*routes]))
        routes = guard.routes_of(router)
        found = [(what, route) for route in routes for what in self._lacks(route, lists)]
        lists.append((router, "default", router.default, None))
        ends = getattr(router.default, "__func__", None) is Router.not_found
        if not (ends or is_declared(router.default)):
            found.append(("what answers where there is no route", _Everything))
        return found

    def _lacks(self, route: Any, lists: _Lists) -> Iterator[str]:
        """Give the name of *route*, if it is not declared."""
        original = getattr(route, "original_route", route)
        path = getattr(route, "path", None) or getattr(original, "host", "")
        if not isinstance(original, Mount | Host):
            methods = frozenset(getattr(route, "methods", None) or ())
            is_public = path in self._public and methods and methods <= _READ_ONLY
            if not (is_public or self._guard.declares(route)):
                yield f"{','.join(sorted(methods)) or type(original).__name__} {path}"
            return
        app: Any = getattr(original, "_base_app", original.app)  # without middleware of the mount
        if f"{path}/*" in self._public or is_declared(app):
            return
        if isinstance(app, Starlette):
            middleware: list[Any] = app.user_middleware
            if any(one.cls is Gatekeeper for one in middleware):
                return
            app = app.router if _is_theirs(app, "__call__") else None
        below = self._undeclared(app, lists) if isinstance(app, Router) else [("", None)]
        if below:
            what = below[0][0]
            yield f"{path}/*{what and f' (there, {what})'}"


_Lists: TypeAlias = list[tuple[object, str, Any, list[Any] | None]]
"""What routes are known by: an object, its attribute, the value, and what was in it, if it is a list of routes."""


class _Known(NamedTuple):
    """What is known of the routes as they were looked at."""

    lists: _Lists
    refused: list[tuple[Any, Refusal]]


class _Everything:
    """What may answer any request."""

    @staticmethod
    def matches(_: Scope) -> tuple[Match, Scope]:
        return Match.FULL, {}


def _router_in(app: Any) -> Router:
    while not isinstance(app, Router):
        app = app.app
    return app


def _is_theirs(app: object, *names: str) -> bool:
    """Whether *app* has these methods from Starlette or FastAPI: it answers through what they show."""
    makers = (next(one for one in type(app).__mro__ if name in vars(one)) for name in names)
    return all(one.__module__.partition(".")[0] in _MAKERS for one in makers)


def _has_changed(owner: object, name: str, value: Any, before: list[Any] | None) -> bool:
    if getattr(owner, name) is not value:
        return True
    return before is not None and not (len(value) == len(before) and all(map(is_, value, before)))


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


async def _answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the problem; a websocket that was accepted, or cannot be answered so, is closed."""
    answers = "websocket.http.response" in scope.get("extensions", {}) and _ACCEPTED not in scope
    if scope["type"] == "http" or answers:
        await _written(refusal)(scope, receive, send)
    else:
        reason = refusal.closing_reason
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})
