"""Hold why a request was decided as it was: everything, for everybody it is cut from.

What an explanation holds is more than most may see, so it shows itself through `audiences.py` alone,
which cuts it down to an audience. What only depends on values that everybody may see is worked out
beside it: what is left of something that depends on others would tell of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import frozen

from policyengine.model.decision import Outcome
from policyengine.model.types import Changer

Audience: TypeAlias = Literal["user", "developer", "auditor"]
"""Who reads: the person who was refused, the developer of the app, who answers for the policy."""

AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)

State: TypeAlias = Literal["satisfied", "waived", "not satisfied", "failed", "not in force"]


@frozen
class Reading:
    """A value that a condition read, in words. *hidden*: it is for the auditor alone."""

    text: str
    value: str
    hidden: bool


@frozen
class Operand:
    """A part of a condition that had the wrong value, and what it read."""

    text: str
    value: bool
    values: tuple[Reading, ...]


@frozen
class Condition:
    """One condition of a rule.

    *text* as it was written; *wanted*: the value it must have; *holds*: whether it had it, None
    where evaluation did not come that far; *values*: what it read; *failing*: the operands that
    made it fail. *hidden*: it hangs on something that is for the auditor alone.
    """

    text: str
    wanted: bool
    holds: bool | None
    values: tuple[Reading, ...]
    failing: tuple[Operand, ...]
    hidden: bool


@frozen
class RuleExplanation:
    """What came of one rule.

    *decided*: whether the decision rests on it. *nearest*: whether it is a permit of a shut gate of
    which as few conditions fail as of any other. *place* is `file:line`; *waivers*: those that are
    in force for it. *seems_nearest* and *seen* are what *nearest* and *conditions* are if there were
    no conditions but those that are not hidden.
    """

    id: str
    effect: str
    state: State
    advisory: bool
    decided: bool
    nearest: bool
    place: str
    cites: str
    waivers: tuple[str, ...]
    conditions: tuple[Condition, ...]
    seems_nearest: bool
    seen: tuple[Condition, ...]


@frozen
class GateExplanation:
    """One question, whether it was answered yes, and every rule of it that covers the request."""

    name: str
    question: str
    opened: bool
    rules: tuple[RuleExplanation, ...]


@frozen
class OfferedChange:
    """Another value at one place of the request, in words, and who can bring it about.

    *hidden*: the place is for the auditor alone; *gives_away*: the other value is.
    """

    by: Changer
    text: str
    before: str
    after: str
    hidden: bool
    gives_away: bool


@frozen
class Offers:
    """The smallest changes to the request after which it is allowed, each decided again.

    *tried_all*: whether no other was left untried: where rules are many, or compare whole records.
    *depends_on_hidden*: whether rules were left out of account as far as they depend on something private.
    """

    changes: tuple[tuple[OfferedChange, ...], ...]
    tried_all: bool
    depends_on_hidden: bool = False


@frozen
class Everything:
    """All that is known of why a request is decided as it is, and of what would allow it.

    *reason* is for the auditor, *told* the same without values that are hidden from others; so are
    *offers* and *told_offers*. *until_hidden*: whether *valid_until* may tell something of them, too.
    """

    outcome: Outcome
    reason: str
    told: str
    valid_until: str | None
    until_hidden: bool
    gates: tuple[GateExplanation, ...]
    offers: Offers
    told_offers: Offers
    policy: str


class Explanation:
    """Why a request is decided as it is, and what would allow it, to be cut down to an audience."""

    __slots__ = ("_everything",)

    def __init__(self, everything: Everything) -> None:
        self._everything = everything

    @property
    def outcome(self) -> Outcome:
        """The decision without its wording."""
        return self._everything.outcome

    def __repr__(self) -> str:
        outcome = self.outcome
        return f"<explanation of {'an allow' if outcome.allowed else 'a deny'} ({outcome.cause})>"

    def to_json(self, audience: Audience) -> dict[str, Any]:
        """Return what *audience* (`user`, `developer` or `auditor`) may see, as JSON values."""
        from policyengine.explain.audiences import to_json

        return to_json(self._everything, audience)

    def lines(self, audience: Audience) -> Iterator[str]:
        """Give what *audience* may see as text, line by line."""
        from policyengine.explain.audiences import lines

        return lines(self._everything, audience)
