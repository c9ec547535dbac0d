"""Holds that each entry point calls the hook once for each decision, before it gives it."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import get_ident
from typing import Any

import pytest

from policyengine import (
    Decision,
    DecisionCache,
    Denied,
    InvalidRequest,
    NotRecorded,
    PolicyEngine,
    PolicyHolder,
    Ref,
    Request,
    SourcedEngine,
)
from policyengine.adapters.enforcement import EnforcementPoint
from policyengine.adapters.refusal import Refusal
from policyengine.record.decision_log import DecisionLog
from policyengine.record.structured_logging import LoggedDecisions
from tests.strategies.entry_points import entry_points
from tests.test_deciders import ANN, ASKED, ENGINE, OTHERS, POLICY, RECORD, UNFIT

Calls = list[Decision]


def asked_again(engine: PolicyEngine, asked: Request) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give further ways of asking, beside `entry_points`."""
    subject, action, resource, context, now, fields, entities = asked.parts
    more = {"now": now, "fields": fields, "entities": entities}
    cache = DecisionCache(engine)
    yield "request", lambda: engine.decide(asked)
    yield "require", lambda: engine.require(asked)
    yield "each", lambda: next(engine.decide_each([asked]))
    yield "cached request", lambda: cache.decide(asked)
    yield "cached require", lambda: cache.require(asked)
    yield "cached many", lambda: cache.decide_many([asked])[0]
    if entities is None or isinstance(entities, list):
        sourced = SourcedEngine(engine, Nowhere())
        yield "sourced", lambda: sourced.decide(asked)
        yield "sourced many", lambda: sourced.decide_many([asked])[0]
        yield "sourced later", lambda: asyncio.run(sourced.decide_async(asked))
    parts = {"subject": subject, "action": action, "context": context, "resource_type": "Record"}
    if any(asked is one for one in ASKED.values()):
        yield "partial", lambda: engine.partial(**parts, **more).decide(resource=resource)
    try:
        bound, one = engine.bind(subject), engine.bind(subject, action)
    except InvalidRequest:
        return
    yield "bound", lambda: bound.decide(action, resource, context, **more)
    yield "bound require", lambda: bound.require(action, resource, context, **more)
    yield "bound many", lambda: bound.decide_many([(action, resource, context)], **more)[0]
    yield "bound action", lambda: one.decide(resource, context, **more)
    yield "bound action many", lambda: one.decide_many([(resource, context)], **more)[0]


class Nowhere:
    """A source that knows nothing."""

    def fetch(self, _: Any) -> list[Any]:
        return []


def given(asked: Request) -> dict[str, Any]:
    names = ("subject", "action", "resource", "context", "now", "fields", "entities")
    return {n: part for n, part in zip(names, asked.parts, strict=True) if part is not None}


def outcome(ask: Callable[[], Any]) -> tuple[Any, ...]:
    """Return what became of a request."""
    try:
        found = ask()
    except Denied as denied:
        found = denied.decision
    except InvalidRequest as refusal:
        return False, "invalid_request", str(refusal)
    if isinstance(found, bytes):
        answer = json.loads(found)
        return answer["decision"], answer["context"]["cause"]
    if found.cause == "invalid_request":
        return False, "invalid_request", "\n".join(map(str, found.problems))
    return found.allowed, found.cause, found.reason, found.rules


