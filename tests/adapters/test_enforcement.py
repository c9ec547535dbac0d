"""Hold what every adapter rests on: who passes, and what those are told who do not."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from policyengine import (
    Decision,
    DecisionCache,
    Obligation,
    PolicyEngine,
    PolicyHolder,
    SourcedEngine,
)
from policyengine.adapters import explain_budget
from policyengine.adapters.enforcement import EnforcementPoint
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.refusal import Refusal

POLICY = """\
package files
entity User { until: datetime, level: int, pin: private int }
entity File { owner: User (by nobody), opens: datetime, code: private int }
obligation step_up(how: string)
obligation tell(whom: User)
action read, purge by User on File with { reason?: string }
permit own: read when resource.owner == subject
permit level: read when subject.level >= 3 otherwise "{resource.owner} says no to {subject.level}"
permit open: read when resource.opens < now
permit purge: purge when subject.pin == resource.code and subject.until > now
forbid late: read when subject.until < now because "too late" oblige step_up("mfa"), tell(resource.owner)
"""
ENGINE = PolicyEngine.from_text(POLICY)


def user(id_: str = "bob", level: int = 1, until: str = "2099-01-01") -> dict[str, Any]:
    properties = {"until": until, "level": level, "pin": 7}
    return {"type": "User", "id": id_, "properties": properties}


OWNER = {"type": "User", "id": "ann"}
FILE = {
    "type": "File",
    "id": "f",
    "properties": {"owner": OWNER, "opens": "2098-01-01", "code": 987},
}


def refused(point: EnforcementPoint, *parts: Any) -> Refusal:
    """Return the refusal of a request, which is the same asked synchronously and not."""
    with pytest.raises(Refusal) as caught:
        point.enforce(*parts)
    with pytest.raises(Refusal) as again:
        asyncio.run(point.enforce_async(*parts))
    assert timeless(caught.value) == timeless(again.value)
    return caught.value


def timeless(refusal: Refusal) -> dict[str, Any]:
    """Return the problem without what differs each time."""
    problem = json.loads(refusal.body)
    problem.pop("instance", None)
    return {**problem, "detail": re.sub(r"\(2\d{3}-.*?Z\)", "(now)", problem["detail"])}


class _Facts:
    """A source of what is given."""

    def __init__(self, *facts: dict[str, Any]) -> None:
        self.facts = {(one["type"], one["id"]): one for one in facts}

    def fetch(self, keys):
        return [self.facts[key] for key in keys if key in self.facts]


def deciders(tmp_path) -> dict[str, Any]:
    path = tmp_path / "files.policy"
    path.write_text(POLICY)
    holder = PolicyHolder(path)
    return {
        "engine": ENGINE, "holder": holder, "cache": DecisionCache(ENGINE),
        "sourced": SourcedEngine(ENGINE, _Facts()),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["engine", "holder", "cache", "sourced"])
def test_all_that_decide_are_enforced(name, tmp_path):
    point = EnforcementPoint(deciders(tmp_path)[name])
    ann = user("ann")
    assert point.enforce(ann, "read", FILE).rules == ("access.own",)
    assert asyncio.run(point.enforce_async(ann, "read", FILE, {"reason": "x"})).allowed
    refusal = refused(point, user(), "read", FILE)
    assert (refusal.status, refusal.decision.cause) == (403, "not_permitted")


def test_a_refusal_is_a_problem_document_without_anything_private():
    refusal = refused(EnforcementPoint(ENGINE), user(), "read", FILE)
    assert refusal.problem["instance"].replace("-", "") == f"urn:uuid:{refusal.decision.id}"
    assert timeless(refusal) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "the owner of the file says no to 1; "
        "the opens of the file must be before the present time (now); the owner of the file must be you",
        "valid_until": None,  # when the file opens is nobody's to know
    }
    assert refusal.decision.valid_until is not None
    assert "ann" not in refusal.body.decode()


def test_a_moment_that_reveals_nothing_is_told():
    engine = PolicyEngine.from_text(
        "package p\nentity U { until: datetime }\naction a by U on U\npermit p: a when subject.until < now"
    )
    one = {"type": "U", "id": "u", "properties": {"until": "2098-01-01"}}
    assert (
        refused(EnforcementPoint(engine), one, "a", one)
        .problem["valid_until"]
        .startswith("2098-01-01T00:00:00")
    )


def test_clients_see_the_obligations_that_are_named():
    asked = user(until="2020-01-01"), "read", FILE
    assert "obligations" not in refused(EnforcementPoint(ENGINE), *asked).problem
    shown = refused(EnforcementPoint(ENGINE, obligations=["step_up"]), *asked).problem
    assert shown["obligations"] == [
        {"id": "1", "type": "custom", "name": "step_up", "parameters": {"how": "mfa"},
         "properties": {"name": "step_up", "parameters": {"how": "mfa"}}},
    ]  # fmt: skip


def test_what_is_owed_is_fulfilled_before_anything_is_answered():
    done: list[Any] = []
    point = EnforcementPoint(ENGINE, fulfil=done.append)
    refused(point, user(until="2020-01-01"), "read", FILE)
    assert [str(one) for decision in done for one in decision.obligations] == [
        "step_up(mfa)",
        'tell(User "ann")',
    ] * 2
    point.enforce(user("ann"), "read", FILE)
    assert len(done) == 2

    async def later(decision):
        done.append(decision)

    point = EnforcementPoint(ENGINE, fulfil=later)
    with pytest.raises(Refusal) as caught:
        asyncio.run(point.enforce_async(user(until="2020-01-01"), "read", FILE))
    assert (caught.value.status, len(done)) == (403, 3)


def test_what_cannot_be_fulfilled_is_not_allowed(caplog):
    class Owing:
        def decide(self, *_: Any) -> Decision:
            return Decision.example(allowed=True, obligations=[Obligation.example("log")])

    def fails(_: Decision) -> None:
        raise OSError("disk 7 is full")

    refusal = refused(EnforcementPoint(Owing(), fulfil=fails), user(), "read", FILE)
    assert refusal.status == 500
    assert "disk" not in refusal.body.decode()
    assert "disk 7 is full" in caplog.text

    async def never(_: Decision) -> None:
        raise AssertionError

    def in_steps(_: Decision) -> Any:
        yield never

    async def never_awaited(_: Decision) -> Any:
        return never(_)

    for unfit in (never, in_steps):
        assert refused(EnforcementPoint(Owing(), fulfil=unfit), user(), "read", FILE).status == 500
    for unfit in (in_steps, never_awaited):
        point = EnforcementPoint(Owing(), fulfil=unfit)
        with pytest.raises(Refusal) as caught:
            asyncio.run(point.enforce_async(user(), "read", FILE))
        assert caught.value.status == 500


class _Fails:
    def fetch(self, keys):
        raise OSError("host db7")


@pytest.mark.parametrize(
    ("decider", "parts", "status"),
    [
        (ENGINE, ({**user(), "properties": {}}, "read", FILE), 500),
        (ENGINE, (user(), "reed", FILE), 500),
        (ENGINE, (user(), "read", FILE, {"reason": 3}), 500),
        (ENGINE, (None, "read", FILE), 401),
        (ENGINE, (user(), "read", None), 404),
        (ENGINE, (0, "read", FILE), 500),
        (ENGINE.with_store(ENGINE.store([])), (user(), "read", {"type": "File", "id": "g"}), 403),
        (SourcedEngine(ENGINE, _Facts()), (user(), "read", {"type": "File", "id": "g"}), 403),
        (SourcedEngine(ENGINE, _Fails()), (user(), "read", {"type": "File", "id": "g"}), 503),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_refused_without_a_word_about_why(decider, parts, status, caplog):
    refusal = refused(EnforcementPoint(decider), *parts)
    assert (refusal.status, refusal.decision) == (status, None)
    assert set(refusal.problem) == {"type", "title", "status", "detail"}
    assert bool(caplog.records) is (status >= 500)
    assert "db7" not in refusal.body.decode()


@pytest.mark.parametrize("allowed", [1, "true", None, object()])
def test_only_an_allow_is_one(allowed):
    class Odd:
        def decide(self, *_: Any) -> Any:
            return type("Answer", (), {"allowed": allowed, "obligations": ()})()

    refusal = refused(EnforcementPoint(Odd()), user(), "read", FILE)
    assert refusal.status == 500


def test_a_bound_subject_is_decided_about_by_what_is_in_force(tmp_path):
    path = tmp_path / "files.policy"
    path.write_text(POLICY)
    holder = PolicyHolder(path)
    bound = holder.engine.bind(user("ann"), max_age=timedelta(hours=1))
    point = EnforcementPoint(holder)
    assert point.enforce(bound, "read", FILE).allowed
    path.write_text(POLICY.replace("permit own: read", "permit own: purge"))
    assert holder.reload()
    refused(point, bound, "read", FILE)
    assert EnforcementPoint(SourcedEngine(holder.engine, _Facts(FILE, OWNER))).enforce(
        holder.engine.bind(user(level=4)), "read", {"type": "File", "id": "f"}
    ).allowed  # fmt: skip


def test_a_bound_subject_escapes_neither_its_age_nor_what_decides():
    class Paused:
        engine = ENGINE

        def decide(self, *_: object) -> Decision:
            raise RuntimeError

    bound = ENGINE.bind(user("ann"), max_age=timedelta(microseconds=1))
    for decider in (ENGINE, PolicyEngine.from_text(POLICY)):
        assert refused(EnforcementPoint(decider), bound, "read", FILE).status == 500
    assert refused(EnforcementPoint(Paused()), ENGINE.bind(user("ann")), "read", FILE).status == 500


def test_what_would_allow_is_told_where_the_service_says_so_and_as_long_as_it_lasts(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(explain_budget, "monotonic", lambda: now[0])
    point = EnforcementPoint(ENGINE, explain=ExplainBudget(2.0, per_caller=1, in_all=2))

    def told(id_: str) -> bool:
        with pytest.raises(Refusal) as caught:
            point.enforce(user(id_), "read", FILE)
        return "would_allow" in caught.value.problem

    with pytest.raises(Refusal) as caught:
        asyncio.run(point.enforce_async(user("a"), "read", FILE))
    problem = caught.value.problem
    assert {"by": "nobody", "kind": "the owner of the file"} in [
        change for changes in problem["would_allow"] for change in changes
    ]
    assert "ann" not in caught.value.body.decode()
    assert problem["tried_all"] in (True, False)
    assert [told("a"), told("b"), told("c")] == [False, True, False]
    now[0] += 60
    assert [told("a"), told("a"), told("c")] == [True, False, True]
    now[0] -= 1_000  # a clock that is set back begins again
    assert told("a")


def test_what_is_explained_in_no_time_is_refused_by_its_reason_alone():
    """Each of the passes of an explanation looks at 100,000 pairs."""
    engine = PolicyEngine.from_text("""
