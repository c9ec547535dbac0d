"""Holds what `require` raises and what reasons say to whom."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from policyengine import DecisionCache, Denied, InvalidRequest, PolicyEngine, UnhandledObligation
from policyengine.explain import AUDIENCES
from policyengine.model.values import from_datetime, moment_text

POLICY = """\
package clinic
entity Person { motto: string, phone: private string }
entity Record { owner: Person, note: string, kind: string }
obligation tell(what: string)
obligation log()
action read, edit by Person on Record
gate access "?"
gate access {
    permit owner: read when resource.owner == subject
        otherwise "{resource.owner} wrote the {resource.note}, not {subject} of {subject.motto}"
    permit others: edit when resource.kind == "open" because "{resource.kind} to all" oblige log()
    forbid short: any when resource.note == "" because "nothing is in {resource}" oblige tell("empty"), log()
}
"""
ENGINE = PolicyEngine.from_text(POLICY)


def person(id_: str) -> dict[str, Any]:
    return {"type": "Person", "id": id_, "properties": {"motto": "peace", "phone": "SECRET"}}


def record(note: str = "plan", kind: str = "open") -> dict[str, Any]:
    owner = {"type": "Person", "id": "ann"}
    properties = {"owner": owner, "note": note, "kind": kind}
    return {"type": "Record", "id": "r", "properties": properties}


SAID = 'the owner of the record wrote the note of the record, not Person "bob" of peace'
TO_AUDITOR = 'Person "ann" wrote the plan, not Person "bob" of peace'


def of_subject(id_: str) -> Any:
    """Each thing that requires, as a function of action and resource."""
    bound = ENGINE.bind(person(id_))
    cache = DecisionCache(ENGINE)
    return {
        "engine": lambda action, about, **more: ENGINE.require(person(id_), action, about, **more),
        "cache": lambda action, about, **more: cache.require(person(id_), action, about, **more),
        "bound": bound.require,
        "bound action": lambda action, about, **more: ENGINE.bind(person(id_), action).require(
            about, **more
        ),
    }


@pytest.mark.parametrize("name", of_subject("ann"))
def test_an_allow_is_returned_and_a_deny_raised(name):
    decision = of_subject("ann")[name]("read", record())
    assert decision.allowed
    with pytest.raises(Denied) as caught:
        of_subject("bob")[name]("read", record())
    assert str(caught.value) == SAID == caught.value.decision.reason_for("user")
    assert caught.value.decision.reason == TO_AUDITOR
    assert caught.value.decision.cause == "not_permitted"
    with pytest.raises(Denied, match="nothing is in Record"):
        of_subject("ann")[name]("read", record(""), now="2026-01-01")
    with pytest.raises(InvalidRequest):
        of_subject("ann")[name]("read", {"type": "Record"})
    with pytest.raises(InvalidRequest, match="no field gate"):
        of_subject("ann")[name]("read", record(), fields=["note"])
    with pytest.raises(TypeError):
        of_subject("bob")[name]("read", record(), None, "2026-01-01", ["note"])


@pytest.mark.parametrize("action", ["read", "edit"])
@pytest.mark.parametrize("id_", ["ann", "bob"])
@pytest.mark.parametrize("about", [record(), record(""), record("x", "shut")])
def test_reasons_are_those_of_the_explanation(action, id_, about):
    asked = person(id_), action, about
    decision, explanation = ENGINE.decide(*asked), ENGINE.explain(*asked)
    remade = pickle.loads(pickle.dumps(decision))
    for audience in AUDIENCES:
        expected = explanation.to_json(audience)["reason"]
        assert decision.reason_for(audience) == expected == remade.reason_for(audience)
        until = decision.valid_until_for(audience)
        assert until == remade.valid_until_for(audience)
        expected = explanation.to_json(audience).get("valid_until")
        assert (None if until is None else moment_text(from_datetime(until))) == expected
    assert decision.reason == decision.reason_for("auditor")


@pytest.mark.parametrize(
    ("rule", "is_hidden"),
    [
        ("permit p: a when resource.until > now", True),
        ("permit p: a when subject.until > now", False),
        ("permit p: a when subject.pin == 1 and subject.until > now", True),
        ("permit p: a from 2026-01-01 until 2027-01-01", False),
        ("advisory permit p: a when resource.until > now\n permit q: a when subject.until > now", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "others", ["", "\n".join(f"permit r{n}: a when subject.n == {n}" for n in range(70))]
)
def test_a_moment_that_reveals_something_is_for_the_service_alone(rule, is_hidden, others):
    engine = PolicyEngine.from_text(
        "package p\nentity U { until: datetime, n: int, pin: private int }\naction a by U on U\n"
        f"{rule}\n{others}"
    )
    until = {"until": "2026-12-31", "n": 100, "pin": 1}
    users = [{"type": "U", "id": name, "properties": until} for name in "uv"]
    decision = engine.decide(users[0], "a", users[1], now="2026-11-23")
    assert decision.valid_until is not None
    assert (decision.valid_until_for("user") is None) is is_hidden
    assert decision.valid_until_for("auditor") == decision.valid_until


def test_constants_and_other_texts_are_shown_to_all():
    engine = PolicyEngine.from_text(
        'package p\nentity U { n: int }\naction a by U on U\nconst limit: int = 3\n'
        'permit p: a when subject.n < limit because "the {resource.n} is under {limit}"'
    )  # fmt: skip
    user = {"type": "U", "id": "u", "properties": {"n": 1}}
    decision = engine.decide(user, "a", user)
    assert decision.reason_for("user") == "the n of the u is under 3"
    assert decision.reason_for("auditor") == "the 1 is under 3"


@pytest.mark.parametrize("audience", ["users", "", None, [], 1])
def test_other_audiences_are_refused(audience):
    decision = ENGINE.decide(person("ann"), "read", record())
    for ask in (decision.reason_for, decision.valid_until_for):
        with pytest.raises(ValueError, match="one of user, developer, auditor"):
            ask(audience)


def test_a_request_that_does_not_fit_shows_no_values():
    about = record()
    about["properties"]["note"] = 987_654
    (decision,) = ENGINE.decide_many([(person("ann"), "read", about, None)])
    for audience in ("user", "developer"):
        expected = "the request does not fit: resource.properties.note [PE505]"
        assert decision.reason_for(audience) == expected


@pytest.mark.parametrize(
    "remake", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_a_refusal_is_copied(remake):
    with pytest.raises(Denied) as caught:
        ENGINE.require(person("bob"), "read", record())
    made = remake(caught.value)
    assert (type(made), str(made), repr(made)) == (Denied, SAID, f"Denied({SAID!r})")


def test_what_has_a_handler_is_done_and_the_rest_is_named():
    done: list[str] = []
    decision = ENGINE.decide(person("ann"), "read", record(""))
    assert not decision.allowed
    with pytest.raises(UnhandledObligation, match="log, tell") as caught:
        ENGINE.fulfil(decision)
    assert caught.value.names == ("log", "tell")
    with pytest.raises(UnhandledObligation, match="tell"):
        PolicyEngine.from_text(POLICY, obligations=["tell", "log"]).fulfil(decision)
    engine = PolicyEngine.from_text(POLICY, obligations={"tell": done.append, "log": lambda: None})
    with pytest.raises(TypeError):  # what a handler raises
        engine.fulfil(decision)

    def tell(what: str) -> None:
        done.append(what)

    PolicyEngine.from_text(POLICY, obligations={"tell": tell, "log": done.clear}).fulfil(decision)
    assert done == ["empty"]
