"""Say what a source of entities is, and keep what it gave for as long as its version is the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, NoReturn, Protocol, TypeAlias

from policyengine.intake.foreign import plain
from policyengine.model.entities import Entity, EntityLike, Key
from policyengine.model.settings import check_called, check_count
from policyengine.runtime.bounded_cache import BoundedCache

Fetched: TypeAlias = Iterable[EntityLike]


class EntitySource(Protocol):
    """Gives entities by type and id: as dicts, built, or objects of registered classes."""

    def fetch(self, keys: Sequence[Key], /) -> Fetched | Awaitable[Fetched]:
        """Return those of the entities that there are, and no others; or what returns them when it is awaited."""
        ...


def check_source(given: object) -> None:
    """Raise `TypeError` unless something has the method of a source."""
    if not callable(getattr(given, "fetch", None)):
        raise TypeError(f"a source has a method `fetch`: {type(given).__name__} has none")


class CachedSource:
    """Keeps what *source* gave, of at most *size* entities, while *version* returns the same.

    *version* is asked before a fetch: what is kept from before a change is not used after it, also if an
    older version comes back. It must be another value as soon as the change can be read, such as a number
    that is written in the same transaction, and read where *source* reads; nothing is kept while it is None.
    For one request of a `SourcedEngine` it is asked before and after, and all is of one version. Objects are
    not kept: rows belong to a session. *source* is not asynchronous.
    """

    def __init__(
        self,
        source: EntitySource,
        version: Callable[[], object],
        size: int = 10_000,
    ) -> None:
        check_source(source)
        check_called("version", version, optional=False)
        check_count("size", size)
        self._source = source
        self._version = version
        self._size = size
        self._kept = _Kept(None, BoundedCache(0))  # replaced as a whole: threads may share it

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a source that keeps entities is not pickled: make one where its version is"
        )

    def __repr__(self) -> str:
        return f"<{len(self._kept.entities):,} entities kept of {self._source!r}>"

    def version(self) -> object:
        """Return the version by now; raises `TypeError` for one that may change and equal itself."""
        version = self._version()
        if isinstance(version, Awaitable):
            close(version)
            raise TypeError("the version of what is cached is not asynchronous")
        hash(version)
        return version

    def fetch(self, keys: Sequence[Key], /) -> Fetched:
        """Return the entities, of which those that are kept are not fetched."""
        kept, added = self._kept_now(), dict[Key, EntityLike]()
        found = self._fetch_beside(kept, keys, added)
        if added and self.version() == kept.version:
            kept.add(added)
        return found

    def _kept_now(self) -> _Kept:
        """Return what is kept of the version by now."""
        version, kept = self.version(), self._kept
        if kept.version != version:
            kept = self._kept = _Kept(version, BoundedCache(self._size))
        return kept

    def _fetch_beside(
        self, kept: _Kept, keys: Sequence[Key], added: dict[Key, EntityLike], /
    ) -> Fetched:
        """Return the entities, those that are *kept* as they are there; put into *added* what may be kept."""
        found: list[EntityLike] = []
        new: list[Key] = []
        for key in keys:
            known = kept.entities.get(key)
            if known is None:
                new.append(key)
            else:
                found.append(_unshared(known))
        fetched = self._source.fetch([*new]) if new else ()
        if isinstance(fetched, Awaitable):
            close(fetched)
            raise TypeError("what is cached is a source that is not asynchronous")
        given = [_unshared(one) for one in islice(fetched, len(new) + 1)]
        keyed = [(said, one) for one in given if (said := key_of(one)) is not None]
        # An answer to something else is refused: nothing of it is kept for the next request.
        fits = len(given) <= len(new) and len({key for key, _ in keyed} & {*new}) == len(keyed)
        if fits:
            added.update((said, _unshared(one)) for said, one in keyed)
        return [*found, *given]


class OneVersion:
    """What is fetched of *source* for one request: of one version if that `holds` in the end."""

    def __init__(self, source: CachedSource) -> None:
        self._source = source
        self._kept: _Kept | None = None
        self._added: dict[Key, EntityLike] = {}

    def fetch(self, keys: Sequence[Key], /) -> Fetched:
        """Return the entities, in the version that was asked for first."""
        if self._kept is None:
            self._kept = self._source._kept_now()  # noqa: SLF001 - of the same module
        return self._source._fetch_beside(self._kept, keys, self._added)  # noqa: SLF001 - as above

    def holds(self) -> bool:
        """Return whether nothing changed since the first fetch; only then is anything kept of what was fetched."""
        if self._kept is not None:
            if self._source.version() != self._kept.version:
                return False
            self._kept.add(self._added)
        return True


class _Kept(NamedTuple):
    """What is kept of one version: nothing of it is used for another, nor for the same if it comes back."""

    version: object
    entities: BoundedCache[Key, EntityLike]

    def add(self, added: Mapping[Key, EntityLike]) -> None:
        """Keep more, unless there is no version."""
        if self.version is not None:
            for key, one in added.items():
                self.entities[key] = one


_SINGLE: Final = frozenset([str, int, bool])


def copied(value: Any) -> Any:
    """Return a value that no later change reaches, of Python's own classes; entities and objects are what they are."""
    if type(value) in _SINGLE:
        return value
    value = plain(value)
    if type(value) is dict:
        return {name: copied(one) for name, one in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return [copied(one) for one in value]
    return value


def _unshared(one: EntityLike) -> EntityLike:
    return copied(one) if type(one) is dict else one


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