package groups
entity User { groups: set<string> }
entity File { groups: set<string> }
action read by User on File
permit shared: read when some a in subject.groups: some b in resource.groups: a == b otherwise "no group is the same"
""")
    mine, its = ([f"{name}{n}" for n in range(320)] for name in "ab")
    asked: Any = (
        {"type": "User", "id": "u", "properties": {"groups": mine}}, "read",
        {"type": "File", "id": "f", "properties": {"groups": its}},
    )  # fmt: skip
    refusal = refused(EnforcementPoint(engine, explain=ExplainBudget(0.01)), *asked)
    assert refusal.problem["detail"] == "no group is the same"
    assert "would_allow" not in refusal.problem


@pytest.mark.parametrize(
    "given", [{"seconds": 0}, {"seconds": float("nan")}, {"per_caller": 0}, {"in_all": 0}]
)
def test_a_budget_of_nothing_is_refused(given):
    with pytest.raises(ValueError, match=r"`seconds` is a number|is a whole number from 1 on"):
        ExplainBudget(**given)


def test_what_is_not_declared_is_refused_and_logged(caplog):
    refusal = EnforcementPoint(ENGINE).undeclared("GET /x")
    assert (refusal.status, refusal.problem["detail"]) == (403, "nothing is permitted here")
    assert caplog.record_tuples[0][:2] == ("policyengine.adapters", logging.ERROR)
    assert "GET /x is not declared" in caplog.text
