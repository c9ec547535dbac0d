"""Obligations on a deny: those of all satisfied forbids, whoever asks, and of nobody else."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policyengine import DecisionCache, InvalidPolicy, PolicyEngine, UnhandledObligation
from policyengine.model.sealed import altered
from policyengine.reference import interpreter
from policyengine.runtime import compiled_target
from tests.strategies.loading import load
from tests.strategies.spoiling import Spoilt, with_spoilt

POLICY = """
package p
entity User { level: int, held: bool, suspended: bool, secret?: private string }
entity Doc { locked: bool, title: string, owner: User }
action read, close by User on Doc with { urgent?: string }
obligation log(what: string)
obligation tell(who: User, when_: datetime)
gate open "whether it is open"
field gate view "what may be seen"
gate open {
    permit high: any when subject.level > 2 oblige log("allowed")
    forbid suspended: any when subject.suspended oblige log("suspended"), log("again")
    forbid held: any when subject.held because "held" oblige log("suspended"), log(resource.title)
    forbid locked: read when resource.locked
    forbid owned: close when resource.owner == subject oblige tell(resource.owner, now)
    advisory forbid trial: any when subject.level > 0 oblige log("trial")
}
gate view { permit titles: any fields title }
"""

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def user(id_: str = "u", **properties: Any) -> dict[str, Any]:
    given = {"level": 3, "held": False, "suspended": False, **properties}
    return {"type": "User", "id": id_, "properties": given}


def doc(**properties: Any) -> dict[str, Any]:
    given = {"locked": False, "title": "T", "owner": {"type": "User", "id": "o"}, **properties}
    return {"type": "Doc", "id": "d", "properties": given}


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(POLICY)


ALL = ["log(T)", "log(again)", "log(suspended)"]
CASES = [
    (user(), doc(), ["log(allowed)"]),
    (user(suspended=True), doc(), ALL[1:]),
    (user(held=True), doc(title="A"), ["log(A)", "log(suspended)"]),
    (user(held=True, suspended=True), doc(), ALL),
    (user(held=True, suspended=True, level=0), doc(locked=True), ALL),
    (user(), doc(locked=True), []),
    (user(level=0), doc(), []),
    (user(level=0, suspended=True), doc(), ALL[1:]),
]


@pytest.mark.parametrize(("subject", "resource", "owed"), CASES)
def test_a_deny_owes_what_all_satisfied_forbids_do(engine, subject, resource, owed):
    cache, bound = DecisionCache(engine), engine.bind(subject)
    document = {"subject": subject, "action": {"name": "read"}, "resource": resource}
    for _ in range(2):
        decisions = [
            engine.decide(subject, "read", resource),
            engine.decide(subject, "read", resource, fields=["title"]),
            engine.decide_many([(subject, "read", resource, {})])[0],
            cache.decide(subject, "read", resource),
            bound.decide("read", resource),
        ]
        for decision in decisions:
            assert [str(one) for one in decision.obligations] == owed
            assert decision.outcome.obligations == decision.obligations
            ours = [one.to_json() for one in decision.obligations]
            said = [
                {"id": str(number), "type": "custom", "properties": one, **one}
                for number, one in enumerate(ours, 1)
            ]
            assert json.loads(decision.to_bytes())["context"]["obligations"] == said
            assert decision.to_json()["context"]["obligations"] == said
            assert pickle.loads(pickle.dumps(decision)).obligations == decision.obligations
            assert copy.deepcopy(decision).obligations == decision.obligations
            assert decision.errors == ()
        answer = json.loads(engine.decide_json(json.dumps(document)))
        assert answer["context"]["obligations"] == said


def test_a_field_that_is_not_exposed_and_a_request_that_does_not_fit_owe_nothing(engine):
    decision = engine.decide(user(), "read", doc(), fields=["owner"])
    assert (decision.allowed, decision.obligations) == (False, ())
    answer = json.loads(engine.decide_json(b'{"action": {"name": "read"}}'))
    assert answer["context"]["obligations"] == []


def test_where_no_forbid_owes_anything_a_deny_works_nothing_out(engine, monkeypatch):
    plain = PolicyEngine.from_text(
        POLICY.split("    forbid susp", maxsplit=1)[0] + "} gate view { permit all_of: any }"
    )
    decision = plain.decide(user(level=0), "read", doc())
    monkeypatch.setattr(compiled_target.CompiledTarget, "make_details", None)
    assert decision.obligations == ()


def test_an_obligation_that_reads_the_time_ends_the_decision_at_once(engine):
    decision = engine.decide(user("o"), "close", doc(), now=NOW)
    (owed,) = decision.obligations
    assert owed.parameters["when_"] == NOW
    assert decision.valid_until == NOW + timedelta(microseconds=1)
    assert engine.decide(user("o", suspended=True), "read", doc(), now=NOW).valid_until is None
    assert engine.decide(user("u", suspended=True), "close", doc(), now=NOW).valid_until is None


@pytest.mark.parametrize("many", [False, True])
def test_an_argument_that_fails_leaves_the_forbid_satisfied(monkeypatch, many):
    if many:
        monkeypatch.setattr("policyengine.compiler.generate._MOST_JUDGED", -1)
        compiled_target._kept.clear()
    loaded = load({"p.policy": POLICY})
    request = loaded.request(
        subject=user(suspended=True, held=True), action="read", resource=doc(), entities=[]
    )
    spoilt = with_spoilt(request, ("Doc", "d"), altered(request.resource, v_title=Spoilt()))
    decision = loaded.program.decide(spoilt)
    expected = interpreter.decide(loaded.checked, spoilt)
    assert decision.outcome == expected
    assert [str(one) for one in expected.obligations] == ALL[1:]
    assert (expected.allowed, expected.cause) == (False, "forbidden")
    assert expected.rules == ("open.held", "open.suspended")
    assert [error.rule for error in expected.errors] == ["open.held"]
    compiled_target._kept.clear()


def test_handlers_are_called_for_a_deny_and_may_see_that_it_is_one():
    seen: list[tuple[Any, ...]] = []
    with pytest.raises(UnhandledObligation, match="tell"):
        PolicyEngine.from_text(POLICY, obligations={"log"})

    def log(what: str, *, deny: bool) -> None:
        seen.append((what, deny))

    engine = PolicyEngine.from_text(
        POLICY, obligations={"log": log, "tell": lambda who, when_: seen.append((who, when_))}
    )
    engine.fulfil(engine.decide(user(), "read", doc()))
    engine.fulfil(engine.decide(user(suspended=True), "read", doc()))
    engine.fulfil(engine.decide(user(level=0), "read", doc()))
    assert seen == [("allowed", False), ("again", True), ("suspended", True)]
    engine.fulfil(engine.decide(user("o"), "close", doc(), now=NOW))
    assert len(seen) == 4


def test_a_handler_that_fails_changes_no_deny():
    def fail(**_: Any) -> None:
        raise OSError(5)

    engine = PolicyEngine.from_text(POLICY, obligations={"log": fail, "tell": fail})
    decision = engine.decide(user(suspended=True), "read", doc())
    with pytest.raises(OSError, match="5"):
        engine.fulfil(decision)
    assert not decision.allowed
    assert [str(one) for one in decision.obligations] == ALL[1:]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("forbid f: any when subject has secret oblige log(subject.secret)", "PE307"),
        ("forbid f: any oblige log(subject.level)", "PE305"),
        ("forbid f: any oblige log()", "PE324"),
        ('forbid f: any oblige lgo("x")', "PE210"),
        ("forbid f: any oblige log(context.urgent)", "PE302"),
    ],
)
def test_what_a_forbid_cannot_owe(rule, code):
    with pytest.raises(InvalidPolicy) as refused:
        PolicyEngine.from_text(POLICY + f"gate open {{ {rule} }}")
    assert [problem.code for problem in refused.value.diagnostics.errors] == [code]


def test_no_obligation_has_a_parameter_that_is_called_deny():
    with pytest.raises(InvalidPolicy, match="`deny` is a reserved word"):
        PolicyEngine.from_text("package p obligation log(deny: bool)")
