"""Find entities of a store by the values that they have.

The index of an attribute, or of the ancestors, of one type is made when it is first asked for, in one pass
over the entities of that type, and kept with the store. So an index has no more entries than the store has
values, and there are no more of them than the schema has attributes.

That of a changed store is the index before the changes, in which the entities that were changed are passed over
and looked at instead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from operator import itemgetter
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from policyengine.intake.stored_entities import ChangedEntities, Stored
from policyengine.model.entities import Entity, Key
from policyengine.model.immutable import Immutable
from policyengine.model.records import Record
from policyengine.model.values import ABSENT, slot

Names: TypeAlias = tuple[str, ...]
"""The names that lead from an entity to a value: of an attribute, and of parts of the record that it holds."""

_Relation: TypeAlias = Literal["ancestors", "parents"]

PLACE_SIZE = 16
"""The bytes of a place in the order of entities."""


class ByValue(Protocol):
    """The ids of entities by a value that they have."""

    def get(self, value: object, default: Sequence[str], /) -> Sequence[str]:
        """Return the ids of those that have it."""
        ...


class Ordered(Struct, frozen=True, eq=False):
    """Entities of one type in the order of their *places*; *numbers*: by id, where each of them is."""

    entities: tuple[Entity, ...]
    places: tuple[bytes, ...]
    numbers: Mapping[str, int]

    def after(self, place: bytes) -> int:
        """Return the number of the first entity after *place*."""
        return bisect_right(self.places, place)


class StoreIndex(Immutable):
    """The index of the entities of a store. It is not copied or pickled with them, but made again.

    *before*: that of the entities before they were changed.
    """

    __slots__ = ("_before", "_by_type", "_changed", "_entities", "_ids", "_ordered")

    def __init__(self, entities: Stored, before: StoreIndex | None = None) -> None:
        self._entities = entities
        self._before = before
        self._changed: Mapping[Key, Entity | None] = {}
        if before is not None and isinstance(entities, ChangedEntities):
            self._changed = entities.changed
        self._by_type: dict[str, tuple[Entity, ...]] = {}
        self._ordered: dict[str, Ordered] = {}
        self._ids: dict[tuple[str, Names | _Relation], ByValue] = {}

    def __reduce_ex__(self, protocol: object) -> tuple[type[StoreIndex], tuple[object, ...]]:
        return StoreIndex, (self._entities,)

    def of_changed(self, entities: Stored) -> StoreIndex:
        """Return the index of *entities*, which are those of this index after a change."""
        whole = self if self._before is None else self._before
        return StoreIndex(entities, whole if isinstance(entities, ChangedEntities) else None)

    def ordered(self, type_: str) -> Ordered:
        """Return all entities of a type in an order that is always the same, and says nothing of them.

        That of their ids would have ids in what says how far a search came, also of entities that the
        caller may not know of.
        """
        found = self._ordered.get(type_)
        if found is None:
            if self._before is None:
                made = _ordered((_place(entity.id), entity) for entity in self._of_type(type_))
            else:
                made = self._ordered_again(self._before.ordered(type_), type_)
            found = self._ordered.setdefault(type_, made)
        return found

    def _ordered_again(self, before: Ordered, type_: str) -> Ordered:
        changed = {key[1]: one for key, one in self._changed.items() if key[0] == type_}
        entities = list(before.entities)
        if all(one is not None and id_ in before.numbers for id_, one in changed.items()):
            for id_, one in changed.items():
                assert one is not None
                entities[before.numbers[id_]] = one
            return Ordered(tuple(entities), before.places, before.numbers)
        kept = [
            (place, one)
            for place, one in zip(before.places, entities, strict=True)
            if one.id not in changed
        ]
        return _ordered(
            kept + [(_place(id_), one) for id_, one in changed.items() if one is not None]
        )

    def by_value(self, type_: str, names: Names) -> ByValue:
        """Return the ids of entities of a type by a value that they have at *names*, or in a set there."""
        return self._by(type_, names, lambda entity: _values(entity, names))

    def by_ancestor(self, type_: str) -> ByValue:
        """Return the ids of entities of a type by the keys of themselves and of their ancestors.

        Those of which the ancestors are not known are at None.
        """
        return self._by(type_, "ancestors", lambda entity: entity.line or (None,))

    def by_parent(self, type_: str) -> ByValue:
        """Return the ids of entities of a type by the keys of their parents, as far as these are known."""
        return self._by(type_, "parents", lambda entity: entity.parents_ or ())

    def _by(
        self,
        type_: str,
        names: Names | _Relation,
        values: Callable[[Entity], Iterable[object]],
    ) -> ByValue:
        found = self._ids.get((type_, names))
        if found is None:
            made: dict[object, list[str]] = {}
            for entity in self._of_type(type_):
                for value in values(entity):
                    made.setdefault(value, []).append(entity.id)
            by_value: ByValue = made
            if self._before is not None:
                before = self._before._by(type_, names, values)  # noqa: SLF001 - of the same class
                by_value = _Changed(before, made, {k[1] for k in self._changed if k[0] == type_})
            found = self._ids.setdefault((type_, names), by_value)
        return found

    def _of_type(self, type_: str) -> tuple[Entity, ...]:
        """Return the entities of a type; of a changed store those that were changed."""
        found = self._by_type.get(type_)
        if found is None:
            entities = self._entities if self._before is None else self._changed
            made = tuple(
                one for key, one in entities.items() if key[0] == type_ and one is not None
            )
            found = self._by_type.setdefault(type_, made)
        return found


class _Changed(Struct, frozen=True, eq=False):
    """The ids by a value *before*, without those that were *changed*, and with what these have *now*."""

    before: ByValue
    now: Mapping[object, list[str]]
    changed: AbstractSet[str]

    def get(self, value: object, default: Sequence[str]) -> Sequence[str]:
        kept = [id_ for id_ in self.before.get(value, ()) if id_ not in self.changed]
        return [*kept, *self.now.get(value, ())] or default


def _ordered(placed: Iterable[tuple[bytes, Entity]]) -> Ordered:
    """Return entities in the order of their places, of which there are no two for one type."""
    found = sorted(placed, key=itemgetter(0))
    entities = tuple(entity for _, entity in found)
    numbers = {entity.id: number for number, entity in enumerate(entities)}
    return Ordered(entities, tuple(place for place, _ in found), numbers)


def _place(id_: str) -> bytes:
    return blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=PLACE_SIZE).digest()


def _values(entity: Entity, names: Names) -> Iterator[object]:
    """Give the value at *names*; of each set on the way, that of each element. Records are not looked up."""
    values: list[object] = [entity]
    for name in names:
        values = [found for one in values for found in _elements(getattr(one, slot(name)))]
    return (value for value in values if not isinstance(value, Record))


def _elements(value: object) -> Iterable[object]:
    if isinstance(value, frozenset):
        return value
    return () if value is ABSENT else (value,)
