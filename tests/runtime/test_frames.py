"""JSON made of shared pieces is the same as JSON that is written as a whole."""

from __future__ import annotations

import json

import msgspec
import pytest

from policyengine import PolicyEngine
from policyengine.model.answer_json import make_frame
from policyengine.runtime import judged_request

POLICY = """
package p
entity App { name: string, open: bool, due: datetime }
entity Doc { owner: string }
obligation tell(whom: string, text: string)
obligation delete(after: duration)
action read, write by App on Doc
action copy by App on Doc
action share by App on Doc

gate first "whether it is open"
gate second "whether it is due"
gate first {
    permit open: any when subject.open otherwise "{subject.name} is shut"
}
gate second {
    permit due: any waivable when now < subject.due
    permit copied: copy when now < subject.due oblige delete(1d), tell(resource.owner, "copied")
    forbid copies: copy when resource.owner == "nobody" because "it is nobody's"
        oblige tell(subject.name, "nobody's")
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
    {"action": "copy"}, {"action": "copy", "owner": "\0"}, {"action": "copy", "owner": "nobody"},
    {"action": "copy", "owner": "nobody", "name": "\0"}, {"action": "copy", "opened": False},
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


def test_requests_that_differ_in_what_they_owe_share_the_rest(monkeypatch):
    engine = PolicyEngine.from_text(POLICY.replace("package p", "package q"))
    made = []
    monkeypatch.setattr(
        judged_request, "make_frame", lambda *a, **k: made.append(a) or make_frame(*a, **k)
    )
    for owner, name in (("me", "a"), ("you", "b"), ("nobody", "c"), ("nobody", "d")):
        for _ in range(2):
            decision = engine.decide(
                *ask("copy", owner=owner, name=name, due="2097-01-01"), now=NOW
            )
            owed = json.loads(decision.to_bytes())["context"]["obligations"]
            whom = name if owner == "nobody" else owner
            assert [one["parameters"]["whom"] for one in owed if one["name"] == "tell"] == [whom]
    assert len(made) == 2  # of an allow and of a deny
