"""Note which endpoints of a service say what they are, so that every other one is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Final, TypeVar

E = TypeVar("E", bound=Callable[..., Any])

_DECLARED: Final = "declared_to_policyengine"


def declared(endpoint: E) -> E:
    """Note that *endpoint* itself is declared, and not what wraps it, which may never call it."""
    function = _function_of(endpoint)
    setattr(function, _DECLARED, function)
    return endpoint


def is_declared(endpoint: object) -> bool:
    """Whether *endpoint* itself is declared."""
    function = _function_of(endpoint)
    return function is not None and getattr(function, _DECLARED, None) is function


def _function_of(endpoint: Any) -> Any:
    """Return the function of a method, but not of what stands for one, which may never call it."""
    return endpoint.__func__ if type(endpoint) is MethodType else endpoint
