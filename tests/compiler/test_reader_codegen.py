"""Generated readers accept no more than full validation, and return the same."""

from __future__ import annotations

import copy
import gc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine import InvalidRequest, PolicyEngine
from policyengine.compiler.reader_codegen import context_reader, entity_reader
from policyengine.intake.decode import Reader
from policyengine.model.limits import Limits
from policyengine.model.request_messages import Problems
from policyengine.model.values import parse_datetime
from policyengine.runtime.reader_operations import Moments
from tests.intake.test_any_request import FULL, PYTHON, SCALARS
from tests.model.world import SCHEMA

LIMITS = Limits(set_size=4, string_size=20)
PLAIN = {
    "subject": FULL["subject"],
    "resource": FULL["resource"],
    "context": FULL["context"],
}
READ: dict[str, Any] = {
    "subject": SCHEMA.entities["App"],
    "resource": SCHEMA.entities["Post"],
    "context": SCHEMA.actions["search"].context,
}


def quick(part: str, raw: Any) -> Any:
    """Return what the quick reader makes of a part; None if it is not plain."""
    type_ = READ[part]
    try:
        if part == "context":
            return context_reader(type_, LIMITS)(raw)
        return entity_reader(type_, LIMITS)(raw, True)
    except Exception:  # noqa: BLE001 - it may fail as it likes
        return None


def validated(part: str, raw: Any) -> Any:
    """Return what full validation makes of it, which must be without problems."""
    reader = Reader(SCHEMA, LIMITS, Problems(10))
    type_ = READ[part]
    value = reader.record(type_, raw, None) if part == "context" else reader.entity(raw, None)
    assert reader.problems.items == []
    assert reader.carried == []
    return value


def test_threads_make_readers_at_once():
    class Leaving:
        """Lets other threads go on while Python makes a tree."""

        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            for _ in range(50):
                pass

    def make(_: int) -> Any:
        for _ in range(20):
            Leaving()
            read = entity_reader(READ["subject"], LIMITS)
        return read(PLAIN["subject"], True)

    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert len({id(type(made)) for made in pool.map(make, range(8))}) == 1
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)


@pytest.mark.parametrize("part", READ)
def test_what_is_plain_is_taken(part: str):
    raw = PLAIN[part]
    made = quick(part, raw)
    assert made == validated(part, raw)
    expected = validated(part, raw)
    assert (made.complete_, made.plain_) == (expected.complete_, expected.plain_)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, Any]:
    """Draw a part with something else in one place, or something left out or added."""
    part = draw(st.sampled_from(list(PLAIN)))
    raw = copy.deepcopy(PLAIN[part])
    inside: Any = raw
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        if not keys:
            return part, raw
        key = draw(st.sampled_from(keys))
        if not isinstance(inside[key], dict | list) or draw(st.integers(0, 2)) == 0:
            break
        inside = inside[key]
    match draw(st.integers(0, 3)):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[draw(st.sampled_from(["x", "tier", "id", "parents", 1]))] = draw(SCALARS)
        case 1 | 2 if isinstance(inside, list):
            inside.append(draw(st.one_of(SCALARS, st.just(inside[0]))))
        case _:
            inside[key] = draw(PYTHON)
    return part, raw


@given(spoilt())
def test_whatever_is_taken_is_valid(drawn: tuple[str, Any]):
    part, raw = drawn
    made = quick(part, raw)
    if made is not None:
        expected = validated(part, raw)
        assert type(made) is type(expected)
        assert made == expected
        assert made.complete_ == expected.complete_
        assert getattr(made, "line", None) == getattr(expected, "line", None)


POLICY = """
package p
levels Tier = free < pro
entity App { tier: Tier, tags: set<string> }
entity Doc { open: bool, owner?: string }
action read by App on Doc with { purpose?: string }
permit open_to_pro: read when subject.tier >= pro and resource.open
"""


@pytest.fixture
def engine() -> PolicyEngine:
    made = PolicyEngine.from_text(POLICY)
    assert made.decide(*ask()).allowed
    return made


def ask(tier: str = "pro", **doc: Any) -> tuple[Any, str, Any, Any]:
    app = {"type": "App", "id": "a", "properties": {"tier": tier}}
    return app, "read", {"type": "Doc", "id": "d", "properties": {"open": True, **doc}}, {}


def test_requests_on_the_fast_path_are_not_validated_in_full(
    engine: PolicyEngine, monkeypatch: pytest.MonkeyPatch
):
    document = {
        "subject": ask("free")[0], "action": {"name": "read"}, "resource": ask()[2], "context": {},
    }  # fmt: skip
    monkeypatch.setattr(engine._intake.validator, "validate", None)
    assert engine.decide(*ask()).allowed
    assert not engine.decide(*ask("free")).allowed
    assert engine.decide(*ask(owner="é")).allowed
    action = {"name": "read", "properties": {"purpose": "x"}}
    for said in (document, document | {"trace": "1"}, document | {"action": action}):
        assert not engine.decide_request(said).allowed
        assert not engine.decide_request(json.dumps(said), entities=[ask("free")[0]]).allowed
        assert json.loads(engine.decide_json(json.dumps(said)))["decision"] is False
    batch = {**document, "evaluations": [{}, {"subject": ask()[0]}]}
    for form in (batch, json.dumps(batch)):
        assert [one.allowed for one in engine.evaluations(form).decisions] == [False, True]


