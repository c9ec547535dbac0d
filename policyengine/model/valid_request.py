"""Hold a request that fits the schema, in canonical values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from policyengine.model.entities import Entity, Key
from policyengine.model.records import Record


class ValidRequest(Struct):
    """A request that fits the schema, in canonical values: what rules are evaluated on.

    *subject*, *resource*: entities (`model.entities.Entity`). *context*: a record of the action's
    context type. *now*: microseconds since 1970 UTC. *fields*: those asked for, None if none were
    named. *entities*: every entity that is known for the request by (type, id), subject and
    resource included; what a rule may read is there.
    """

    subject: Entity
    action: str
    resource: Entity
    context: Record
    now: int
    fields: tuple[str, ...] | None
    entities: Mapping[tuple[str, str], Entity]

    @property
    def roots(self) -> tuple[Entity, Entity, Record, int, Mapping[tuple[str, str], Entity]]:
        """What rules read: subject, resource, context, now, entities."""
        return self.subject, self.resource, self.context, self.now, self.entities


Apart: TypeAlias = tuple[Mapping[Key, Entity], Mapping[Key, Entity], Mapping[Key, Entity]]
"""What is known of the entities that the subject, the resource and the context lead to, where no two differ about one."""


def together(
    entities: Mapping[Key, Entity] | Apart, subject: Entity, resource: Entity
) -> Mapping[Key, Entity]:
    """Return all entities that are known for a request, by key."""
    if not isinstance(entities, tuple):
        return entities
    of_subject, of_resource, of_context = entities
    both = {subject.key_: subject, resource.key_: resource}
    return {**of_resource, **of_subject, **of_context, **both}


class Entities(dict[Key, Entity]):
    """What is known for one request, and behind it a store that is not copied."""

    __slots__ = ("_store",)

    def __init__(self, known: Mapping[Key, Entity], store: Mapping[Key, Entity]) -> None:
        super().__init__(known)
        self._store = store

    def __missing__(self, key: Key) -> Entity:
        return self._store[key]
