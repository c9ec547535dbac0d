"""Holds of deciding records again that it is as before, and that nothing is guessed of what a record does not show."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from policyengine import Decision, InvalidRequest, PolicyEngine
from policyengine.record.replay_log import replay
from tests.privacy.test_law import policy, request
from tests.record.test_log_record import decide
from tests.strategies import laws
from tests.strategies.loading import load
from tests.strategies.seeds import SEEDS
from tests.test_deciders import ASKED, ENGINE, POLICY, UNFIT


def record_of(decision: Decision, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(decision.to_log(**more)))
    return found


@pytest.mark.parametrize("asked", ASKED.values(), ids=repr)
def test_a_record_is_decided_as_it_was(asked):
    record = record_of(ENGINE.decide(asked))
    assert replay(ENGINE, record).result == "same"
    with_others = POLICY.replace("permit owner", "permit the_owner")
    found = replay(PolicyEngine.from_text(with_others), record)
    assert found.result == ("different" if "owner" in str(record["rules"]) else "same")


@settings(max_examples=settings().max_examples // 4 + 1)
@given(SEEDS)
def test_records_of_all_kinds_are_decided_as_they_were(seed):
    def again(case: laws.Case) -> None:
        engine = case.loaded.engine
        try:
            decision = engine.decide(**case.given)
        except InvalidRequest:
            return
        shown = replay(engine, record_of(decision, private=True, longest=100_000))
        assert shown.result == "same", (shown, case.given)
        masked = replay(engine, record_of(decision))
        assert masked.result in ("same", "masked"), (masked, case.given)

    laws.hold(again, seed, requests=4)


@settings(max_examples=settings().max_examples // 4 + 1)
@given(SEEDS)
def test_what_another_set_says_of_a_record_it_says_of_the_request(seed):
    rng = Random(seed)
    one, other = (load({"p.policy": policy(rng)}).engine for _ in range(2))
    for _ in range(6):
        asked = request(rng, rng)
        for private in (True, False):
            found = replay(other, record_of(one.decide(**asked), private=private))
            assert found.result != "unfit"
            if found.result in ("same", "different"):
                before, after = (record_of(e.decide(**asked)) for e in (one, other))
                names = ("decision",) if found.is_partial else ("decision", "cause", "rules")
                assert (found.result == "same") == all(before[n] == after[n] for n in names)
                for name, (was, now) in found.changes.items():
                    assert (was, now) == (before[name], after[name])


HEAD = POLICY.partition("gate access {")[0].replace(
    "note: private string", "note: private string, late?: bool"
)
SETS = {
    "permit a: any": "same",
    "permit a: read when resource.owner.motto == 'x'": "lacking",
    "permit a: any when resource has late": "lacking",
    "permit a: any when resource.note == 'x'": "lacking",
    "permit a: any when subject within Team 'x'": "lacking",
    "permit a: any when now > 2026-01-01": "same",
    "permit a: any when resource has late or resource.owner == resource.owner": "same",
    "permit a: edit when resource has late": "different",
}


@pytest.mark.parametrize("rule", SETS)
def test_what_was_not_read_is_not_taken_as_absent(rule):
    fields = "gate shown { permit every_one: any fields id, opened }\n"
    bare = PolicyEngine.from_text(HEAD + "gate access { permit a: any }\n" + fields)
    record = record_of(bare.decide(ASKED["late"].subject, "read", ASKED["late"].resource))
    text = HEAD + "gate access { " + rule.replace("'", '"') + " }\n" + fields
    assert replay(PolicyEngine.from_text(text), record).result == SETS[rule]


def test_what_was_refused_or_does_not_fit_is_counted():
    refused = record_of(ENGINE.decide_many([UNFIT[0]])[0])
    assert replay(ENGINE, refused).result == "not kept"
    other = PolicyEngine.from_text("package o\nentity A\naction read by A on A\npermit a: any")
    found = replay(other, record_of(ENGINE.decide(ASKED["staff"])))
    assert (found.result, found.where) == ("unfit", "there is no read by Person on Record")
    narrower = POLICY.replace("motto: string", "motto: int")
    narrower = narrower.replace('motto == "open"', "motto == 3")
    found = replay(PolicyEngine.from_text(narrower), record_of(ENGINE.decide(ASKED["staff"])))
    assert found.result == "unfit"
    assert "motto" in found.where


def test_a_record_with_more_entities_than_it_holds_is_masked():
    from tests.record.test_log_record import ENGINE as WIDE

    assert (
        replay(WIDE, record_of(decide(readers=100), private=True, longest=10_000)).result
        == "masked"
    )
    assert replay(WIDE, record_of(decide(readers=100))).result == "masked"


JUNK: list[Any] = [
    None,
    3,
    "x",
    [],
    {},
    {"$masked": "string"},
    [[]],
    {"type": 3},
    {"type": "Person", "id": []},
]


def test_a_record_that_is_none_is_said_to_be_unfit():
    rng = Random(2)
    whole = record_of(ENGINE.decide(ASKED["staff"]))
    for _ in range(400):
        record = json.loads(json.dumps(whole))
        owner: Any = record["request"]
        for _ in range(rng.randrange(4)):
            inner = owner[rng.choice(list(owner))] if isinstance(owner, dict) and owner else None
            owner = inner if isinstance(inner, dict) and inner else owner
        name = rng.choice(list(owner))
        if rng.random() < 0.3:
            del owner[name]
        else:
            owner[name] = rng.choice(JUNK)
        assert replay(ENGINE, record).result in (
            "same",
            "different",
            "masked",
            "lacking",
            "unfit",
            "not kept",
        )
    for junk in JUNK:
        assert replay(ENGINE, {"request": junk}).result in ("unfit", "not kept")
