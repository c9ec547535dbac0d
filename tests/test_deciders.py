"""Holds of everything that decides: one signature, requests as values, and many requests at one moment."""

from __future__ import annotations

import copy
import inspect
import pickle
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from policyengine import (
    Decider,
    Decision,
    DecisionCache,
    Denied,
    InvalidPolicy,
    InvalidRequest,
    Obligation,
    PolicyEngine,
    PolicyHolder,
    Request,
    SourcedEngine,
)
from policyengine.model.entities import Key
from policyengine.model.outcome import Outcome

POLICY = """\
package clinic
entity Team
entity Person in Team { motto: string, phone: private string }
entity Record { owner: Person, opened: datetime, note: private string }
action read, edit by Person on Record with { why?: string }
action close by Person on Record
gate access "?"
field gate shown "?"
gate access {
    permit owner: any when resource.owner == subject
    permit staff: read when subject within Team "staff" and resource.owner.motto == "open"
    permit late: edit when now - resource.opened > 30d and context has why and context.why == "late"
}
gate shown { permit every_one: any fields id, opened }
"""
ENGINE = PolicyEngine.from_text(POLICY)


def person(id_: str, **more: Any) -> dict[str, Any]:
    properties = {"motto": "open", "phone": "SECRETphone"}
    return {"type": "Person", "id": id_, "properties": properties, **more}


STAFF = {"type": "Team", "id": "staff", "parents": []}
ANN = person("ann", parents=[{"type": "Team", "id": "staff"}])
BOB = person("bob", parents=[])
OWNED = {"owner": {"type": "Person", "id": "cat"}, "opened": "2026-01-01", "note": "SECRETnote"}
RECORD = {"type": "Record", "id": "r", "properties": OWNED}
OTHERS = [STAFF, person("cat", parents=[])]
NOW = datetime(2026, 11, 29, tzinfo=UTC)

ASKED = {
    "staff": Request(ANN, "read", RECORD, None, NOW, None, OTHERS),
    "stranger": Request(BOB, "read", RECORD, {"why": "x"}, "2026-11-29", None, OTHERS),
    "late": Request(BOB, "edit", RECORD, {"why": "late"}, NOW, ["opened"], OTHERS),
    "soon": Request(BOB, "edit", RECORD, {"why": "late"}, "2026-01-05", None, OTHERS),
    "hidden": Request(BOB, "edit", RECORD, {"why": "late"}, NOW, ["owner"], OTHERS),
    "closed": Request(person("cat", parents=[]), "close", RECORD, None, None, None, [STAFF]),
    "built": Request(
        ENGINE.entity("Person", "ann", motto="open", phone="p", parents=ANN["parents"]),
        "read",
        ENGINE.entity("Record", "r", OWNED),
        ENGINE.context("read", why="so"),
        NOW,
        None,
        OTHERS,
    ),
}


def holder(*, shadow: bool = False) -> PolicyHolder:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "clinic.policy"
        file.write_text(POLICY)
        return PolicyHolder(file, shadow=[file] if shadow else ())


class Staff:
    """A source that knows one team: requests bring all other entities along."""

    def fetch(self, keys: Sequence[Key]) -> list[Any]:
        return [STAFF] if ("Team", "staff") in keys else []


DECIDERS: dict[str, Decider] = {
    "engine": ENGINE,
    "cache": DecisionCache(ENGINE),
    "holder": holder(),
    "holder with a candidate": holder(shadow=True),
    "sourced": SourcedEngine(ENGINE, Staff()),
}
each_decider = pytest.mark.parametrize("name", DECIDERS)


def said(decision: Any) -> tuple[Any, ...]:
    return (
        decision.outcome, decision.reason, decision.reason_for("user"), decision.valid_until,
        decision.problems,
    )  # fmt: skip


# ---- one signature ----------------------------------------------------------------------


def signature(method: Any) -> list[tuple[str, Any]]:
    parts = inspect.signature(method).parameters.values()
    return [(p.name, p.kind) for p in parts if p.name not in {"self", "args", "kwargs"}]


@pytest.mark.parametrize("method", ["decide", "decide_many", "decide_each"])
def test_signatures_are_one(method):
    bound = ENGINE.bind(ANN)
    expected = signature(getattr(ENGINE, method))
    for decider in DECIDERS.values():
        assert signature(getattr(decider, method)) == expected
    options = expected[-3:]
    assert [name for name, _ in options] == ["now", "fields", "entities"]
    for other in (bound, ENGINE.bind(ANN, "read")):
        assert signature(getattr(other, method))[-3:] == options
        positional = signature(getattr(other, method))[:-3]
        assert positional == expected[: 4 if method == "decide" else 1][-len(positional) :]


