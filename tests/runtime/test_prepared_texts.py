"""Reasons: what depends on the rules alone is done once, and requests with equal verdicts share it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from policyengine import PolicyEngine
from policyengine.runtime import details
from policyengine.runtime.compiled_rule import Duty
from policyengine.runtime.directory import Rules
from policyengine.runtime.judged_request import JudgedRequest
from policyengine.runtime.prepared_texts import NOT_SHOWN, prepared, prepared_sentence, together
from tests.calls import called

HEAD = """
package p
entity User { level: int, tenant: string }
entity Doc { title: string }
action read by User on Doc
obligation log(what: string)
"""
OWING = (
    HEAD
    + 'permit high: read when subject.level > 2 because "{subject.id} may" oblige log(resource.title)'
)
MANY = HEAD + "".join(
    f'permit r{n}: read when subject.tenant == "t{n % 150}" and subject.level > {n}\n'
    for n in range(300)
)


def user(id_: str, level: int, tenant: str = "t1") -> dict[str, Any]:
    return {"type": "User", "id": id_, "properties": {"level": level, "tenant": tenant}}


def doc(title: str = "T") -> dict[str, Any]:
    return {"type": "Doc", "id": "d", "properties": {"title": title}}


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every request whose verdicts were put together."""
    made: list[object] = []

    def counted(*args: Any, **parts: Any) -> JudgedRequest:
        made.append(args)
        return JudgedRequest(*args, **parts)

    monkeypatch.setattr(details, "JudgedRequest", counted)
    return made


def test_reasons_of_rules_that_owe_something_of_a_request_share_what_was_judged(
    judged: list[object],
) -> None:
    engine = PolicyEngine.from_text(OWING)
    said = [engine.decide(user(name, 3), "read", doc(name)).reason for name in "abc"]
    assert said == ["a may", "b may", "c may"]
    assert len(judged) == 1
    owed = [engine.decide(user(name, 3), "read", doc(name)).obligations for name in "ab"]
    assert [one.parameters for (one,) in owed] == [{"what": "a"}, {"what": "b"}]


def test_a_permit_that_cannot_owe_what_it_should_says_that_it_failed() -> None:
    engine = PolicyEngine.from_text(OWING)
    kept = engine.decide(user("a", 3), "read", doc())._worked_out().details

    def broken(*_: object) -> str:
        raise ZeroDivisionError

    duties = [
        Duty(duty.name, tuple((n, t, broken) for n, t, _ in duty.arguments))
        for rule in kept.explainer.rules
        for duty in rule.duties
    ]
    rules = Rules.of([replace(r, duties=tuple(duties)) for r in kept.explainer.rules])
    explainer = details.Explainer("read", rules, kept.explainer.gates, kept.explainer.judges)
    for _ in range(2):
        assert details.Details(explainer, kept.request).reason() == "`access.high` failed"


def test_reasons_of_some_rules_of_many_share_what_was_judged(judged: list[object]) -> None:
    engine = PolicyEngine.from_text(MANY)
    said = [engine.decide(user(name, 1), "read", doc()).reason for name in "abc"]
    assert len(set(said)) == 1
    assert len(judged) == 1
    assert "no rule here is for tenant t151" in (
        engine.decide(user("a", 2, "t151"), "read", doc()).reason
    )
    assert len(judged) == 2


def test_a_reason_of_a_deny_asks_each_rule_of_many_once() -> None:
    engine = PolicyEngine.from_text(MANY)
    decision = engine.decide(user("a", 1), "read", doc())
    for said in (decision.reason_for, decision.reason_for):  # first what is said is prepared
        asked = called(lambda said=said: said("user"))
    found = [name for name in asked if name.startswith(("fails", "says"))]
    assert found == ["says_like_access_r0"] * 2
    assert (
        decision.reason
        == "your level is 1; it must be above 1; your level is 1; it must be above 151"
    )


@pytest.mark.parametrize("policy", [MANY, HEAD + "permit high: read when subject.level > 2"])
def test_an_allow_of_which_no_rule_says_why_makes_no_rule(policy: str) -> None:
    engine = PolicyEngine.from_text(policy)
    decision = engine.decide(user("a", 5), "read", doc())
    engine.decide(user("a", 1), "read", doc()).reason_for("user")
    asked = called(lambda: decision.reason_for("user"))
    assert decision.reason == "every gate permits it"
    assert not [name for name in asked if "grounds" in name or "fails" in name]


@pytest.mark.parametrize("policy", [MANY, OWING])
def test_a_reason_that_is_read_alone_needs_no_details(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = PolicyEngine.from_text(policy)
    engine.decide(user("a", 1), "read", doc()).reason_for("user")
    monkeypatch.delattr(details.Explainer, "details")
    monkeypatch.delattr(details.Explainer, "request")
    decision = engine.decide(user("b", 1), "read", doc())
    said = decision.reason_for("user")
    assert said == decision.reason
    assert decision.valid_until_for("user") is decision.valid_until is None
    assert decision.id  # from now on something is kept
    assert decision.reason_for("user") is decision.reason_for("user")
    assert decision.reason_for("user") == said


def test_a_part_that_cannot_be_shown_is_a_question_mark_and_the_others_are_shown() -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError

    bad, good = (str, broken, None), (str, lambda *_: "x", None)
    roots = (None,) * 5
    for text, said in (((bad, "!"), "?!"), (("a ", good, bad), "a x?")):
        words = prepared(text)
        assert not isinstance(words, str)
        assert words(*roots) == said
    sentence = prepared_sentence(lambda *_: 0, [[(broken, ("never",)), (None, ("said",))]])
    assert not isinstance(sentence, str)
    assert sentence(*roots) == NOT_SHOWN


def test_equal_texts_are_said_once() -> None:
    words = together(["a", lambda *_: "b", "a"])
    assert not isinstance(words, str)
    assert words(*(None,) * 5) == "a; b"
    assert together(["a", "b", "a"]) == "a; b"
