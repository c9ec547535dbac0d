"""Share what is made once between threads, so that a forked child finds nothing locked.

A child has one thread: a lock that another held stays locked there for ever. So what is worked out
once needs none (`cached_property`), and the few locks that there are, are open in a child. Every room
may import this one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload
from weakref import WeakSet

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")


class cached_property(Generic[T]):  # noqa: N801 - it is used like the one of `functools`
    """Work out an attribute when it is first read, and keep it in the instance's `__dict__`.

    Unlike the one of `functools`, it holds no lock meanwhile, as that does in Python 3.11. Two threads
    may both work it out; both get what the first to end has found.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object, owner: type | None = None) -> Self | T:
        if instance is None:
            return self
        found: T = instance.__dict__.setdefault(self._name, self._make(instance))
        return found


class ForkSafeLock:
    """Has a `lock` that a forked child finds open. For locks of modules: none is ever given back.

    What it guards must be right after each step, since a child may begin between any two.
    """

    lock: RLock  # a signal handler or a finalizer may come back to where its thread is

    def __init__(self) -> None:
        self._open()
        in_forked_child(self._open)

    def _open(self) -> None:
        self.lock = RLock()


class OwnLock:
    """A lock of an object, with which it goes; else like `ForkSafeLock`."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.open()
        _owned.add(self)

    def open(self) -> None:
        """Take another lock, which nobody holds."""
        self.lock = RLock()


_owned: Final[WeakSet[OwnLock]] = WeakSet()


def _open_owned() -> None:
    for one in _owned:
        one.open()


def in_forked_child(do: Callable[[], None]) -> None:
    """Have *do* called in each child process that is forked."""
    if hasattr(os, "register_at_fork"):  # Windows does not fork
        os.register_at_fork(after_in_child=do)


in_forked_child(_open_owned)


def load_before_fork(*modules: str) -> None:
    """Have *modules* imported before the process forks, if it has other threads; of a package, all.

    A module that one of them is just importing would stay locked in the child, for ever. None of them
    may import `logging`, which has to be there when a fork begins, since it prepares for that itself.
    """

    def load() -> None:
        if len(sys._current_frames()) > 1:  # noqa: SLF001 - documented, and knows all threads
            from pkgutil import iter_modules  # who does not fork needs none

            for name in modules:
                package = getattr(import_module(name), "__path__", ())
                for found in iter_modules(package, f"{name}."):
                    import_module(found.name)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=load)


def end_with(parent: Connection) -> None:
    """Have this process, one of several, end as soon as the other end of a pipe is closed, or the process that has it ends."""

    def end() -> None:
        parent.poll(None)  # nothing is ever sent: reading ends when the parent does
        os._exit(1)

    Thread(target=end, daemon=True).start()


@contextmanager
def deaf(*signals: signal.Signals) -> Iterator[None]:
    """Delay *signals*; processes that are started meanwhile do not listen to them."""
    if not hasattr(signal, "pthread_sigmask"):  # systems without it send them to one process only
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
