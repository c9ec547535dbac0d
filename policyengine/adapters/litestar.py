"""Enforce decisions in services of Litestar: a requirement is a guard of a handler, and handlers without one are refused.

The `Guard` is a plugin, which adds a guard to the application. Litestar runs that before all others, for
every handler there is, whatever it answers: routes, websockets, mounted applications, files, its pages of
documentation.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, Unpack

from policyengine.adapters.declaring import declared, is_declared
from policyengine.adapters.enforcement import Decides, EnforcementPoint, Options
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.refusal import MEDIA_TYPE, Refusal
from policyengine.model.decision import Decision

try:
    from anyio.to_thread import run_sync
    from litestar import Request, Response
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.enums import ScopeType
    from litestar.exceptions import ImproperlyConfiguredException, WebSocketException
    from litestar.handlers import BaseRouteHandler
    from litestar.plugins import InitPlugin, ReceiveRoutePlugin
    from litestar.routes import BaseRoute, HTTPRoute
except ImportError:
    raise ImportError("this needs Litestar: install `policyengine-dsl[litestar]`") from None

from policyengine.adapters.litestar_cache import keep_apart, note_decided

__all__ = ["ExplainBudget", "Guard", "Refusal"]

Connection: TypeAlias = "ASGIConnection[Any, Any, Any, Any]"
LitestarGuard: TypeAlias = "Callable[[Connection, BaseRouteHandler], Awaitable[None]]"

_POLICY_VIOLATION: Final = 1008
_DECISION: Final = "policyengine.decision"
_RESOURCE: Final = "policyengine.resource"


class Guard(EnforcementPoint, InitPlugin, ReceiveRoutePlugin):
    """Lets requests pass that *decider* allows: `Litestar(…, plugins=[guard])`.

    *subject* gives who asks, and *context*, if there is one, the context, from the connection. They may be
    asynchronous; if not, they are called in a thread. The rest is as in `EnforcementPoint`.
    """

    def __init__(
        self,
        decider: Decides,
        *,
        subject: Callable[[Connection], object],
        context: Callable[[Connection], object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(decider, **options)
        self.expect(subject=subject, context=context)
        self._subject = subject
        self._context = context
        self._told: set[tuple[str, str]] = set()

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the guard that refuses what is not declared, and what answers with refusals."""
        app_config.guards.insert(0, self.refuse_undeclared)
        app_config.exception_handlers.setdefault(Refusal, _answer)
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Refuse to serve a route of which a handler would not ask this guard first, now or when it is called."""
        found: Any = route
        for handler in getattr(found, "route_handlers", None) or [found.route_handler]:
            if not self._is_asked_first_by(handler):
                handler.ownership_layers[0].routes.remove(route)  # where it is by now
                raise ImproperlyConfiguredException(f"{route.path} would be served unchecked")
            keep_apart(handler)
        # Its objects have no attributes of their own, in which a method could be put.
        found.__class__ = self._looking_again(type(found))

    def _is_asked_first_by(self, handler: BaseRouteHandler) -> bool:
        return not _is_own(handler) and handler.resolve_guards()[:1] == [self.refuse_undeclared]

    def _looking_again(self, kind: Any) -> type:
        """Return the *kind* of routes of which the handler that is called in the end asks this guard."""
        is_asked_first_by, undeclared = self._is_asked_first_by, self.undeclared

        class Looking(kind):  # type: ignore[misc]  # of a route, HTTP or not
            __slots__ = ()

            async def handle(self, scope: Any, receive: Any, send: Any) -> None:
                found: Any = self
                if scope["type"] == ScopeType.HTTP and hasattr(found, "route_handler_map"):
                    handler = found.route_handler_map[scope["method"]][0]
                else:
                    handler = found.route_handler
                if not is_asked_first_by(handler):
                    raise _for(scope, undeclared(f"what answers {found.path} by now"))
                await super().handle(scope, receive, send)

        return Looking

    def requires(self, action: str, resource: object) -> LitestarGuard:
        """Return the guard of handlers that are *action* on *resource*: an entity, or what gives it from the connection.

        `decision_on` and `resource_of` give a handler what was decided, and about what.
        """
        self.expect(action, resource=resource)

        async def requirement(connection: Connection, _: BaseRouteHandler) -> None:
            try:
                subject = await _given(self._subject, connection)
                about = None if subject is None else await _given(resource, connection)
                context = await _given(self._context, connection)
                decision = await self.enforce_async(subject, action, about, context)
            except Refusal as refusal:
                raise _for(connection.scope, refusal) from None
            scope: Any = connection.scope
            scope[_DECISION], scope[_RESOURCE] = decision, about
            note_decided(scope, decision)

        return declared(requirement)

    @property
    def public(self) -> LitestarGuard:
        """The guard of what is for everybody."""
        return _for_everybody

    @staticmethod
    def decision_on(request: Request[Any, Any, Any]) -> Decision:
        """Return the decision on *request*."""
        scope: Any = request.scope
        decision: Decision = scope[_DECISION]
        return decision

    @staticmethod
    def resource_of(request: Request[Any, Any, Any]) -> object:
        """Return what was decided about."""
        scope: Any = request.scope
        resource: object = scope[_RESOURCE]
        return resource

    async def refuse_undeclared(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Refuse what no guard declares, but the answers to `OPTIONS` that Litestar makes by itself."""
        if any(map(is_declared, handler.resolve_guards())):
            return
        if (
            getattr(handler.fn, "__code__", None)
            in HTTPRoute.create_options_handler.__code__.co_consts
        ):
            return
        methods = ",".join(sorted(getattr(handler, "http_methods", ()))) or type(handler).__name__
        path = connection.scope["path_template"] or ", ".join(sorted(handler.paths))
        is_new = (methods, path) not in self._told
        self._told.add((methods, path))
        raise _for(connection.scope, self.undeclared(f"{methods} {path}", log=is_new))


@declared
async def _for_everybody(_: Connection, __: BaseRouteHandler) -> None:
    """Demand nothing."""


def _is_own(handler: BaseRouteHandler) -> bool:
    """Whether *handler* is of a class that asks guards in its own way."""
    names = ("authorize_connection", "resolve_guards")
    return not {*names}.isdisjoint(getattr(handler, "__dict__", ())) or any(
        not next(one for one in type(handler).__mro__ if name in vars(one)).__module__.startswith(
            "litestar."
        )
        for name in names
    )


async def _given(source: Any, connection: Connection) -> object:
    if not callable(source):
        return source
    if inspect.iscoroutinefunction(source):
        return await source(connection)
    found = await run_sync(source, connection)
    return await found if isinstance(found, Awaitable) else found


def _for(scope: Any, refusal: Refusal) -> Exception:
    """Return what Litestar answers with: it closes websockets for exceptions of its own alone."""
    if scope["type"] == ScopeType.WEBSOCKET:
        return WebSocketException(detail=refusal.closing_reason, code=_POLICY_VIOLATION)
    return refusal


def _answer(_: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    return Response(
        refusal.body, status_code=refusal.status, headers=refusal.headers, media_type=MEDIA_TYPE
    )
