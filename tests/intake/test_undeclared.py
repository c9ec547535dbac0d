"""Undeclared members: dropped and reported where that is asked for, unless a rule could have been meant by one."""

from __future__ import annotations

import json
import logging
import pickle
from typing import Any

import pytest

from policyengine import DecisionCache, InvalidRequest, PolicyEngine
from policyengine.intake.undeclared import Undeclared, are_near

POLICY = """\
package files
entity Team { frozen?: bool }
entity Clerk in Team { standing: bool, suspended?: bool, nick?: string, secret?: private { pin?: int } }
entity File { sealed: bool, owner?: Clerk, tags?: set<{ name: string, hidden?: bool }>, meta?: { level: int, locked?: bool } }
action view, archive by Clerk on File with { method?: string, note?: string }
permit reader: view when not resource.sealed
permit good: archive when subject.standing
forbid bad: view when subject has suspended and subject.suspended
forbid of_bad: view when resource has owner and resource.owner has suspended and resource.owner.suspended
forbid noted: view when context has note and context.note == "x"
forbid tagged: view when resource has tags and (some t in resource.tags: t has hidden and t.hidden)
forbid locked: view when resource has meta and resource.meta has locked and resource.meta.locked
forbid secret: view when subject has secret and subject.secret has pin and subject.secret.pin == 1
"""
DROP = PolicyEngine.from_text(POLICY, undeclared="drop")
OWNER = {"type": "Clerk", "id": "d"}


