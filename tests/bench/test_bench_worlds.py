"""Hold that all who decide in a world agree: by hand, the engine in every form, and the reference."""

from __future__ import annotations

import json
from collections import Counter
from importlib import import_module

import pytest
from attrs import evolve

from bench.contestants import CONTESTANTS
from bench.questions import DisagreementError, Scale, find
from bench.questions.platform import platform, said
from bench.questions.workspace_typed import decided
from bench.worlds import beside, platform_why, sharing, tenants, workspace, workspace_by_hand
from bench.worlds import platform_by_hand as by_hand
from bench.worlds.platform import requests
from bench.worlds.platform_json_by_hand import read
from policyengine import PolicyEngine
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.reference import interpreter, reasons
from tests.whole import share, some

TINY = Scale(requests=60, sizes=(10, 30), loaded=100, rounds=1)


class Reference:
    """Decides as the reference interpreter does."""

    def __init__(self, engine: PolicyEngine) -> None:
        self.checked = engine._checked()
        self.validator = Validator(self.checked.schema, self.checked.needs, Limits())

    def request(self, subject, action, resource, context=None, now=0, entities=None):
        """Return the request as the interpreter takes it."""
        return self.validator.validate_parts(
            subject=subject, action=action, resource=resource, context=context, now=now,
            entities=entities,
        )  # fmt: skip

    def allows(self, *parts, **more) -> bool:
        return interpreter.decide(self.checked, self.request(*parts, **more)).allowed


# ---- policies/x -------------------------------------------------------------------------


def test_all_operations_are_decided_alike_for_the_same_reasons():
    world = platform(TINY.requests)  # as the questions have it, so that it is compiled once
    engine, operations = world.engine, world.operations
    reference, causes = Reference(engine), Counter()
    assert {asked.by_hand[1].name for asked in world.asks} == set(operations)
    for asked in some(world.asks, 10):
        request = reference.request(*asked.dicts, now=asked.now, entities=asked.entities)
        outcome = interpreter.decide(reference.checked, request)
        expected = outcome.allowed, said(reasons.reason(reference.checked, request))
        causes[outcome.cause] += 1
        from_json = read(json.loads(asked.wire), operations)
        answer = json.loads(engine.decide_json(asked.wire, accept_now=True))
        found = [
            (by_hand.allows(*parts), said(platform_why.why(*parts)))
            for parts in (asked.by_hand, from_json)
        ]
        built = engine.decide(*asked.built, now=asked.now)
        dicts = engine.decide(*asked.dicts, now=asked.now, entities=asked.entities)
        found += [(decision.allowed, said(decision.reason)) for decision in (built, dicts)]
        found.append((answer["decision"], said(answer["context"]["reason"])))
        assert found == [expected] * 5, asked.wire
    assert set(causes) == {"permitted", "not_permitted", "forbidden"}
    assert min(causes.values()) >= share(40, 20)


def test_what_is_written_by_hand_gives_what_decisions_about_documents_give():
    engine = PolicyEngine.load(workspace.POLICIES)
    answers = []
    for asked in workspace.requests(engine, share(600, 3)):
        answers.append(workspace_by_hand.answer(*asked.by_hand))
        assert decided(engine.decide(*asked.built, now=asked.by_hand[-1])) == answers[-1]
    shown = [(bool(one.masks), bool(one.owed)) for one in answers if one.exposed]
    assert min(Counter(shown)[kind] for kind in ((False, False), (True, False), (True, True))) > 2


def test_the_requests_are_always_the_same():
    engine = platform(TINY.requests).engine
    first, again = ([asked.wire for asked in requests(engine, 60)] for _ in range(2))
    assert first == again
    assert len(set(first)) == 60


@pytest.mark.parametrize("name", ["typed", "dicts", "json", "reason"])
@pytest.mark.parametrize(
    ("module", "function", "lie"), [(by_hand, "allows", True), (platform_why, "why", "because")]
)
def test_what_is_decided_otherwise_by_hand_is_not_timed(
    name: str, module: object, function: str, lie: object, monkeypatch
):
    monkeypatch.setattr(module, function, lambda *_: lie)
    with pytest.raises(DisagreementError):
        list(find(f"platform_{name}")(TINY))


