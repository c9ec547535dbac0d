"""Holds of records that they are bounded, show nothing private, and say what was read."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from policyengine import Decision, PolicyEngine
from policyengine.model.log_record import LONGEST, MOST_ENTITIES, ROOM

POLICY = """\
package wide
entity Team
entity Person in Team { boss: Person, spy: private Person, name: string, phone?: private string, level: int }
entity Doc {
    owner: Person, tags: set<string>, box: { a: string, deep: private string, more?: string },
    readers: set<Person>, late?: datetime
}
action read by Person on Doc with { why?: string, unread?: string }
obligation note(text: string, count: int)
field gate g "?"
gate g {
    permit one: read
        when subject within Team "t" and resource.owner.name == "x" and context has why
            and (some r in resource.readers: r.boss.level > 3)
            and resource.box == resource.box and "x" in resource.tags and not (resource has late)
        fields owner
    permit two: read when subject.spy.name == "y" or (subject has phone and subject.phone == "1")
        fields owner oblige note(subject.name, 3)
}
"""
ENGINE = PolicyEngine.from_text(POLICY)


def person(id_: str, **more: Any) -> dict[str, Any]:
    names = {"boss": "b", "spy": "SECRETspy"}
    found = {name: {"type": "Person", "id": id_} for name, id_ in names.items()}
    properties = {**found, "name": "x", "phone": "SECRETphone", "level": 1, **more}
    return {"type": "Person", "id": id_, "properties": properties, "parents": []}


def decide(engine: PolicyEngine = ENGINE, readers: int = 1, **more: Any) -> Decision:
    owner = {"type": "Person", "id": "o"}
    listed = [f"r{n}" for n in range(readers)]
    doc = {
        "owner": owner, "tags": ["x", "long" * LONGEST], "box": {"a": "a", "deep": "SECRETdeep"},
        "readers": [{"type": "Person", "id": id_} for id_ in listed], **more,
    }  # fmt: skip
    team = {"type": "Team", "id": "t", "parents": []}
    others = [team] + [person(id_) for id_ in (*listed, "b", "o", "SECRETspy", "never")]
    subject = {**person("u"), "parents": [{"type": "Team", "id": "t"}]}
    return engine.decide(
        subject, "read", {"type": "Doc", "id": "d", "properties": doc}, {"why": "so", "unread": "no"},
        entities=others,
    )  # fmt: skip


DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = Draft202012Validator(json.loads((DOCS / "record.schema.json").read_text()))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA.schema)
    assert list(SCHEMA.iter_errors({"version": 1})) != []


@pytest.mark.parametrize("more", [{}, {"private": True}, {"longest": 100_000}])
def test_records_have_the_shape_of_the_schema(more):
    decision = decide()
    for one in (decision, pickle.loads(pickle.dumps(decision)), ENGINE.decide_request(b"{")):
        assert not [*SCHEMA.iter_errors(json.loads(json.dumps(one.to_log(**more))))]
        assert set(one.to_log()) == set(SCHEMA.schema["required"])


def masked(kind: str, why: str) -> dict[str, str]:
    return {"$masked": kind, "why": why}


def test_a_record_has_what_is_read():
    record = decide().to_log()
    assert record["request"] == {
        "subject": {
            "type": "Person", "id": "u", "ancestors": [{"type": "Team", "id": "t"}],
            "properties": {
                "spy": masked("Person", "private"), "phone": masked("string", "private"), "name": "x",
            },
        },
        "action": {"name": "read"},
        "resource": {
            "type": "Doc", "id": "d",
            "properties": {
                "owner": {"type": "Person", "id": "o"}, "tags": ["x", masked("string", "long")],
                "box": {"a": "a", "deep": masked("string", "private")}, "late": None,
                "readers": [{"type": "Person", "id": "r0"}],
            },
        },
        "context": {"why": "so"},
        "entities": [
            {"type": "Person", "id": "o", "properties": {"name": "x"}},
            {"type": "Person", "id": "r0", "properties": {"boss": {"type": "Person", "id": "b"}}},
            {"type": "Person", "id": "b", "properties": {"level": 1}},
        ],
        "more_entities": 0,
    }  # fmt: skip
    assert record["policy"] == ENGINE.digest
    assert (record["decision"], record["cause"]) == (False, "not_permitted")
    assert "SECRET" not in json.dumps(record)


def test_what_is_masked_is_shown_if_asked_for():
    record = decide().to_log(private=True, longest=10_000)
    assert "$masked" not in json.dumps(record)
    asked = record["request"]
    assert asked["subject"]["properties"]["spy"] == {"type": "Person", "id": "SECRETspy"}
    assert [one["id"] for one in asked["entities"]] == ["SECRETspy", "o", "r0", "b"]


def test_a_private_attribute_that_is_absent_is_masked_as_well():
    doc: dict[str, Any] = {"type": "Doc", "id": "d"}
    subject = person("u", spy={"type": "Person", "id": "u"}, name="y")
    del subject["properties"]["phone"]
    engine = PolicyEngine.from_text(POLICY.partition("    permit one")[0] + "permit two"
        + POLICY.partition("permit two")[2])  # fmt: skip
    decision = engine.decide(subject, "read", doc)
    record = decision.to_log()
    assert record["request"]["subject"]["properties"]["phone"] == masked("string", "private")
    assert record["obligations"] == [{"name": "note", "parameters": {"text": "y", "count": 3}}]
    assert record["rules"] == ["g.two"]
    assert record["exposed"] == ["owner"]
    again = pickle.loads(pickle.dumps(decision)).to_log()
    assert again == {**record, "request": None}


@pytest.mark.parametrize("readers", [MOST_ENTITIES - 1, MOST_ENTITIES, 900])
def test_a_record_is_bounded(readers):
    record = decide(readers=readers, box={"a": "a" * 90_000, "deep": "b" * 90_000}).to_log()
    assert len(json.dumps(record)) < 2 * ROOM
    found = record["request"]["resource"]["properties"]["readers"]
    assert (found == masked("set", "long")) == (readers > MOST_ENTITIES)
    assert record["request"]["more_entities"] == max(
        0, readers + 2 - MOST_ENTITIES if readers <= MOST_ENTITIES else 0
    )
    wide = decide(tags=[f"{n:0150}" for n in range(100)], readers=readers)
    for longest in (LONGEST, 1_000_000):
        box = {"a": "a" * 90_000, "deep": "b" * 90_000}
        assert len(json.dumps(wide.to_log(longest=longest))) < 2 * ROOM
        full = decide(box=box, tags=[f"{n:0150}" for n in range(900)], readers=readers)
        assert len(json.dumps(full.to_log(private=True, longest=longest))) < 8 * ROOM


HOSTILE: list[Any] = [
    "\ud800", "x" * 1_000_000, {"type": "\ud800", "id": "\n"}, {"type": "Person", "id": "x" * 100_000},
    {"type": ["SECRET"], "id": {}}, [["SECRET"]] * 100, float("nan"), b"SECRET",
    {"type": "Person", "id": "u", "properties": {"key": "SECRET", "phone": ["SECRET"]}},
]  # fmt: skip


class Raises:
    """An object of which nothing can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize("part", [*HOSTILE, Raises], ids=range(len(HOSTILE) + 1))
