"""Bound how long the values of expressions are worked out.

What takes long goes over many elements, sets within sets. So the clock is looked at for each of them, and a limit on
steps, which are as many on every machine, counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Final, TypeVar

from attrs import define

T = TypeVar("T")

MOST_EXPLAINED: Final = 1_500_000
"""The elements of sets that rules look at for an explanation, beside the search for what would allow: some seconds."""


class _OutOfTime(BaseException):
    """Raised past all that goes on where a rule fails, which catches every `Exception`."""


@define(eq=False)
class _Limit:
    """What is left: until a *deadline* (of `time.monotonic`), and of *steps*."""

    deadline: float | None
    steps: int | None


_LIMIT: ContextVar[_Limit | None] = ContextVar("_LIMIT", default=None)


@contextmanager
def limited(deadline: float | None, steps: int | None = None) -> Iterator[None]:
    """Raise `TimeoutError` if what is worked out within is not done by the *deadline*, or takes more *steps*."""
    token = _LIMIT.set(_Limit(deadline, steps))
    try:
        yield
    except _OutOfTime:
        raise TimeoutError(
            "it takes too long to work out what rules say of so many elements"
        ) from None
    finally:
        _LIMIT.reset(token)


@contextmanager
def limited_unless_set(steps: int | None) -> Iterator[None]:
    """Raise `TimeoutError` after so many *steps*, if there is no other limit around; None sets none."""
    if steps is None or _LIMIT.get() is not None:
        yield
        return
    with limited(None, steps=steps):
        yield


def in_time(elements: Iterable[T]) -> Iterable[T]:
    """Give *elements* as long as the limit that is set lets them be looked at."""
    limit = _LIMIT.get()
    return elements if limit is None else _counted(elements, limit)


def _counted(elements: Iterable[T], limit: _Limit) -> Iterator[T]:
    for element in elements:
        if limit.steps is not None:
            limit.steps -= 1
            if limit.steps < 0:
                raise _OutOfTime
        if limit.deadline is not None and monotonic() >= limit.deadline:
            raise _OutOfTime
        yield element
