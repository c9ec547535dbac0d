"""Decisions: what is there at once, what is made when asked for, and what cannot be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define

from policyengine.model.decision import Decision
from policyengine.model.errors import (
    InvalidPolicy,
    InvalidRequest,
    PolicyError,
    Problem,
    UnhandledObligation,
)
from policyengine.model.outcome import Advisory, Obligation, Outcome, RuleError, SharedResult
from policyengine.model.types import DURATION, STRING
from tests.model.world import USER

DELETE = Obligation("delete_within", (("deadline", DURATION, 86_400_000_000), ("who", USER, "u1")))


@define
class Counted:
    """An details that counts how often it is asked."""

    until: int | None = 0
    asked: int = 0

    def outcome(self) -> Outcome:
        self.asked += 1
        return Outcome(
            allowed=True,
            cause="permitted",
            rules=("scope.a", "tier.b"),
            gates=(("scope", True), ("tier", True)),
            exposed=frozenset({"id", "text"}),
            masks=(),
            obligations=(DELETE,),
            referrals=(),
            advisories=(Advisory("tier.c", "forbid", "unknown"),),
            waivers=("w",),
            errors=(RuleError("tier.d", ("subject.properties.tier",), "failed"),),
        )

    def listed(self) -> tuple[tuple[str, ...], int]:
        return ("scope.a", "tier.b"), 1

    def reason(self) -> str:
        self.asked += 1
        return "it may"

    def public_reason(self) -> str:
        self.asked += 1
        return "it may, to all"

    def frame(self, answer: SharedResult) -> None:
        return None

    def valid_until(self, *, allowed: bool) -> int | None:
        self.asked += 1
        return self.until


def decision(details: Counted | None = None, **parts: Any) -> Decision:
    given: dict[str, Any] = {
        "allowed": True,
        "cause": "permitted",
        "exposed": frozenset({"id", "text"}),
        "masks": (),
        "obligations": (DELETE,),
        "policy": "digest",
        "make_details": lambda *_: details or Counted(),
    }
    answer = SharedResult(**(given | parts))
    return Decision(answer.allowed, answer)


def test_what_a_service_acts_on_asks_nobody():
    details = Counted()
    made = decision(details)
    assert made.allowed is True
    assert made.cause == "permitted"
    assert made.exposed == {"id", "text"}
    assert made.obligations == (DELETE,)
    assert made.policy_digest == "digest"
    assert made.redact({"id": 1, "geo": 2}) == {"id": 1}
    assert details.asked == 0


def test_the_rest_is_made_once():
    details = Counted(until=None)
    made = decision(details)
    for _ in range(3):
        assert made.rules == ("scope.a", "tier.b")
        assert made.gates == {"scope": True, "tier": True}
        assert made.referrals == ()
        assert made.advisories[0].outcome == "unknown"
        assert made.waivers == ("w",)
        assert made.errors[0].paths == ("subject.properties.tier",)
        assert made.reason == "it may"
        assert made.valid_until is None
    assert details.asked == 3


def test_until_when_is_a_moment_in_utc():
    assert decision(Counted(1_000_000)).valid_until == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_a_decision_is_neither_true_nor_false():
    with pytest.raises(TypeError, match=r"decision\.allowed"):
        bool(decision())
    with pytest.raises(TypeError):
        assert not decision(allowed=False)


@pytest.mark.parametrize(
    "name", ["allowed", "cause", "exposed", "masks", "reason", "valid_until", "other"]
)
def test_a_decision_cannot_be_changed(name):
    made = decision()
    with pytest.raises(AttributeError):
        setattr(made, name, True)
    with pytest.raises(TypeError):
        made.gates["scope"] = False


def test_redaction_keeps_what_is_exposed():
    document = {"id": 1, "text": "x", "geo": {"id": 2}}
    assert decision().redact(document) == {"id": 1, "text": "x"}
    assert decision(exposed=frozenset()).redact(document) == {}
    whole = decision(exposed=None).redact(document)
    assert whole == document
    assert whole is not document
    assert decision(allowed=False, exposed=None).redact(document) == {}
    assert decision(allowed=False).redact(document) == {}


def test_obligations_have_python_parameters():
    assert DELETE.parameters == {
        "deadline": timedelta(days=1),
        "who": {"type": "User", "id": "u1"},
    }
    assert str(DELETE) == 'delete_within(24h, User "u1")'
    assert Obligation(DELETE.name, DELETE.arguments) == DELETE
    assert str(Obligation("log", (("text", STRING, "a"),))) == "log(a)"


OWED = {
    "name": "delete_within",
    "parameters": {"deadline": "24h", "who": {"type": "User", "id": "u1"}},
}


def test_a_decision_is_json():
    made = decision(Counted(until=1_500_000)).ignoring(["feilds"]).to_json()
    assert made == {
        "decision": True,
        "context": {
            "cause": "permitted",
            "reason": "it may",
            "rules": ["scope.a", "tier.b"],
            "more_rules": 1,
            "gates": {"scope": True, "tier": True},
            "exposed": ["id", "text"],
            "masks": {},
            "obligations": [
                {"id": "1", "type": "custom", "properties": OWED, **OWED},
            ],
            "referrals": [],
            "advisories": [{"rule": "tier.c", "effect": "forbid", "outcome": "unknown"}],
            "waivers": ["w"],
            "errors": [
                {"rule": "tier.d", "paths": ["subject.properties.tier"], "message": "failed"}
            ],
            "problems": [],
            "valid_until": "1970-01-01T00:00:01.5Z",
            "policy": "digest",
            "ignored": ["feilds"],
        },
    }
    bare = decision(Counted(until=None), exposed=None).to_json()["context"]
    assert isinstance(bare, dict)
    assert (bare["exposed"], bare["valid_until"], bare["ignored"]) == (None, None, [])


def test_a_decision_shows_itself():
    assert repr(decision()) == "<allow (permitted): it may>"
    assert repr(decision(allowed=False, cause="forbidden")) == "<deny (forbidden): it may>"


def test_exceptions_are_one_family():
    problem = Problem("PE505", "subject", "is wrong")
    refusal = InvalidRequest([problem, Problem("PE516", "", "no JSON")])
    assert str(refusal) == "subject: is wrong [PE505]\nno JSON [PE516]"
    assert refusal.problems[0] == problem
    policy = InvalidPolicy(["a diagnostic"], "rendered")
    assert (policy.diagnostics, str(policy)) == (["a diagnostic"], "rendered")
    unhandled = UnhandledObligation(["log", "tell"])
    assert unhandled.names == ("log", "tell")
    assert "log, tell" in str(unhandled)
    for error in (refusal, policy, unhandled):
        assert isinstance(error, PolicyError)


@pytest.mark.parametrize("document", [None, 5, "id", [("id", 1)]])
@pytest.mark.parametrize("allowed", [True, False])
def test_what_is_no_document_is_not_redacted(document, allowed):
    with pytest.raises(
        TypeError, match=f"a mapping from names of fields, not {type(document).__name__}"
    ):
        decision(allowed=allowed).redact(document)
