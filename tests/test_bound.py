"""Bound subjects and batches: quicker, and never another answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import given

import policyengine
from policyengine import InvalidRequest, PolicyEngine, StaleSubject
from policyengine.model.sealed import altered
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import parse_datetime
from tests.strategies import laws, seeds
from tests.strategies.spoiling import Spoilt

POLICY = """
package p
levels Tier = free < basic < pro
entity Team
entity App in Team { tier: Tier, tags: set<string>, reviewed: datetime, home?: string }
entity Doc { owner: string, open: bool }
action read, write by App on Doc with { why?: string }
forbid stale: any when now - subject.reviewed > 365d
permit read_open: read when subject.tier >= basic and resource.open
permit read_own: read when subject has home and subject.home == resource.owner
permit write_tagged: write when "writer" in subject.tags and (subject.tier == pro or resource.open)
"""


class Clock:
    """Stands for the module `time`."""

    def __init__(self, moment: str) -> None:
        self.now = parse_datetime(moment)

    def time_ns(self) -> int:
        return self.now * 1000


@pytest.fixture
def clock() -> Any:
    made = Clock("2026-06-01")
    with mock.patch("policyengine.runtime.clock.time", made):
        yield made


@pytest.fixture
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(POLICY)


def app(engine: PolicyEngine, id_: str = "a", **changes: Any) -> Any:
    given = {"tier": "pro", "tags": ["writer"], "reviewed": "2026-01-01"}
    return engine.entity("App", id_, given | changes)


def docs(engine: PolicyEngine) -> list[Any]:
    return [
        engine.entity("Doc", f"d{i}", owner=owner, open=open_)
        for i, (owner, open_) in enumerate([("ann", True), ("bob", False), ("ann", False)])
    ]


@pytest.mark.parametrize(
    "changes",
    [{}, {"tier": "free"}, {"tags": []}, {"home": "ann"}, {"tier": "free", "home": "bob"}],
)
def test_a_bound_subject_is_answered_as_any(
    engine: PolicyEngine, clock: Clock, changes: dict[str, Any]
):
    subject = app(engine, **changes)
    bound = engine.bind(subject)
    context = engine.context("read")
    for _ in range(3):  # the first makes the reader, the second the residual
        for action in ("read", "write"):
            narrow = engine.bind(subject, action)
            for doc in docs(engine):
                expected = engine.decide(subject, action, doc, context)
                for decision in (bound.decide(action, doc, context), narrow.decide(doc, context)):
                    assert decision.outcome == expected.outcome
                    assert decision.reason == expected.reason
                    assert decision.valid_until == expected.valid_until
    assert set(bound._by_action) == {"read", "write"}


def test_subjects_with_the_same_results_share_a_residual(engine: PolicyEngine, clock: Clock):
    bounds = [engine.bind(app(engine, f"a{i}", tier=("free", "pro")[i % 2])) for i in range(6)]
    [doc, *_] = docs(engine)
    for _ in range(2):
        for bound in bounds:
            bound.decide("read", doc, engine.context("read"))
    assert len({b._valid["read"]["Doc"].decide for b in bounds}) == 2


def test_what_depends_on_the_time_is_evaluated_again(engine: PolicyEngine, clock: Clock):
    bound = engine.bind(app(engine))
    [doc, *_] = docs(engine)
    context = engine.context("read")
    for _ in range(3):
        assert bound.decide("read", doc, context).allowed
    clock.now = parse_datetime("2027-01-01")
    assert bound.decide("read", doc, context).allowed
    clock.now += 1
    for _ in range(3):
        assert not bound.decide("read", doc, context).allowed
        assert bound.decide("read", doc, context).rules == ("access.stale",)


def test_answers_are_asked_again_when_they_may_have_turned_and_not_before(
    engine: PolicyEngine, clock: Clock
):
    [doc, *_] = docs(engine)
    context = engine.context("read")
    engine.decide(app(engine), "read", doc, context)
    specializer = engine._program.compiled(("read", "App", "Doc")).specializer
    before = specializer._asked
    bound = engine.bind(app(engine), max_age=timedelta(days=1000))
    for asked in (context, {}, None, {"why": "x"}, context):  # dicts make no new residual
        assert bound.decide("read", doc, asked).allowed
        assert bound.decide_many([("read", doc, asked)])[0].allowed
    assert specializer._asked == before + 1
    clock.now = parse_datetime("2027-01-01") + 1
    for _ in range(3):
        assert not bound.decide_many([("read", doc, context)])[0].allowed
        assert not bound.decide("read", doc, context).allowed
    assert specializer._asked == before + 2


def test_resources_of_several_types_have_residuals_of_their_own():
    engine = PolicyEngine.from_text(
        """package p
        entity App { tier: string }
        entity Doc { open: bool }
        entity Note { open: bool }
        action read by App on Doc, Note with { n: int }
        permit docs: read on Doc when subject.tier == "pro" and resource.open
        permit notes: read on Note when subject.tier != "pro" and resource.open and context.n > 1"""
    )
    parts = [
        engine.entity(kind, "a", open=open_) for kind in ("Doc", "Note") for open_ in (True, False)
    ]
    context = engine.context("read", n=2)
    for tier, expected in (
        ("pro", [True, False, False, False]),
        ("x", [False, False, True, False]),
    ):
        subject = engine.entity("App", "a", tier=tier)
        bound = engine.bind(subject)
        for _ in range(4):
            assert [bound.decide("read", part, context).allowed for part in parts] == expected
            many = bound.decide_many([("read", part, context) for part in parts])
            assert [decision.allowed for decision in many] == expected
            assert [engine.decide(subject, "read", p, context).allowed for p in parts] == expected
        assert set(bound._valid["read"]) == {"Doc", "Note"}


def test_a_bound_subject_is_used_no_longer_than_it_may_be(engine: PolicyEngine, clock: Clock):
    bound = engine.bind(app(engine), max_age=timedelta(seconds=60))
    [doc, *_] = docs(engine)
    for _ in range(3):
        assert bound.decide("read", doc, engine.context("read")).allowed
    clock.now += 60_000_000
    with pytest.raises(StaleSubject, match='App "a" was bound longer ago'):
        bound.decide("read", doc, engine.context("read"))
    with pytest.raises(StaleSubject):
        bound.decide_many([("read", doc, {})])


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_clock_that_is_set_back_makes_no_bound_subject_younger(
    engine: PolicyEngine, clock: Clock, seconds: int
):
    bound = engine.bind(app(engine), max_age=timedelta(seconds=seconds))
    action = engine.bind(app(engine), "read", max_age=timedelta(seconds=seconds))
    [doc, *_] = docs(engine)
    context = engine.context("read")
    ways = (
        lambda: bound.decide("read", doc, context),
        lambda: action.decide(doc, context),
        lambda: bound.decide_many([("read", doc, context)]),
        lambda: bound.decide("read", doc, context, now="2026-01-01"),
    )
    for _ in range(2):
        for ask in ways:
            ask()
    clock.now -= 1
    for ask in ways:
        with pytest.raises(StaleSubject):
            ask()


def test_it_keeps_deciding_under_its_own_set(engine: PolicyEngine, clock: Clock):
    bound = engine.bind(app(engine))
    other = PolicyEngine.from_text(POLICY.replace(">= basic", ">= pro"))
    assert bound.digest == engine.digest != other.digest
    assert bound.subject == app(engine)
    assert engine.bind(app(engine), "read").subject == bound.subject
    assert engine.bind(app(engine), "read").digest == bound.digest
    assert bound.decide("read", docs(engine)[0], {}).policy_digest == engine.digest


def test_what_else_is_asked_is_decided_by_the_engine(engine: PolicyEngine, clock: Clock):
    subject = {"type": "App", "id": "a", "properties": {
        "tier": "pro", "tags": [], "reviewed": "2026-01-01"}}  # fmt: skip
    bound = engine.bind(subject)
    doc = {"type": "Doc", "id": "d", "properties": {"open": True, "owner": "x"}}
    assert bound.decide("read", doc, {}, now="2026-06-01").allowed
    assert bound.decide("read", doc, None).allowed
    assert not bound.decide("read", doc, {}, now="2030-06-01").allowed
    for wrong in ({"type": "Doc", "id": "d"}, {"type": "App"}, "d", None):
        with pytest.raises(InvalidRequest):
            bound.decide("read", wrong, {})
    with pytest.raises(InvalidRequest):
        bound.decide("reed", doc, {})
    with pytest.raises(InvalidRequest):
        engine.bind({"type": "App", "id": "a", "properties": {"tier": "gold"}})


def test_a_batch_is_answered_as_one_by_one(engine: PolicyEngine, clock: Clock):
    context = engine.context("read")
    requests: list[Any] = [
        (app(engine, tier=tier), action, doc, context)
        for tier in ("free", "pro")
        for action in ("read", "write")
        for doc in docs(engine)
    ]
    plain = {"type": "Doc", "id": "d", "properties": {"open": True, "owner": "x"}}
    requests += [(app(engine), "read", plain, {}), (app(engine), "read", plain, None)]
    for _ in range(2):
        decided = engine.decide_many(requests)
        assert [d.outcome for d in decided] == [engine.decide(*r).outcome for r in requests]
    bound, narrow = engine.bind(app(engine)), engine.bind(app(engine), "read")
    wrong: Any = {"type": "Doc"}
    for _ in range(3):  # the first makes the residuals
        many = bound.decide_many(
            [("read", d, c) for d in (*docs(engine), wrong) for c in (context, {})]
        )
        few = narrow.decide_many((doc, context) for doc in (*docs(engine), wrong))
        assert [d.allowed for d in few] == [True, False, False, False]
        assert [d.outcome for d in many[::2]] == [d.outcome for d in few]
        assert [d.outcome for d in many[1::2]] == [d.outcome for d in few]
        assert few[-1].cause == "invalid_request"


def test_a_request_of_a_batch_that_does_not_fit_stops_nothing(engine: PolicyEngine, clock: Clock):
    doc = docs(engine)[0]
    wrong: list[Any] = [
        (app(engine), "reed", doc, {}),
        ({"type": "App"}, "read", doc, {}),
        (None, "read", doc, {}),
        (app(engine), ["read"], doc, {}),
    ]
    for _ in range(2):
        *refused, fine = engine.decide_many([*wrong, (app(engine), "read", doc, {})])
        assert fine.allowed
        for decision in refused:
            assert (decision.allowed, decision.cause) == (False, "invalid_request")
            assert decision.reason.startswith("the request does not fit: ")
            assert (decision.rules, decision.exposed) == ((), frozenset())
            assert decision.valid_until is None
            assert decision.to_json()["decision"] is False


class Unreadable:
    def __iter__(self) -> Any:
        raise RuntimeError("private")


def test_a_request_of_a_batch_without_its_parts_stops_nothing(engine: PolicyEngine, clock: Clock):
    subject, doc = app(engine), docs(engine)[0]
    bound, narrow = engine.bind(subject), engine.bind(subject, "read")
    asked: list[Any] = [subject, "read", doc, {}]
    no_parts: list[Any] = [(), None, 7, "reading", {"subject": 1}, Unreadable(), iter([])]
    for start, decide_many, parts in (
        (0, engine.decide_many, "(subject, action, resource, context)"),
        (1, bound.decide_many, "(action, resource, context)"),
        (2, narrow.decide_many, "(resource, context)"),
    ):
        good = asked[start:]
        for wrong in (*no_parts, good[1:], [*good, {}], [None, *good]):
            before, refused, after = decide_many([good, wrong, good])
            assert before.allowed
            assert after.outcome == before.outcome
            assert (refused.allowed, refused.cause) == (False, "invalid_request")
            assert refused.reason == f"the request does not fit: expected {parts} [PE505]"


@given(seeds.SEEDS)
def test_bound_subjects_agree_on_whatever_is_generated(seed: int):
    laws.hold(bound_agrees, seed, requests=5)


def bound_agrees(case: laws.Case) -> None:
    """What is left for a bound subject decides as the whole does, failures included."""
    request = case.request
    target = request.action, request.subject.type, request.resource.type
    whole = case.loaded.program.compiled(target)
    expected = whole.answer(request)
    if whole.specializer is not None:
        left, since, until = whole.specializer.for_subject(request.subject, request.now)
        assert since <= request.now < until
        decision = left.answer(request)
        assert decision.outcome == expected.outcome
        assert decision.reason == expected.reason


def test_public_names():
    assert policyengine.BoundSubject is type(
        PolicyEngine.from_text(POLICY).bind({"type": "App", "id": "a"})
    )


def test_where_time_plays_no_part_it_is_not_asked_for(engine: PolicyEngine):
    timeless = PolicyEngine.from_text(POLICY.replace("now - subject.reviewed > 365d", "false"))
    for max_age in (None, timedelta(hours=1)):
        with mock.patch("policyengine.runtime.clock.now", return_value=0):
            bound = timeless.bind(app(timeless), max_age=max_age)
        for number in range(3):
            clock = mock.Mock(side_effect=None if max_age or not number else AssertionError)
            clock.return_value = 0
            with mock.patch("policyengine.runtime.clock.now", clock):
                found = [bound.decide("read", d, timeless.context("read")) for d in docs(timeless)]
            assert [decision.allowed for decision in found] == [True, False, False]


@pytest.mark.usefixtures("clock")
def test_subjects_that_answer_in_too_many_ways_use_the_whole():
    rules = "\n".join(f'permit r{i}: read when "t{i}" in subject.tags' for i in range(10))
    engine = PolicyEngine.from_text(POLICY + rules)
    [doc, *_] = docs(engine)
    engine.decide(app(engine), "read", doc, engine.context("read"))
    specializer = engine._program.compiled(("read", "App", "Doc")).specializer
    assert specializer is not None
    made = set()
    for number in range(600):
        tags = [f"t{i}" for i in range(10) if number >> i & 1]
        left, *_ = specializer.for_subject(app(engine, tags=tags, tier="free"), 0)
        made.add(id(left))
        subject = app(engine, tags=tags, tier="free")
        assert left.decide(subject, doc, engine.context("read"), 0).allowed == bool(tags)
    assert specializer._made == 256 * 32  # each is taken for one of 32 rules


def test_what_an_answer_refutes_may_be_waived():
    waived = (
        POLICY
        + """
    permit write_pro: write when subject.tier == pro waivable
    waiver w of write_pro for App "a" until 2030-01-01 ticket "T" approved_by "B"
    """
    )
    engine = PolicyEngine.from_text(waived)
    [doc, *_] = docs(engine)
    for id_, expected in (("a", True), ("b", False)):
        bound = engine.bind(app(engine, id_, tier="free", tags=[]))
        for _ in range(3):
            decision = bound.decide("write", doc, {}, now="2026-06-01")
            assert decision.allowed is expected
            specializer = engine._program.compiled(("write", "App", "Doc")).specializer
            left, *_ = specializer.for_subject(bound.subject, parse_datetime("2026-06-01"))
            roots = bound.subject, doc, engine.context("write"), parse_datetime("2026-06-01")
            assert left.decide(*roots).allowed is expected


def test_a_forbid_that_fails_before_what_an_answer_refutes_denies():
    engine = PolicyEngine.from_text(
        POLICY + "forbid f: write when resource.open and subject.tier < basic"
    )
    whole = engine._program.compiled(("write", "App", "Doc"))
    [doc, *_] = docs(engine)
    subject, context, now = app(engine), engine.context("write"), parse_datetime("2026-06-01")
    left, *_ = whole.specializer.for_subject(subject, now)
    spoilt = altered(doc, v_open=Spoilt())
    for resource in (doc, spoilt):
        entities = {entity.key_: entity for entity in (subject, resource)}
        request = ValidRequest(subject, "write", resource, context, now, None, entities)
        expected, found = whole.answer(request), left.answer(request)
        assert found.outcome == expected.outcome
        assert [error.rule for error in found.errors if error.rule.endswith(".f")] == (
            [] if resource is doc else ["access.f"]
        )
        assert found.allowed is (resource is doc)


@pytest.mark.usefixtures("clock")
def test_what_is_long_is_left_to_the_whole_sooner(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("policyengine.runtime.specialization._MOST_RULES", 500)
    tagged = "\n".join(f'permit r{i}: read when "t{i}" in subject.tags' for i in range(10))
    owned = "\n".join(f'permit s{i}: read when resource.owner like "*{i}*z*"' for i in range(120))
    engine = PolicyEngine.from_text(f"{POLICY}{tagged}\n{owned}")
    [doc, *_] = docs(engine)
    context = engine.context("read")
    engine.decide(app(engine), "read", doc, context)
    whole = engine._program.compiled(("read", "App", "Doc"))
    specializer = whole.specializer
    assert specializer is not None

    def left_for(number: int) -> object:
        tags = [f"t{i}" for i in range(10) if number >> i & 1]
        subject = app(engine, tags=tags, tier="free")
        left, *_ = specializer.for_subject(subject, 0)
        assert left.decide(subject, doc, context, 0).allowed == bool(tags)
        return left

    made = [left_for(number) for number in range(0, 1024, 100)]
    assert [left is whole for left in made] == [False] * 5 + [True] * 6
    assert left_for(300) is made[3]
    again = [left_for(1) for _ in range(200)]  # who comes often is worth one
    assert again[0] is whole
    assert again[-1] is not whole


def test_what_is_left_of_a_bound_subject_is_what_is_left_of_the_subject(
    engine: PolicyEngine, clock: Clock
):
    subject = app(engine)
    bound = engine.bind(subject, max_age=timedelta(hours=1))
    left = bound.partial("read", {})
    assert left.text == engine.partial(subject=subject, action="read", context={}).text
    assert bound.valid_until == datetime(2026, 6, 1, 1, tzinfo=UTC)
    assert engine.bind(subject).valid_until is None
    clock.now = parse_datetime("2026-06-02")
    with pytest.raises(StaleSubject):
        bound.partial("read", {})


STORED = """
package stored
entity User { level: int }
entity Doc { owner: User, open: bool }
action read by User on Doc with { by?: User }
permit own: read when resource.owner.level <= subject.level
permit by_other: read when context has by and context.by.level > 1
"""


def test_what_a_request_says_of_others_is_compared_with_the_store_for_bound_subjects_too():
    plain = PolicyEngine.from_text(STORED)

    def user(id_: str, level: int) -> Any:
        return {"type": "User", "id": id_, "properties": {"level": level}}

    doc = {"type": "Doc", "id": "d"}
    owned = {"owner": {"type": "User", "id": "b"}, "open": True}
    engine = plain.with_store(
        plain.store([user("a", 1), user("b", 1), doc | {"properties": owned}])
    )
    subject = {"type": "User", "id": "a"}
    bound = engine.bind(subject)
    for _ in range(2):
        assert bound.decide("read", doc).allowed
    built = [{"by": engine.entity("User", id_, level=9)} for id_ in ("b", "c")]
    given = [{"by": {"type": "User", "id": id_}} for id_ in ("a", "b", "d")]
    for context in (*given, *(engine.context("read", one) for one in (*built, *given))):
        expected = _outcome(lambda c=context: engine.decide(subject, "read", doc, c))
        for _ in range(2):
            assert _outcome(lambda c=context: bound.decide("read", doc, c)) == expected
    others = [
        {"type": "Doc", "id": "e"},
        {"type": "User", "id": "b"},
        {"type": "Doc"},
        doc | {"id": 5},
    ]
    for about in (*others, doc | {"properties": owned}, engine.entity("Doc", "d", **owned)):
        expected = _outcome(lambda r=about: engine.decide(subject, "read", r))
        assert _outcome(lambda r=about: bound.decide("read", r)) == expected


def _outcome(decide: Any) -> Any:
    try:
        decision = decide()
    except InvalidRequest as refusal:
        return [(problem.code, problem.path, problem.message) for problem in refusal.problems]
    return decision.allowed, decision.rules
