"""Hold the answer to a request: allowed or not, why, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from attrs import frozen

from policyengine.model.types import Type

Cause: TypeAlias = Literal["permitted", "not_permitted", "forbidden", "error", "invalid_request"]


@frozen
class Obligation:
    """Something owed by whoever was allowed: a name, and a (parameter, type, value) each."""

    name: str
    arguments: tuple[tuple[str, Type, object], ...]


@frozen
class Advisory:
    """What a rule on trial would have done.

    *outcome*: `satisfied`, `not_satisfied`, or `unknown` where the request lacks what it reads.
    """

    rule: str
    effect: str
    outcome: Literal["satisfied", "not_satisfied", "unknown"]


@frozen
class RuleError:
    """A rule that failed although it was checked: a bug of ours. *paths*: what it read amiss."""

    rule: str
    paths: tuple[str, ...]
    message: str


@frozen
class Outcome:
    """A decision without its wording; every list sorted and without repeats.

    *gates*: of each gate, by name, whether it was opened. *rules*: ids of the determining rules,
    by gate, then name. *exposed*: None without a field gate; empty on a deny. *waivers*: names of
    those without which a gate would have been shut.
    """

    allowed: bool
    cause: Cause
    rules: tuple[str, ...]
    gates: tuple[tuple[str, bool], ...]
    exposed: frozenset[str] | None
    obligations: tuple[Obligation, ...]
    referrals: tuple[str, ...]
    advisories: tuple[Advisory, ...]
    waivers: tuple[str, ...]
    errors: tuple[RuleError, ...]


class Account(Protocol):
    """Gives the rest of a decision when it is asked for, from the request's immutable values."""

    def outcome(self) -> Outcome:
        """Everything but the wording."""

    def reason(self) -> str:
        """The text for a person; never raises."""

    def valid_until(self) -> int | None:
        """The moment (microseconds) until which only the wording may change, or None."""


JsonObject: TypeAlias = Mapping[str, object]
