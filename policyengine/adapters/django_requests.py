"""Ask a request of Django who makes it, call what is asynchronous or not, and keep answers out of caches that others share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.utils.cache import patch_cache_control
from django.utils.functional import LazyObject, empty

_MIDDLEWARE: Final = "django.contrib.auth.middleware"
"""The module of what finds the user of a session, which is not to be imported before there are models."""


async def signed_in(request: Any) -> Any:
    """Return who is signed in: as `auser` has it, unless something put another in the place of `user`."""
    user = request.user
    if isinstance(user, LazyObject):
        if getattr(vars(user).get("_setupfunc"), "__module__", None) == _MIDDLEWARE:
            return await request.auser()
        if user._wrapped is empty:  # noqa: SLF001 - there is no other way to what is wrapped
            await sync_to_async(user._setup)()  # noqa: SLF001 - the same
    return user


async def called(source: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Return what *source* gives, in a thread if it is not asynchronous."""
    call = functools.partial(source, *args, **kwargs)
    found = await (call if iscoroutinefunction(source) else sync_to_async(call))()
    return await found if isinstance(found, Awaitable) else found


def check_defaults(resource: Any, view: Any) -> None:
    """Raise `TypeError` if by a default of its own a *resource* would be another one than that of the *view*."""
    mine, its = _defaults_of(resource), _defaults_of(view)
    for name in mine.keys() & its.keys():
        if mine[name] is not its[name] and mine[name] != its[name]:
            raise TypeError(f"the resource takes another default of `{name}` than the view")


def _defaults_of(function: Any) -> dict[str, Any]:
    """Return the parameters that a function takes by default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of what is not called, or does not say
        return {}
    return {one.name: one.default for one in parameters if one.default is not one.empty}


_PRIVATE: Final = {None: "private", "no-store": "no-store, private"}
"""What the commonest headers become, which `patch_cache_control` would take apart."""


def private(response: Any) -> Any:
    """Return *response*, of which no cache that others share keeps anything."""
    kept = response.headers.get("Cache-Control")
    if kept in _PRIVATE:
        response.headers["Cache-Control"] = _PRIVATE[kept]
    else:
        patch_cache_control(response, private=True)
    return response
