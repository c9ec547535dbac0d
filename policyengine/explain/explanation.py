"""Hold why a request was decided as it was, as plain data: everything, for everybody it is cut from.

What an explanation holds is more than most may see. `views.py` cuts it down to an audience.
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
    in force for it.
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
class Explanation:
    """Why a request is decided as it is, and what would allow it.

    *reason* is for the auditor, *told* the same without values that are hidden from others.
    *until_hidden*: whether *valid_until* may tell something of them, too.
    *would_allow*: the smallest changes to the request after which it is allowed, each verified;
    *tried_all*: whether no other was left untried: where rules are many, or compare whole records.
    """

    outcome: Outcome
    reason: str
    told: str
    valid_until: str | None
    until_hidden: bool
    gates: tuple[GateExplanation, ...]
    would_allow: tuple[tuple[OfferedChange, ...], ...]
    tried_all: bool
    policy: str

    def to_json(self, audience: Audience) -> dict[str, Any]:
        """Return what *audience* (`user`, `developer` or `auditor`) may see, as JSON values."""
        from policyengine.explain.audiences import to_json

        return to_json(self, audience)

    def lines(self, audience: Audience) -> Iterator[str]:
        """Give what *audience* may see as text, line by line."""
        from policyengine.explain.audiences import lines

        return lines(self, audience)
