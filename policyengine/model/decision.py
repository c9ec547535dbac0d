"""Hold the answer to a request: allowed or not, why, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NoReturn, Protocol, TypeAlias, TypeVar

from attrs import define, evolve, field, frozen

from policyengine.model.types import Type
from policyengine.model.values import moment_text, text_of, to_datetime, to_json, to_python

Cause: TypeAlias = Literal["permitted", "not_permitted", "forbidden", "error", "invalid_request"]


@frozen
class Obligation:
    """Something owed by whoever was allowed: a name, and a (parameter, type, value) each."""

    name: str
    arguments: tuple[tuple[str, Type, object], ...]

    @property
    def parameters(self) -> Mapping[str, object]:
        """The arguments by name, as Python has them (see `model.values.to_python`)."""
        return MappingProxyType({name: to_python(t, value) for name, t, value in self.arguments})

    def to_json(self) -> dict[str, object]:
        """Return the obligation as JSON has it."""
        parameters = {name: to_json(type_, value) for name, type_, value in self.arguments}
        return {"name": self.name, "parameters": parameters}

    def __str__(self) -> str:
        return f"{self.name}({', '.join(text_of(t, value) for _, t, value in self.arguments)})"


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

Document = TypeVar("Document")


@define(eq=False, repr=False)
class Decision:
    """The answer to a request. It cannot be changed.

    What a service acts on is there at once: `allowed`, `cause`, `exposed`, `obligations`. What
    people and logs want is worked out when it is first read, and kept.
    """

    _allowed: bool
    _cause: Cause
    _exposed: frozenset[str] | None
    _obligations: tuple[Obligation, ...]
    _policy: str
    _account: Account
    # Two threads may both fill these in; they find the same.
    _outcome: Outcome | None = field(default=None, init=False)
    _reason: str | None = field(default=None, init=False)
    _valid_until: tuple[int | None] | None = field(default=None, init=False)

    def __bool__(self) -> NoReturn:
        raise TypeError("a decision is neither true nor false: ask `decision.allowed`")

    # ---- at once ------------------------------------------------------------------------

    @property
    def allowed(self) -> bool:
        """Whether the action is allowed."""
        return self._allowed

    @property
    def cause(self) -> Cause:
        """What made it so: `permitted`, `not_permitted`, `forbidden` or `error`."""
        # Deciding stops at the first gate that is shut; whether a rule failed is known only when
        # all are looked at.
        return self._told().cause if self._cause == "not_permitted" else self._cause

    @property
    def exposed(self) -> frozenset[str] | None:
        """The fields of the resource that may be seen; None where no gate asks; empty on a deny."""
        return self._exposed

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """What is owed for an allow, sorted."""
        return self._obligations

    @property
    def policy(self) -> str:
        """The digest of the policy set that decided."""
        return self._policy

    # ---- when asked for -----------------------------------------------------------------

    def _told(self) -> Outcome:
        if self._outcome is None:
            self._outcome = self._account.outcome()
        return self._outcome

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that determined the decision."""
        return self._told().rules

    @property
    def gates(self) -> Mapping[str, bool]:
        """Of each gate, whether it was opened."""
        return MappingProxyType(dict(self._told().gates))

    @property
    def referrals(self) -> tuple[str, ...]:
        """Teams that should look at a deny."""
        return self._told().referrals

    @property
    def advisories(self) -> tuple[Advisory, ...]:
        """What rules on trial would have done."""
        return self._told().advisories

    @property
    def waivers(self) -> tuple[str, ...]:
        """Names of the waivers that mattered."""
        return self._told().waivers

    @property
    def errors(self) -> tuple[RuleError, ...]:
        """Rules that failed, which is a bug of ours."""
        return self._told().errors

    @property
    def reason(self) -> str:
        """The reason, for a person."""
        if self._reason is None:
            self._reason = self._account.reason()
        return self._reason

    @property
    def valid_until(self) -> datetime | None:
        """Until when only the wording may change, in UTC; None if time plays no part."""
        until = self._until()
        return None if until is None else to_datetime(until)

    def _until(self) -> int | None:
        if self._valid_until is None:
            self._valid_until = (self._account.valid_until(),)
        return self._valid_until[0]

    def outcome(self) -> Outcome:
        """Return everything but the wording, as one value that compares."""
        return evolve(
            self._told(),
            allowed=self._allowed,
            cause=self.cause,
            exposed=self._exposed,
            obligations=self._obligations,
        )

    # ---- for others ---------------------------------------------------------------------

    def redact(self, document: Mapping[str, Document]) -> dict[str, Document]:
        """Return what may be seen of *document*, which has the resource's fields at its top.

        Nothing on a deny; everything on an allow if the policy set has no field gate.
        """
        if not self._allowed:
            return {}
        exposed = self._exposed
        return {k: v for k, v in document.items() if exposed is None or k in exposed}

    def to_json(self, ignored: Iterable[str] = ()) -> dict[str, object]:
        """Return the decision as AuthZEN answers. *ignored*: names of the request it ignored."""
        told, until = self._told(), self._until()
        return answer(
            allowed=self._allowed,
            cause=self.cause,
            reason=self.reason,
            rules=list(told.rules),
            gates=dict(told.gates),
            exposed=None if self._exposed is None else sorted(self._exposed),
            obligations=[obligation.to_json() for obligation in self._obligations],
            referrals=list(told.referrals),
            advisories=[
                {"rule": a.rule, "effect": a.effect, "outcome": a.outcome} for a in told.advisories
            ],
            waivers=list(told.waivers),
            errors=[
                {"rule": e.rule, "paths": list(e.paths), "message": e.message} for e in told.errors
            ],
            valid_until=None if until is None else moment_text(until),
            policy=self._policy,
            ignored=ignored,
        )

    def __repr__(self) -> str:
        return f"<{'allow' if self._allowed else 'deny'} ({self.cause}): {self.reason}>"


def answer(
    *,
    allowed: bool,
    cause: Cause,
    reason: str,
    rules: Iterable[str] = (),
    gates: Mapping[str, bool] | None = None,
    exposed: Iterable[str] | None = None,
    obligations: Iterable[object] = (),
    referrals: Iterable[str] = (),
    advisories: Iterable[object] = (),
    waivers: Iterable[str] = (),
    errors: Iterable[object] = (),
    valid_until: str | None = None,
    policy: str,
    ignored: Iterable[str] = (),
) -> dict[str, object]:
    """Return an answer in AuthZEN's shape; every member is always there."""
    context = {
        "cause": cause,
        "reason": reason,
        "rules": list(rules),
        "gates": dict(gates or {}),
        "exposed": None if exposed is None else list(exposed),
        "obligations": list(obligations),
        "referrals": list(referrals),
        "advisories": list(advisories),
        "waivers": list(waivers),
        "errors": list(errors),
        "valid_until": valid_until,
        "policy": policy,
        "ignored": list(ignored),
    }
    return {"decision": allowed, "context": context}
