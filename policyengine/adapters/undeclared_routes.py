"""Find what a router of Starlette or FastAPI serves without a declaration.

What is below a mount counts as one with it, unless a guard is installed there, too. Routes, routers and
applications are looked at as Starlette and FastAPI call them: one of a class that is called in another way is
not declared, whatever it holds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

from starlette.applications import Starlette
from starlette.routing import Host, Match, Mount, Router
from starlette.types import Scope

from policyengine.adapters.declaring import is_declared
from policyengine.adapters.route_parts import RouteParts, SeenAttributes, leads_to

_READ_ONLY: Final = frozenset({"GET", "HEAD"})
_MAKERS: Final = frozenset({"starlette", "fastapi"})
_KEPT: Final = ("routes", "_low_priority_routes", "_routes_version")
"""What routers have of routes, and the version by which FastAPI knows whether they have others."""
CHECKED: Final = "checked_by_policyengine"
"""The attribute of a declared application that has what answers those who are allowed."""
_PARAMETER: Final = re.compile(r"\{([^}:]+)")
LOOKS_AGAIN_AFTER = 0.1
"""Seconds until the parts of all routes are looked at again, which takes some 0.25 µs for each route."""


class KnowsRoutes(Protocol):
    """Knows what the routes of a framework are."""

    def routes_of(self, router: Router) -> Iterable[Any]:
        """Return the routes of *router*, each with its path and `matches`."""

    def declared_in(self, route: Any) -> object | None:
        """Return what is declared of *route*, which leads to one endpoint: that, or what it depends on."""

    def asking(self, route: Any) -> Iterable[Any]:
        """Return what *route* depends on that is declared, and what depends on that."""


class UndeclaredRoutes:
    """What *router* serves without a declaration, as it was looked at: `found`, each with its name.

    *public* and *trusted* are as a guard is given them; *is_guarded* says whether a guard is among the
    middleware of an application.
    """

    def __init__(
        self,
        router: Router,
        guard: KnowsRoutes,
        public: frozenset[str],
        trusted: tuple[type, ...],
        is_guarded: Callable[[Starlette], bool],
    ) -> None:
        self._guard, self._public, self._trusted = guard, public, trusted
        self._is_guarded = is_guarded
        self._seen = SeenAttributes()
        self._parts = RouteParts()
        self._looked_at = time.monotonic()
        self.found = self._undeclared(router, "")
        if router.middleware_stack != router.app:  # which may lead a request to another path
            self.found = [(what, Everything) for what, _ in self.found]

    def has_changed(self) -> bool:
        """Whether there are other routes now, or a part of one was another when they were last looked at."""
        if self._seen.have_changed():  # with each request
            return True
        now = time.monotonic()
        if now - self._looked_at < LOOKS_AGAIN_AFTER:
            return False
        self._looked_at = now
        return self._parts.have_changed()

    def _undeclared(self, router: Router, path: str) -> list[tuple[str, Any]]:
        if self._is_own(router, "__call__", "app"):
            return [("what a router of its own kind answers", Everything)]
        found: list[tuple[str, Any]] = []
        for part in _with_included(router):
            self._parts.note(part, part)
            kept = [name for name in _KEPT if hasattr(part, name)]
            if part is router:
                self._seen.note(router, *kept)
                continue
            # What is included is served as before until the version of its router is another one.
            self._seen.note_equal(part, *kept)
            if self._is_own(part, "handle", "matches"):
                found.append(("what an included router of its own kind answers", Everything))
        routes = self._guard.routes_of(router)
        found += [(what, one) for route in routes for what, one in self._lacks(route, path)]
        self._seen.note(router, "default", "middleware_stack")
        if not leads_to(router.middleware_stack, router.app):
            found.append(("what answers in the place of a router", Everything))
        ends = getattr(router.default, "__func__", None) is Router.not_found
        if not (ends or is_declared(router.default)):
            found.append(("what answers where there is no route", Everything))
        return found

    def _lacks(self, route: Any, above: str) -> Iterator[tuple[str, Any]]:
        """Give what is to be refused, and its name, if *route*, below the path *above*, is not declared."""
        original = getattr(route, "original_route", route)
        path = f"{above}{getattr(route, 'path', None) or getattr(original, 'host', '')}"
        methods = frozenset(getattr(route, "methods", None) or ())
        name = f"{','.join(sorted(methods)) or type(original).__name__} {path}"
        effective = getattr(route, "_effective_route", route)
        self._parts.note(original, effective, self._guard.asking(effective))
        if self._is_own(original, "handle", "matches", "get_route_handler"):
            yield f"{name} (of a class that answers by itself)", _Whatever(route)
        elif isinstance(original, Mount | Host):
            # FastAPI leads to a copy of a mount that is included, whatever becomes of the first.
            yield from self._lacks_below(route, effective, path)
        else:
            if path in self._public:
                self._seen.note(route, "methods")
            is_public = path in self._public and methods and methods <= _READ_ONLY
            declared = None if is_public else self._guard.declared_in(effective)
            if not is_public and declared is None:
                yield name, route
            elif not (is_public or self._leads_to(original, effective, declared)):
                yield f"{name} (which leads to something else by now)", route

    def _leads_to(self, original: Any, route: Any, declared: object) -> bool:
        # A frontend has no application: it asks what it depends on by itself.
        is_known = "app" not in vars(original) or isinstance(original, self._trusted)
        return is_known or leads_to(route.app, declared)

    def _lacks_below(self, route: Any, mount: Any, path: str) -> Iterator[tuple[str, Any]]:
        self._seen.note(mount, "app")
        app = _behind_middleware(mount)
        if f"{path}/*" in self._public:
            return
        if is_declared(app):
            again = self._taken_again(getattr(app, CHECKED, None), {*_PARAMETER.findall(path)})
            if again is not None:
                yield (
                    f"{path}/* (which is decided about by another `{again}` than `{again}` below it)",
                    route,
                )
            return
        if isinstance(app, Starlette):
            self._seen.note(app, "router", "middleware_stack", "user_middleware")
            stack = app.middleware_stack
            leads_elsewhere = stack is not None and not leads_to(stack, app.router)
            if leads_elsewhere or self._is_own(app, "__call__", "build_middleware_stack"):
                app = None
            elif self._is_guarded(app):
                return
            else:
                app = app.router
        below = self._undeclared(app, path) if isinstance(app, Router) else [("", None)]
        if below:
            what = below[0][0]
            yield f"{path}/*{what and f' (there, {what})'}", route

    def _taken_again(self, app: Any, names: set[str]) -> str | None:
        """Return one of the *names* of parameters that a route of *app* takes from its own path, in the place of those above it."""
        if isinstance(app, Starlette):
            self._seen.note(app, "router")
            app = app.router
        if not names or not isinstance(app, Router):
            return None
        for part in _with_included(app):
            self._seen.note(part, *(name for name in _KEPT if hasattr(part, name)))
        for route in _each(self._guard.routes_of(app)):
            original = getattr(route, "original_route", route)
            led_to = getattr(route, "starlette_route", None) or route
            effective = getattr(led_to, "_effective_route", led_to)
            path = f"{getattr(effective, 'path', None) or ''}{getattr(original, 'host', '')}"
            found = names.intersection(_PARAMETER.findall(path))
            if found:
                return min(found)
            if isinstance(original, Mount | Host):
                self._seen.note(effective, "app")
                again = self._taken_again(_behind_middleware(effective), names)
                if again is not None:
                    return again
        return None

    def _is_own(self, part: object, *names: str) -> bool:
        """Whether *part* has one of these methods from somebody else than Starlette or FastAPI, who is not trusted."""
        if isinstance(part, self._trusted):
            return False
        for name in names:
            maker = next((one for one in type(part).__mro__ if name in vars(one)), None)
            if maker is not None and not is_made_by_framework(maker):
                return True
        return not {*names}.isdisjoint(getattr(part, "__dict__", ()))


class Everything:
    """What may answer any request."""

    @staticmethod
    def matches(_: Scope) -> tuple[Match, Scope]:
        return Match.FULL, {}


class _Whatever:
    """A route that may answer also what it matches in part."""

    def __init__(self, route: Any) -> None:
        self._route = route

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, more = self._route.matches(scope)
        return (match if match is Match.NONE else Match.FULL), more


def _with_included(router: Any) -> Iterator[Any]:
    """Give *router*, and what is included in it, each time with the router itself."""
    yield router
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield route
            yield from _with_included(route.original_router)


def _each(routes: Iterable[Any]) -> Iterator[Any]:
    """Give *routes*, and what included routers lead to in their place, which a guard of Starlette does not list."""
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from _each(route.effective_candidates())
        else:
            yield route


def is_made_by_framework(class_: type) -> bool:
    """Whether *class_* is one of Starlette or FastAPI."""
    return class_.__module__.partition(".")[0] in _MAKERS


def _behind_middleware(mount: Any) -> Any:
    """Return what *mount* leads to; what it answers with by now, if that is something else."""
    base = getattr(mount, "_base_app", mount.app)  # of a host, which has no middleware
    return base if leads_to(mount.app, base) else mount.app
