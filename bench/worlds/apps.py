"""Make requests of the small world `apps.policy`, and answer them by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from attrs import frozen

from bench.rules import Check, Parts, Plain, Rule, World
from policyengine import Decision, PolicyEngine

POLICY = Path(__file__).parent / "apps.policy"

_SEED = 20_261_124
_TIERS = ("free", "basic", "pro", "enterprise")
_USES = ("ads", "brand_monitoring", "civic", "customer_service", "publishing", "research")
_SCOPES = ("post.read", "post.write", "message.read", "message.write", "user.read", "geo.read",
           "stream")  # fmt: skip
_SENSITIVE = frozenset({"ethnicity", "politics", "health", "religion", "orientation"})
_OTHERS = ("topic", "language", "mood")
ACTIONS = (
    "read_post", "search_recent", "search_all", "follow_stream", "read_message", "send_message",
    "read_profile", "read_place", "write_post", "export", "redistribute", "match_people",
)  # fmt: skip
"""What apps do in the small world."""
_RANKS = {tier: rank for rank, tier in enumerate(_TIERS)}


def make(_: int, count: int) -> World:
    """Return the world, which has one size, with *count* requests."""
    text = POLICY.read_text(encoding="utf-8")

    def by_hand(request: Plain) -> bool:
        return decide_by_hand(request)[0]

    return World((text,), _rules(), make_requests(count), by_hand, build)


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return in_all_forms(engine, [request])[0].built


def make_requests(count: int) -> list[Plain]:
    """Return *count* requests, always the same ones; about half are allowed."""
    rng = Random(_SEED)
    apps = [
        {
            "id": f"app{number}",
            "tier": (tier := rng.choice((*_TIERS, "pro", "enterprise", "enterprise"))),
            "rank": _RANKS[tier],
            "status": "active" if rng.random() < 0.96 else rng.choice(("suspended", "terminated")),
            "uses": frozenset(use for use in _USES if rng.random() < 0.93),
            "scopes": frozenset(scope for scope in _SCOPES if rng.random() < 0.95),
            "days_since_review": rng.randint(0, 390),
        }
        for number in range(200)
    ]
    return [_request(rng, rng.choice(apps), number) for number in range(count)]


def _request(rng: Random, app: Plain, number: int) -> Plain:
    owner = f"user{rng.randrange(1000)}"
    agreed = {f"user{rng.randrange(1000)}" for _ in range(rng.randint(0, 6))}
    derives = {rng.choice(_OTHERS) for _ in range(rng.randint(0, 3))}
    if rng.random() < 0.05:
        derives.add(rng.choice(sorted(_SENSITIVE)))
    return {
        "subject": app,
        "action": rng.choice(ACTIONS),
        "resource": {
            "id": f"item{number}",
            "owner": owner,
            "protected": rng.random() < 0.2,
            "kind": rng.choice(("post", "post", "message", "profile")),
            "located": rng.random() < 0.5,
            "opted_out": rng.random() < 0.15,
        },
        "context": {
            "use": "surveillance" if rng.random() < 0.03 else rng.choice((*_USES, "research")),
            "derives": frozenset(derives),
            "agreed": frozenset(agreed | {owner} if rng.random() < 0.85 else agreed),
            "matches_elsewhere": rng.random() < 0.15,
        },
    }


def decide_by_hand(request: Plain) -> tuple[bool, str]:
    """Decide as a careful programmer writes it: the decision, and the rule that made it."""
    app, context = request["subject"], request["context"]
    status, use, derives = app["status"], context["use"], context["derives"]
    if status == "terminated" or status == "suspended":  # noqa: PLR1714 - quicker than a set
        return False, status
    if use == "surveillance":
        return False, "surveillance"
    if use not in app["uses"]:
        return False, "other_use"
    if derives and not derives.isdisjoint(_SENSITIVE):
        return False, "sensitive"
    item = request["resource"]
    if context["matches_elsewhere"] and item["owner"] not in context["agreed"]:
        return False, "matching"
    rank, scopes = app["rank"], app["scopes"]
    if rank == 3 and app["days_since_review"] > 365:
        return False, "review_due"
    action = request["action"]
    if action == "read_post":
        if "post.read" in scopes:
            if not item["protected"]:
                return True, "post"
            if item["owner"] in context["agreed"]:
                return True, "protected_post"
    elif action == "search_recent":
        if rank >= 1 and "post.read" in scopes:
            return True, "recent"
    elif action == "search_all":
        if rank >= 2 and "post.read" in scopes:
            return True, "archive"
    elif action == "follow_stream":
        if rank >= 2 and "post.read" in scopes and "stream" in scopes:
            return True, "stream"
    elif action == "read_message":
        if "message.read" in scopes and item["owner"] in context["agreed"]:
            return True, "messages"
    elif action == "send_message":
        if rank >= 1 and "message.write" in scopes and item["owner"] in context["agreed"]:
            return True, "sending"
    elif action == "read_profile":
        if "user.read" in scopes:
            if not item["protected"]:
                return True, "profile"
            if item["owner"] in context["agreed"]:
                return True, "agreed_profile"
    elif action == "read_place":
        if rank >= 2 and "geo.read" in scopes and item["located"]:
            return True, "place"
    elif action == "write_post":
        if "post.write" in scopes and item["owner"] in context["agreed"]:
            return True, "writing"
    elif item["opted_out"]:
        return False, "opted_out"
    elif action == "export":
        if rank >= 3 and use == "research" and not item["protected"]:
            return True, "exporting"
    elif action == "redistribute":
        if item["located"]:
            return False, "place_redistributed"
        if rank >= 2 and item["kind"] == "post" and not item["protected"]:
            return True, "redistributing"
    elif (
        action == "match_people"
        and rank >= 3
        and "user.read" in scopes
        and item["owner"] in context["agreed"]
    ):
        return True, "people"
    return False, "not permitted"


# ---- the rules in neutral form ----------------------------------------------------------

_AGREED = Check("holds", "context.agreed", "resource.owner")
_OPEN = Check("false", "resource.protected")


def _rules() -> tuple[Rule, ...]:
    def may(scope: str) -> Check:
        return Check("has", "subject.scopes", scope)

    def on(tier: str) -> Check:
        return Check(">=", "subject.rank", _RANKS[tier])

    forbids: list[tuple[str, tuple[str, ...], tuple[Check, ...]]] = [
        ("terminated", (), (Check("==", "subject.status", "terminated"),)),
        ("suspended", (), (Check("==", "subject.status", "suspended"),)),
        ("surveillance", (), (Check("==", "context.use", "surveillance"),)),
        ("other_use", (), (Check("lacks", "subject.uses", "context.use"),)),
        *((trait, (), (Check("has", "context.derives", trait),)) for trait in sorted(_SENSITIVE)),
        (
            "matching",
            (),
            (Check("true", "context.matches_elsewhere"),
             Check("lacks", "context.agreed", "resource.owner")),
        ),
        (
            "review_due",
            (),
            (Check("==", "subject.tier", "enterprise"),
             Check(">", "subject.days_since_review", 365)),
        ),
        (
            "opted_out",
            ("export", "redistribute", "match_people"),
            (Check("true", "resource.opted_out"),),
        ),
        ("place_redistributed", ("redistribute",), (Check("true", "resource.located"),)),
    ]  # fmt: skip
    permits: list[tuple[str, str, tuple[Check, ...]]] = [
        ("post", "read_post", (may("post.read"), _OPEN)),
        ("protected_post", "read_post",
         (may("post.read"), Check("true", "resource.protected"), _AGREED)),
        ("recent", "search_recent", (on("basic"), may("post.read"))),
        ("archive", "search_all", (on("pro"), may("post.read"))),
        ("stream", "follow_stream", (on("pro"), may("post.read"), may("stream"))),
        ("messages", "read_message", (may("message.read"), _AGREED)),
        ("sending", "send_message", (on("basic"), may("message.write"), _AGREED)),
        ("profile", "read_profile", (may("user.read"), _OPEN)),
        ("agreed_profile", "read_profile", (may("user.read"), _AGREED)),
        ("place", "read_place",
         (on("pro"), may("geo.read"), Check("true", "resource.located"))),
        ("writing", "write_post", (may("post.write"), _AGREED)),
        ("exporting", "export",
         (on("enterprise"), Check("==", "context.use", "research"), _OPEN)),
        ("redistributing", "redistribute",
         (on("pro"), Check("==", "resource.kind", "post"), _OPEN)),
        ("people", "match_people", (on("enterprise"), may("user.read"), _AGREED)),
    ]  # fmt: skip
    return (
        *(Rule(name, False, actions, tests) for name, actions, tests in forbids),
        *(Rule(name, True, (action,), tests) for name, action, tests in permits),
    )


def agrees(decision: Decision, answer: tuple[bool, str]) -> bool:
    """Whether a decision is that of the hand-written function, and rests on its rule, too."""
    allowed, rule = answer
    names = {id_.partition(".")[2] for id_ in decision.rules}
    if rule == "sensitive":
        rule = next(iter(names & _SENSITIVE), "")
    return decision.allowed == allowed and (rule == "not permitted" or rule in names)


# ---- other forms of a request -----------------------------------------------------------


@frozen
class Forms:
    """One request as the engine takes it: of built parts, as dicts, and as JSON."""

    built: tuple[Any, str, Any, Any]
    dicts: tuple[Any, str, Any, Any]
    wire: bytes


def in_all_forms(engine: PolicyEngine, requests: list[Plain]) -> list[Forms]:
    """Return each request in every form; an app is built once."""
    apps: dict[str, Any] = {}
    return [_in_all_forms(engine, request, apps) for request in requests]


def _in_all_forms(engine: PolicyEngine, request: Plain, apps: dict[str, Any]) -> Forms:
    app = {k: v for k, v in request["subject"].items() if k not in ("id", "rank")}
    item = {k: v for k, v in request["resource"].items() if k != "id"}
    context, action = request["context"], request["action"]
    subject = {"type": "App", "id": request["subject"]["id"], "properties": app}
    resource = {"type": "Item", "id": request["resource"]["id"], "properties": item}
    if subject["id"] not in apps:
        apps[subject["id"]] = engine.entity("App", subject["id"], app)
    document = {
        "subject": subject, "action": {"name": action}, "resource": resource, "context": context,
    }  # fmt: skip
    return Forms(
        (
            apps[subject["id"]],
            action,
            engine.entity("Item", resource["id"], item),
            engine.context(action, context),
        ),
        (subject, action, resource, context),
        json.dumps(document, default=sorted).encode(),
    )


def by_hand_from_json(
    loads: Callable[[bytes], Any], dumps: Callable[[Any], bytes]
) -> Callable[[bytes], bytes]:
    """Return what answers a request in JSON by hand: parse, decide, write; nothing is validated."""

    def answer(wire: bytes) -> bytes:
        document = loads(wire)
        app = document["subject"]["properties"]
        context = document["context"]
        context["derives"] = set(context["derives"])
        app["rank"] = _RANKS[app["tier"]]
        item = document["resource"]["properties"]
        action = document["action"]["name"]
        request = {"subject": app, "action": action, "resource": item, "context": context}
        allowed, rule = decide_by_hand(request)
        return dumps({"decision": allowed, "context": {"reason": rule}})

    return answer


WITH_JSON = by_hand_from_json(json.loads, lambda answer: json.dumps(answer).encode())
WITH_MSGSPEC = by_hand_from_json(msgspec.json.Decoder().decode, msgspec.json.Encoder().encode)
