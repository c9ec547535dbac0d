"""Ask a request of Django who makes it, call what is asynchronous or not, and keep answers out of caches that others share."""

from __future__ import annotations

import functools
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
