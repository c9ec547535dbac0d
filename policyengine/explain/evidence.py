"""Hold the evidence for a decision: all that an explanation for any audience is made from.

Most readers may not see all of it, so it is shown only through `audiences.py`, which selects the parts
for an audience. Parts that depend only on values that everybody may see are worked out beside the
others: if they were derived from the others, they could reveal something of them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

from policyengine.analysis.places import Place
from policyengine.model.outcome import Outcome
from policyengine.model.types import Changer

State: TypeAlias = Literal["satisfied", "waived", "not satisfied", "failed", "not in force"]


@frozen
class Reading:
    """A value that a condition read, as policies write it."""

    text: str
    value: str


@frozen
class Operand:
    """A part of a condition that had the wrong value, and the values that it read."""

    text: str
    value: bool
    values: tuple[Reading, ...]


@frozen
class Inside:
    """The evaluation inside a call of a definition, or of a quantifier's condition for one element.

    *text*: the body of the definition, or the element. *value*: the result; the rest is as in `Condition`.
    """

    text: str
    value: str
    values: tuple[Reading, ...]
    failing: tuple[Operand, ...]
    inside: tuple[Inside, ...]


@frozen
class Condition:
    """One condition of a rule.

    *text* as it was written; *wanted*: the value it must have; *holds*: whether it had it, None
    where evaluation did not come that far; *values*: the values that it read; *failing*: the operands
    that made it fail; *inside*: the definitions that it called and the elements that decided. *hidden*
    names the kinds of the values that are for the auditor alone, if it depends on such. *names_others*: whether
    it names what other requests than this have, as another tenant.
    """

    text: str
    wanted: bool
    holds: bool | None
    values: tuple[Reading, ...]
    failing: tuple[Operand, ...]
    inside: tuple[Inside, ...]
    hidden: tuple[str, ...]
    names_others: bool


@frozen
class RuleExplanation:
    """The state of one rule, with its conditions.

    *decided*: whether it is a determining rule. *nearest*: whether it is a permit of a shut gate of
    which as few conditions fail as of any other. *place* is `file:line`; *waivers*: those that are
    in force for it. *seems_nearest* and *seen* are what *nearest* and *conditions* are if there were
    no conditions but those that are not hidden, *seems* is the *state* as all may know it. *for_others*: whether
    it is a permit for requests that have another value, as another tenant, of one that all may see.
    """

    id: str
    effect: str
    state: State
    advisory: bool
    decided: bool
    nearest: bool
    place: str
    cites: str
    against: str
    waivers: tuple[str, ...]
    conditions: tuple[Condition, ...]
    seems_nearest: bool
    seems: State
    seen: tuple[Condition, ...]
    for_others: bool


@frozen
class GateExplanation:
    """One gate: its question, whether it was opened, and its rules that cover the request."""

    name: str
    question: str
    opened: bool
    rules: tuple[RuleExplanation, ...]


@frozen
class OfferedChange:
    """Another value at one place of the request, in words, and the party that can make the change.

    *hidden*: the place is for the auditor alone, and others see its *kind*; *gives_away*: the other value is, since it
    reveals something hidden, or what other requests have, as another tenant.
    """

    by: Changer
    kind: str
    text: str
    before: str
    after: str
    hidden: bool
    gives_away: bool


@frozen
class Offers:
    """The smallest changes to the request after which it is allowed, each decided again.

    *tried_all*: whether no other was left untried. *depends_on_hidden*: whether rules were left out of
    account as far as they depend on something private. *not_tried*: the places of which not all values that
    may matter were tried; a place may be hidden.
    """

    changes: tuple[tuple[OfferedChange, ...], ...]
    tried_all: bool
    depends_on_hidden: bool = False
    not_tried: tuple[Place, ...] = ()


@frozen
class Evidence:
    """All that is known of the reasons for a decision, and of the changes that would allow it.

    *reason* is for the auditor, *public_reason* the same without values that are hidden from others; so are
    *offers* and *public_offers*. *until_hidden*: whether *valid_until* may reveal something of them, too.
    """

    outcome: Outcome
    reason: str
    public_reason: str
    valid_until: str | None
    until_hidden: bool
    gates: tuple[GateExplanation, ...]
    offers: Offers
    public_offers: Offers
    policy: str