@pytest.mark.parametrize("asked", [*ASKED.values(), *UNFIT[:4], UNFIT[5]], ids=repr)
def test_each_entry_point_calls_the_hook_once(asked):
    calls: Calls = []
    engine = PolicyEngine.from_text(POLICY).with_record(calls.append)
    plain = PolicyEngine.from_text(POLICY)
    ways = [*entry_points(engine, given(asked)), *asked_again(engine, asked)]
    unhooked = [*entry_points(plain, given(asked)), *asked_again(plain, asked)]
    assert len(ways) == len(unhooked) > 10
    for (name, ask), (_, ask_plainly) in zip(ways, unhooked, strict=True):
        for _ in range(2):
            calls.clear()
            found, expected = outcome(ask), outcome(ask_plainly)
            assert found == expected, name
            if found[1] == "invalid_request" and name in ("bind", "explain"):
                assert len(calls) <= 1, name  # what was not bound is not decided
                continue
            assert [(one.allowed, one.cause) for one in calls] == [found[:2]], name
            if name.endswith(("many", "each")):  # it is the one that is given, and no other
                calls.clear()
                assert ask() is calls[0], name
            record = calls[0].to_log()
            assert json.loads(json.dumps(record))["latency_us"] > 0


def test_batches_are_recorded_one_by_one_and_a_decision_has_an_id_of_its_own():
    calls: Calls = []
    engine = ENGINE.with_record(calls.append)
    document = {"subject": ANN, "action": {"name": "read"}, "resource": RECORD}
    found = engine.evaluations({**document, "evaluations": [{}, {"resource": 3}, {}], "x": 1})
    assert [*found.decisions] == calls
    engine.evaluations({"evaluations": 3})
    engine.evaluations({**document, "nonsense": 3})
    assert [one.cause for one in calls[3:]] == ["invalid_request"] * 2
    first = {"evaluations_semantic": "deny_on_first_deny"}
    calls.clear()
    engine.evaluations({**document, "evaluations": [{"resource": 3}, {}], "options": first})
    assert len(calls) == 1
    calls.clear()
    cache = DecisionCache(engine)
    given = [cache.decide(ASKED["staff"]) for _ in range(3)] + cache.decide_many([ASKED["staff"]])
    assert given == calls
    assert len({one.id for one in calls}) == len({one.to_log()["id"] for one in calls}) == 4
    odd: Any = [(1, 2), None]
    assert engine.decide_many(odd) == calls[4:]


def test_the_hook_stays_with_what_is_made(tmp_path):
    calls: Calls = []
    policy = tmp_path / "a.policy"
    policy.write_text(POLICY)
    shadow = tmp_path / "b.policy"
    shadow.write_text(POLICY.replace("30d", "10000d"))
    holder = PolicyHolder(policy, on_decision=calls.append, shadow=[shadow])
    asked = ASKED["late"]
    *parts, now, fields, entities = asked.parts
    assert holder.decide(*parts, now=now, fields=fields, entities=entities).allowed
    policy.write_text(POLICY + "\n")
    assert holder.reload()
    holder.use_store(holder.engine.store([]))
    holder.engine.with_store(None).decide(asked)
    assert [one.allowed for one in calls] == [True, True]
    with pytest.raises(TypeError, match="with_record"):
        pickle.dumps(holder.engine)
    pickle.loads(pickle.dumps(holder.engine.with_record(None))).decide(asked)
    holder.engine.with_record(None).decide(asked)
    assert len(calls) == 2


@pytest.mark.parametrize("shadow", [True, False])
def test_a_holder_records_each_decision_once(tmp_path, shadow):
    calls: Calls = []
    policy = tmp_path / "a.policy"
    policy.write_text(POLICY)
    holder = PolicyHolder(policy, on_decision=calls.append, shadow=[policy] if shadow else ())
    for asked in (ASKED["staff"], ASKED["stranger"], UNFIT[0]):
        for ask in (
            holder.decide,
            holder.require,
            lambda asked: holder.decide_many([asked])[0],
            lambda asked: next(holder.decide_each([asked])),
            lambda asked: holder.engine.bind(asked.subject).decide_many([asked.parts[1:4]])[0],
        ):
            calls.clear()
            found = outcome(lambda ask=ask, asked=asked: ask(asked))
            assert [(one.allowed, one.cause) for one in calls] == [found[:2]]


