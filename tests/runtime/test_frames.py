"""JSON made of shared pieces is the same as JSON that is written as a whole."""

from __future__ import annotations

import json

import msgspec
import pytest

from policyengine import PolicyEngine

POLICY = """
package p
entity App { name: string, open: bool, due: datetime }
entity Doc { owner: string }
action read, write by App on Doc
action share by App on Doc

gate first "whether it is open"
gate second "whether it is due"
gate first {
    permit open: any when subject.open otherwise "{subject.name} is shut"
}
gate second {
    permit due: any waivable when now < subject.due
    forbid stranger: write when resource.owner == "nobody" because "nobody may write it" refer "team"
    forbid named: share when subject.name == "x" refer "team of {resource.owner}"
}
waiver trial of second.due
    for App "w" until 2099-06-01 ticket "T-1" approved_by "A"
"""


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(POLICY)


def ask(action="read", name="a", opened=True, due="2099-01-01", owner="me", id_="i"):
    properties = {"name": name, "open": opened, "due": due}
    return (
        {"type": "App", "id": id_, "properties": properties}, action,
        {"type": "Doc", "id": "d", "properties": {"owner": owner}},
    )  # fmt: skip


NOW = "2026-01-01"
ASKED = [
    {}, {"opened": False}, {"opened": False, "name": "\0"}, {"opened": False, "name": '":"'},
    {"due": "2001-01-01"}, {"due": "2001-01-01", "id_": "w"}, {"action": "write", "owner": "nobody"},
    {"action": "share", "name": "x"}, {"action": "share", "name": "x", "owner": "you"},
    {"due": "2098-01-01"}, {"opened": False, "due": "2001-01-01"},
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_put_together_is_what_would_be_written(engine: PolicyEngine, asked):
    for _ in range(2):
        decision = engine.decide(*ask(**asked), now=NOW)
        written = decision.to_bytes()
        assert written == msgspec.json.encode(engine.decide(*ask(**asked), now=NOW).to_json())
        assert json.loads(written)["context"]["reason"] == decision.reason
        with_more = engine.decide(*ask(**asked), now=NOW).ignoring(["odd"]).to_bytes()
        assert json.loads(with_more)["context"]["ignored"] == ["odd"]
