"""Define the head of a rule, and what a waiver is for: the parts that are the same in every stage."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from policyengine.model.entities import Entity

Effect: TypeAlias = Literal["permit", "forbid", "expose"]


class RuleHead(Struct, frozen=True, eq=False):
    """The name, the effect and the validity of a rule.

    *id* is `gate.rule`. An *advisory* rule decides nothing. The rule exists at the moments
    [*valid_from*, *valid_until*), in microseconds since 1970 UTC, None for no bound.
    """

    id: str
    gate: str
    effect: Effect
    advisory: bool
    valid_from: int | None
    valid_until: int | None

    @property
    def is_dated(self) -> bool:
        """Whether the rule exists at some moments only."""
        return self.valid_from is not None or self.valid_until is not None

    def in_force(self, now: int) -> bool:
        """Whether the rule exists at *now*."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now < self.valid_until
        )

    def outlasts(self, other: RuleHead) -> bool:
        """Whether the rule exists whenever *other* does."""
        begins = self.valid_from is None or (
            other.valid_from is not None and self.valid_from <= other.valid_from
        )
        ends = self.valid_until is None or (
            other.valid_until is not None and self.valid_until >= other.valid_until
        )
        return begins and ends


class WaivedEntity(Struct, frozen=True):
    """The entity that a waiver names; *within*: all that is within it is meant as well."""

    type: str
    id: str
    within: bool = False

    def means(self, entity: Entity) -> bool:
        """Whether *entity* is meant."""
        if self.within:
            return entity.line is not None and (self.type, self.id) in entity.line
        return (entity.type, entity.id) == (self.type, self.id)


class RuleWaiver(Struct, frozen=True):
    """A waiver of one rule, for a subject, on a resource, or both, before the moment *until*."""

    name: str
    subject: WaivedEntity | None
    resource: WaivedEntity | None
    until: int

    def is_for(self, subject: Entity, resource: Entity) -> bool:
        """Whether it is for a request of *subject* and *resource*, at some moment."""
        return (self.subject is None or self.subject.means(subject)) and (
            self.resource is None or self.resource.means(resource)
        )
