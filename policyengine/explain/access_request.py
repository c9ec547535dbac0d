"""Say in the words of AuthZEN's draft that access may be requested after a deny.

Of the draft *Access Request and Approval* as of June 2026: members of the `context` of an evaluation that is denied.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from policyengine.explain.evidence import Evidence, Offers
from policyengine.model.decision import Decision

_GRANTING: Final = ("platform", "person")
"""The parties that a request for access reaches: not the caller, and not "nobody"."""


def access_request(
    evidence: Evidence,
    decision: Decision,
    *,
    expires_at: datetime,
    endpoint: str | None,
    template: str | None,
    binding_token: str | None,
) -> dict[str, Any] | None:
    """Return what `Explanation.access_request` does.

    It depends on what the user may know alone: neither whether access may be requested nor until when
    depends on anything hidden.
    """
    _check(evidence, decision, expires_at, endpoint)
    if decision.allowed or not _is_mended_by_others(evidence.public_offers):
        return None
    until = decision.valid_until_for("user")
    asked = {
        "expires_at": _text(expires_at if until is None else min(expires_at, until)),
        "endpoint": endpoint,
        "template": template,
        "binding_token": binding_token,
    }
    at = decision.decided_at
    return {
        "evaluation_id": decision.id,
        **({} if at is None else {"evaluated_at": _text(at)}),
        "access_request": {name: value for name, value in asked.items() if value is not None},
    }


def _is_mended_by_others(offers: Offers) -> bool:
    """Tell whether something would allow it that everybody can do, and not the caller alone."""
    return any(
        any(change.by in _GRANTING for change in changes)
        and all(change.by != "nobody" for change in changes)
        for changes in offers.changes
    )


def _check(
    evidence: Evidence, decision: Decision, expires_at: datetime, endpoint: str | None
) -> None:
    if (decision.policy_digest, decision.outcome) != (evidence.policy, evidence.outcome):
        raise ValueError("the decision is another one than what is explained")
    if expires_at.utcoffset() is None:
        raise ValueError("`expires_at` has no time zone")
    if endpoint is not None and urlsplit(endpoint).scheme != "https":
        raise ValueError("`endpoint` is a URL that begins with `https://`")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
