"""Enforce decisions in views of Django that are classes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MethodType
from typing import Any, Final

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.views.generic import View
except ModuleNotFoundError:
    raise ImportError("this needs Django: install `policyengine-dsl[django]`") from None

from policyengine.adapters.declaring import declared
from policyengine.adapters.django import Guard
from policyengine.adapters.django_requests import check_defaults, private

_MAKING: Final = ("__new__", "__getattribute__")
"""What gives the object of a class, and its methods."""

_asked: ContextVar[bool] = ContextVar("asked", default=False)
"""Whether the view that is called now has asked its guard."""


class _OfTheClass:
    """A method that no object has another in the place of, whatever is in its `__dict__`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __get__(self, view: object, _: type) -> Any:
        return self._function if view is None else MethodType(self._function, view)

    def __set__(self, *_: object) -> None:
        raise ImproperlyConfigured("`dispatch` is where the guard is asked")


class GuardedView:
    """The first base of views that are classes: *guard* is asked whether the request is *action* on what `get_resource` gives.

    *action* may be a dict, by method; HEAD counts as GET, and a method that it lacks is refused.
    """

    guard: Guard
    action: str | Mapping[str, str] = {}
    resource: Any = None
    _asked: Any = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        _check(cls)

    @classmethod
    def as_view(cls, **given: Any) -> Callable[..., Any]:
        """Return the view, which is declared; a decorator around it is none."""
        _check(cls)
        if "dispatch" in given:
            raise ImproperlyConfigured("`dispatch` is where the guard is asked")
        for method in View.http_method_names:
            check_defaults(cls.get_resource, getattr(cls, method, None))
        made: Callable[..., Any] = super().as_view(**given)  # type: ignore[misc]  # of the views that it is a base of

        @functools.wraps(made)
        def view(*args: Any, **kwargs: Any) -> Any:
            _check(cls)  # again: it may have another `dispatch` by now
            asked = _asked.set(False)
            try:
                answer = made(*args, **kwargs)
                if _asked.get():
                    return answer
            finally:
                _asked.reset(asked)
            raise ImproperlyConfigured(f"an object of `{cls.__name__}` became one of another class")

        return declared(view)

    def get_resource(self, *_: Any, **__: Any) -> Any:
        """Return what is acted on: of a view of one object that object. It may be asynchronous."""
        return self.get_object()

    def get_object(self, queryset: Any = None) -> Any:
        """Return the object that was decided about, unless another is asked for."""
        if queryset is None and self.resource is not None:
            return self.resource
        found: Any = super()
        return found.get_object(*() if queryset is None else (queryset,))

    @_OfTheClass
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask the guard, and then do what the view does."""
        _asked.set(True)
        view: Any = super()
        action = self.action
        if not isinstance(action, str):
            method = request.method
            action = action.get("GET" if method == "HEAD" else method, "")
        asked = request, action, self.get_resource, *args
        if not self.view_is_async:  # type: ignore[attr-defined]  # of views
            refused = self.guard.check(*asked, **kwargs)
            self.resource = getattr(request, "resource", None)
            return private(view.dispatch(request, *args, **kwargs)) if refused is None else refused

        async def answer() -> Any:
            refused = await self.guard.check_async(*asked, **kwargs)
            self.resource = getattr(request, "resource", None)
            if refused is not None:
                return refused
            return private(await view.dispatch(request, *args, **kwargs))

        return answer()


def _check(view: type[GuardedView]) -> None:
    """Raise `ImproperlyConfigured` unless the guard is asked before everything that a view does."""
    for name in ("as_view", "dispatch"):
        if _function(getattr(view, name)) is not _function(getattr(GuardedView, name)):
            raise ImproperlyConfigured(
                f"`{view.__name__}` has another `{name}` than `GuardedView`, which is to be its first base"
            )
    of_its_own = [name for name in _MAKING if getattr(view, name) is not getattr(object, name)]
    if of_its_own or type(view).__call__ is not type.__call__:
        name = of_its_own[0] if of_its_own else "metaclass"
        raise ImproperlyConfigured(
            f"`{view.__name__}` has a `{name}` of its own, by which its object may answer unchecked"
        )


def _function(method: Any) -> object:
    return getattr(method, "__func__", method)
