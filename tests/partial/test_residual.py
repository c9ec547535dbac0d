"""Residuals: what is left is as short as it can be, says what it reads, and decides the rest."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from policyengine import InvalidRequest, Limits, PolicyEngine
from tests.calls import called, calls

NOW = "2026-11-01T12:00:00Z"
SET = """
package shop
enum Status = draft | open | closed
levels Plan = free < pro < top
taxonomy Topic { health { mental } money }
const fee_of: Plan -> Plan = { free: pro, pro: top, top: top }
const cost: Plan -> int = { free: 0, pro: 5, top: 9 }
entity Org { active: bool }
entity User {
    org: Org, plan: Plan, roles: set<{ org: Org, admin: bool }>, until?: datetime, pin?: private string
}
entity Folder in Folder { watchers: set<User> }
entity Doc in Folder {
    org: Org, owner: User, status: Status, plan: Plan, topic: Topic, note?: string, code: string
}
action read, edit, share by User on Doc with { mfa: bool, ip_known?: bool }
obligation log(who: User)
gate rights "may they"
gate rights { RULES }
"""


def engine_of(rules: str) -> PolicyEngine:
    return PolicyEngine.from_text(SET.replace("RULES", rules))


ANN = {
    "type": "User",
    "id": "ann",
    "properties": {
        "org": {"type": "Org", "id": "acme"},
        "plan": "pro",
        "roles": [
            {"org": {"type": "Org", "id": "acme"}, "admin": True},
            {"org": {"type": "Org", "id": "beta"}, "admin": False},
        ],
        "pin": "1234",
    },
}
ACME = {"type": "Org", "id": "acme", "properties": {"active": True}}
DOC = {
    "type": "Doc",
    "id": "d",
    "properties": {
        "org": {"type": "Org", "id": "acme"},
        "owner": {"type": "User", "id": "ann"},
        "status": "open",
        "plan": "free",
        "topic": "mental",
        "code": "1234",
    },
    "parents": [],
}

CASES = {
    "permit a: read when resource.owner == subject": 'resource.owner == User "ann"',
    "permit a: read when resource.org == subject.org and subject.org.active": 'resource.org == Org "acme"',
    "permit a: read when resource.plan <= subject.plan": "resource.plan <= pro",
    "permit a: read when subject.plan >= resource.plan and resource.plan != top": "resource.plan != top",
    "permit a: read when resource.status == open permit b: read when resource.status == draft": "resource.status != closed",
    "permit a: read when resource.status == open permit b: read when resource.status != open": "true",
    "permit a: read when resource.status == open and resource.status == draft": "false",
    'permit a: read forbid b: read when resource.status == closed because "closed"': "resource.status != closed",
    "permit a: read when some r in subject.roles: r.admin and r.org == resource.org": 'resource.org == Org "acme"',
    "permit a: read when every r in subject.roles: r.admin or r.org != resource.org": 'resource.org != Org "beta"',
    "permit a: read when fee_of[resource.plan] == top": "resource.plan in {pro, top}",
    "permit a: read when cost[resource.plan] > 3": "resource.plan in {pro, top}",
    "permit a: read when cost[resource.plan] + cost[subject.plan] > 9": "cost[resource.plan] + 5 > 9",
    "permit a: read when cost[subject.plan] - cost[resource.plan] * 2 < 0": "5 - cost[resource.plan] * 2 < 0",
    "permit a: read when resource.topic within health": "resource.topic in {health, mental}",
    "permit a: read when resource.topic touches {mental}": "resource.topic in {health, mental}",
    "permit a: read when subject has until and subject.until > now": "false",
    'permit a: read when resource has note and resource.note like "a*"': 'resource has note and resource.note startswith "a"',
    "permit a: read when context.mfa": "context.mfa",
    "permit a: read when some f in ancestors(resource, Folder): subject in f.watchers": 'some f in ancestors(resource, Folder): User "ann" in f.watchers',
    "permit a: read when subject has pin and subject.pin == resource.code": "subject has pin and subject.pin == resource.code",
    "permit a: edit": "false",
    # Nothing stands twice, and what is asked of one value is asked once, within other conditions as well.
    "permit a: read when context.mfa and resource.status == open permit b: read when context.mfa and resource.plan == top": "context.mfa and (resource.status == open or resource.plan == top)",
    "permit a: read when context.mfa and resource.status == open permit b: read when context.mfa and resource.status == open and resource.plan == top": "context.mfa and resource.status == open",
    "permit a: read when (context.mfa or resource.status == open) and (context.mfa or resource.plan == top)": "context.mfa or resource.status == open and resource.plan == top",
    "permit a: read when resource.plan >= pro and (resource.plan in {free, pro} or resource.status == open)": "resource.plan >= pro and (resource.plan == pro or resource.status == open)",
    "permit a: read when resource.plan >= pro and (resource.plan >= free or resource.status == open)": "resource.plan >= pro",
    "permit a: read when context.mfa and resource has note and resource.note == resource.code permit b: read when not context.mfa and resource has note and resource.note == resource.code": "resource has note and resource.note == resource.code",
    "permit a: read when some f in ancestors(resource, Folder): (some u in f.watchers: u == u and false)": "false",
    "permit a: read when resource.owner == resource.owner and context.mfa": "context.mfa",
}


@pytest.mark.parametrize(("rules", "text"), CASES.items())
def test_the_rest_is_short(rules: str, text: str):
    engine = engine_of(rules if "edit" in rules else rules + " permit z: edit, share")
    for _ in range(2):  # the second time by tests that are generated
        left = engine.partial(action="read", subject=ANN, entities=[ACME], now=NOW)
        assert left.text == text
    assert (left.always, left.never) == (text == "true", text == "false")


def test_the_rest_is_decided():
    engine = engine_of(
        "permit a: any when resource.org == subject.org and context.mfa oblige log(subject)"
    )
    left = engine.partial(action="read", subject=ANN, context={"mfa": True}, now=NOW)
    assert left.text == 'resource.org == Org "acme"'
    assert left.reads == ("resource.org",)
    assert left.decide(resource=DOC).allowed
    other = copy.deepcopy(DOC)
    other["properties"]["org"]["id"] = "beta"
    assert not left.decide(resource=other).allowed
    assert (
        engine.decide(ANN, "read", DOC, {"mfa": True}, now=NOW).reason
        == left.decide(resource=DOC).reason
    )
    document = left.to_dict()
    assert document["decision"] is None
    assert document["obligations"] == [
        {"id": "log", "arguments": {"who": 'User "ann"'}, "after": "allow", "condition": "true"}
    ]
    with pytest.raises(InvalidRequest):
        left.decide(resource={"type": "Doc"})


def test_single_paths_may_be_unknown():
    engine = engine_of(
        "permit a: any when context.mfa or context has ip_known and resource.status == open"
    )
    asked = {"action": "read", "subject": ANN, "resource": DOC, "now": NOW}
    known = engine.partial(**asked, context={"mfa": False})
    assert known.never
    optional = engine.partial(**asked, context={"mfa": False}, unknowns=["context.ip_known"])
    assert optional.text == "context has ip_known"
    needed = engine.partial(**asked, context={"ip_known": True}, unknowns=["resource.status"])
    assert needed.text == "context.mfa or resource.status == open"
    assert needed.decide(context={"mfa": False}).allowed


def test_what_the_time_decides_holds_until_it_changes():
    engine = engine_of(
        "permit a: any when not subject has until or now < subject.until and resource.status == open"
    )
    until = datetime(2026, 12, 1, tzinfo=UTC)
    subject = {**ANN, "properties": {**ANN["properties"], "until": until.isoformat()}}
    before = engine.partial(action="read", subject=subject, now=NOW)
    assert before.text == "resource.status == open"
    assert before.valid_until == until
    after = engine.partial(action="read", subject=subject, now=until)
    assert after.never
    assert after.valid_until is None
    soon = until - timedelta(microseconds=1)
    assert engine.partial(action="read", subject=subject, now=soon).text == before.text


def test_fields_are_shown_under_conditions():
    text = SET.replace("gate rights {", 'field gate fields_ "what"\ngate rights {').replace(
        "RULES",
        "permit z: any } gate fields_ { permit all_: read fields status, plan"
        " expose own: read when resource.owner == subject fields note, owner"
        " expose masked: read fields owner as pseudonym, status as present",
    )
    engine = PolicyEngine.from_text(text)
    left = engine.partial(action="read", subject=ANN, now=NOW)
    document = left.to_dict()
    assert left.always
    mine = 'resource.owner == User "ann"'
    assert document["exposed"] == {"note": mine, "owner": mine, "plan": "true", "status": "true"}
    assert document["masks"] == {"owner as pseudonym": "true"}
    asked = engine.partial(action="read", subject=ANN, now=NOW, fields=["note"])
    assert asked.text == mine


class Odd:
    """Fails whenever something is asked of it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    __repr__ = __eq__ = __hash__ = lambda self, *_: self.odd  # type: ignore[assignment]  # so that it fails


