"""Refuse what an MCP server serves beside MCP without a declaration: its `custom_route`s, and those of servers that are mounted."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from fastmcp.server.middleware import Middleware
from starlette.types import Receive, Scope, Send

from policyengine.adapters.declaring import E, declared_apart, is_declared
from policyengine.adapters.gatekeeper import answer
from policyengine.adapters.refusal import Refusal
from policyengine.adapters.route_parts import leads_to
from policyengine.adapters.undeclared_routes import is_made_by_framework


class DeclaringMiddleware(Middleware):
    """Middleware of a server that declares what is served beside MCP."""

    def public(self, endpoint: E) -> E:
        """Return the endpoint of a `custom_route` as one that is for everybody."""
        return declared_apart(endpoint)


def checked_routes(found_by: Callable[[], list[Any]], undeclared: Callable[..., Refusal]) -> Any:
    """Return what gives the routes of a server, which *found_by* gives now, so that each is served only if it is declared.

    *undeclared* gives the refusal of something, and logs what that is.
    """

    def found() -> list[Any]:
        served = []
        for route in found_by():
            # Of a class of its own it may answer by itself, whatever its application is.
            if is_made_by_framework(type(route)) and hasattr(route, "app"):
                served.append(_checked(route, undeclared))
            else:
                undeclared(f"a route of the class `{type(route).__name__}`")
        return served

    return found


def _checked(route: Any, undeclared: Callable[..., Refusal]) -> Any:
    """Return a copy of *route*, which looks at it with each request: what it leads to may be replaced."""
    inner, is_logged = route.app, False

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal is_logged
        try:
            if not _is_declared(route, inner):
                was_logged, is_logged = is_logged, True
                raise undeclared(f"the route {route.path}", log=not was_logged)
            await inner(scope, receive, send)
        except Refusal as refusal:
            await answer(refusal, scope, receive, send)

    served = copy(route)
    served.app = checked
    return served


def _is_declared(route: Any, app: Any) -> bool:
    parts = (getattr(route, name, None) for name in ("app", "endpoint"))
    return any(is_declared(one) and leads_to(app, one) for one in parts)