def asked(
    subject: dict[str, Any] | None = None, resource: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a request whose subject and resource have these properties beside those that it needs."""
    clerk = {"type": "Clerk", "id": "c", "properties": {"standing": True, **(subject or {})}}
    file = {"type": "File", "id": "f", "properties": {"sealed": False, **(resource or {})}}
    return {"subject": clerk, "action": {"name": "view"}, "resource": file, **more}


DROPPED: list[tuple[dict[str, Any], list[str]]] = [
    (asked({"email": "x", "": 1.5}), ["subject.properties.email", 'subject.properties[""]']),
    (asked({"suspnded": True, "suspended": False}), ["subject.properties.suspnded"]),
    (asked({"nikc": "x"}), ["subject.properties.nikc"]),  # no rule reads the nick
    (asked(resource={"meta": {"level": 1, "locked": False}, "locked": 1}), ["resource.properties.locked"]),
    (asked({"clerk_suspended": 1, "suspended": False}), ["subject.properties.clerk_suspended"]),
    (asked({"suspnded": True}, action={"name": "archive"}), ["subject.properties.suspnded"]),
    (asked({"secret": {"a": 1, "b": 2}}), ["subject.properties.secret"]),
    (asked(context={"trace": [[]]}), ["context.trace"]),
    (asked(action={"name": "view", "properties": {"region": 1}}), ["context.region"]),
    (asked(action={"name": "view", "region": 1}), ["action.region"]),
    (asked(resource={"tags": [{"name": "a", "x": 1}]}), ["resource.properties.tags[0].x"]),
    (asked(resource={"meta": {"level": 1, "zzzzzz": 1}}), ["resource.properties.meta.zzzzzz"]),
    (
        asked(resource={"owner": {**OWNER, "x": 1}}, entities=[{**OWNER, "y": 1, "parents": []}]),
        ["resource.properties.owner.x", "entities[0].y"],
    ),
    (
        {**asked(), "subject": {**asked()["subject"], "parents": [{"type": "Team", "id": "t", "x": 1}]}},
        ["subject.parents[0].x"],
    ),
]  # fmt: skip

NEAR: list[tuple[dict[str, Any], str, str]] = [
    (asked({"suspnded": True}), "subject.properties.suspnded", "suspended"),
    (asked({"SUSPENDED": True}), "subject.properties.SUSPENDED", "suspended"),
    (asked({"isSuspended": True}), "subject.properties.isSuspended", "suspended"),
    (asked({"is-suspend": True}), 'subject.properties["is-suspend"]', "suspended"),
    (asked({"\uff53uspended": True}), 'subject.properties["\uff53uspended"]', "suspended"),
    (asked({"flags": {"Suspended": True}}), "subject.properties.flags", "suspended"),
    (asked({"flags": [{"x": 1}, {"Suspended": True}]}), "subject.properties.flags", "suspended"),
    (asked(resource={"meta": {"level": 1, "tag": []}}), "resource.properties.meta.tag", "tags"),
    (asked(resource={"tags": [{"name": "a", "meta": 1}]}), "resource.properties.tags[0].meta", "meta"),
    (asked({"https://claims.example/suspended": True}), 'subject.properties["https://claims.example/suspended"]', "suspended"),
    (asked(resource={"meta.locked": True}), 'resource.properties["meta.locked"]', "meta.locked"),
    (asked(resource={"meta_locked": True}), "resource.properties.meta_locked", "meta.locked"),
    (asked(resource={"meta": {"level": 1}, "locked": True}), "resource.properties.locked", "meta.locked"),
    (asked(resource={"meta": {"level": 1}, "meta.locked": True}), 'resource.properties["meta.locked"]', "meta.locked"),
    (asked(resource={"meta": {"level": 1}, "x": {"locked": True}}), "resource.properties.x", "meta.locked"),
    (asked({"clerk_suspended": True}), "subject.properties.clerk_suspended", "suspended"),
    (asked({"clerkIsSuspended": True}), "subject.properties.clerkIsSuspended", "suspended"),
    (asked(resource={"owner": {**OWNER, "ClerkSuspended": 1}}), "resource.properties.owner.ClerkSuspended", "suspended"),
    (asked(resource={"data": {"meta": {"locked": True}}}), "resource.properties.data", "meta"),
    ({**asked(), "subject": {**asked()["subject"], "attributes": {"suspended": True}}}, "subject.attributes", "suspended"),
    (asked(action={"name": "view", "extra": {"note": "x"}}), "action.extra", "note"),
    (asked(context={"Note": "x"}), "context.Note", "note"),
    (asked(action={"name": "view", "note": "x"}), "action.note", "note"),
    (asked(action={"name": "view", "propertes": {}}), "action.propertes", "properties"),
    (asked(action={"name": "view", "properties": {"not_e": 1}}), "context.not_e", "note"),
    (asked(resource={"tags": [{"name": "a"}, {"name": "b", "hiden": 1}]}), "resource.properties.tags[1].hiden", "hidden"),
    (asked(resource={"meta": {"level": 1, "lock": 1}}), "resource.properties.meta.lock", "locked"),
    (asked(entities=[{**OWNER, "properties": {"standing": True, "suspend": 1}}]), "entities[0].properties.suspend", "suspended"),
    (asked(resource={"owner": {**OWNER, "suspended": True}}), "resource.properties.owner.suspended", "suspended"),
    ({**asked(), "subject": {**asked()["subject"], "suspended": True}}, "subject.suspended", "suspended"),
    ({**asked(), "subject": {**asked()["subject"], "parent": []}}, "subject.parent", "parents"),
    (asked(resource={"owner": OWNER}, entities=[{**OWNER, "property": {"suspended": True}}]), "entities[0].property", "properties"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "ignored"), DROPPED)
def test_what_nothing_is_meant_by_is_dropped_and_reported(request_, ignored):
    for engine in (DROP, pickle.loads(pickle.dumps(DROP)), DROP.with_store(None)):
        for _ in range(2):
            decision = engine.decide_request(json.dumps(request_))
            assert (decision.allowed, list(decision.ignored)) == (True, ignored), decision
    assert json.loads(DROP.decide_json(request_))["context"]["ignored"] == ignored
    assert list(DROP.evaluations({"evaluations": [request_]}).decisions[0].ignored) == ignored
    strict = PolicyEngine.from_text(POLICY).decide_request(request_)
    assert {problem.code for problem in strict.problems} <= {"PE504", "PE520"} != set()


@pytest.mark.parametrize(("request_", "path", "meant"), NEAR)
def test_what_a_rule_could_be_meant_by_denies(request_, path, meant):
    decision = DROP.decide_request(request_)
    assert [(p.code, p.path) for p in decision.problems if p.code != "PE508"] == [("PE533", path)]
    assert f"`{meant}`" in decision.problems[0].message
    assert (decision.allowed, decision.cause) == (False, "invalid_request")
    assert "suspnded" not in decision.reason_for("user") or "suspnded" in path


def test_no_member_of_what_is_private_is_named():
    [problem] = DROP.decide_request(asked({"secret": {"pim": 1}})).problems
    assert (problem.code, problem.path) == ("PE533", "subject.properties.secret")
    assert "pi" not in problem.message


def test_every_other_way_drops_as_well():
    request = asked({"email": "x"}, context={"trace": 1})
    subject, action, resource, context = (
        request["subject"], "view", request["resource"], request["context"],
    )  # fmt: skip
    cache = DecisionCache(DROP)
    bound = DROP.bind(asked()["subject"])
    both = ("subject.properties.email", "context.trace")
    for _ in range(3):
        assert DROP.decide(subject, action, resource, context).ignored == both
        assert cache.decide(subject, action, resource, context).ignored == both
        assert cache.decide(asked()["subject"], action, resource).ignored == ()
        assert bound.decide(action, resource, context).ignored == ("context.trace",)
        assert [d.ignored for d in DROP.decide_many([(subject, action, resource, context)])] == [
            both
        ]
    assert DROP.explain(subject, action, resource, context).outcome.allowed
    assert not DROP.partial(action="view", subject=subject, context=context).never
    with pytest.raises(InvalidRequest, match="PE533"):
        DROP.partial(action="view", subject=asked({"suspend": True})["subject"])


def test_what_is_built_has_only_members_that_no_rule_is_meant_by(caplog):
    caplog.set_level(logging.INFO, "policyengine.undeclared")
    clerk = DROP.entity("Clerk", "c", standing=True, email="x")
    file = {"type": "File", "id": "f", "properties": {"sealed": False, "size": 3}}
    store = DROP.store([clerk, file])
    changed = store.with_changes(put=[{**file, "properties": {"sealed": True, "mime": 3}}])
    DROP.context("view", trace=1)
    said = [record.getMessage() for record in caplog.records]
    places = ["properties.email", "[1].properties.size", "put[0].properties.mime", "context.trace"]
    assert said == [f"ignored: {place}" for place in places]
    names = {"type": "Clerk", "id": "c"}, "view", {"type": "File", "id": "f"}
    assert DROP.with_store(store).decide(*names).allowed
    assert not DROP.with_store(changed).decide(*names).allowed
    for build in (
        lambda: DROP.entity("Clerk", "c", standing=True, nik="x"),  # for whatever action
        lambda: DROP.context("archive", notes="x"),
        lambda: DROP.store([{**file, "properties": {"sealed": True, "metas": {}}}]),
        lambda: store.with_changes(put=[{**file, "properties": {"sealed": True, "metas": {}}}]),
        lambda: DROP.bind({"type": "Clerk", "id": "c", "properties": {"suspend": True}}),
    ):
        with pytest.raises(InvalidRequest, match="PE533"):
            build()


def test_a_name_at_the_top_that_is_like_a_part_denies():
    for engine in (DROP, PolicyEngine.from_text(POLICY)):
        for name in ("contxt", "Context", "entites", "entity"):
            assert [p.code for p in engine.decide_request(asked(**{name: {}})).problems] == [
                "PE533"
            ]
            whole = engine.evaluations({"evaluations": [asked()], name: {}})
            assert [(p.code, p.path) for p in whole.problems] == [("PE533", name)]
        assert engine.decide_request(asked(contxt={}, context={})).ignored == ("contxt",)
        item = {"contxt": {}, "context": {}, "entities": []}
        one = engine.evaluations({"evaluations": [asked(**item)]}).decisions[0]
        assert (one.allowed, one.ignored) == (True, ("contxt",))


@pytest.mark.parametrize("name", ["subjct", "Resource", "acton", "contexts", "entity", "feilds"])
def test_an_item_of_a_batch_is_not_decided_about_what_a_misspelt_part_was_to_replace(name):
    whole = {**asked(), "context": {}, "fields": ["id"], "entities": []}
    for engine in (DROP, PolicyEngine.from_text(POLICY)):
        item = engine.evaluations({**whole, "evaluations": [{name: {}}]}).decisions[0]
        assert (item.allowed, [p.code for p in item.problems]) == (False, ["PE533"])


def test_members_that_are_many_or_long_are_bounded():
    many = {f"{'x' * 6}{number}": 1 for number in range(20_000)}
    assert DROP.decide_request(asked(many)).problems[0].code == "PE533"
    assert len(DROP.decide_request(asked(dict(list(many.items())[:1_000]))).ignored) == 100
    inside = {f"{'x' * 6}{number}": 1 for number in range(101)}
    assert DROP.decide_request(asked({"data": inside})).problems[0].code == "PE533"
    del inside["xxxxxx0"]
    assert DROP.decide_request(asked({"data": inside})).allowed
    assert DROP.decide_request(asked({"x" * 300: 1})).problems[0].code == "PE533"
    assert are_near("_" * 150 + "suspended", "suspended")


def test_what_is_given_is_looked_at_once_whatever_is_beside_it():
    class Given(dict[str, Any]):
        asked = 0

        def __contains__(self, name: object) -> bool:
            self.asked += 1
            return super().__contains__(name)

    given, owner = Given(standing=True, suspended=False), DROP.schema.entities["Clerk"]
    undeclared = Undeclared()
    for number in range(100):
        assert undeclared.meant(f"zzzzzzzzz{number}", 1, owner, given, ()) is None
    assert given.asked == len(owner.attributes)


def test_there_is_no_third_way():
    with pytest.raises(ValueError, match="'refuse' or 'drop'"):
        PolicyEngine.from_text(POLICY, undeclared="ignore")  # type: ignore[arg-type] # which is the point


@pytest.mark.parametrize(
    ("one", "other"),
    [("hasMfa", "mfa"), ("mfa", "has_mfa"), ("is_island", "island"), ("tierr", "tier"), ("ab", "xy"), ("clearence", "clearance"), ("Property", "properties")],
)  # fmt: skip
def test_near(one, other):
    assert are_near(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("locked", "frozen"), ("nickname", "nick"), ("abc", "xyz")]
)
def test_far(one, other):
    assert not are_near(one, other)


RECORDS = """
package b
entity Clerk { profile?: { blocked?: bool, nickname?: string } }
entity Door
action open by Clerk on Door
permit c: open
forbid p: open when subject has profile and subject.profile has blocked and subject.profile.blocked
"""


@pytest.mark.parametrize(
    ("properties", "cause"),
    [
        ({"blocked": True}, "invalid_request"),
        ({"isBlocked": True}, "invalid_request"),
        ({"nickname": "Kit"}, "permitted"),  # which no rule reads
        ({"blocked": True, "profile": {"blocked": False}}, "permitted"),
        ({"profile": {"blocked": True}}, "forbidden"),
    ],
)
def test_a_part_of_an_absent_record_may_be_meant_beside_it(properties, cause: str):
    engine = PolicyEngine.from_text(RECORDS, undeclared="drop")
    found = engine.decide_request({
        "subject": {"type": "Clerk", "id": "c", "properties": properties},
        "action": {"name": "open"}, "resource": {"type": "Door", "id": "d"},
    })  # fmt: skip
    assert found.cause == cause
