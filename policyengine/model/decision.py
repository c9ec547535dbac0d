"""Hold the decision on a request: whether it is allowed, why, and with which obligations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self, TypeAlias, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr, replace

from policyengine.model.errors import InvalidRequest, PolicyError, Problem
from policyengine.model.immutable import FrozenDict
from policyengine.model.masks import MaskedField
from policyengine.model.request_messages import joined
from policyengine.model.shown import shown_value
from policyengine.model.types import Type
from policyengine.model.values import moment_text, to_datetime, to_json, to_python

Cause: TypeAlias = Literal["permitted", "not_permitted", "forbidden", "error", "invalid_request"]

Audience: TypeAlias = Literal["user", "developer", "auditor"]
"""Who reads why: the person concerned, the developer of the app that asks, or who may see everything."""

AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)


class Obligation(Struct, frozen=True):
    """A duty of the caller after a decision: a name, and a (parameter, type, value) each."""

    name: str
    arguments: tuple[tuple[str, Type, object], ...]

    @property
    def parameters(self) -> Mapping[str, object]:
        """The arguments by name, as Python values (see `model.values.to_python`)."""
        return FrozenDict({name: to_python(t, value) for name, t, value in self.arguments})

    def to_json(self) -> dict[str, object]:
        """Return the obligation as JSON values."""
        parameters = {name: to_json(type_, value) for name, type_, value in self.arguments}
        return {"name": self.name, "parameters": parameters}

    def __str__(self) -> str:
        return f"{self.name}({', '.join(shown_value(t, value) for _, t, value in self.arguments)})"


class Advisory(Struct, frozen=True):
    """The result of a rule on trial.

    *outcome*: `satisfied`, `not_satisfied`, or `unknown` where the request lacks what it reads.
    """

    rule: str
    effect: str
    outcome: Literal["satisfied", "not_satisfied", "unknown"]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {"rule": self.rule, "effect": self.effect, "outcome": self.outcome}


class RuleError(Struct, frozen=True):
    """A rule that failed although it was checked: a bug of ours. *paths*: values that do not fit."""

    rule: str
    paths: tuple[str, ...]
    message: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {"rule": self.rule, "paths": list(self.paths), "message": self.message}


class Outcome(Struct, frozen=True):
    """A decision without its wording; every list is sorted and without repeats.

    *gates*: whether each gate, by name, was opened. *rules*: ids of the determining rules,
    by gate, then name. *exposed*: the fields that are shown themselves; None without a field gate; empty
    on a deny. *masks*: of the fields that are shown in part, how each is. *waivers*: names of those
    without which a gate would have been shut.
    """

    allowed: bool
    cause: Cause
    rules: tuple[str, ...]
    gates: tuple[tuple[str, bool], ...]
    exposed: frozenset[str] | None
    masks: tuple[tuple[str, str], ...]
    obligations: tuple[Obligation, ...]
    referrals: tuple[str, ...]
    advisories: tuple[Advisory, ...]
    waivers: tuple[str, ...]
    errors: tuple[RuleError, ...]


Listed: TypeAlias = tuple[tuple[str, ...], int]
"""The determining rules that an answer in JSON names, and how many there are besides."""


class Details(Protocol):
    """The details of a decision, worked out when they are read, from the request's immutable values."""

    def outcome(self) -> Outcome:
        """The decision without its wording."""

    def listed(self) -> Listed:
        """The determining rules that are named in JSON, and how many there are besides."""

    def reason(self) -> str:
        """The text for a person; never raises."""

    def public_reason(self) -> str:
        """The same text, with words in the place of what is an auditor's alone."""

    def valid_until(self) -> int | None:
        """The moment (microseconds) until which only the wording may change, or None."""

    def frame(self, answer: SharedResult) -> Frame | None:
        """The JSON that answers with *answer* and the same rules share; None if there are none."""


Frame: TypeAlias = tuple[bytes, bytes, bytes]
"""An answer as JSON without the reason and `valid_until`: the parts before, between and after."""

Written: TypeAlias = Callable[[Any, Any, Any, Any, Any], bytes | None]
"""Gives an answer as JSON, if an equal one was written before, from the `SharedResult` and from the
arguments of `MakeDetails`."""

MakeDetails: TypeAlias = Callable[[Any, Any, Any, Any], Details]
"""Makes the details of a decision from the subject, the resource, the context and the rest."""


