"""Holds that problems of a request repeat nothing that is below a private attribute."""

from __future__ import annotations

import json

import pytest

from policyengine import InvalidRequest, PolicyEngine

ENGINE = PolicyEngine.from_text("""\
package p
enum Sort = one | two
entity Team
entity User {
    record?: private { ssn: string, sorts: set<Sort> }
    other?: private User
    words?: private set<string>
    many?: private set<{ n: int }>
    day?: private datetime
    mixed?: { name: string, inner?: private { a?: int } }
}
entity Doc
action read by User on Doc with { pin?: private { code?: int } }
permit a: read when subject has record and subject.record.ssn == "x"
permit b: read when subject has other and subject.other == subject
permit c: read when subject has words and "x" in subject.words
permit d: read when subject has mixed and subject.mixed has inner
permit e: read when subject has many and size(subject.many) > 1
permit f: read when context has pin and context.pin has code
permit g: read when subject has day and subject.day < now
""")


@pytest.mark.parametrize(
    "properties",
    [
        {"record": {"ssn": "x", "SECRET": 1}},
        {"record": {"ssn": "x", "SECRET-1": 1, "SECRET-2": 1}},
        {"record": {"ssn": ["SECRET"], "sorts": ["SECRET"]}},
        {"record": {"ssn": "x", "sorts": ["SECRET", "SECRET2", "one"]}},
        {"record": {"ssn": "x", "sorts": ["one", "one"]}},
        {"record": "SECRET"},
        {"record": {7654321: 1}},
        {"other": {"type": "SECRET", "id": "x"}},
        {"other": {"type": "Team", "id": "SECRET"}},
        {"other": {"type": "User", "id": 7654321}},
        {"other": {"type": "User", "id": "SECRET", "SECRET": 1}},
        {"other": "SECRET"},
        {"words": ["SECRET", "SECRET"]},
        {"words": [7654321, "x"]},
        {"words": [str(n) for n in range(1234)]},
        {"words": {"SECRET": 1}},
        {"many": [{"n": 1}, {"SECRET": 2}]},
        {"many": [{"n": 7654321}, {"n": 7654321}]},
        {"day": "7654321"},
        {"day": "2026-01-01T76:54:32+01:00"},
        {"day": float("nan")},
        {"mixed": {"name": "x", "inner": {"SECRET": 1}}},
        {"mixed": {"name": "x", "inner": {"a": "SECRET"}}},
    ],
)
def test_nothing_below_a_private_attribute_is_repeated(properties):
    subject = {"type": "User", "id": "u", "properties": properties}
    doc = {"type": "Doc", "id": "d"}
    with pytest.raises(InvalidRequest) as raised:
        ENGINE.decide(subject, "read", doc)
    document = {"subject": subject, "action": {"name": "read"}, "resource": doc}
    told = [repr(raised.value.problems), str(raised.value)]
    told.append(ENGINE.decide_json(json.dumps(document)).decode())
    for text in told:
        for secret in ("SECRET", "7654321", "1234", "NaN", "Team", "[1]", "76:54"):
            assert secret not in text, text
    assert raised.value.problems[0].path.startswith("subject.properties.")


def test_how_many_things_are_amiss_in_a_private_value_is_not_told():
    def problems(*words):
        user = {"type": "User", "id": "u", "properties": {"words": list(words)}}
        with pytest.raises(InvalidRequest) as raised:
            ENGINE.decide(user, "read", {"type": "Doc", "id": "d"})
        return raised.value.problems

    assert problems(1) == problems(1, 2, 3) == problems("x", 2)


def test_a_private_context_is_not_repeated():
    user, doc = {"type": "User", "id": "u"}, {"type": "Doc", "id": "d"}
    with pytest.raises(InvalidRequest) as raised:
        ENGINE.decide(user, "read", doc, {"pin": {"SECRET": 1}})
    assert "SECRET" not in str(raised.value)
