"""Keep entities ready, so that requests may give no more of them than type and id.

A store is checked as a whole when it is made: every entity fits the schema, parents are there, no
entity is its own ancestor; all ancestors are worked out then. It never changes afterwards, so
threads may share it; new facts are a new store, which `with_changes` makes of it in time of the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any, Literal, TypeAlias, get_args

from policyengine.intake.ancestors import Known
from policyengine.intake.decode import Reader
from policyengine.intake.store_changes import alone, changed_entities
from policyengine.intake.store_index import StoreIndex
from policyengine.intake.stored_entities import Stored, StoredEntities
from policyengine.model.entities import Entity, EntityLike, Key
from policyengine.model.errors import InvalidRequest
from policyengine.model.immutable import Immutable
from policyengine.model.limits import Limits
from policyengine.model.request_messages import Problems, entity_name, inside
from policyengine.model.types import Schema

_DEFAULT = Limits()

UnknownEntities: TypeAlias = Literal["refuse", "bare"]
"""What becomes of entities that a store does not know, and that a request names and does not describe:
the request is refused, or they count as entities of which nothing is known but type and id."""


class EntityStore(Immutable):
    """Entities by (type, id), with all their ancestors known."""

    __slots__ = ("_entities", "_fitting", "_index", "_limits", "_schema")

    _entities: Stored

    def __init__(
        self,
        schema: Schema,
        entities: Iterable[Entity | Mapping[str, object]] = (),
        limits: Limits = _DEFAULT,
        unknown: UnknownEntities = "refuse",
    ) -> None:
        """Take in *entities*: built ones, or `{"type", "id", "properties", "parents"}`.

        *unknown*: whether a request may name an entity that is not here and that it does not describe.
        With `bare`, an entity that was deleted has no attributes: a forbid that asks for an optional
        one is not satisfied.

        Raises `InvalidRequest` with every problem: an entity that does not fit, parents that are
        not there or lie in one another, one entity given twice with unequal content.
        """
        self._schema = schema
        self._fitting = schema  # the last that was found to have the same entity types
        if unknown not in get_args(UnknownEntities):
            raise ValueError(f"unknown is 'refuse' or 'bare', not {unknown!r}")
        self._limits = limits
        self._entities = StoredEntities(_load(schema, entities, limits))
        self._entities.bare = unknown == "bare"
        self._index = StoreIndex(self._entities)

    @classmethod
    def from_json(
        cls,
        schema: Schema,
        data: bytes | str,
        limits: Limits = _DEFAULT,
        unknown: UnknownEntities = "refuse",
    ) -> EntityStore:
        """Read a JSON array of `{"type", "id", "properties", "parents"}`, of any length."""
        from policyengine.intake.json_text import parse_json  # requests need none, unless in JSON

        given: Any = parse_json(data, limits, size=None)  # what is no array is refused below
        return cls(schema, given, limits, unknown)

    def with_changes(
        self, put: Iterable[EntityLike] = (), remove: Iterable[EntityLike | Key] = ()
    ) -> EntityStore:
        """Return a store in which the entities *put* are as given, and those in *remove* are gone.

        This one stays as it is. The other equals a store made of all entities that are then there, and is made
        in the time that the change takes: that of an entity with other parents includes all below it. What is
        put takes the place of what was there, parents included. *remove*: entities, or (type, id) of each.

        Raises `InvalidRequest` with every problem: an entity that does not fit, one to be removed that is not
        there, or that something else lies in, and whatever a store is refused for.
        """
        made = object.__new__(type(self))
        made._schema, made._fitting, made._limits = self._schema, self._fitting, self._limits
        made._entities = changed_entities(
            self._schema, self._limits, self._entities, self._index, put, remove
        )
        made._index = self._index.of_changed(made._entities)
        return made

    def fits(self, schema: Schema) -> bool:
        """Whether the store serves requests of *schema*: the entity types must be the same."""
        if self._fitting is not schema:
            if self._schema.entities != schema.entities:
                return False
            self._fitting = schema
        return True

    @property
    def by_key(self) -> Stored:
        """The entities by type and id."""
        return self._entities

    @property
    def index(self) -> StoreIndex:
        """The index of the entities, of which each part is made when it is first asked for."""
        return self._index

    def get(self, key: Key) -> Entity | None:
        """Return the entity with that type and id, or None."""
        return self._entities.get(key)

    def __getitem__(self, key: Key) -> Entity:
        return self._entities[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entities

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entities)

    def __len__(self) -> int:
        return len(self._entities)

    def keys(self) -> KeysView[Key]:
        """The type and id of each entity; so `dict(store)` has the entities by these."""
        return self._entities.keys()

    def __repr__(self) -> str:
        return f"<EntityStore of {len(self)} entities>"


def problem_of(store: EntityStore, schema: Schema) -> str | None:
    """Return why a store serves no requests of *schema*, None if it does."""
    if not store.fits(schema):
        return "the store was made for other entity types; make it again for this engine"
    return None


def _load(schema: Schema, given: Iterable[object], limits: Limits) -> Mapping[Key, Entity]:
    problems = Problems(limits.problems)
    reader = Reader(schema, limits, problems)
    known = Known(problems, reader.flawed)
    for raw, place in reader.each(given, None) or ():
        entity = reader.entity(raw, place)
        if entity is not None:
            known.add(entity, place)
    for entity, path in reader.carried:
        known.add(entity, path)
    for key, entity in known.entities.items():
        for parent in sorted(entity.parents_ or ()):
            if parent not in known.entities:
                message = f"the parent {entity_name(parent)} is not in the store"
                problems.add("PE525", inside(known.places[key], "parents"), message)
    known.close_lines({}, limits.ancestors)
    if problems.items:
        raise InvalidRequest(problems.items)
    reader.undeclared.log()
    return {key: alone(entity) for key, entity in known.entities.items()}
