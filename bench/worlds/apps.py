"""Make requests of the small world `apps.policy`, and answer them by hand."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from attrs import frozen

from policyengine import Decision, PolicyEngine

POLICY = Path(__file__).parent / "apps.policy"

Plain: TypeAlias = dict[str, Any]
"""A request as somebody would hold it: `app`, `action`, `item` and `context`, all flat dicts."""

_SEED = 20_261_124
_TIERS = ("free", "basic", "pro", "enterprise")
_USES = ("ads", "brand_monitoring", "civic", "customer_service", "publishing", "research")
_SCOPES = ("post.read", "post.write", "message.read", "message.write", "user.read", "geo.read",
           "stream")  # fmt: skip
_SENSITIVE = frozenset({"ethnicity", "politics", "health", "religion", "orientation"})
_OTHERS = ("topic", "language", "mood")
_ACTIONS = (
    "read_post", "search_recent", "search_all", "follow_stream", "read_message", "send_message",
    "read_profile", "read_place", "write_post", "export", "redistribute", "match_people",
)  # fmt: skip
_RANKS = {tier: rank for rank, tier in enumerate(_TIERS)}


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
        "app": app,
        "action": rng.choice(_ACTIONS),
        "item": {
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
    app, context = request["app"], request["context"]
    status, use, derives = app["status"], context["use"], context["derives"]
    if status == "terminated" or status == "suspended":  # noqa: PLR1714 - quicker than a set
        return False, status
    if use == "surveillance":
        return False, "surveillance"
    if use not in app["uses"]:
        return False, "other_use"
    if derives and not derives.isdisjoint(_SENSITIVE):
        return False, "sensitive"
    item = request["item"]
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
    app = {k: v for k, v in request["app"].items() if k not in ("id", "rank")}
    item = {k: v for k, v in request["item"].items() if k != "id"}
    context, action = request["context"], request["action"]
    subject = {"type": "App", "id": request["app"]["id"], "properties": app}
    resource = {"type": "Item", "id": request["item"]["id"], "properties": item}
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


def answer_wire_by_hand(wire: bytes) -> bytes:
    """Answer a request in JSON by hand: parse, decide, write; nothing is validated."""
    document = json.loads(wire)
    app = document["subject"]["properties"]
    context = document["context"]
    context["derives"] = set(context["derives"])
    app["rank"] = _RANKS[app["tier"]]
    item = document["resource"]["properties"]
    action = document["action"]["name"]
    request = {"app": app, "action": action, "item": item, "context": context}
    allowed, rule = decide_by_hand(request)
    return json.dumps({"decision": allowed, "context": {"reason": rule}}).encode()
