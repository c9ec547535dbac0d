"""Make a world of apps, people and Posts, and requests of it, always the same ones.

Every request exists three times, made from the same draw: as plain values for the hand-written
function, as values built by the engine, and as the JSON that a service would send.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from attrs import frozen

from bench.worlds import demo_by_hand as by_hand
from policyengine import PolicyEngine

POLICIES = Path(__file__).resolve().parents[2] / "policies" / "x"
REQUESTS = 400
_SEED = 20_261_123

_TIERS = ("free", "basic", "pro", "pay_per_use", "enterprise")
_STATUSES = (*["active"] * 8, "write_restricted", "pending", "suspended", "terminated")
_CREDENTIALS = (*["app_only"] * 4, "oauth2_user", "oauth2_user", "oauth1_user", "anonymous")
_SCOPES = ("tweet.read", "users.read", "dm.read", "like.read")
_PURPOSES = ("research", "academic_research", "public_health", "customer_service", "newsroom")
_RARE_PURPOSES = ("surveillance", "credit_risk", "model_training", "resale", "benchmarking",
                  "advertising_off_x")  # fmt: skip
_TRAITS = ("sentiment", "topics", "language", "health", "party_affiliation")
_MATCHING = (*["no_matching"] * 8, "opt_in", "given_by_person", "public_data", "third_party_data")
_PLACES = ((2025, 3, 1), (2025, 12, 31), (2026, 3, 1), (2026, 11, 23))


@frozen
class Ask:
    """One request: what the hand-written function takes, what the engine takes, and as JSON."""

    by_hand: tuple[by_hand.App, by_hand.Operation, by_hand.Post, by_hand.Context, datetime]
    built: tuple[Any, str, Any, Any]
    now: datetime
    wire: bytes


def requests(engine: PolicyEngine, count: int = REQUESTS) -> list[Ask]:
    """Return *count* requests; most of them are such that several gates open."""
    rng = Random(_SEED)
    return [_ask(engine, rng, number) for number in range(count)]


_T = TypeVar("_T")


def _some(rng: Random, among: Sequence[_T], most: int) -> frozenset[_T]:
    return frozenset(rng.sample(among, rng.randint(0, most)))


def _ask(engine: PolicyEngine, rng: Random, number: int) -> Ask:
    now = datetime(*rng.choice(_PLACES), tzinfo=UTC)
    operation = by_hand.OPERATIONS[rng.choice(sorted(by_hand.OPERATIONS))]
    app = by_hand.App(
        id=f"app{number % 40}",
        tier=rng.choice(_TIERS),
        status=rng.choice(_STATUSES),
        approved_purposes=frozenset({"research", *_some(rng, _PURPOSES, 2)}),
        reviewed_at=now - timedelta(days=rng.choice((10, 100, 200, 400))),
        serves_government=rng.random() < 0.05,
    )
    apps = _some(rng, ("app1", "app2", "app3"), 3) | ({app.id} if rng.random() < 0.9 else set())
    author = by_hand.User(f"u{number % 30}", rng.random() < 0.2, apps, rng.random() < 0.5, False)
    post = by_hand.Post(f"p{number}", author, now - timedelta(days=rng.randint(0, 60)))
    credential = rng.choice(_CREDENTIALS)
    user, viewer = None, None
    if rng.random() < (0.95 if credential.endswith("_user") else 0.05):
        user = author if rng.random() < 0.2 else by_hand.User("me", False, apps, False, False)
        viewer = by_hand.Viewer(rng.random() < 0.7, rng.random() < 0.05)
    purposes = frozenset(rng.sample(_PURPOSES[:3], rng.randint(1, 2)))
    if rng.random() < 0.15:
        purposes |= {rng.choice(_RARE_PURPOSES if rng.random() < 0.5 else _PURPOSES)}
    context = by_hand.Context(
        credential=credential,
        scopes=frozenset({"tweet.read", "users.read"}) | _some(rng, _SCOPES, 2)
        if rng.random() < 0.9
        else frozenset(),
        permission=rng.choice(("read", "write", "direct_messages")),
        purposes=purposes,
        derives=_some(rng, _TRAITS[:3] if rng.random() < 0.8 else _TRAITS, 2),
        aggregate=rng.random() < 0.3,
        matching=rng.choice(_MATCHING),
        reasonably_expected=rng.random() < 0.7,
        user=user,
        viewer=viewer,
    )
    return _in_all_forms(engine, app, operation, post, context, now)


def _in_all_forms(
    engine: PolicyEngine,
    app: by_hand.App,
    operation: by_hand.Operation,
    post: by_hand.Post,
    context: by_hand.Context,
    now: datetime,
) -> Ask:
    people = {user.id: user for user in (post.author, context.user) if user is not None}
    reference = {id_: {"type": "User", "id": id_} for id_ in people}
    persons: dict[str, dict[str, Any]] = {
        id_: {**reference[id_], "properties": _person(u)} for id_, u in people.items()
    }
    subject: dict[str, Any] = {
        "type": "App", "id": app.id, "parents": [],
        "properties": {
            "tier": app.tier, "status": app.status, "serves_government": app.serves_government,
            "approved_purposes": sorted(app.approved_purposes),
            "reviewed_at": app.reviewed_at.isoformat(),
        },
    }  # fmt: skip
    resource: dict[str, Any] = {
        "type": "Post", "id": post.id,
        "properties": {
            "author": reference[post.author.id], "created_at": post.created_at.isoformat(),
        },
    }  # fmt: skip
    said: dict[str, Any] = {
        "credential": context.credential, "scopes": sorted(context.scopes),
        "permission": context.permission, "purposes": sorted(context.purposes),
        "derives": sorted(context.derives), "aggregate": context.aggregate,
        "matching": context.matching, "reasonably_expected": context.reasonably_expected,
    }  # fmt: skip
    if context.viewer is not None:
        said["viewer"] = {
            "approved_follower": context.viewer.approved_follower,
            "blocked": context.viewer.blocked,
        }
    if context.user is not None:
        said["user"] = reference[context.user.id]
    wire = {
        "subject": subject, "action": {"name": operation.name}, "resource": resource,
        "context": said, "now": now.isoformat(), "entities": list(persons.values()),
    }  # fmt: skip
    built = {
        id_: engine.entity("User", id_, person["properties"]) for id_, person in persons.items()
    }
    author = {"author": built[post.author.id]}
    user = {} if context.user is None else {"user": built[context.user.id]}
    return Ask(
        by_hand=(app, operation, post, context, now),
        built=(
            engine.entity("App", app.id, subject["properties"], parents=[]),
            operation.name,
            engine.entity("Post", post.id, {**resource["properties"], **author}),
            engine.context(operation.name, {**said, **user}),
        ),
        now=now,
        wire=json.dumps(wire).encode(),
    )


def _person(user: by_hand.User) -> dict[str, Any]:
    return {
        "protected": user.protected,
        "authorized_apps": [{"type": "App", "id": id_} for id_ in sorted(user.authorized_apps)],
        "shares_location": user.shares_location,
        "writes_notes": user.writes_notes,
    }