class SharedResult(Struct, frozen=True):
    """The part of a decision on which a service acts. Equal decisions share one.

    *exposed*: the fields of the resource that may be seen; None where no gate asks; empty on a deny.
    *masks*: those that may be seen in part, sorted. *obligations*: what is owed, sorted; None for a deny for
    which forbids may owe something, which its details say. *policy*: the digest of the set that decided.
    *make_details* makes the details; *written* gives the JSON that was written of an equal decision.
    """

    allowed: bool
    cause: Cause
    exposed: frozenset[str] | None
    masks: tuple[MaskedField, ...]
    obligations: tuple[Obligation, ...] | None
    policy: str
    make_details: MakeDetails
    written: Written = lambda *_: None


class _Kept(Struct, eq=False):
    """The details of a decision, once they are worked out. Two threads may both do so, equally."""

    details: Details
    outcome: Outcome | None = None
    reason: str | None = None
    public_reason: str | None = None
    valid_until: tuple[int | None] | None = None


class Decision(Struct, frozen=True, eq=False, gc=False):
    """The decision on a request. It cannot be changed.

    The parts on which a service acts are there at once: `allowed`, `cause`, `exposed`, `obligations`.
    The parts for people and logs are worked out when they are first read, from the parts of the
    request, and kept. (It is a msgspec struct, which is made in a third of the time of other classes;
    with fewer fields it is made faster.)
    """

    allowed: bool
    """Whether the action is allowed."""
    _answer: SharedResult
    _subject: Any = None
    _resource: Any = None
    _context: Any = None
    _rest: Any = None
    """Further data for the details, as the program passes it; later a `_Kept`."""

    if not TYPE_CHECKING:  # so that mypy reports `if decision:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError("a decision is neither true nor false: ask `decision.allowed`")

    # ---- at once ------------------------------------------------------------------------

    @property
    def cause(self) -> Cause:
        """The cause: `permitted`, `not_permitted`, `forbidden` or `error`."""
        # Deciding stops at the first gate that is shut; whether a rule failed is known only when all
        # are evaluated.
        cause = self._answer.cause
        return self._judged().cause if cause == "not_permitted" else cause

    @property
    def exposed(self) -> frozenset[str] | None:
        """The fields of the resource that may be seen; None where no gate asks; empty on a deny."""
        return self._answer.exposed

    @property
    def masks(self) -> Mapping[str, str]:
        """The fields that may be seen in part, and how: `{"born": "year"}`; none of them is in `exposed`."""
        return FrozenDict({field.name: field.mask for field in self._answer.masks})

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """The obligations of an allow, or of a deny that forbids determine; sorted."""
        owed = self._answer.obligations
        return self._judged().obligations if owed is None else owed

    @property
    def policy(self) -> str:
        """The digest of the policy set that decided."""
        return self._answer.policy

    def or_raise(self) -> Self:
        """Return the decision if it is an allow; raises `Denied` if it is a deny."""
        if self.allowed:
            return self
        raise Denied(self)

    # ---- when asked for -----------------------------------------------------------------

    def _worked_out(self) -> _Kept:
        kept = self._rest
        if not isinstance(kept, _Kept):
            kept = _Kept(
                self._answer.make_details(self._subject, self._resource, self._context, kept)
            )
            force_setattr(self, "_rest", kept)
        return kept

    def _judged(self) -> Outcome:
        kept = self._worked_out()
        if kept.outcome is None:
            kept.outcome = kept.details.outcome()
        return kept.outcome

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that determined the decision."""
        return self._judged().rules

    @property
    def gates(self) -> Mapping[str, bool]:
        """Whether each gate was opened, by name."""
        return FrozenDict(dict(self._judged().gates))

    @property
    def referrals(self) -> tuple[str, ...]:
        """Teams that should look at a deny."""
        return self._judged().referrals

    @property
    def advisories(self) -> tuple[Advisory, ...]:
        """The results of rules on trial."""
        return self._judged().advisories

    @property
    def waivers(self) -> tuple[str, ...]:
        """Names of the waivers that mattered."""
        return self._judged().waivers

    @property
    def errors(self) -> tuple[RuleError, ...]:
        """Rules that failed, which is a bug of ours."""
        return self._judged().errors

    @property
    def reason(self) -> str:
        """The reason, for an auditor: it may have values of other entities than the subject."""
        kept = self._worked_out()
        if kept.reason is None:
            kept.reason = kept.details.reason()
        return kept.reason

    def reason_for(self, audience: Audience) -> str:
        """Return the reason as *audience* may read it: `user`, `developer` or `auditor`.

        It is what the explanation of the request says to them, without the time that explaining takes.
        """
        if audience not in AUDIENCES:
            raise ValueError(
                f"there is no audience {audience!r}: it is one of {', '.join(AUDIENCES)}"
            )
        if audience == "auditor":
            return self.reason
        kept = self._worked_out()
        if kept.public_reason is None:
            kept.public_reason = kept.details.public_reason()
        return kept.public_reason

    @property
    def valid_until(self) -> datetime | None:
        """The moment until which only the wording may change, in UTC; None if the time does not matter."""
        until = self._until()
        return None if until is None else to_datetime(until)

    def _until(self) -> int | None:
        kept = self._worked_out()
        if kept.valid_until is None:
            kept.valid_until = (kept.details.valid_until(),)
        return kept.valid_until[0]

    def outcome(self) -> Outcome:
        """Return the decision without its wording, as one value that can be compared."""
        return replace(
            self._judged(),
            allowed=self.allowed,
            cause=self.cause,
            exposed=self.exposed,
            masks=tuple(self.masks.items()),
            obligations=self.obligations,
        )

    def listed(self) -> Listed:
        """Return the determining rules that an answer in JSON lists, and how many there are besides."""
        return self._worked_out().details.listed()

    # ---- copies -------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., Decision], tuple[object, ...]]:
        """Work out everything that can be read; the request is left out."""
        answer = self._answer
        shown = answer.exposed, answer.masks
        parts = answer.allowed, answer.cause, *shown, self.obligations, answer.policy
        listed = self._worked_out().details.listed()
        reasons = self.reason, self.reason_for("user")
        return _unpickled, (*parts, self._judged(), listed, *reasons, self._until())

    # ---- for others ---------------------------------------------------------------------

    def redact(self, document: Mapping[str, Any], key: bytes | None = None) -> dict[str, Any]:
        """Return the fields of *document* that may be seen; it has the resource's fields at its top.

        No fields on a deny; all on an allow if the policy set has no field gate. Of a field that may be
        seen in part (`masks`) the part is shown; a value that is not of its type is left out. *key*: of
        pseudonyms, 16 bytes at least; `TypeError` if some field is shown by one and there is no key.
        """
        if not self.allowed:
            return {}
        exposed = self.exposed
        shown: dict[str, Any] = {
            name: value for name, value in document.items() if exposed is None or name in exposed
        }
        if not self._answer.masks:
            return shown
        from policyengine.model.redaction import redacted  # most decisions have no masks

        together = shown | redacted(document, self._answer.masks, key)
        return {name: together[name] for name in document if name in together}

    def to_json(self, ignored: Iterable[str] = ()) -> dict[str, object]:
        """Return the decision as an AuthZEN answer. *ignored*: names in the request that were ignored."""
        until = self._until()
        valid_until = None if until is None else moment_text(until)
        outcome, listed = self._judged(), self._worked_out().details.listed()
        return _document(self._answer, outcome, listed, self.reason, valid_until, ignored)

    def to_bytes(self, ignored: Iterable[str] = ()) -> bytes:
        """Return `to_json` as JSON in UTF-8."""
        if ignored:
            return _encode(self.to_json(ignored))
        answered = self._answer
        if not isinstance(self._rest, _Kept):
            parts = self._subject, self._resource, self._context, self._rest
            written = answered.written(answered, *parts)
            if written is not None:
                return written
        frame = self._worked_out().details.frame(answered)
        if frame is None:
            return _encode(self.to_json())
        return filled(frame, self.reason, self._until())

    def __repr__(self) -> str:
        return f"<{'allow' if self.allowed else 'deny'} ({self.cause}): {self.reason}>"


class Denied(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A request was denied that was to be allowed; *decision* says why.

    Its text is the reason as the user may read it; it is made when it is read.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def __str__(self) -> str:
        return self.decision.reason_for("user")

    def __repr__(self) -> str:
        return f"Denied({str(self)!r})"


def _document(
    answered: SharedResult,
    outcome: Outcome,
    listed: Listed,
    reason: str,
    valid_until: str | None,
    ignored: Iterable[str],
) -> dict[str, object]:
    # Deciding stops at the first gate that is shut: only the details know whether a rule failed.
    cause = outcome.cause if answered.cause == "not_permitted" else answered.cause
    owed = outcome.obligations if answered.obligations is None else answered.obligations
    return answer(
        allowed=answered.allowed,
        cause=cause,
        reason=reason,
        rules=listed[0],
        more_rules=listed[1],
        gates=dict(outcome.gates),
        exposed=None if answered.exposed is None else sorted(answered.exposed),
        masks={field.name: field.mask for field in answered.masks},
        obligations=[obligation.to_json() for obligation in owed],
        referrals=outcome.referrals,
        advisories=[advisory.to_json() for advisory in outcome.advisories],
        waivers=outcome.waivers,
        errors=[error.to_json() for error in outcome.errors],
        valid_until=valid_until,
        policy=answered.policy,
        ignored=ignored,
    )


_GAP: Final = "\0"
"""A placeholder for parts that differ each time; no reason and no moment is written so."""

_encode: Final = msgspec.json.Encoder().encode


def make_frame(answered: SharedResult, outcome: Outcome, listed: Listed) -> Frame:
    """Return the JSON that answers share if they differ only in the reason and `valid_until`.

    The reason is before any text of an author, and `valid_until` after it.
    """
    document = _encode(_document(answered, outcome, listed, _GAP, _GAP, ()))
    before, _, rest = document.partition(_encode(_GAP))
    between, _, after = rest.rpartition(_encode(_GAP))
    return before, between, after


def filled(frame: Frame, reason: str, until: int | None) -> bytes:
    """Return an answer with its reason and the moment *until* which it is valid."""
    before, between, after = frame
    end = b"null" if until is None else _encode(moment_text(until))
    return b"".join((before, _encode(reason), between, end, after))


class _PickledDetails(Struct, frozen=True):
    """The details of a decision that was pickled. Implements `Details`."""

    _outcome: Outcome
    _listed: Listed
    _reason: str
    _public_reason: str
    _valid_until: int | None

    def outcome(self) -> Outcome:
        return self._outcome

    def listed(self) -> Listed:
        return self._listed

    def reason(self) -> str:
        return self._reason

    def public_reason(self) -> str:
        return self._public_reason

    def valid_until(self) -> int | None:
        return self._valid_until

    def frame(self, _: SharedResult) -> None:
        return None


def _unpickled(
    allowed: bool,  # noqa: FBT001 - as it was pickled
    cause: Cause,
    exposed: frozenset[str] | None,
    masks: tuple[MaskedField, ...],
    obligations: tuple[Obligation, ...],
    policy: str,
    *details: Any,
) -> Decision:
    """Make a decision that was pickled."""
    pickled = _PickledDetails(*details)
    shared = SharedResult(allowed, cause, exposed, masks, obligations, policy, lambda *_: pickled)
    return Decision(allowed, shared)


class _Refused(Struct, frozen=True):
    """The details of a decision on a request that reached no rule. Implements `Details`.

    It has no exception: by its traceback, that would have what has the decision.
    """

    problems: tuple[Problem, ...]

    def outcome(self) -> Outcome:
        return Outcome(False, "invalid_request", (), (), frozenset(), (), (), (), (), (), ())

    def listed(self) -> Listed:
        return (), 0

    def reason(self) -> str:
        first, *rest = map(str, self.problems)
        return joined(
            (f"the request does not fit: {first}", *rest), len(self.problems), len(self.problems)
        )

    def public_reason(self) -> str:
        parts = (f"{p.path or 'the whole'} [{p.code}]" for p in self.problems)
        return f"the request does not fit: {joined(parts, len(self.problems))}"

    def valid_until(self) -> None:
        return None

    def frame(self, _: SharedResult) -> None:
        return None


def refused(refusal: InvalidRequest, policy: str) -> Decision:
    """Return the decision on a request that does not fit: a deny that names every problem."""
    details = _Refused(refusal.problems)
    denied = SharedResult(False, "invalid_request", frozenset(), (), (), policy, lambda *_: details)
    return Decision(False, denied)


def answer(
    *,
    allowed: bool,
    cause: Cause,
    reason: str,
    rules: Iterable[str] = (),
    more_rules: int = 0,
    gates: Mapping[str, bool] | None = None,
    exposed: Iterable[str] | None = None,
    masks: Mapping[str, str] | None = None,
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
        "more_rules": more_rules,
        "gates": dict(gates or {}),
        "exposed": None if exposed is None else list(exposed),
        "masks": dict(masks or {}),
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