class OddText(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = str.__hash__


class OddDict(dict[str, Any]):
    def get(self, *_: object) -> object:
        raise RuntimeError

    __getitem__ = items = keys = get  # type: ignore[assignment]  # so that it fails


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"action": "fly"}, "there is no action `fly`"),
        ({"action": 3}, "an action is a name, not 3"),
        ({"action": "read", "unknowns": ["context.pin"]}, "there is no `context.pin`"),
        ({"action": "read", "unknowns": [""]}, "there is no ``"),
        ({"action": "read", "unknowns": ["now"]}, "there is no `now`"),
        ({"action": Odd()}, "an action is a name, not <Odd"),
        ({"action": "read", "subject_type": Odd()}, "one of the types User"),
        ({"action": "read", "subject_type": "Doc"}, "one of the types User"),
        ({"action": "read", "resource": {"id": "d", "type": "User"}}, "one of the types Doc"),
    ],
)
def test_what_is_not_there_is_named(parts, said):
    with pytest.raises(ValueError, match=said):
        engine_of("permit a: any").partial(**parts)


@pytest.mark.parametrize("unknowns", ["context.mfa", 3, [3], [Odd()]])
def test_unknowns_are_a_list_of_strings(unknowns):
    with pytest.raises(TypeError, match=r"paths?"):
        engine_of("permit a: any").partial(action="read", unknowns=unknowns)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"subject": {"type": "User", "id": 3}}, "subject.id"),
        (
            {"subject": {"type": "User", "id": "a", "properties": {"plan": "big"}}},
            "subject.properties.plan",
        ),
        ({"context": {"mfa": 1}}, "context.mfa"),
        ({"context": {"mfb": True}}, "context.mfb"),
        ({"now": "yesterday"}, "now"),
        ({"entities": [{"type": "Org"}]}, "entities[0]"),
        ({"subject": Odd()}, "subject"),
        ({"subject": OddDict(type="User", id="a")}, ""),
        ({"subject": {"type": OddText("User"), "id": "a"}}, ""),
        ({"action": OddText("read")}, ""),
    ],
)
def test_what_does_not_fit_is_refused(parts, path):
    engine, parts = engine_of("permit a: any"), {"action": "read", **parts}
    if not path:
        assert engine.partial(**parts).always
        return
    with pytest.raises(InvalidRequest) as refusal:
        engine.partial(**parts)
    assert path in [problem.path for problem in refusal.value.problems]