def test_what_is_asked_of_many_is_no_decision():
    calls: Calls = []
    store = ENGINE.store([*ASKED["staff"].entities])
    engine = ENGINE.with_record(calls.append)
    engine.actions(ANN, RECORD, entities=store)
    engine.resources(ANN, "read", entities=store)
    engine.explain(ASKED["staff"])
    assert calls == []


def test_each_row_of_a_table_is_recorded():
    import ibis
    import pyarrow as pa

    calls: Calls = []
    text = "package p\nentity A { n: int }\naction go by A on A\npermit low: go when subject.n < 3"
    engine = PolicyEngine.from_text(text).with_record(calls.append)
    rows = [
        {"subject.id": "a", "subject.n": n % 5, "action": "go", "resource.id": "b"}
        for n in range(40)
    ]
    rows[3]["action"] = "nonsense"
    more = {"subject.type": "A", "resource.type": "A"}
    table = ibis.memtable(pa.Table.from_pylist([{**row, **more} for row in rows]))
    for decide in (engine.decide_table, engine.redact_table):
        decided = decide(table)
        assert [one.allowed for one in calls] == decided.table.to_pyarrow()["allowed"].to_pylist()
        calls.clear()


@pytest.mark.parametrize("asked", [ASKED["staff"], ASKED["stranger"], UNFIT[0]], ids=repr)
def test_nothing_is_answered_if_the_hook_fails(asked):
    def fail(decision: Decision) -> None:
        failed.append(decision)
        raise InvalidRequest([])  # whatever it raises

    failed: Calls = []
    engine = PolicyEngine.from_text(POLICY).with_record(fail)
    for name, ask in (*entry_points(engine, given(asked)), *asked_again(engine, asked)):
        if name in ("bind", "explain"):  # which are refused, or no decisions, at first
            continue
        for _ in range(2):
            failed.clear()
            with pytest.raises(NotRecorded):
                ask()
            assert len(failed) == 1, name


async def later(decision: Decision) -> Any:
    return decision.to_log()


@pytest.mark.parametrize(
    "make",
    [lambda _: None, lambda one: json.dumps(one.to_log()), lambda one: map(id, [one]), later],
)
@pytest.mark.parametrize("kind", ["durable", "fast", "logging"])
def test_what_makes_no_record_records_nothing(tmp_path, make, kind):
    """A line without a record would be found by no query."""
    hook: Any = LoggedDecisions(allowed=50, to_log=make)
    if kind != "logging":
        hook = DecisionLog(tmp_path / "log", kind, to_log=make)
    with pytest.raises(NotRecorded, match="the decision was not recorded: `to_log"):
        ENGINE.with_record(hook).decide(ASKED["staff"])


def test_a_class_is_no_hook(tmp_path):
    """Making one of it for each decision would record nothing."""
    (tmp_path / "clinic.policy").write_text(POLICY)
    for make in (ENGINE.with_record, lambda hook: PolicyHolder(tmp_path, on_decision=hook)):
        with pytest.raises(
            TypeError, match="`on_decision` is a function, and not the class Logged"
        ):
            make(LoggedDecisions)


@pytest.mark.parametrize("several", [tuple, list])
def test_each_of_several_hooks_has_to_have_done_what_it_does(several):
    """As `docs/record.md` has several called by one."""
    seen: list[Decision] = []
    engine = ENGINE.with_record(lambda one: several([seen.append(one), None]))
    assert engine.decide(ASKED["staff"]).allowed
    assert len(seen) == 1
    for hook in (later, lambda one: map(seen.append, [one])):
        engine = ENGINE.with_record(lambda one, hook=hook: several([None, hook(one)]))
        with pytest.raises(NotRecorded, match="`on_decision` is asynchronous"):
            engine.decide(ASKED["staff"])


