"""Have one class for each type, shared by all policy sets that declare it, as long as one is used."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from policyengine.concurrency import ForkSafeLock

Described = TypeVar("Described", bound=Hashable)
Made = TypeVar("Made")


class ClassRegistry(Generic[Described, Made]):
    """The classes that are in use, by the types that they are made of; types that are equal have one.

    A class is in use while there is an instance of it or code that makes some.
    """

    def __init__(self, make: Callable[[Described], type[Made]]) -> None:
        self._make = make
        self._made: WeakValueDictionary[Described, type[Made]] = WeakValueDictionary()
        self._making = ForkSafeLock()

    def __call__(self, type_: Described) -> type[Made]:
        """Return the class of *type_*."""
        made = self._made.get(type_)
        if made is None:
            with self._making.lock:  # two threads that meet here must get one: values compare by it
                made = self._made.get(type_)
                if made is None:
                    made = self._made[type_] = self._make(type_)
        return made
