"""Note which endpoints of a service say what they are, so that every other one is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Final, TypeVar

E = TypeVar("E", bound=Callable[..., Any])

_DECLARED: Final = "declared_to_policyengine"


def declared(endpoint: E) -> E:
    """Note that *endpoint* itself is declared, and not what wraps it, which may never call it."""
    function = _function_of(endpoint)
    setattr(function, _DECLARED, function)
    return endpoint


def declared_apart(endpoint: E) -> E:
    """Return *endpoint* as one that is declared: of a function a copy, since others may serve it, too, by another name or object."""
    own: Any = endpoint
    if type(own) is MethodType:
        own = MethodType(_copied(own.__func__), own.__self__)
    elif type(own) is FunctionType:
        own = _copied(own)
    made: E = declared(own)
    return made


def is_declared(endpoint: object) -> bool:
    """Whether *endpoint* itself is declared."""
    function = _function_of(endpoint)
    return function is not None and getattr(function, _DECLARED, None) is function


def _function_of(endpoint: Any) -> Any:
    """Return the function of a method, but not of what stands for one, which may never call it."""
    return endpoint.__func__ if type(endpoint) is MethodType else endpoint


def _copied(function: Any) -> Any:
    if type(function) is not FunctionType:
        return function
    parts = function.__code__, function.__globals__, function.__name__
    copy = FunctionType(*parts, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(copy, function)
    del vars(copy)["__wrapped__"]  # it wraps what the function does, if that is a wrapper
    vars(copy).update(vars(function))
    return copy
