"""Word refusals as problem documents (RFC 9457): the reason for a person, and nothing private."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final

from policyengine.model.answer_json import encode, obligation_json
from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest, PolicyError
from policyengine.model.values import from_datetime, moment_text

MEDIA_TYPE: Final = "application/problem+json"

UNDECIDED: Final = {
    401: "it is not known who asks",
    403: "nothing is known of what was asked for",
    404: "there is no such thing",
    500: "it could not be decided whether this is allowed",
    503: "it cannot be decided now whether this is allowed",
}
"""The details of refusals without a decision, by status."""

_UNKNOWN: Final = "PE529"
_FAILED_SOURCE: Final = "PE590"
_UNAUTHORIZED: Final = 401
_CLOSING: Final = 123
"""Bytes of a reason for which a websocket is closed."""

_TITLES: Final = {status: HTTPStatus(status).phrase for status in UNDECIDED}


class Refusal(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A request that is refused: *problem* is what the client may read, *decision* the deny, if there is one.

    The status is 403 for a deny; 401, 403, 404, 500 or 503 where nothing was decided (`EnforcementPoint`).
    """

    challenge: str = "Bearer"
    """How a client may say who asks, which HTTP demands of an answer with status 401."""

    def __init__(self, problem: dict[str, Any], decision: Decision | None = None) -> None:
        super().__init__(problem["detail"])
        self.problem = problem
        self.decision = decision

    @property
    def status(self) -> int:
        """The status of HTTP."""
        status: int = self.problem["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, beside its type: it is of one who asked, and of one moment."""
        kept = {"Cache-Control": "no-store"}
        return kept | ({"WWW-Authenticate": self.challenge} if self.status == _UNAUTHORIZED else {})

    @property
    def body(self) -> bytes:
        """The problem as JSON; its type is `application/problem+json`."""
        return encode(self.problem)

    @property
    def closing_reason(self) -> str:
        """The detail, as far as the reason for which a websocket is closed has room for it."""
        return str(self).encode()[:_CLOSING].decode(errors="ignore")


def undecided(status: int, detail: str | None = None, type_: str = "about:blank") -> Refusal:
    """Return the refusal of a request about which nothing was decided."""
    return Refusal(_problem(status, detail or UNDECIDED[status], type_))


def failed(problem: Exception, type_: str = "about:blank") -> Refusal:
    """Return the refusal of a request that could not be decided because of *problem*, which is logged, and not shown."""
    if not isinstance(problem, InvalidRequest):
        log_error("a request could not be decided", problem=problem)
        return undecided(500, type_=type_)
    codes = {one.code for one in problem.problems}
    if codes != {_UNKNOWN}:  # else a client asked for something that there is not
        log_error("a request could not be decided: %s", problem)
    return undecided(
        403 if codes == {_UNKNOWN} else 503 if _FAILED_SOURCE in codes else 500, type_=type_
    )


def log_error(text: str, *values: object, problem: Exception | None = None) -> None:
    """Log what the service is to know, and nobody else."""
    from logging import getLogger  # which a service that never fails does not need

    getLogger("policyengine.adapters").error(text, *values, exc_info=problem)


def denied(
    decision: Decision, *, type_: str = "about:blank", obligations: Collection[str] = ()
) -> Refusal:
    """Return the refusal that *decision* is, a deny; *obligations*: the names of those that clients may read."""
    problem = _problem(403, decision.reason_for("user"), type_)
    id_ = decision.id  # as a UUID is written
    problem["instance"] = f"urn:uuid:{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}"
    until = decision.valid_until_for("user")
    problem["valid_until"] = None if until is None else moment_text(from_datetime(until))
    if obligations:
        owed = [one for one in decision.obligations if one.name in obligations]
        problem["obligations"] = [obligation_json(n, one) for n, one in enumerate(owed, 1)]
    return Refusal(problem, decision)


def _problem(status: int, detail: str, type_: str) -> dict[str, Any]:
    return {"type": type_, "title": _TITLES[status], "status": status, "detail": detail}
