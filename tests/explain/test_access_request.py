"""What the draft of AuthZEN for access requests says after a deny, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from policyengine import PolicyEngine

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = NOW + timedelta(days=1)

POLICIES = """
package offices
entity Clerk {{ standing: bool, born: datetime (by nobody), pin: private int }}
entity File {{ sealed: bool (by person), code: private int, frozen_at: datetime }}
action open by Clerk on File with {{ form: int (by caller), on_behalf?: string }}
permit it: open when {condition}
"""

PROPERTIES = {"standing": False, "born": "2000-01-01", "pin": 1}
FILE = {"sealed": True, "code": 2, "frozen_at": "2026-11-23T10:05:00Z"}


def asked(condition: str, **facts):
    engine = PolicyEngine.from_text(POLICIES.format(condition=condition))
    subject = {"type": "Clerk", "id": "c", "properties": {**PROPERTIES, **facts.pop("clerk", {})}}
    resource = {"type": "File", "id": "f", "properties": {**FILE, **facts.pop("file", {})}}
    decision = engine.decide(subject, "open", resource, {"form": 1}, now=NOW)
    return engine, decision


def offer(condition: str, **facts):
    engine, decision = asked(condition, **facts)
    return engine.explain(decision.request).access_request(decision, expires_at=LATER)


@pytest.mark.parametrize(
    ("condition", "requestable"),
    [
        ("subject.standing", True),
        ("not resource.sealed", True),
        ("subject.standing and context.form == 2", True),
        ("context.form == 2", False),
        ("subject.born > 2020-01-01", False),
        ("subject.born > 2020-01-01 and subject.standing", False),
        ("subject.standing or context.form == 2", True),
        ("not subject.standing", False),
    ],
)
def test_access_may_be_requested_where_others_can_give_it(condition: str, requestable: bool):
    assert (offer(condition) is not None) is requestable


def test_it_has_what_the_draft_demands():
    engine, decision = asked("subject.standing")
    found = engine.explain(decision.request).access_request(
        decision,
        expires_at=LATER.astimezone(timezone(timedelta(hours=9))),
        endpoint="https://pdp.example.org/r",
        template="t",
        binding_token="a.b.c",
    )
    assert found == {
        "evaluation_id": decision.id,
        "access_request": {
            "expires_at": "2026-11-24T10:00:00Z",
            "endpoint": "https://pdp.example.org/r",
            "template": "t",
            "binding_token": "a.b.c",
        },
    }


def test_it_expires_with_the_deny():
    found = offer("now >= 2026-11-23T10:05:00Z or subject.standing")
    assert found["access_request"]["expires_at"] == "2026-11-23T10:05:00Z"
    assert found["evaluated_at"] == "2026-11-23T10:00:00Z"


def test_what_is_hidden_changes_nothing_of_it():
    condition = "subject.standing and (subject.pin == resource.code or now < resource.frozen_at)"
    seen = [
        offer(condition, clerk={"pin": pin}, file={"frozen_at": at})
        for pin in (1, 2)
        for at in ("2026-11-23T10:05:00Z", "2026-11-23T10:07:00Z", "2026-11-23T09:00:00Z")
    ]
    assert {str(one and one["access_request"]) for one in seen} == {
        str(seen[0] and seen[0]["access_request"])
    }


def test_what_does_not_belong_to_it_is_refused():
    engine, decision = asked("subject.standing")
    explanation = engine.explain(decision.request)
    _, other = asked("not resource.sealed")
    _, allowed = asked("not subject.standing")
    for wrong in (other, allowed):
        with pytest.raises(ValueError, match="another one"):
            explanation.access_request(wrong, expires_at=LATER)
    with pytest.raises(ValueError, match="no time zone"):
        explanation.access_request(decision, expires_at=LATER.replace(tzinfo=None))
    for endpoint in ("http://pdp.example.org", "//pdp.example.org", "javascript:1", ""):
        with pytest.raises(ValueError, match="https"):
            explanation.access_request(decision, expires_at=LATER, endpoint=endpoint)
