"""A set with values of every type, and an engine asked in every way there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policyengine import Decision, DecisionCache, InvalidRequest, PolicyEngine

AUDIENCES = ("user", "developer", "auditor")


def policy(version: int = 0) -> str:
    """Return a policy set; sets of other versions differ in types, constants and texts."""
    return f"""
package ways

enum Kind = plain | odd | v{version}
levels Tier = free < basic < pro
taxonomy Topic {{ science {{ physics  biology }} arts }}
entity Team in Team
entity User in Team {{
    name: string, age: int, tags: set<string>, kinds: set<Kind>, tier: Tier, topic?: Topic
    home: {{ city: string, at?: {{ lat: decimal, long: decimal }} }}
    boss?: User, secret?: private string, pets: set<{{ name: string, tame: bool }}>
}}
entity Document {{ owner: User, readers: set<User>, made: datetime, wait: duration, from: ip, price: decimal
    title: string, body: string }}
action read, write by User on Document with {{ why?: string, urgent?: bool }}
action close by User on User
obligation notify(who: User, text: string, wait: duration)
gate access "whether it may be used"
field gate scope "which parts may be seen"

gate access {{
    permit own: read, write when resource.owner == subject because "{{subject}} owns {{resource}}"
    permit named: read
        when subject.name == "n{version}" and resource.price > 1.50 and resource.from within ip "10.0.0.0/8"
        because "version {version} knows {{subject.name}}"
        oblige notify(resource.owner, subject.name, resource.wait)
    permit staff: write when subject within Team "staff" and subject.tier >= Tier.basic
        otherwise "{{subject.name}} of {{subject.home.city}} is not of the staff"
    permit friend: read when subject in resource.readers and now - resource.made < 365d
    permit boss: close when resource has boss and resource.boss == subject
    forbid odd: any when Kind.odd in subject.kinds because "{{subject.name}} is odd"
    advisory forbid old: any when subject.age > {version + 90}
}}
gate scope {{
    permit title: read, write fields title
    permit other: close
    expose rest: read when subject has topic and subject.topic within Topic.science fields all
}}
"""


TEAM = {"type": "Team", "id": "staff", "parents": []}


def user(id: str = "ann", **properties: Any) -> dict[str, Any]:
    """Return a user as a dict."""
    return {
        "type": "User", "id": id, "parents": [{"type": "Team", "id": "staff"}],
        "properties": {
            "name": "n0", "age": 44, "tags": ["a", "b"], "kinds": ["plain"], "tier": "basic",
            "topic": "physics", "home": {"city": "Rome", "at": {"lat": "41.9", "long": "12.5"}},
            "boss": {"type": "User", "id": "bob"}, "secret": "hush",
            "pets": [{"name": "rex", "tame": True}], **properties,
        },
    }  # fmt: skip


def document(owner: str = "bob", **properties: Any) -> dict[str, Any]:
    """Return a document as a dict."""
    return {
        "type": "Document", "id": "plan",
        "properties": {
            "owner": {"type": "User", "id": owner}, "readers": [{"type": "User", "id": "cid"}],
            "made": "2001-02-03T04:05:06Z", "wait": "24h", "from": "10.1.2.3", "price": "2.25",
            "title": "Plan", "body": "…", **properties,
        },
    }  # fmt: skip


USERS = [
    user(),
    user("bob", name="x", boss={"type": "User", "id": "ann"}),
    user("cid", name="y", topic="arts"),
    user("dan", name="z", tier="free", home={"city": "Ur"}),
    user("eve", kinds=["odd"], secret="other", pets=[]),
]


def requests() -> list[tuple[Any, str, Any, Any]]:
    """Return requests: allows and denies, and some that do not fit."""
    ann, bob, cid, dan, eve = USERS
    return [
        (ann, "read", document(), {"why": "audit", "urgent": True}),
        (bob, "write", document(), None),
        (eve, "write", document(), {}),
        (cid, "read", document(made="2999-01-01"), {}),
        (dan, "write", document(), {}),
        (ann, "close", bob, None),
        (cid, "close", dan, {}),
        (user(age="old", nmae="n"), "read", document(), None),
        (ann, "reed", document(), None),
    ]


def built(engine: PolicyEngine, raw: dict[str, Any]) -> Any:
    """Build an entity that was given as a dict."""
    team = engine.entity("Team", "staff", parents=[])
    parents = {"parents": [team]} if "parents" in raw else {}
    return engine.entity(raw["type"], raw["id"], raw["properties"], **parents)


def said(decision: Decision) -> dict[str, Any]:
    """Return everything that a decision says."""
    names = [name for name in dir(Decision) if isinstance(getattr(Decision, name), property)]
    names = [
        name for name in names if name[0] != "_" and name not in {"id", "request", "decided_at"}
    ]
    return {
        **{name: getattr(decision, name) for name in names}, "allowed": decision.allowed,
        "outcome": decision.outcome, "json": decision.to_json(), "bytes": decision.to_bytes(),
        "ignoring": decision.ignoring(["x"]).to_json(), "repr": repr(decision),
        "redacted": decision.redact({"title": 1, "body": 2}), "parameters": [
            dict(obligation.parameters) for obligation in decision.obligations
        ],
    }  # fmt: skip


def decisions(engine: PolicyEngine) -> Iterator[Decision]:
    """Decide every request in every way."""
    store = engine.store([TEAM, *USERS, document()])
    for subject, action, resource, context in requests():
        yield from engine.decide_many([(subject, action, resource, context)] * 2)
        for more in ({}, {"now": "2026-11-23"}, {"fields": ["title"]}, {"entities": [TEAM]}):
            try:
                yield engine.decide(subject, action, resource, context, **more)
                yield engine.decide(subject, action, resource, context, **more)
            except InvalidRequest:
                continue
        try:
            parts = built(engine, subject), action, built(engine, resource)
            ready = engine.context(action, context or {})
        except InvalidRequest:
            continue
        bound, one, cache = (
            engine.bind(parts[0]),
            engine.bind(parts[0], action),
            DecisionCache(engine),
        )
        for _ in range(2):
            yield engine.decide(*parts, ready)
            yield bound.decide(action, parts[2], ready)
            yield from bound.decide_many([(action, parts[2], ready)])
            yield one.decide(parts[2], ready)
            yield cache.decide(*parts, ready)
            if action == "write":
                named = [{"type": part["type"], "id": part["id"]} for part in (subject, resource)]
                yield engine.decide(named[0], action, named[1], entities=store)


def explained(engine: PolicyEngine) -> Iterator[Any]:
    """Explain every request."""
    for subject, action, resource, context in requests():
        try:
            more = {"now": "2026-11-23", "entities": [TEAM]}
            yield engine.explain(subject, action, resource, context, **more)
        except InvalidRequest:
            continue


def answers(engine: PolicyEngine) -> list[Any]:
    """Return all that is said by an engine that is asked in every way."""
    found: list[Any] = [engine.digest, engine.schema, engine.rules]
    found += map(said, decisions(engine))
    for explanation in explained(engine):
        found += [explanation.to_json(audience) for audience in AUDIENCES]
        found += [list(explanation.lines(audience)) for audience in AUDIENCES]
    for subject, action, resource, context in requests():
        asked = {
            "subject": subject, "action": {"name": action}, "resource": resource,
            "context": context or {}, "entities": [TEAM],
        }  # fmt: skip
        found.append(json.loads(engine.decide_json(json.dumps(asked))))
    return found