@pytest.mark.parametrize("where", range(4))
def test_nothing_that_is_refused_is_too_much_for_a_record(part, where):
    parts: list[Any] = [person("u"), "read", {"type": "Doc", "id": "d"}, {}]
    parts[where] = part() if part is Raises else part
    decision = ENGINE.decide_many([tuple(parts)])[0]
    written = json.dumps(decision.to_log())
    msgspec.json.encode(decision.to_log())
    assert not [*SCHEMA.iter_errors(json.loads(written))]
    assert written.isascii()
    assert len(written) < ROOM
    assert "SECRET" not in written


class Text(str):
    """A string of a derived class, as a column of numpy or an enumeration has."""

    __slots__ = ()


class Lying(dict[str, Any]):
    """Says something else than it holds."""

    def __getitem__(self, name: str) -> Any:
        return "somebody else"


EVE = {"type": "Person", "id": "eve"}


@pytest.mark.parametrize(
    "said",
    [
        EVE, MappingProxyType(EVE), Lying(EVE), {"type": Text("Person"), "id": "eve"},
        {"type": "Person", "id": Text("eve")}, SimpleNamespace(**EVE),
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["read", Text("read"), {"name": "read"}, {"name": Text("read")}])
def test_a_refused_request_is_recorded_in_whatever_form_it_names_what_it_is_about(said, action):
    """None of these has what rules read, so all are refused; a log says who was, of whatever class the values are."""
    parts = said, action, said, {}
    record = ENGINE.decide_many([parts])[0].to_log()
    assert record["cause"] == "invalid_request"
    assert record["request"] == {"subject": EVE, "action": {"name": "read"}, "resource": EVE}
    assert {type(one) for one in record["request"]["subject"].values()} == {str}
    assert not [*SCHEMA.iter_errors(record)]
