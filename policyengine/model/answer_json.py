"""Write decisions in the JSON of AuthZEN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from policyengine.model.errors import Problem
from policyengine.model.outcome import Cause, Frame, Listed, Obligation, Outcome, SharedResult
from policyengine.model.values import moment_text


def decision_document(
    answered: SharedResult,
    outcome: Outcome,
    listed: Listed,
    reason: str,
    valid_until: str | None,
    ignored: Iterable[str] = (),
    problems: Iterable[Problem] = (),
) -> dict[str, Any]:
    """Return a decision as JSON values."""
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
        obligations=obligations_json(owed),
        referrals=outcome.referrals,
        advisories=[advisory.to_json() for advisory in outcome.advisories],
        waivers=outcome.waivers,
        errors=[error.to_json() for error in outcome.errors],
        valid_until=valid_until,
        policy=answered.policy,
        ignored=ignored,
        problems=problems,
    )


def obligations_json(owed: Iterable[Obligation]) -> list[dict[str, object]]:
    """Return obligations in order, as `obligation_json` does."""
    return [obligation_json(number, one) for number, one in enumerate(owed, 1)]


def obligation_json(number: int, owed: Obligation) -> dict[str, object]:
    """Return an obligation in the shape of AuthZEN's obligations profile, with ours beside it."""
    ours = owed.to_json()
    return {"id": str(number), "type": "custom", "properties": ours, **ours}


_GAP: Final = "\0"
"""A placeholder for parts that differ each time; no reason and no moment is written so."""

encode: Final = msgspec.json.Encoder().encode


def make_frame(
    answered: SharedResult, outcome: Outcome, listed: Listed, *, owes_alike: bool
) -> Frame:
    """Return the JSON that answers share which differ in the reason, in `valid_until` and perhaps in obligations.

    The first two gaps are before any other text of an author, and `valid_until` after it.
    """
    document = decision_document(answered, outcome, listed, _GAP, _GAP)
    if not owes_alike:
        document["context"]["obligations"] = _GAP
    before, _, rest = encode(document).partition(encode(_GAP))
    between, _, after = rest.rpartition(encode(_GAP))
    if owes_alike:
        return before, between, None, after
    between, _, rest = between.partition(encode(_GAP))
    return before, between, rest, after


def filled(frame: Frame, reason: str, until: int | None, owed: Iterable[Obligation] = ()) -> bytes:
    """Return an answer with its reason, the moment *until* which it is valid, and what is *owed* if that is a gap."""
    before, between, rest, after = frame
    end = b"null" if until is None else encode(moment_text(until))
    if rest is None:
        return b"".join((before, encode(reason), between, end, after))
    obligations = encode(obligations_json(owed))
    return b"".join((before, encode(reason), between, obligations, rest, end, after))


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
    problems: Iterable[Problem] = (),
) -> dict[str, Any]:
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
        "problems": [{"code": p.code, "path": p.path, "message": p.message} for p in problems],
        "valid_until": valid_until,
        "policy": policy,
        "ignored": list(ignored),
    }
    return {"decision": allowed, "context": context}