def test_what_only_a_loop_would_call_is_not_done():
    class Writes:
        def __call__(self, decision: Decision) -> Any:
            return map(written.append, [decision])

        def together(self, decisions: Sequence[Decision]) -> Any:
            return filter(written.append, decisions)

    written: list[Decision] = []
    with pytest.raises(NotRecorded, match="`on_decision` is asynchronous, or a generator"):
        ENGINE.with_record(Writes()).decide(ASKED["staff"])
    with pytest.raises(
        NotRecorded, match=r"`on_decision\.together` is asynchronous, or a generator"
    ):
        ENGINE.with_record(Writes()).decide_many([ASKED["staff"]] * 2)


class Somewhere:
    """A source of what the requests do not give."""

    def fetch(self, keys: Any) -> Any:
        return [one for one in OTHERS if (one["type"], one["id"]) in keys]


class Waiting:
    """A hook that says whether it `waits`, and notes its threads."""

    def __init__(self, *, waits: bool) -> None:
        self.waits = waits
        self.threads: list[int] = []

    def __call__(self, decision: Decision) -> None:
        self.threads.append(get_ident())


@pytest.mark.parametrize("waits", [True, False])
def test_an_event_loop_does_not_wait_for_a_record(waits):
    hook = Waiting(waits=waits)
    engine = ENGINE.with_record(hook)
    asked = ANN, "read", RECORD
    sourced = SourcedEngine(engine, Somewhere())

    async def ask() -> None:
        await sourced.decide_async(*asked)
        with suppress(InvalidRequest):  # of which the source knows nothing
            await sourced.decide_async({"type": "Person", "id": "zoe"}, *asked[1:])
        for decider in (engine, DecisionCache(engine), sourced):
            with suppress(Refusal):
                await EnforcementPoint(decider).enforce_async(*asked)

    asyncio.run(ask())
    assert [one == get_ident() for one in hook.threads] == [not waits] * 5


def test_a_durable_log_waits_and_a_fast_one_does_not(tmp_path):
    with DecisionLog(tmp_path / "a") as durable, DecisionLog(tmp_path / "b", "fast") as fast:
        assert (durable.waits, fast.waits) == (True, False)


def test_who_was_refused_is_recorded_where_objects_are_given():
    class Row:
        def __init__(self, key: int, owner: str, level: object = 1) -> None:
            self.key, self.owner, self.level = key, owner, level

    class Person(Row): ...

    class Doc(Row): ...

    seen: list[Decision] = []
    engine = PolicyEngine.from_text("""
        package notes
        entity Person { level: int }
        entity Doc { owner: Person }
        action read by Person on Doc with { count: int }
        permit own: read when resource.owner == subject and subject.level > context.count
    """).with_record(seen.append)
    engine.register(Person, "Person", id="key")
    engine.register(Doc, "Doc", id="key", owner=Ref("owner"))
    ann, plan = Person(1, ""), Doc(2, "1")
    asked = [
        (ann, "read", plan, {"count": "x"}), (Person(1, "", 0.5), "read", plan, {"count": 0}),
        (ann, "reed", plan, {"count": 0}), (plan, "read", plan, {"count": 0}),
        (ann, "read", {"type": "Doc", "id": "2", "properties": {}}, {"count": 0}),
    ]  # fmt: skip
    for parts in asked:
        with pytest.raises(InvalidRequest):
            engine.decide(*parts)
    engine.decide_many(asked)
    list(engine.decide_each(asked))
    with pytest.raises(InvalidRequest):
        engine.bind(ann).decide("read", plan, {"count": "x"})

    assert len(seen) == 16
    for decision in seen:
        request = decision.to_log()["request"]
        first = ("Doc", "2") if decision.request.subject is plan else ("Person", "1")
        assert (request["subject"]["type"], request["subject"]["id"]) == first
        assert request["resource"] == {"type": "Doc", "id": "2"}
    nobody, unsaved = Person(None, ""), Doc(None, "1")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        engine.decide(nobody, "read", unsaved, {"count": 0})
    request = seen[-1].to_log()["request"]
    assert (request["subject"], request["resource"]) == (None, None)
