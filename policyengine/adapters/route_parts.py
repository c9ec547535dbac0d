"""Find whether a route leads to what it declares, and notice when a part of it is replaced.

Frameworks make the application of a route when they make the route: a function in the closure of which the
endpoint is. What monitors a service puts functions and middleware around it, which hold it as well. An
application that is put in the place of the first one, and an endpoint that is, do not. There may be hundreds
of routes, so no loop that asks for changes is in Python.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from copy import copy
from functools import partial
from itertools import chain
from operator import attrgetter, is_, itemgetter
from types import FunctionType, MethodType
from typing import Any, Final

from policyengine.adapters.declaring import is_declared

_app: Final = itemgetter("app")
_call: Final = attrgetter("call")
_dependencies: Final = attrgetter("dependencies")


class SeenAttributes:
    """Attributes of objects as they were looked at: it is asked with each request whether they are the same."""

    def __init__(self) -> None:
        self._owners: list[object] = []
        self._names: list[str] = []
        self._values: list[Any] = []
        self._collections: list[Collection[Any]] = []
        self._sizes: list[int] = []
        self._elements: list[Any] = []
        self._equal_owners: list[object] = []
        self._equal_names: list[str] = []
        self._equal_values: list[Any] = []

    def note(self, owner: object, *names: str) -> None:
        """Note these attributes, which are to be the same objects, and have the same elements if they are collections."""
        for name in names:
            value = getattr(owner, name)
            self._owners.append(owner)
            self._names.append(name)
            self._values.append(value)
            if isinstance(value, list | set):
                self._collections.append(value)
                self._sizes.append(len(value))
                self._elements += value

    def note_equal(self, owner: object, *names: str) -> None:
        """Note these attributes, which are to be equal only: this takes a tenth of the time for each element."""
        for name in names:
            self._equal_owners.append(owner)
            self._equal_names.append(name)
            self._equal_values.append(copy(getattr(owner, name)))

    def have_changed(self) -> bool:
        """Whether one is another now."""
        return not (
            all(map(is_, map(getattr, self._owners, self._names), self._values))
            and [*map(len, self._collections)] == self._sizes
            and all(map(is_, chain.from_iterable(self._collections), self._elements))
            and [*map(getattr, self._equal_owners, self._equal_names)] == self._equal_values
        )


class RouteParts:
    """The parts of routes as they were looked at: it is asked often whether they are the same."""

    def __init__(self) -> None:
        self._routes: list[dict[str, Any]] = []
        self._sizes: list[int] = []
        self._leading: list[dict[str, Any]] = []
        self._apps: list[Any] = []
        self._asking: list[Any] = []
        self._asked: list[list[Any]] = []
        self._called: list[Any] = []
        self._calls: list[Any] = []

    def note(self, original: Any, route: Any, asking: Iterable[Any] = ()) -> None:
        """Note the parts of a *route*, and what it was before its router was included, *original*.

        *asking*: what it depends on that is declared, and what depends on that.
        """
        self._routes.append(vars(original))
        self._sizes.append(len(vars(original)))  # more where it gets a `handle` of its own
        if "app" in vars(route):
            self._leading.append(vars(route))
            self._apps.append(route.app)
        for one in asking:
            if is_declared(one.call):
                self._called.append(one)
                self._calls.append(one.call)
            else:
                self._asking.append(one)
                self._asked.append([*one.dependencies])

    def have_changed(self) -> bool:
        """Whether one is another now."""
        return (
            [*map(len, self._routes)] != self._sizes
            or [*map(_app, self._leading)] != self._apps
            or [*map(_dependencies, self._asking)] != self._asked
            or [*map(_call, self._called)] != self._calls
        )


def leads_to(app: object, endpoint: object) -> bool:
    """Whether *app* is *endpoint*, or holds what leads to it."""
    waiting: list[object] = [app]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is endpoint or (isinstance(one, MethodType) and one == endpoint):
            return True
        if id(one) not in seen:
            seen.add(id(one))
            waiting += _held_by(one)
    return False


def _held_by(one: Any) -> Iterator[Any]:
    if isinstance(one, FunctionType):
        for cell in one.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # nothing yet
                continue
    elif isinstance(one, MethodType):
        yield from (one.__func__, one.__self__)
    elif isinstance(one, partial):
        yield from (one.func, *one.args)
    elif not isinstance(one, type):
        known = getattr(one, "__dict__", {})
        yield from (known[name] for name in ("app", "call", "__wrapped__") if name in known)
