"""Hold the entities of a store by type and id, and those of a changed store over those before the change.

What was changed is in a small dict, which is copied with each change, over a large one, which is not. Once
the small one has grown to some times the square root of the large one, both become a new large one. So a
change takes, on average, time in proportion to that root and not to the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from policyengine.model.entities import Entity, Key
from policyengine.model.immutable import Immutable

D = TypeVar("D")

_SAME: Final = object()
_FEW: Final = 64
_TIMES_ROOT: Final = 4


class StoredEntities(Immutable, dict[Key, Entity]):
    """The entities of a store; *bare*: whether unknown ones count as bare."""

    __slots__ = ("bare",)
    bare: bool


class ChangedEntities(Immutable, Mapping[Key, Entity]):
    """The entities *before*, but for those that *changed*: None for those that are gone."""

    __slots__ = ("_find", "_find_before", "_size", "bare", "before", "changed")

    def __init__(self, before: StoredEntities, changed: dict[Key, Entity | None]) -> None:
        self.before = before
        self.changed = changed
        self.bare = before.bare
        self._find: Any = changed.get
        self._find_before: Any = before.get
        # What is gone was there, so each change is one less, one more, or one for another.
        more = sum(-1 if one is None else key not in before for key, one in changed.items())
        self._size = len(before) + more

    def get(self, key: object, default: Any = None) -> Any:
        """Return the entity with that type and id."""
        found = self._find(key, _SAME)
        if found is _SAME:
            return self._find_before(key, default)
        return default if found is None else found

    def __getitem__(self, key: Key) -> Entity:
        found: Entity | None = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[Key]:
        changed, before = self.changed, self.before
        yield from (key for key in before if key not in changed)
        yield from (key for key, entity in changed.items() if entity is not None)

    def __len__(self) -> int:
        return self._size

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _whole, (dict(self), self.bare)


Stored: TypeAlias = StoredEntities | ChangedEntities
STORED: Final = (StoredEntities, ChangedEntities)


def changed(stored: Stored, changes: Mapping[Key, Entity | None]) -> Stored:
    """Return the entities after *changes*: None for those that are gone, each of which was there."""
    if isinstance(stored, ChangedEntities):
        before, together = stored.before, {**stored.changed, **changes}
    else:
        before, together = stored, dict(changes)
    # What was added since and is gone again leaves no trace, or it would be counted for ever.
    together = {k: one for k, one in together.items() if one is not None or k in before}
    if len(together) > _FEW and len(together) ** 2 > _TIMES_ROOT**2 * len(before):
        return _whole(ChangedEntities(before, together), before.bare)
    return ChangedEntities(before, together)


def _whole(entities: Mapping[Key, Entity], bare: bool) -> StoredEntities:  # noqa: FBT001 - it is pickled
    made = StoredEntities(entities)
    made.bare = bare
    return made