def test_a_residual_is_not_pickled():
    left = engine_of("permit a: any").partial(action="read")
    with pytest.raises(TypeError, match="ask the engine again"):
        pickle.dumps(left)
    assert repr(left) == "<Residual true>"


NEAR = """
package near
entity Org in Org { open: bool, pin: private int }
entity User in Org {
    org: Org, boss?: User, friends: set<User>, number: int, pin: private int, name: string
    card?: private { number: int, text?: string }, code?: private string
}
entity Doc in Org { owner: User, number: int, text: string }
action read by User on Doc
permit a: read when RULE
"""

BOSS = {"type": "User", "id": "bo", "properties": {"pin": 271828, "number": 5}}
KNOWN_ENTITIES = [BOSS, {"type": "Org", "id": "o", "properties": {"pin": 161803}, "parents": []}]
EVE = {
    "type": "User",
    "id": "eve",
    "properties": {
        "org": {"type": "Org", "id": "o"},
        "boss": {"type": "User", "id": "bo"},
        "friends": [{"type": "User", "id": "bo"}, {"type": "User", "id": "al"}],
        "card": {"number": 314159, "text": "secret"},
    },
    "parents": [{"type": "Org", "id": "o"}],
}

NEAR_CASES = {
    # In a private record everything is private.
    "subject has card and subject.card.number > resource.number": "subject has card and subject.card.number > resource.number",
    "subject has card and subject.card has text and subject.card.text == resource.text": "subject has card and subject.card has text and subject.card.text == resource.text",
    "subject has card and subject.card.number > 7 and resource.number > 7": "resource.number > 7",
    "if not subject has code then resource.number > 7 else subject.code == resource.text": "if not subject has code then resource.number > 7 else subject.code == resource.text",
    # What is not known of an entity is read by the path to it: nothing can be read of `User "bo"`.
    "subject.org.open or resource.number > 7": "subject.org.open or resource.number > 7",
    "subject.org.pin == resource.number": "subject.org.pin == resource.number",
    "subject has boss and subject.boss.pin == resource.number": "subject has boss and subject.boss.pin == resource.number",
    "subject has boss and subject.boss.name == resource.text": "subject has boss and subject.boss.name == resource.text",
    "subject has boss and subject.boss.number > resource.number": "resource.number < 5",
    "subject has boss and subject.boss within resource.owner.org": "subject has boss and subject.boss within resource.owner.org",
    "some o in ancestors(subject, Org): o.pin == resource.number": "some o in ancestors(subject, Org): o.pin == resource.number",
    "some o in ancestors(subject, Org): o.open": "some o in ancestors(subject, Org): o.open",
    "some o in ancestors(subject, Org): resource within o": 'resource within Org "o"',
    "some f in subject.friends: f.number > 2": "true",
    "every f in subject.friends: f.number > resource.number": "every f in subject.friends: f.number > resource.number",
    "some f in subject.friends: f within resource.owner.org": "some f in subject.friends: f within resource.owner.org",
    "some f in subject.friends: f has boss": "some f in subject.friends: f has boss",
}