@each_decider
def test_each_is_a_decider(name):
    made = DECIDERS[name]
    assert isinstance(made, Decider)
    assert made.digest == ENGINE.digest
    asked = ASKED["staff"]
    assert made.require(asked).allowed
    with pytest.raises(Denied):
        made.require(ASKED["stranger"])
    with pytest.raises(TypeError):
        made.decide(ANN, "read", RECORD, None, NOW)  # type: ignore[call-overload] - on purpose


# ---- requests as values -----------------------------------------------------------------


@each_decider
@pytest.mark.parametrize("what", ASKED)
def test_a_request_is_decided_as_its_parts(name, what):
    asked, decider = ASKED[what], DECIDERS[name]
    *parts, now, fields, entities = asked.parts
    expected = said(ENGINE.decide(*parts, now=now, fields=fields, entities=entities))
    assert said(decider.decide(asked)) == expected
    assert [said(one) for one in decider.decide_many([asked])] == [expected]
    explained = ENGINE.explain(asked).to_json("user")["reason"]
    assert explained == decider.decide(asked).reason_for("user")


@each_decider
@pytest.mark.parametrize("what", ASKED)
def test_a_decision_keeps_its_request(name, what):
    decision = DECIDERS[name].decide(ASKED[what])
    kept = decision.request
    assert kept is not None
    assert said(ENGINE.decide(kept)) == said(decision)
    assert said(ENGINE.decide(pickle.loads(pickle.dumps(kept)))) == said(decision)
    assert (kept.subject.id, kept.action) == (decision.request.subject.id, ASKED[what].action)
    assert decision.decided_at == kept.now
    assert decision.decided_at == (None if ASKED[what].action != "edit" else kept.now)
    assert "SECRET" not in repr(kept) + repr(ASKED[what])


def test_a_request_from_a_store_keeps_what_rules_read():
    store = ENGINE.store(
        [ANN, BOB, RECORD, *OTHERS, *(person(f"p{n}", parents=[]) for n in range(50))]
    )
    engine = PolicyEngine.from_text(POLICY, store=store)
    named = {"type": "Person", "id": "ann"}, "read", {"type": "Record", "id": "r"}
    for _ in range(2):
        kept = engine.decide(*named).request
        assert kept is not None
        assert [one.id for one in kept.entities] == ["cat"]
        assert engine.decide(kept).allowed


def test_ids_are_ones_own_and_stay():
    asked = ASKED["staff"]
    one, other = ENGINE.decide(asked), ENGINE.decide(asked)
    assert one.id == one.id != other.id
    assert len(bytes.fromhex(one.id)) == 16
    before = one.reason
    assert (one.reason, one.to_bytes()) == (before, other.to_bytes())
    remade = pickle.loads(pickle.dumps(one))
    assert (remade.id, remade.decided_at, remade.request) == (one.id, one.decided_at, None)
    late = ENGINE.decide(ASKED["late"])
    assert pickle.loads(pickle.dumps(late)).decided_at == late.decided_at == NOW


