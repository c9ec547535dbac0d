"""Hold the decision on a request: whether it is allowed, why, and with which obligations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from os import urandom
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from policyengine.concurrency import ForkSafeLock
from policyengine.model.answer_json import decision_document, encode, filled
from policyengine.model.errors import InvalidRequest, PolicyError, Problem
from policyengine.model.immutable import FrozenDict
from policyengine.model.log_record import LONGEST, Answered, log_record
from policyengine.model.outcome import (
    Advisory,
    Audience,
    Cause,
    Listed,
    Obligation,
    Outcome,
    RuleError,
    SharedResult,
    known_audience,
    no_reason,
    no_request,
    not_written,
)
from policyengine.model.request import Request
from policyengine.model.request_messages import joined
from policyengine.model.settings import check_class, check_count, check_truth
from policyengine.model.values import moment_text, to_datetime

_making: Final = ForkSafeLock()
"""Held while it is first noted that something of a decision is kept: two threads see one id."""


class _Kept(Struct, eq=False):
    """What was read of a decision, and is kept. Two threads may both work it out, equally; but for the id.

    *rest*: the data that the program passed. *ignored*: names of the request that meant nothing.
    """

    rest: Any
    ignored: tuple[str, ...] = ()
    id: str | None = None
    decided_at: datetime | None = None
    details: Any = None  # a `Details`, once they are asked for (`_worked_out`)
    outcome: Outcome | None = None
    reason: str | None = None
    public_reason: str | None = None
    valid_until: tuple[int | None] | None = None
    answered: Answered | None = None


class Decision(Struct, frozen=True, eq=False, gc=False):
    """The decision on a request. It cannot be changed.

    The parts on which a service acts are there at once: `allowed`, `cause`, `exposed`, `obligations`.
    The parts for people and logs are worked out when they are first read, from the parts of the
    request, and kept; a reason that takes microseconds is made again until something else is kept.
    (It is a msgspec struct, which is made in a third of the time of other classes; with fewer fields it
    is made faster.)
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

    @classmethod
    def example(
        cls,
        *,
        allowed: bool,
        cause: Cause | None = None,
        reason: str = "an example",
        rules: Iterable[str] = (),
        exposed: Iterable[str] | None = None,
        obligations: Iterable[Obligation] = (),
    ) -> Self:
        """Return a decision that no policy has made, for tests of a service.

        *cause*: `permitted` or `not_permitted` unless given. The rest is what the decision says.
        """
        check_truth("allowed", allowed)
        check_class("reason", reason, str, optional=False)
        cause = cause or ("permitted" if allowed else "not_permitted")
        if allowed != (cause == "permitted"):
            raise ValueError(f"what is {cause} is {'denied' if allowed else 'allowed'}")
        shown = None if exposed is None else frozenset(exposed if allowed else ())
        owed = tuple(obligations)
        outcome = Outcome(allowed, cause, tuple(rules), (), shown, (), owed, (), (), (), ())
        details = FixedDetails(outcome, (outcome.rules, 0), reason, reason)
        return cls(allowed, SharedResult(allowed, cause, shown, (), owed, "example", details.made))

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
    def policy_digest(self) -> str:
        """The digest of the policy set that decided."""
        return self._answer.policy

    def or_raise(self) -> Self:
        """Return the decision if it is an allow; raises `Denied` if it is a deny."""
        if self.allowed:
            return self
        raise Denied(self)

    # ---- when asked for -----------------------------------------------------------------

    def _keeping(self) -> _Kept:
        if not isinstance(self._rest, _Kept):
            with _making.lock:
                if not isinstance(self._rest, _Kept):
                    force_setattr(self, "_rest", _Kept(self._rest))
        kept: _Kept = self._rest
        return kept

    @property
    def _parts(self) -> tuple[Any, Any, Any, Any]:
        rest = self._rest
        return (
            self._subject, self._resource, self._context, rest.rest if isinstance(rest, _Kept) else rest,
        )  # fmt: skip

    def _worked_out(self) -> _Kept:
        """Return what is kept, the details among it."""
        kept = self._rest
        if type(kept) is not _Kept:
            kept = self._keeping()
        if kept.details is None:
            parts = self._subject, self._resource, self._context, kept.rest
            kept.details = self._answer.make_details(*parts)
        return kept

    def _judged(self) -> Outcome:
        kept = self._worked_out()
        if kept.outcome is None:
            kept.outcome = kept.details.outcome()
        outcome: Outcome = kept.outcome
        return outcome

    @property
    def id(self) -> str:
        """A name for this decision alone, in logs and answers: 32 hexadecimal digits, made when it is first read."""
        kept = self._keeping()
        if kept.id is None:
            with _making.lock:
                if kept.id is None:
                    kept.id = urandom(16).hex()
        return kept.id

    @property
    def request(self) -> Request | None:
        """The request, in canonical values, with the other entities that were given or that rules read.

        Of a request that does not fit, it is what was asked. None if the decision was pickled. Decided again by
        an engine of the same set, it is decided equally, unless the store has changed. (An entity that rules name and
        whose values can never matter is not kept; without it, the request may be refused.)
        """
        return self._answer.make_request(*self._parts)

    @property
    def decided_at(self) -> datetime | None:
        """The moment for which it was decided, in UTC; None where no rule asks for the time."""
        kept = self._keeping()
        if kept.decided_at is None:
            moment = getattr(self.request, "now", None)
            kept.decided_at = moment if isinstance(moment, datetime) else None
        return kept.decided_at

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What does not fit of a request that was refused (`cause` is `invalid_request`)."""
        return self._answer.problems

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of a JSON document that meant nothing, and were ignored."""
        return self._rest.ignored if isinstance(self._rest, _Kept) else ()

    def ignoring(self, names: Iterable[str]) -> Self:
        """Return the decision on a request of which these *names* were ignored."""
        names = tuple(names)
        return replace(self, _rest=_Kept(self._parts[-1], names)) if names else self

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
        return self._said(public=False)

    def reason_for(self, audience: Audience) -> str:
        """Return the reason as *audience* may read it: `user`, `developer` or `auditor`.

        It is what the explanation of the request says to them, without the time that explaining takes.
        """
        return self._said(public=audience == "user" or known_audience(audience) != "auditor")

    def _said(self, *, public: bool) -> str:
        rest, said, kept = self._rest, None, None
        if type(rest) is _Kept:
            kept, rest = rest, rest.rest
            said = kept.public_reason if public else kept.reason
            if said is not None:
                return said
        if kept is None or kept.details is None:  # without details, what determines it may do
            said = self._answer.make_reason(
                self._subject,
                self._resource,
                self._context,
                rest,
                allowed=self.allowed,
                public=public,
            )
            if said is not None and kept is None:  # it is made about as soon as a place to keep it
                return said
        if said is None or kept is None:
            kept = self._worked_out()
            said = kept.details.public_reason() if public else kept.details.reason()
        if public:
            kept.public_reason = said
        else:
            kept.reason = said
        return said

    @property
    def valid_until(self) -> datetime | None:
        """The moment until which only the wording may change, in UTC; None if the time does not matter.

        It is for the service that asked: what people may be told is `valid_until_for`.
        """
        return _moment(self._until())

    def valid_until_for(self, audience: Audience) -> datetime | None:
        """Return the same moment as *audience* may know it: for all but auditors, None where it may reveal something hidden."""
        return _moment(self._until(public=known_audience(audience) != "auditor"))

    def _until(self, *, public: bool = False) -> int | None:
        make, kept = self._answer.make_until, self._rest
        if make is not None and (type(kept) is not _Kept or kept.details is None):
            return make(*self._parts, allowed=self.allowed, public=public)
        kept = self._worked_out()
        if public:
            until: int | None = kept.details.public_until(allowed=self.allowed)
            return until
        if kept.valid_until is None:
            kept.valid_until = (kept.details.valid_until(allowed=self.allowed),)
        return kept.valid_until[0]

    @property
    def outcome(self) -> Outcome:
        """The decision without its wording, as one value that can be compared."""
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
        listed: Listed = self._worked_out().details.listed()
        return listed

    # ---- copies -------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., Decision], tuple[object, ...]]:
        """Work out everything that can be read; the request is left out."""
        result = replace(
            self._answer,
            obligations=self.obligations,
            make_request=no_request,
            what_is_read=no_request,
        )
        known = self.reason, self.reason_for("user")
        until = self._until(), self._until(public=True)
        details = FixedDetails(self._judged(), self.listed(), *known, *until)
        result = replace(
            result,
            make_details=details.made,
            written=not_written,
            make_reason=no_reason,
            make_until=None,
        )
        kept = self.ignored, self.id, self.decided_at
        return _unpickled, (result, *kept, self._keeping().answered)

    # ---- for others ---------------------------------------------------------------------

    def redact(self, document: Mapping[str, Any], key: bytes | None = None) -> dict[str, Any]:
        """Return the fields of *document* that may be seen; it has the resource's fields at its top.

        No fields on a deny; all on an allow if the policy set has no field gate. Of a field that may be
        seen in part (`masks`) the part is shown; a value that is not of its type is left out. *key*: of
        pseudonyms, 16 bytes at least. Raises `TypeError` if *document* is no mapping, and if some field is shown
        by a pseudonym and there is no key.
        """
        if not isinstance(document, Mapping):
            raise TypeError(
                f"the document must be a mapping from names of fields, not {type(document).__name__}"
            )
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

    def to_json(self) -> dict[str, object]:
        """Return the decision as an AuthZEN answer."""
        outcome, listed = self._judged(), self._worked_out().details.listed()
        until = self._until()
        valid_until = None if until is None else moment_text(until)
        return decision_document(
            self._answer, outcome, listed, self.reason, valid_until, self.ignored, self.problems
        )

    def to_bytes(self) -> bytes:
        """Return `to_json` as JSON in UTF-8."""
        if self.ignored:
            return encode(self.to_json())
        answered = self._answer
        written = answered.written(answered, *self._parts)
        if written is not None:
            return written
        if type(self._rest) is _Kept:
            details = self._worked_out().details
        else:  # of most decisions that are answered nothing else is read, so nothing is kept
            details = answered.make_details(*self._parts)
        frame = details.frame(answered)
        if frame is None:
            return encode(self.to_json())
        owed = () if frame[2] is None else self.obligations
        if type(self._rest) is _Kept:
            return filled(frame, self.reason, self._until(), owed)
        return filled(frame, details.reason(), details.valid_until(allowed=self.allowed), owed)

    def to_log(self, *, private: bool = False, longest: int = LONGEST) -> dict[str, Any]:
        """Return the decision as a record for a log, in JSON values: bounded, whatever the request held.

        It has the values of the request that rules may read. Private values are masked unless *private*, and
        texts of more than *longest* characters; the shape is in `docs/record.md`.
        """
        check_truth("private", private)  # the text `false` would show what is private
        check_count("longest", longest, 0)
        return log_record(
            self._answer, self.request, id_=self.id, answered=self._answered(), cause=self.cause,
            listed=self.listed(), obligations=self.obligations, private=private, longest=longest,
        )  # fmt: skip

    def given(self, answered: Answered) -> None:
        """Note when the decision was given, unless that is known."""
        kept = self._keeping()
        with _making.lock:
            kept.answered = kept.answered or answered

    def _answered(self) -> Answered:
        """Return when the decision was given; if nobody noted it, it is now."""
        self.given(Answered(time_ns() // 1000))
        answered = self._keeping().answered
        assert answered is not None
        return answered

    def given_again(self) -> Self:
        """Return the same decision with an id of its own: a cache gives one for many requests."""
        kept = self._rest
        if not isinstance(kept, _Kept):
            return replace(self)
        return replace(self, _rest=replace(kept, id=None, answered=None))

    def _repr_html_(self) -> str:
        """Show the decision in a notebook, as the user may see it: notebooks are passed on."""
        from policyengine.model.notebook_html import verdict_html  # which services need not load

        until, shown = self.valid_until_for("user"), sorted(self.exposed or ())
        rows = [
            ("", self.reason_for("user")),
            (
                "fields",
                ", ".join([*shown, *(f"{name} as {mask}" for name, mask in self.masks.items())]),
            ),
            ("until", "" if until is None else until.isoformat()),
            ("ignored", ", ".join(self.ignored)),
        ]
        verdict = "allow" if self.allowed else "deny"
        return verdict_html(
            verdict, self.cause, [row for row in rows if row[1]], allowed=self.allowed
        )

    def __repr__(self) -> str:
        return f"<{'allow' if self.allowed else 'deny'} ({self.cause}): {self.reason}>"


def _moment(until: int | None) -> datetime | None:
    return None if until is None else to_datetime(until)


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


class FixedDetails(Struct, frozen=True):
    """The details of a decision that are known when it is made. Implements `Details`."""

    _outcome: Outcome
    _listed: Listed
    _reason: str
    _public_reason: str
    _valid_until: int | None = None
    _public_until: int | None = None

    def made(self, *_: object) -> Self:
        """Return them, of whatever parts; it is a `MakeDetails`."""
        return self

    def outcome(self) -> Outcome:
        return self._outcome

    def listed(self) -> Listed:
        return self._listed

    def reason(self) -> str:
        return self._reason

    def public_reason(self) -> str:
        return self._public_reason

    def valid_until(self, *, allowed: bool) -> int | None:  # noqa: ARG002 - it is known
        return self._valid_until

    def public_until(self, *, allowed: bool) -> int | None:  # noqa: ARG002 - it is known
        return self._public_until

    def frame(self, _: SharedResult) -> None:
        return None


def _unpickled(
    result: SharedResult,
    ignored: tuple[str, ...],
    id_: str,
    decided_at: datetime | None,
    answered: Answered | None,
) -> Decision:
    """Make a decision that was pickled."""
    kept = _Kept(None, ignored, id_, decided_at, answered=answered)
    return Decision(result.allowed, result, _rest=kept)


def refused(refusal: InvalidRequest, policy: str, asked: Request | None = None) -> Decision:
    """Return the decision on a request that does not fit: a deny that names every problem."""
    problems = refusal.problems
    cause: Final = "invalid_request"
    outcome = Outcome(False, cause, (), (), frozenset(), (), (), (), (), (), ())
    begin, count = "the request does not fit: ", len(problems)
    reason = begin + joined(map(str, problems), count, count)
    public_reason = begin + joined((f"{p.path} [{p.code}]".lstrip() for p in problems), count)
    details = FixedDetails(outcome, ((), 0), reason, public_reason)
    denied = SharedResult(
        False, cause, frozenset(), (), (), policy, details.made,
        problems=problems, make_request=lambda *_: asked, named=refusal.named_,
    )  # fmt: skip
    return Decision(False, denied)