def test_parts_may_be_built_and_others_not(engine: PolicyEngine, monkeypatch: pytest.MonkeyPatch):
    app, doc = engine.entity("App", "a", tier="pro", tags=[]), engine.entity("Doc", "d", open=True)
    free = engine.bind(engine.entity("App", "b", tier="free", tags=[]))
    free.decide(*ask()[1:])
    monkeypatch.setattr(engine._intake.validator, "validate", None)
    _, action, plain, context = ask()
    for request in (
        (app, action, plain, context), (app, action, doc, context), (app, action, doc, None),
        (ask()[0], action, doc, None),
    ):  # fmt: skip
        assert engine.decide(*request).allowed
        [decision] = engine.decide_many([request])
        assert decision.allowed
    assert not free.decide(action, plain, context).allowed
    assert not free.decide_many([(action, plain, context)])[0].allowed


def test_of_the_moments_that_were_read_few_are_kept():
    moments = Moments()
    for minute in range(3_000):
        text = f"2026-09-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"
        assert moments[text] == moments[text] == parse_datetime(text)
        assert len(moments) <= 1_024
    for none in ("soon", "2026-09-01T10:00", ""):
        with pytest.raises(ValueError, match=r"datetime|offset"):
            moments[none]
        assert none not in moments


TIMED = (
    POLICY
    + """
permit old: read when now < 1980-01-01
"""
)


@pytest.mark.parametrize("now", ["1970-01-01", datetime(1970, 1, 1, tzinfo=UTC)])
def test_the_beginning_of_1970_is_no_other_time(now: Any):
    engine = PolicyEngine.from_text(TIMED)
    for _ in range(3):
        assert not engine.decide(*ask("free")).allowed
        assert engine.decide(*ask("free"), now=now).allowed
        assert engine.decide(*ask("free"), now="1979-12-31T23:59:59Z").allowed
        assert not engine.decide(*ask("free"), now="1980-01-01").allowed


@pytest.mark.parametrize("now", ["soon", 1.5, "1980-01-01T10:00", True, datetime(1970, 1, 1)])  # noqa: DTZ001
def test_a_time_that_is_none_is_refused_at_the_door_as_well(engine: PolicyEngine, now: Any):
    with pytest.raises(InvalidRequest, match="now"):
        engine.decide(*ask(), now=now)


def test_a_built_part_of_another_kind_is_not_taken_for_a_dict(engine: PolicyEngine):
    _, action, doc, context = ask()
    other = PolicyEngine.from_text(POLICY.replace("open: bool", "open: bool, kind?: string"))
    stranger = other.entity("Doc", "d", open=True, kind="x")
    with pytest.raises(InvalidRequest, match="kind"):
        engine.decide(ask()[0], action, stranger, context)
    with pytest.raises(InvalidRequest):
        engine.decide(engine.entity("App", "a", {}), action, doc, context)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('"id": "a", "id": "b", "properties": {"tier": "pro"}', "PE518"),
        ('"id": "a", "id" : "a", "properties": {"tier": "pro"}', "PE518"),
        ('"id": "a", "properties": {"tier": "pro", "tier": "pro"}', "PE518"),
        ('"id": ":", "id": ":", "properties": {"tier": "pro"}', "PE518"),
        ('"id": "a", "properties": {"tier": "pro", "tags": [1.0]}', "PE519"),
        ('"id": "a", "properties": {"tier": "pro", "tags": [NaN]}', "PE519"),
        ('"id": "a", "properties": {"tier": "gold"}', "PE506"),
        ('"id": "a", "properties": {"tier": "pro", "tags": ["x", "x"]}', "PE511"),
        ('"id": "a", "properties": {"tier": "pro", "tags": "x"}', "PE505"),
        ('"id": "\\ud800", "properties": {"tier": "pro"}', "PE515"),
        ('"id": "a", "properties": {}', "PE507"),
        ('"id": "a", "properties": {"tier": null}', "PE505"),
    ],
)
def test_what_is_wrong_is_reported_by_full_validation(engine: PolicyEngine, text: str, code: str):
    resource = json.dumps(ask()[2])
    said = engine.decide_json(
        f'{{"subject": {{"type": "App", {text}}}, "action": {{"name": "read"}}, '
        f'"resource": {resource}, "context": {{}}}}'
    )
    answer = json.loads(said)
    assert (answer["decision"], answer["context"]["cause"]) == (False, "invalid_request")
    assert [error["code"] for error in answer["context"]["problems"]] == [code]


def test_a_request_is_no_longer_than_it_may_be():
    engine = PolicyEngine.from_text(POLICY, limits=Limits(document_size=100))
    assert b"PE514" in engine.decide_json(json.dumps({"subject": "x" * 200}))


def test_a_document_is_no_deeper_than_it_may_be():
    inner = "{ a: string }"
    for _ in range(4):
        inner = f"{{ a: {inner} }}"
    text = POLICY.replace("purpose?: string", f"purpose?: {inner}")
    purpose: Any = "x"
    for _ in range(5):
        purpose = {"a": purpose}
    subject, name, resource, _ = ask()
    document = {
        "subject": subject, "action": {"name": name}, "resource": resource,
        "context": {"purpose": purpose},
    }  # fmt: skip
    for depth, allowed in ((7, True), (6, False)):
        engine = PolicyEngine.from_text(text, limits=Limits(document_depth=depth))
        for _ in range(2):
            answer = json.loads(engine.decide_json(json.dumps(document)))
            assert answer["decision"] is allowed
            assert allowed or answer["context"]["problems"][0]["code"] == "PE517"
