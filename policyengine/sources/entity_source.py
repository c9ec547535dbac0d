"""Say what a source of entities is, and keep what it gave for as long as its version is the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import NoReturn, Protocol, TypeAlias

from policyengine.model.entities import Entity, EntityLike, Key
from policyengine.runtime.bounded_cache import BoundedCache

Fetched: TypeAlias = Iterable[EntityLike]


class EntitySource(Protocol):
    """Gives entities by type and id: as dicts, built, or objects of registered classes."""

    def fetch(self, keys: Sequence[Key], /) -> Fetched | Awaitable[Fetched]:
        """Return those of the entities that there are, and no others; or what returns them when it is awaited."""
        ...


class CachedSource:
    """Keeps what *source* gave, of at most *size* entities, while *version* returns the same.

    *version* is asked before each fetch: what is kept from before a change is not used after it. It must be
    another value as soon as the change can be read, such as a number that is written in the same transaction. Objects
    are not kept: rows belong to a session. *source* is not asynchronous.
    """

    def __init__(
        self,
        source: EntitySource,
        version: Callable[[], object],
        size: int = 10_000,
    ) -> None:
        self._source = source
        self._version = version
        self._kept: BoundedCache[Key, tuple[object, EntityLike]] = BoundedCache(size)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a source that keeps entities is not pickled: make one where its version is"
        )

    def fetch(self, keys: Sequence[Key], /) -> Fetched:
        """Return the entities, of which those that are kept are not fetched."""
        version = self._version()
        found: list[EntityLike] = []
        new: list[Key] = []
        for key in keys:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == version:
                found.append(kept[1])
            else:
                new.append(key)
        fetched = self._source.fetch(new) if new else ()
        if isinstance(fetched, Awaitable):
            close(fetched)
            raise TypeError("what is cached is a source that is not asynchronous")
        given = [*islice(fetched, len(new) + 1)]
        keyed = [(said, one) for one in given if (said := key_of(one)) is not None]
        # An answer to something else is refused: nothing of it is kept for the next request.
        if len(given) <= len(new) and len({key for key, _ in keyed} & {*new}) == len(keyed):
            for known, one in keyed:
                self._kept[known] = version, one
        return [*found, *given]


def key_of(entity: EntityLike) -> Key | None:
    """Return the key of an entity that is built, or a dict; None for objects, which belong to a session."""
    if isinstance(entity, Entity):
        return entity.key_
    if type(entity) is dict:
        type_, id_ = entity.get("type"), entity.get("id")
        return (type_, id_) if type(type_) is type(id_) is str else None
    return None


def close(fetched: Awaitable[Fetched]) -> None:
    """End a coroutine that nobody awaits."""
    if isinstance(fetched, Coroutine):
        fetched.close()
