"""Define the head of a rule: the part that is the same in every stage."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

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