SETS = """
package sets
taxonomy Use { research { academic } ads }
entity Org in Org
entity User { uses: set<Use>, nets: set<ip>, homes: set<path>, orgs: set<Org>, words: set<string>, flag: bool }
action read by User on User with { use: Use, from: ip, at: path, org: Org, word: string }
permit a: read when RULE
"""
NO_SETS = {"uses": [], "nets": [], "homes": [], "orgs": [], "words": []}
NOBODY = {"type": "User", "id": "n", "properties": NO_SETS}
FREE = "subject.flag"

SETS_CASES = {
    f"{FREE} or context.use touches resource.uses": "subject.flag or context.use touches resource.uses",
    f"context.use touches resource.uses or {FREE}": "context.use touches resource.uses or subject.flag",
    f"context.use within resource.uses or {FREE} or context.use touches resource.uses": "context.use touches resource.uses or subject.flag",
    f"{FREE} or not (context.use touches resource.uses or {FREE})": "subject.flag or not context.use touches resource.uses",
    **{
        f"{FREE} or {condition}": FREE
        for condition in (
            "subject.uses within resource.uses", "resource.uses within subject.uses", "context.use within subject.uses",
            "subject.uses touches resource.uses", "resource.uses touches subject.uses", "context.use touches subject.uses",
            "subject.nets within resource.nets", "resource.nets within subject.nets", "context.from within subject.nets",
            "subject.homes within resource.homes", "resource.homes within subject.homes", "context.at within subject.homes",
            "subject.orgs within resource.orgs", "resource.orgs within subject.orgs", "context.org within subject.orgs",
            "subject.orgs overlaps resource.orgs", "resource.words overlaps subject.words", "context.word in subject.words",
            "not (subject.words subset resource.words)", "(some w in subject.words: w == context.word)",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize(("rule", "text"), SETS_CASES.items())
def test_what_is_asked_of_sets_can_be_written(rule: str, text: str):
    engine = PolicyEngine.from_text(SETS.replace("RULE", rule))
    left = engine.partial(action="read", subject=NOBODY)
    assert left.text == text
    PolicyEngine.from_text(SETS.replace("RULE", left.text))


@pytest.mark.parametrize(("rule", "text"), NEAR_CASES.items())
def test_the_text_reads_what_a_policy_can(rule: str, text: str):
    engine = PolicyEngine.from_text(NEAR.replace("RULE", rule))
    left = engine.partial(action="read", subject=EVE, context={}, entities=KNOWN_ENTITIES)
    assert left.text == text
    PolicyEngine.from_text(NEAR.replace("RULE", left.text))


KEPT = """
package kept
levels Plan = free < pro
const boss_of: Plan -> string = { free: "al", pro: "bo" }
entity Org
entity User { org: Org, name: string, alias?: private string, plan: Plan, roles: set<{ org: Org, admin: bool }>, friends: set<User> }
entity Doc { owner: User, org: Org, text: string }
action read by User on Doc
permit a: read when RULE
"""
KEPT_RULES = (
    "resource.owner == subject and resource.org == subject.org",
    'resource.owner == subject and subject != User "al"',
    "resource.text == subject.name and resource.owner == subject",
    'resource.owner == subject or resource.owner == User "al"',
    '(if resource.owner == subject then subject.name == "al" else resource.text == subject.name)',
    "subject.name == subject.id or resource.owner == subject",
    "resource.text startswith subject.name or lower(subject.name) == resource.text",
    "boss_of[subject.plan] == subject.id or resource.text == boss_of[subject.plan]",
    "resource.owner in subject.friends and resource.org == subject.org",
    "(some r in subject.roles: r.org == resource.org and r.admin)",
    "(some f in subject.friends: f.name == resource.text)",
    "subject has alias and subject.alias == resource.text",
)


@pytest.mark.parametrize("rule", KEPT_RULES)
def test_what_is_kept_of_a_subject_serves_for_others(rule: str):
    text, rng = KEPT.replace("RULE", rule), Random(rule)
    engine = PolicyEngine.from_text(text)

    def one() -> str:
        return rng.choice(["al", "bo", "cy", "Bo"])

    def user(id_: str) -> dict[str, Any]:
        org = {"type": "Org", "id": one()}
        given = {"org": org, "name": one(), "plan": rng.choice(["free", "pro"])}
        given["roles"] = [{"org": {"type": "Org", "id": one()}, "admin": True}]
        given["friends"] = [
            {"type": "User", "id": name} for name in rng.sample(["al", "bo", "cy"], 2)
        ]
        given |= {"alias": one()} if rng.random() < 0.5 else {}
        return {"type": "User", "id": id_, "properties": given}

    def left(of: PolicyEngine, subject: object, others: list[object]) -> str:
        return of.partial(action="read", subject=subject, entities=others, now=NOW).text

    subjects = [user(one()) for _ in range(30)]
    for subject in subjects:
        others = [user(id_) for id_ in ("al", "bo", "cy", "Bo") if id_ != subject["id"]]
        alone = PolicyEngine(engine._program, engine._checked, limits=Limits())
        assert left(engine, subject, others) == left(alone, subject, others)


def test_what_the_same_rules_show_is_put_together_once():
    def asked(fields: int) -> Callable[[], object]:
        attributes = ", ".join(f"f{number}: int" for number in range(fields))
        shown = [f"permit p{n}: go when subject.a{n} fields all" for n in range(6)]
        flags = ", ".join(f"a{n}: bool" for n in range(6))
        engine = PolicyEngine.from_text(
            f"package p entity U {{ {flags} }} entity D {{ {attributes} }} action go by U on D\n"
            f'field gate g "?"\ngate g {{ {" ".join(shown)} }}'
        )
        return lambda: engine.partial(action="go")

    few, many = (called(asked(count)).count("junction") for count in (3, 300))
    assert few == many


def test_what_tenants_share_is_found_in_proportion_to_their_rules():
    def asked(tenants: int) -> Callable[[], object]:
        rules = [
            f'permit {name}_{n}: go when subject.tenant == "t{n}" and {condition} > {n}'
            for n in range(tenants)
            for name, condition in {
                "p": "resource.size",
                "q": "resource.level * resource.size",
            }.items()
        ]
        engine = PolicyEngine.from_text(
            "package p entity U { tenant: string } entity D { size: int, level: int } action go by U on D "
            + " ".join(rules)
        )
        found = engine.partial(action="go").text
        assert found.count("subject.tenant == ") == tenants
        return lambda: engine.partial(action="go")

    few, many = (calls(asked(tenants)) for tenants in (20, 80))
    assert many < 6 * few


# ---- what is known is as it was given ---------------------------------------------------

GIVEN = """
package kept
entity User in User { banned?: bool, pin?: private string }
entity Doc { owner: User }
action read by User on Doc with { by?: User, level?: int, at?: datetime }
field gate view "which"
gate view { permit anyone: read fields all }
gate open "whether"
gate open { permit low: read when context not has level or context.level < 3
    forbid banned: read when subject has banned and subject.banned
    forbid banned_owner: read when resource.owner has banned and resource.owner.banned
    forbid banned_by: read when context has by and context.by has banned and context.by.banned }
"""


def user(name: str, **properties: object) -> dict[str, Any]:
    return {"type": "User", "id": name, "properties": properties}


def doc_of(owner: str) -> dict[str, Any]:
    owner_ = {"type": "User", "id": owner}
    return {"type": "Doc", "id": "d", "properties": {"owner": owner_}}


def of_given() -> PolicyEngine:
    return PolicyEngine.from_text(GIVEN)


def test_the_store_of_a_residual_is_kept_beside_other_entities():
    engine = of_given()
    store = engine.store([{**user("eve", banned=True), "parents": []}])
    eve, others = {"type": "User", "id": "eve"}, [user("ann")]
    assert not engine.decide(eve, "read", doc_of("eve"), entities=store).allowed
    left = engine.partial(action="read", subject=eve, context={}, entities=store)
    assert left.never
    for entities in (None, [], others, iter(others)):
        resource = doc_of("eve" if not entities else "ann")
        decision = left.decide(resource=resource, entities=entities)
        assert (decision.allowed, decision.rules[0]) == (False, "open.banned"), entities


def test_a_store_takes_the_place_of_that_of_a_residual():
    engine = of_given()
    stores = [engine.store([{**user("eve", banned=x), "parents": []}]) for x in (True, False)]
    left = engine.partial(action="read", resource=doc_of("eve"), context={}, entities=stores[0])
    assert left.never
    eve = {"type": "User", "id": "eve"}
    assert [left.decide(subject=eve, entities=x).allowed for x in (*stores, None)] == [
        False,
        True,
        False,
    ]
    assert (
        engine.with_store(stores[0])
        .partial(action="read", resource=doc_of("eve"), context={})
        .decide(subject=eve, entities=stores[1])
        .allowed
    )


def test_a_residual_decides_by_what_was_given_when_it_was_asked():
    engine = of_given()
    eve, owner, context, fields = user("eve", banned=True), user("ann"), {"level": 5}, ["owner"]
    entities = [owner]
    left = engine.partial(
        action="read", subject=eve, context=context, entities=entities, fields=fields
    )
    assert left.never
    eve["properties"]["banned"] = False
    owner["properties"]["banned"] = True
    context.clear()
    entities.clear()
    fields[0] = "nothing"
    decision = left.decide(resource=doc_of("ann"))
    assert decision.rules == ("open.banned",)
    assert decision.request.fields == ["owner"]


def test_entities_that_are_read_but_once_are_there_for_each_decision_of_a_residual():
    engine = of_given()
    ann = user("ann", banned=True)
    left = engine.partial(action="read", subject=user("eve"), context={}, entities=iter([ann]))
    for _ in range(2):
        assert left.decide(resource=doc_of("ann")).rules == ("open.banned_owner",)
        assert left.decide(resource=doc_of("bob"), entities=iter([user("bob")])).allowed


def test_a_residual_takes_the_rest_of_a_context_that_was_built():
    engine = of_given()
    eve, bob = user("eve"), engine.entity("User", "bob", banned=True)
    for known in ({"level": 1}, engine.context("read", level=1)):
        left = engine.partial(action="read", subject=eve, context=known, entities=[user("ann")])
        for rest in ({"by": bob}, engine.context("read", by=bob)):
            decision = left.decide(resource=doc_of("ann"), context=rest)
            assert decision.rules == ("open.banned_by",)
            assert decision.request.context["level"] == 1
    for known in ({"by": bob}, engine.context("read", by=bob)):
        left = engine.partial(action="read", subject=eve, context=known, entities=[user("ann")])
        assert left.never
        for rest in (None, {"level": 1}, engine.context("read", level=1)):
            decision = left.decide(resource=doc_of("ann"), context=rest)
            assert decision.rules == ("open.banned_by",)
    with pytest.raises(InvalidRequest) as refusal:
        left.decide(resource=doc_of("ann"), context=["level"])
    assert [problem.path for problem in refusal.value.problems] == ["context"]


def test_objects_that_change_after_a_residual_was_asked_change_nothing():
    engine = of_given()
    engine.register(SimpleNamespace, "User", banned="banned", pin=None)
    row = SimpleNamespace(id="eve", banned=True)
    left = engine.partial(action="read", subject=row, context={}, entities=[user("ann")])
    row.banned = False
    assert left.decide(resource=doc_of("ann")).rules == ("open.banned",)


def test_a_decision_by_a_residual_is_recorded_once():
    recorded: list[object] = []
    engine = of_given().with_record(recorded.append)
    left = engine.partial(action="read", subject=user("eve"), context={}, entities=[user("ann")])
    decision = left.decide(resource=doc_of("ann"))
    assert recorded == [decision]
    with pytest.raises(InvalidRequest):
        left.decide(resource={"type": "Doc"})
    assert [one.allowed for one in recorded] == [True, False]


def test_what_a_residual_ignored_is_said_of_each_decision():
    engine = PolicyEngine.from_text(GIVEN, undeclared="drop")
    eve = user("eve", colour="red")
    left = engine.partial(action="read", subject=eve, context={}, entities=[user("ann")])
    assert left.decide(resource=doc_of("ann")).ignored == ("subject.properties.colour",)
