"""Validate requests against the schema: whatever gets past here, a checked rule can read."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define


@define
class Request:
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