# ---- where people share -----------------------------------------------------------------


@pytest.mark.parametrize("name", sharing.NAMES)
def test_worlds_in_which_people_share(name: str):
    world = sharing.make(name, 40, 200)
    again = sharing.make(name, 40, 200)
    assert (world.things, world.requests) == (again.things, again.requests)
    expected = [world.by_hand(asked) for asked in world.requests]
    assert 0.2 < sum(expected) / len(expected) < 0.8
    assert {asked[1] for asked in world.requests} >= {"read"} or name != "documents"
    entities = world.entities()
    store = PolicyEngine.from_text(world.policy).store(entities)
    engine = PolicyEngine.from_text(world.policy, store=store)
    reference = Reference(engine)
    for (who, action, *about), allowed in zip(world.requests, expected, strict=True):
        subject, resource = sharing.reference(("User", who)), sharing.reference((*about,))
        bound = engine.bind(subject)
        for _ in range(2):
            assert engine.decide(subject, action, resource).allowed == allowed
            assert bound.decide(action, resource).allowed == allowed
        assert reference.allows(subject, action, resource, entities=store) == allowed


def _cedar_decides(world: sharing.SharingWorld) -> list[bool]:
    if not CONTESTANTS["Cedar"].is_here:
        pytest.skip("cedarpy is not installed")
    prepare, decide = import_module("bench.peers.cedar").load_shared(world)
    return [decide(prepare(asked)) for asked in world.requests]


@pytest.mark.parametrize("name", sharing.NAMES)
def test_cedar_shares_alike(name: str):
    world = sharing.make(name, 40, 200)
    assert _cedar_decides(world) == [world.by_hand(asked) for asked in world.requests]


@pytest.mark.parametrize("name", ["sharing_bound", "sharing_store"])
def test_what_is_shared_otherwise_by_hand_is_not_timed(name: str, monkeypatch):
    monkeypatch.setattr(sharing.SharingWorld, "by_hand", lambda *_: True)
    with pytest.raises(DisagreementError):
        list(find(name)(TINY))


# ---- tenants, and what stands beside an equality ----------------------------------------


def test_tenants():
    world = tenants.make(3, 400)
    assert (world.rules, len(world.policies)) == (77, 4)
    assert world.requests == tenants.make(3, 400).requests
    causes = [world.by_hand(request) for request in world.requests]
    assert min(Counter(causes).values()) > 40
    engine = PolicyEngine.from_text(*world.policies)
    reference = Reference(engine)
    moment = 1_800_000_000_000_000
    for request, cause in zip(world.requests, causes, strict=True):
        parts = tenants.build(engine, request)
        assert [engine.decide(*parts).cause for _ in range(2)] == [cause] * 2
        assert engine.bind(parts[0]).decide(*parts[1:]).cause == cause
        assert reference.allows(*parts, now=moment) == (cause == "permitted")


def test_tenants_that_are_decided_otherwise_by_hand_are_not_timed(monkeypatch):
    made = tenants.make
    monkeypatch.setattr(
        tenants, "make", lambda *size: evolve(made(*size), by_hand=lambda _: "permitted")
    )
    with pytest.raises(DisagreementError):
        list(find("tenants_decide")(evolve(TINY, requests=59)))


@pytest.mark.parametrize("name", beside.NAMES)
def test_what_stands_beside_an_equality(name: str, monkeypatch):
    world = beside.make(name, 30, 120)
    expected = [world.by_hand(request) for request in world.requests]
    assert 0.1 < sum(expected) / len(expected) < 0.9
    engine = PolicyEngine.from_text(world.policy)
    reference = Reference(engine)
    for request, allowed in zip(world.requests, expected, strict=True):
        parts = beside.build(engine, request)
        assert [engine.decide(*parts).allowed for _ in range(2)] == [allowed] * 2
        assert reference.allows(*parts) == allowed
    made = beside.make
    monkeypatch.setattr(beside, "make", lambda *s: evolve(made(*s), by_hand=lambda _: True))
    with pytest.raises(DisagreementError):
        list(find("beside")(TINY))
