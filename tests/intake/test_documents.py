"""Requests as JSON: strict, within limits, quickly refused; answers in AuthZEN's shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from policyengine.intake.authzen import read_document
from policyengine.intake.validation import Validator
from policyengine.model.decision import refused
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT
from tests.calls import calls
from tests.model.test_decision import decision
from tests.model.world import (
    APP,
    AUTHOR,
    LIMITS,
    POST,
    SCHEMA,
    changed,
    needs,
    problems_of,
)
from tests.whole import share

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEARCH: dict[str, Any] = {
    "subject": APP,
    "action": {"name": "search"},
    "resource": POST,
    "context": {"purposes": ["health"]},
    "entities": [AUTHOR],
}


def ask(data: bytes | str, limits: Limits = LIMITS, *, accept_now: bool = False) -> ValidRequest:
    """Decode and validate as an engine does."""
    raw = read_document(data, limits, accept_now=accept_now)
    raw.now = EPOCH if raw.now is None else raw.now
    return Validator(SCHEMA, needs, limits).validate(raw)


def written(**parts: object) -> bytes:
    return json.dumps({k: v for k, v in (SEARCH | parts).items() if v is not ...}).encode()


def test_a_request_is_read():
    request = ask(written(fields=["id"]))
    assert request.subject.v_tier == 2
    assert request.fields == ("id",)
    assert ask(written().decode()) == ask(written())


def test_what_is_optional_may_be_missing():
    envelope = read_document(b"{}", LIMITS)
    assert (envelope.subject, envelope.action, envelope.resource) == (ABSENT, ABSENT, ABSENT)
    assert envelope.context is envelope.fields is envelope.now is envelope.entities is None
    assert ask(written(action={"name": "read"}, context=..., entities=...)).context is not None


def test_unknown_names_at_the_top_are_listed():
    data = written(feilds=["id"], **{"x" * 100: 1, "\u202e": 2})
    ignored = read_document(data, LIMITS).ignored
    assert ignored[0] == "feilds"
    assert ignored[1] == "x" * 59 + "…"
    assert ignored[2] == "\\u202e"
    many = {f"k{i}": 1 for i in range(10_000)}
    all_parts = json.dumps({**many, "context": {}, "entities": [], "evaluations": []})
    assert len(read_document(all_parts, LIMITS).ignored) == LIMITS.problems
    assert problems_of(ask, json.dumps(many)) == [("PE533", "k1000")]
    few = json.dumps({**dict(list(many.items())[:300]), "contxt": {}})
    assert problems_of(ask, few) == [("PE533", "contxt")]


def test_a_time_is_read_only_where_it_is_accepted():
    data = written(now="1970-01-01T00:00:01Z")
    assert problems_of(ask, data) == [("PE522", "now")]
    assert ask(data, accept_now=True).now == 1_000_000
    assert problems_of(ask, written(now="soon"), accept_now=True) == [("PE513", "now")]
    assert problems_of(ask, written(now=5), accept_now=True) == [("PE505", "now")]
    assert problems_of(ask, written(now=1.5), accept_now=True) == [("PE519", "now")]
    assert problems_of(ask, written(now=None), accept_now=True) == [("PE505", "now")]


@pytest.mark.parametrize(
    ("parts", "problems"),
    [
        ({"action": "search"}, [("PE505", "action")]),
        ({"action": ...}, [("PE521", "action")]),
        ({"subject": ...}, [("PE521", "subject")]),
        ({"subject": None}, [("PE505", "subject")]),
        ({"context": None}, [("PE505", "context")]),
        ({"fields": None}, [("PE505", "fields")]),
        ({"entities": None}, [("PE505", "entities")]),
        ({"entities": {"0": AUTHOR}}, [("PE505", "entities")]),
        ({"fields": {"id": 1}}, [("PE505", "fields")]),
        ({"action": {"name": "search", "props": {}}}, [("PE520", "action.props")]),
        ({"subject": {**APP, "feilds": 1}}, [("PE520", "subject.feilds")]),
        ({"entities": [{**AUTHOR, "ancestors": []}]}, [("PE520", "entities[0].ancestors")]),
        ({"subject": changed(APP, count=1.0)}, [("PE519", "subject.properties.count")]),
        ({"subject": changed(APP, count=float("nan"))}, [("PE519", "subject.properties.count")]),
        ({"subject": changed(APP, count=float("-inf"))}, [("PE519", "subject.properties.count")]),
        ({"subject": changed(APP, count=10**18)}, [("PE512", "subject.properties.count")]),
        ({"subject": changed(APP, count=-(10**18))}, [("PE512", "subject.properties.count")]),
        ({"subject": changed(APP, count=10**4000)}, [("PE512", "subject.properties.count")]),
        ({"subject": changed(APP, contact="\ud800")}, [("PE515", "subject.properties.contact")]),
        ({"subject": changed(APP, tier=1e400)}, [("PE519", "subject.properties.tier")]),
        ({"fields": ["id", 1.5]}, [("PE519", "fields[1]")]),
        ({"context": {"purposes": ["ads"] * 100_000}}, [("PE514", "context.purposes")]),
        ({"resource": changed(POST, text="x" * 100_001)}, [("PE514", "resource.properties.text")]),
        ({"entities": 1.5}, [("PE519", "entities")]),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(parts, problems):
    assert problems_of(ask, written(**parts)) == problems


def test_names_that_stand_twice_are_refused_where_they_stand():
    data = written().replace(b'"tier": "pro"', b'"tier": "free", "tier": "pro"')
    assert problems_of(ask, data) == [("PE518", "subject.properties.tier")]
    data = written().replace(b'"context": {', b'"context": {"purposes": [], ')
    assert problems_of(ask, data) == [("PE518", "context.purposes")]
    data = b'{"subject": 1, ' + written()[1:]
    assert problems_of(ask, data) == [("PE518", "subject")]
    data = b'{"action": 1, ' + written(action=...)[1:-1] + b', "action": {"name": "search"}}'
    assert problems_of(ask, data) == [("PE518", "action")]
    data = written().replace(b'"name": "search"', b'"name": "read", "name": "search"')
    assert problems_of(ask, data) == [("PE518", "action.name")]
    data = written().replace(b'"id": "u1"', b'"id": "u1", "id": "u1"')
    assert ("PE518", "resource.properties.author.id") in problems_of(ask, data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PE516"),
        (b"{", "PE516"),
        (b"{}x", "PE516"),
        (b"{'subject': 1}", "PE516"),
        (b'{"subject": 1,}', "PE516"),
        (b'{"a": "\x01"}', "PE516"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "PE516"),
        (b"\x00\x01\x02", "PE516"),
        (b'{"a": +1}', "PE516"),
        (b'{"a": "\\ud8"}', "PE516"),
        (b"\xff\xfe{\x00}\x00", "PE515"),
        (b'{"a": "\xed\xa0\x80"}', "PE515"),
        ('{"a": "\ud800"}', "PE515"),
        (b"[]", "PE505"),
        (b"null", "PE505"),
        (b'"subject"', "PE505"),
        (b"NaN", "PE505"),
    ],
)
def test_a_document_that_is_no_request_is_refused(data, code):
    assert problems_of(ask, data) == [(code, "")]


@pytest.mark.parametrize("data", [None, 5, ["x"], object()])
def test_what_is_no_document_is_refused(data):
    assert problems_of(ask, data) == [("PE516", "")]


def test_a_document_may_begin_with_a_byte_order_mark_and_be_any_bytes():
    marked = b"\xef\xbb\xbf" + written()
    for data in (marked, marked.decode(), bytearray(marked), memoryview(written())):
        assert ask(data).subject.id == APP["id"]


MANY = share(500_000, 20)
HOSTILE = {
    "deep arrays": b'{"subject": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "33 levels": b'{"subject": ' + b"[" * 32 + b"]" * 32 + b"}",
    "ten megabytes of brackets": b"[" * 10_000_000,
    "ten megabytes of objects": b'{"a":' * 2_000_000,
    "mixed": b'[{"a":' * 500 + b"1" + b"}]" * 500,
    "many empty arrays": b"[" + b"[]," * MANY + b"[]]",
    "many strings": b"[" + b'"[",' * MANY + b"[]]",
    "a long number": b'{"subject": ' + b"9" * 5_000_000 + b"}",
    "a long string": b'{"subject": "' + b"x" * 9_000_000 + b'"}',
    "escapes": b'{"subject": "' + b'\\"' * 4_000_000 + b'"}',
    "an open string": b'{"subject": "' + b'\\"' * 4_000_000,
    "a wide object": b"{" + b",".join(b'"k%d":1' % i for i in range(MANY)) + b"}",
    "a wide subject": b'{"subject": {' + b",".join(b'"k%d":1' % i for i in range(MANY)) + b"}}",
    "one name many times": b'{"subject": {' + b",".join([b'"k":1'] * MANY) + b"}}",
    "many entities": b'{"entities": [' + b",".join([b"{}"] * MANY) + b"]}",
    "too long": b" " * 10_000_001,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused_in_steps_in_proportion_to_their_length(name):
    found = []
    refuse = calls(lambda: found.extend(problems_of(ask, HOSTILE[name])))
    assert refuse < 1_000 + 2 * len(HOSTILE[name])
    assert 0 < len(found) <= LIMITS.problems


def test_deep_documents_are_called_so():
    for name in ("deep arrays", "deep objects", "33 levels", "mixed"):
        assert problems_of(ask, HOSTILE[name]) == [("PE517", "")]
    nested = b'{"x": ' + b"[" * 31 + b'"]]]]}}}}[[[["' + b"]" * 31 + b"}"
    assert read_document(nested, LIMITS).ignored == ("x",)
    siblings = b'{"x": [' + b"[[]],{}," * 50 + b"[]]}"
    assert read_document(siblings, Limits(document_depth=4)).ignored == ("x",)
    assert problems_of(ask, siblings, Limits(document_depth=3)) == [("PE517", "")]


def test_documents_are_limited_in_bytes():
    data = written()
    assert ask(data, Limits(document_size=len(data)))
    assert problems_of(ask, data, Limits(document_size=len(data) - 1)) == [("PE514", "")]
    wide = '{"é": 1}'
    assert problems_of(ask, wide, Limits(document_size=8)) == [("PE514", "")]


def test_every_problem_of_a_document_is_reported_at_once():
    data = written(
        now="2026-01-01",
        fields=["txt"],
        subject=changed(APP, tier=1.5, purposes="ads"),
        context=...,
        resource=...,
    )
    assert problems_of(ask, data) == [
        ("PE519", "subject.properties.tier"),
        ("PE505", "subject.properties.purposes"),
        ("PE521", "resource"),
        ("PE522", "now"),
    ]


# ---- answers ----------------------------------------------------------------------------


def test_an_answer_has_every_member():
    answer = json.loads(decision().ignoring(["feilds"]).to_bytes())
    assert answer["decision"] is True
    assert list(answer["context"]) == [
        *("cause", "reason", "rules", "more_rules", "gates", "exposed", "masks", "obligations"),
        *(
            "referrals",
            "advisories",
            "waivers",
            "errors",
            "problems",
            "valid_until",
            "policy",
            "ignored",
        ),
    ]
    assert answer["context"]["ignored"] == ["feilds"]


def test_a_refusal_is_a_deny_that_names_every_problem():
    problems = (Problem("PE505", "subject", "expected é"), Problem("PE516", "", "no JSON"))
    answer = json.loads(refused(InvalidRequest(problems), "digest").ignoring(["x"]).to_bytes())
    assert answer["decision"] is False
    context = answer["context"]
    assert context["cause"] == "invalid_request"
    assert context["errors"] == []
    assert context["problems"] == [
        {"code": "PE505", "path": "subject", "message": "expected é"},
        {"code": "PE516", "path": "", "message": "no JSON"},
    ]
    assert context["reason"] == (
        "the request does not fit: subject: expected é [PE505]; no JSON [PE516]"
    )
    assert (context["policy"], context["ignored"], context["exposed"]) == ("digest", ["x"], [])
    assert set(context) == set(json.loads(decision().to_bytes())["context"])


@pytest.mark.parametrize("name", ["deep arrays", "33 levels"])
def test_any_refusal_can_be_written(name):
    for data in (HOSTILE[name], written(subject={"\ud800": 1})):
        with pytest.raises(InvalidRequest) as refusal:
            ask(data)
        assert json.loads(refused(refusal.value, "").to_bytes())["decision"] is False