@pytest.mark.parametrize(
    "remake", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_requests_are_values(remake):
    asked = ASKED["late"]
    assert remake(asked) == asked != ASKED["soon"]
    assert asked != asked.parts
    with pytest.raises(TypeError):
        hash(asked)
    with pytest.raises(AttributeError):
        asked.now = None  # type: ignore[misc] - on purpose
    assert repr(asked) == '<request: Person "bob" edit Record "r">'
    assert repr(Request(None, 3, {"type": [], "id": "x"})) == "<request: ? ? ?>"


@each_decider
def test_a_request_has_all_parts(name):
    with pytest.raises(TypeError, match="give it alone"):
        DECIDERS[name].decide(ASKED["staff"], now=NOW)  # type: ignore[call-overload] - on purpose
    with pytest.raises(InvalidRequest, match="action"):
        DECIDERS[name].decide(ANN)  # type: ignore[call-overload] - on purpose


# ---- requests that do not fit -----------------------------------------------------------

UNFIT = [
    Request(ANN, "reed", RECORD),
    Request({"type": "Person"}, "read", RECORD),
    Request(ANN, "read", RECORD, now="never", entities=OTHERS),
    Request(ANN, "read", RECORD, entities=3),
    Request(ASKED["staff"], "read", RECORD),
    Request(None, None, None),
]


@each_decider
@pytest.mark.parametrize("asked", UNFIT)
def test_what_does_not_fit_has_problems(name, asked):
    refusals = DECIDERS[name].decide_many([asked])
    decision = refusals[0]
    assert (decision.allowed, decision.cause) == (False, "invalid_request")
    assert decision.problems
    kept: Any = decision.request
    assert kept.parts[:4] == asked.parts[:4]
    context: Any = decision.to_json()["context"]
    assert context["errors"] == []
    assert [p["path"] for p in context["problems"]] == [p.path for p in decision.problems]
    assert pickle.loads(pickle.dumps(decision)).problems == decision.problems
    with pytest.raises(InvalidRequest) as refused:
        DECIDERS[name].decide(asked)
    assert refused.value.problems == decision.problems


@each_decider
def test_what_has_not_its_parts_stops_nothing(name):
    odd: list[Any] = [(ANN, "read", RECORD), None, 3, "abcd", ()]
    good = ASKED["staff"]
    found = DECIDERS[name].decide_many([*odd, good])
    assert [one.cause for one in found] == ["invalid_request"] * 5 + ["permitted"]
    assert found[0].problems[0].message == "expected (subject, action, resource, context)"


# ---- many -------------------------------------------------------------------------------


@each_decider
def test_options_are_of_requests_that_have_none_of_their_own(name):
    decider = DECIDERS[name]
    parts = BOB, "edit", RECORD, {"why": "late"}
    own = Request(*parts, now="2026-01-05")
    for many in (decider.decide_many, lambda *r, **o: list(decider.decide_each(*r, **o))):
        for options in ({"entities": iter(OTHERS)}, {"entities": OTHERS}, {}):
            found = many([parts, own, Request(*parts), parts], now=NOW, **options)
            assert [one.allowed for one in found] == [True, False, True, True]
        found = many([parts, Request(*parts, fields=["opened"])], now=NOW, fields=["owner"])
        assert [one.allowed for one in found] == [False, True]
        wrong = many([parts, own], now="never")
        assert [one.cause for one in wrong] == ["invalid_request", "not_permitted"]
    if name == "sourced":  # which has its entities in its source
        return
    staff = [(ANN, "read", RECORD, None)] * 2
    assert [
        d.allowed for d in decider.decide_many(staff, entities=ENGINE.store([ANN, RECORD, *OTHERS]))
    ] == [True] * 2


def test_bound_ones_take_options_too():
    for bound in (
        ENGINE.bind(BOB),
        ENGINE.bind(ENGINE.entity("Person", "bob", BOB["properties"], parents=[])),
    ):
        parts = "edit", RECORD, {"why": "late"}
        assert [d.allowed for d in bound.decide_many([parts] * 3, now=NOW)] == [True] * 3
        assert [d.allowed for d in bound.decide_many([parts], now="2026-01-05")] == [False]
        assert not bound.decide(*parts, now=NOW, fields=["owner"]).allowed
        assert [d.cause for d in bound.decide_each([(1, 2), parts], now=NOW)][1] == "permitted"
    one = ENGINE.bind(ANN, "read")
    assert [d.allowed for d in one.decide_each([(RECORD, None)] * 2, entities=iter(OTHERS))] == [
        True
    ] * 2
    assert ENGINE.bind(person("cat", parents=[])).actions(RECORD).items == ("read", "edit", "close")
    assert ENGINE.bind(BOB).actions(RECORD, {"why": "late"}, entities=OTHERS, now=NOW).items == (
        "edit",
    )


def test_many_are_decided_one_after_another():
    seen: list[int] = []

    def asked() -> Iterator[Any]:
        for number in range(3):
            seen.append(number)
            yield (
                ENGINE.entity("Person", "cat", motto="m", phone="p", parents=[]),
                "close",
                RECORD,
                None,
            )

    decisions = ENGINE.decide_each(asked())
    assert (seen, next(decisions).allowed, seen) == ([0], True, [0])
    list(decisions)


def test_no_decision_of_many_is_kept():
    parts = ENGINE.entity("Person", "cat", motto="m", phone="p", parents=[]), "close"
    record = ENGINE.entity("Record", "r", OWNED)

    def most(count: int) -> int:
        tracemalloc.start()
        for decision in ENGINE.decide_each((*parts, record, {}) for _ in range(count)):
            assert decision.allowed
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(10)
    assert most(3_000) < 2 * most(300) + 20_000


# ---- bind -------------------------------------------------------------------------------


def test_bind_refuses_at_once():
    with pytest.raises(InvalidRequest, match="action"):
        ENGINE.bind(ANN, "reed")
    with pytest.raises(TypeError, match="a `timedelta`, and not int"):
        ENGINE.bind(ANN, max_age=60)  # type: ignore[call-overload] - on purpose
    assert ENGINE.bind(ANN, "read", max_age=timedelta(minutes=1)).subject.id == "ann"


def test_outcomes_can_be_compared():
    assert isinstance(ENGINE.decide(ASKED["staff"]).outcome, Outcome)


def test_what_decides_says_what_it_is():
    digest = ENGINE.digest[:12]
    assert repr(ENGINE) == f"<policy engine {digest}: 4 rules>"
    assert repr(ENGINE.bind(ANN)) == f'<Person "ann" bound to {digest}>'
    assert repr(ENGINE.bind(ANN, "read")) == f'<Person "ann" bound to {digest}: read>'
    assert repr(DecisionCache(ENGINE, 5)) == f"<cache of 0 decisions of {digest}>"


class Broken:
    """Fails when it is read."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        raise ZeroDivisionError


@each_decider
@pytest.mark.parametrize("odd", [3, "abc", {"type": "Team"}, Broken(), [3], object()])
def test_options_that_do_not_fit_refuse_what_they_are_for(name, odd):
    parts = BOB, "edit", RECORD, {"why": "late"}
    own = Request(*parts, now=NOW, fields=["opened"], entities=OTHERS)
    for options in ({"entities": odd}, {"fields": odd}):
        found = DECIDERS[name].decide_many([parts, own, parts], now=NOW, **options)
        assert [one.cause for one in found] == ["invalid_request", "permitted", "invalid_request"]
        with pytest.raises(InvalidRequest):
            DECIDERS[name].decide(*parts, now=NOW, **options)


@each_decider
def test_entities_that_never_end_are_read_as_far_as_there_may_be_some(name):
    def endless() -> Iterator[Any]:
        for number in count():
            read.append(number)
            yield person(str(number), parents=[])

    parts = ANN, "read", RECORD
    bound = ENGINE.bind(BOB), ENGINE.bind(BOB, "read")
    refusing: list[Any] = [
        lambda: DECIDERS[name].decide_many([(*parts, None)] * 2, entities=endless()),
        lambda: DECIDERS[name].decide(*parts, entities=endless()),
        lambda: bound[0].decide_many([("read", RECORD, None)], entities=endless()),
        lambda: bound[1].decide_many([(RECORD, None)], entities=endless()),
    ]
    for decide in refusing:
        read: list[int] = []
        with pytest.raises(InvalidRequest, match="at most 10000 entities"):
            raise InvalidRequest([problem for one in decide() for problem in one.problems])
        assert len(read) == 10_001


# ---- examples ---------------------------------------------------------------------------


def test_tests_of_a_service_make_decisions():
    owed = Obligation.example("tell", who="ann", within=timedelta(hours=24), twice=True, times=2)
    allow = Decision.example(allowed=True, exposed=["id"], obligations=[owed], rules=["a.b"])
    assert (allow.allowed, allow.cause, allow.exposed) == (True, "permitted", {"id"})
    assert str(*allow.obligations) == "tell(ann, 24h, true, 2)"
    assert allow.redact({"id": 1, "note": 2}) == {"id": 1}
    deny = Decision.example(allowed=False, reason="not yours", exposed=["id"])
    assert (deny.cause, deny.reason_for("user"), deny.redact({"id": 1})) == (
        "not_permitted",
        "not yours",
        {},
    )
    with pytest.raises(Denied, match="not yours"):
        deny.or_raise()
    remade = pickle.loads(pickle.dumps(allow))
    assert (remade.outcome, remade.to_bytes()) == (allow.outcome, allow.to_bytes())
    assert (deny.request, deny.problems) == (None, ())
    with pytest.raises(ValueError, match="forbidden is denied"):
        Decision.example(allowed=True, cause="forbidden")
    with pytest.raises(TypeError, match="who"):
        Obligation.example("tell", who=None)  # type: ignore[arg-type] - on purpose


# ---- small things that callers meet -----------------------------------------------------


def test_entities_and_contexts_are_no_mappings():
    for part in (ENGINE.entity("Record", "r", OWNED), ENGINE.context("read", why="so")):
        with pytest.raises(TypeError, match="not iterable"):
            dict(part)
        with pytest.raises(TypeError, match="not iterable"):
            list(part)


def test_parents_may_be_a_generator():
    staff = ENGINE.entity("Team", "staff", parents=[])
    made = ENGINE.entity("Person", "ann", motto="m", phone="p", parents=(one for one in [staff]))
    assert made == ENGINE.entity("Person", "ann", motto="m", phone="p", parents=[staff])


def test_diagnostics_can_be_iterated():
    with pytest.raises(InvalidPolicy) as caught:
        PolicyEngine.from_text("package p\npermit")
    assert [*caught.value.diagnostics] == [*caught.value.diagnostics.items] != []
