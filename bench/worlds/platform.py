"""Make requests of policies/x for all its operations, always the same ones.

Every request exists in four forms, made from the same draw: as plain values for the function written by
hand, as parts that the engine built, as dicts, and as the JSON that a service would send.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from attrs import asdict, frozen

from bench.worlds.platform_asked import (
    PERMISSIONS,
    Addressed,
    App,
    Approval,
    Asked,
    Context,
    Operation,
    Resource,
    User,
    Viewer,
    operations,
)
from policyengine import PolicyEngine

POLICIES = Path(__file__).resolve().parents[2] / "policies" / "x"
_SEED = 20_261_123

_TIERS = (
    "standard", "premium", "standard_track", "academic_research", "essential", "elevated", "free",
    "basic", "pro", "pay_per_use", "enterprise",
)  # fmt: skip
_STATUSES = (*["active"] * 12, "write_restricted", "pending", "suspended", "terminated")
_CREDENTIALS = ("app_only", "oauth2_user", "oauth1_user", "anonymous")
_SCOPES = ("tweet.read", "users.read", "dm.read", "like.read")
_PURPOSES = ("research", "academic_research", "public_health", "customer_service", "newsroom")
_RARE_PURPOSES = ("surveillance", "credit_risk", "model_training", "resale", "benchmarking",
                  "advertising_off_x", "automation", "bulk_redistribution")  # fmt: skip
_PRACTICES = (
    "targets_by_sensitive_traits", "tracks_movements", "scrapes", "frames_x", "alters_posts",
    "stores_messages", "promotes_with_people", "finds_by_email", "downloads", "in_bulk",
    "rides_on_trends", "hides_that_it_is_paid", "generates_replies",
)  # fmt: skip
_MARKS = (
    "labelled_as_bot", "government_disclosed", "non_commercial", "for_business", "outgrown",
    "white_label", "breached", "unpaid", "embargoed", "surveillance_agency",
)  # fmt: skip
_AUDIENCES = (*["everybody"] * 8, "known", "nobody")
_APPROVALS = (
    "reports_on_violations", "redistribution", "generated_replies", "sensitive_targeting",
    "white_label",
)  # fmt: skip
_TRAITS = ("sentiment", "topics", "language", "health", "party_affiliation")
_MATCHING = (*["no_matching"] * 8, "opt_in", "given_by_person", "public_data", "third_party_data")
_KINDS = ("original", "quote", "reply", "summoned_reply")
_EVENTS = ("post.create", "news.new", "dm", "like.create", "mute", "follow")
_COUNTS = (*[0] * 6, 49, 99, 499, 1_500, 14_999, 300_000, 1_000_000, 2_500_000)
_DATES = ((2022, 3, 1), (2025, 3, 1), (2025, 12, 31), (2026, 3, 1), (2026, 11, 23), (2026, 11, 24))


@frozen
class Ask:
    """One request: what the hand-written function takes, what the engine takes, and as JSON."""

    by_hand: Asked
    built: tuple[Any, str, Any, Any]
    dicts: tuple[dict[str, Any], str, dict[str, Any], dict[str, Any]]
    entities: list[dict[str, Any]]
    now: datetime
    wire: bytes


def requests(engine: PolicyEngine, count: int) -> list[Ask]:
    """Return *count* requests over all operations; most are such that several gates open."""
    rng, actions = Random(_SEED), engine.schema.actions
    named = operations(actions)
    about = {name: actions[name].resources[0] for name in named}
    names = sorted(named)
    asked = (
        _ask(rng, named[names[number % len(names)]], about[names[number % len(names)]], number)
        for number in range(count)
    )
    return [_in_all_forms(engine, *ask) for ask in asked]


_T = TypeVar("_T")


def _some(rng: Random, among: Sequence[_T], most: int) -> frozenset[_T]:
    return frozenset(rng.sample(among, rng.randint(0, most)))


def _ask(
    rng: Random, operation: Operation, about: str, number: int
) -> tuple[Asked, tuple[User, User]]:
    now = datetime(*rng.choice(_DATES), tzinfo=UTC)
    app = App(
        id=f"app{number % 40}",
        tier=rng.choice(sorted(operation.tiers) if rng.random() < 0.9 else _TIERS),
        status=rng.choice(_STATUSES),
        approved_purposes=frozenset({"research", *_some(rng, _PURPOSES, 2)}),
        reviewed_at=now - timedelta(days=rng.choice((10, 100, 200, 300, 400))),
        approvals=_approvals(rng, now),
        marks=frozenset(
            {
                "labelled_as_bot",
                "government_disclosed",
                "accredited_researcher",
                *_some(rng, _MARKS, rng.random() < 0.1),
            }
        ),
        serves_government=rng.random() < 0.05,
        public_utility=rng.random() < 0.3,
    )
    author, other = (_person(rng, app, f"u{number}{letter}") for letter in "ab")
    credential = rng.choice(sorted(operation.accepts) if rng.random() < 0.95 else _CREDENTIALS)
    user = None
    if rng.random() < (0.97 if credential.endswith("_user") else 0.03):
        user = author if rng.random() < 0.7 else other
    needed = [name for name, rank in PERMISSIONS.items() if rank >= operation.permission]
    context = Context(
        credential=credential,
        scopes=_some(rng, _SCOPES, 2) | (operation.scopes if rng.random() < 0.95 else set()),
        permission=rng.choice(needed if rng.random() < 0.95 else list(PERMISSIONS)),
        user=user,
    )
    for limit in operation.limits:
        if rng.random() < 0.1:
            numbers = (*limit.app.values(), *limit.person.values())
            setattr(context, limit.count, rng.choice(numbers) - rng.choice((0, 1)))
    if operation.reads_people or operation.writes:
        context.purposes = frozenset(rng.sample(_PURPOSES[:3], rng.randint(1, 2)))
        context.practices = _some(rng, _PRACTICES, rng.random() < 0.1)
        context.consents = _some(rng, _PRACTICES[5:7], 2)
        if rng.random() < 0.15:
            context.purposes |= {rng.choice(_RARE_PURPOSES if rng.random() < 0.5 else _PURPOSES)}
    if operation.reads_people:
        context.derives = _some(rng, _TRAITS[:3] if rng.random() < 0.8 else _TRAITS, 2)
        context.aggregate = rng.random() < 0.3
        context.matching = rng.choice(_MATCHING)
        context.reasonably_expected = rng.random() < 0.7
        context.posts_read = rng.choice(_COUNTS)
    if operation.faces_people and user is not None:
        context.viewer = Viewer(rng.random() < 0.7, rng.random() < 0.05)
    if operation.in_account:
        context.account = user.id if user is not None and rng.random() < 0.9 else author.id
    context.member = operation.with_lists and rng.random() < 0.5
    if operation.writes:
        context.person_asked = rng.random() < 0.95
        context.started_by = "rule_of_app" if rng.random() < 0.3 else "person_now"
    if operation.addresses:
        context.addressee = _addressed(rng) if rng.random() < 0.95 else None
        context.welcome = frozenset(person.id for person in (author, other) if rng.random() < 0.7)
    if operation.of_people and rng.random() < 0.5:
        context.country = rng.choice(("DE", "FR"))
    if operation.name == "createPosts":
        context.kind = rng.choice(_KINDS)
        context.posts_written = rng.choice(_COUNTS)
        context.tags = (other,) if rng.random() < 0.5 else ()
    if operation.name == "createActivitySubscription":
        context.event = rng.choice(_EVENTS)
        context.subscriptions = rng.choice((0, 1_000, 1_499, 1_500, 74_999, 75_000))
        context.about = rng.choice((author, None))
    resource = _resource(rng, about, number, app, author, other)
    return (app, operation, resource, context, now), (author, other)


def _addressed(rng: Random) -> Addressed:
    return Addressed(
        turned_to_us=rng.random() < 0.8,
        agreed=rng.random() < 0.5,
        opted_out=rng.random() < 0.1,
        answered=rng.choice((0, 0, 0, 1)),
        replies_from=rng.choice(_AUDIENCES),
        knows_us=rng.random() < 0.5,
    )


def _approvals(rng: Random, now: datetime) -> tuple[Approval, ...]:
    ends = now + timedelta(days=rng.choice((-10, 100)))
    return tuple(
        Approval(what, now - timedelta(days=200), ends)
        for what in sorted(_some(rng, _APPROVALS, 1))
    )


def _person(rng: Random, app: App, id_: str) -> User:
    apps = _some(rng, ("app1", "app2", "app3"), 3) | ({app.id} if rng.random() < 0.95 else set())
    return User(
        id_,
        protected=rng.random() < 0.2,
        authorized_apps=apps,
        shares_location=rng.random() < 0.5,
        writes_notes=rng.random() < 0.8,
        state=rng.choice((*["active"] * 20, "suspended", "deactivated")),
        messages_from=rng.choice(_AUDIENCES),
        blocks_messages_of=frozenset({id_[:-1] + "b"} if rng.random() < 0.1 else ()),
        tagged_by=rng.choice(_AUDIENCES),
        discoverable_by_email=rng.random() < 0.5,
        discoverable_by_phone=rng.random() < 0.5,
    )


def _resource(
    rng: Random, type_: str, number: int, app: App, author: User, other: User
) -> Resource:
    id_ = author.id if type_ == "User" else f"r{number}"
    match type_:
        case "Post":
            withheld = frozenset({"DE"} if rng.random() < 0.05 else ())
            return Resource(
                type_, id_, author=author, conversation_owner=author.id, withheld_in=withheld
            )
        case "Media":
            return Resource(type_, id_, author=author, may_be_kept=rng.random() < 0.7)
        case "DirectMessage" | "ChatConversation" | "ChatEvent":
            return Resource(type_, id_, participants=(author, other))
        case "User":
            return Resource(type_, id_, owner=id_, user=author)
        case "ComplianceJob" | "Connection" | "Usage" | "RulesCount" | "WebhookConfig":
            return Resource(type_, id_, app=app.id if rng.random() < 0.9 else "another")
        case "Place" | "Poll":
            return Resource(type_, id_, author=author)
        case "Platform" | "News" | "Community" | "Trend" | "Topic":
            return Resource(type_, id_)
        case _:
            return Resource(
                type_,
                id_,
                owner=author.id,
                private=rng.random() < 0.4,
                may_be_kept=rng.random() < 0.7,
            )


# ---- other forms of a request -----------------------------------------------------------


def _in_all_forms(engine: PolicyEngine, asked: Asked, people: Iterable[User]) -> Ask:
    app, operation, resource, context, now = asked
    action = operation.name
    persons = {user.id: _entity("User", user.id, _of_person(user)) for user in people}
    subject = _entity("App", app.id, {k: v for k, v in asdict(app).items() if k != "id"})
    about = persons.pop(resource.id, None) or _entity(
        resource.type, resource.id, _of_resource(resource)
    )
    said = _of_context(operation, context)
    entities = list(persons.values())
    document = {
        "subject": subject, "action": {"name": action}, "resource": about, "context": said,
        "now": now, "entities": entities,
    }  # fmt: skip

    built = {
        entity["id"]: engine.entity("User", entity["id"], entity["properties"])
        for entity in (*entities, *[about] * (resource.type == "User"))
    }

    def with_people(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _with_people(value, built) for name, value in values.items()}

    return Ask(
        by_hand=asked,
        built=(
            engine.entity("App", app.id, subject["properties"]),
            action,
            built.get(resource.id)
            or engine.entity(resource.type, resource.id, with_people(about["properties"])),
            engine.context(action, with_people(said)),
        ),
        dicts=(subject, action, about, said),
        entities=entities,
        now=now,
        wire=json.dumps(document, default=_in_json).encode(),
    )


def _with_people(value: Any, built: Mapping[str, Any]) -> Any:
    """Return *value* with people that were built in the place of references to them."""
    if isinstance(value, list):
        return [_with_people(member, built) for member in value]
    return built.get(value["id"], value) if isinstance(value, dict) and "id" in value else value


def _in_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else sorted(value)


def _entity(type_: str, id_: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "id": id_, "properties": properties}


def _user(id_: str) -> dict[str, Any]:
    return {"type": "User", "id": id_}


def _of_person(user: User) -> dict[str, Any]:
    return {
        "protected": user.protected,
        "authorized_apps": [{"type": "App", "id": id_} for id_ in sorted(user.authorized_apps)],
        "shares_location": user.shares_location,
        "writes_notes": user.writes_notes,
        "state": user.state,
        "messages_from": user.messages_from,
        "blocks_messages_of": [_user(id_) for id_ in sorted(user.blocks_messages_of)],
        "tagged_by": user.tagged_by,
        "discoverable_by_email": user.discoverable_by_email,
        "discoverable_by_phone": user.discoverable_by_phone,
    }


def _of_resource(resource: Resource) -> dict[str, Any]:
    if resource.app:
        return {"app": {"type": "App", "id": resource.app}}
    if resource.type in ("Place", "Poll"):
        assert resource.author is not None
        return {"author": _user(resource.author.id)}
    if resource.author is None and not resource.owner and not resource.participants:
        return {}
    if resource.type == "Post":
        assert resource.author is not None
        return {
            "author": _user(resource.author.id),
            "created_at": datetime(2025, 1, 1, tzinfo=UTC),
            "conversation_owner": _user(resource.conversation_owner),
            "withheld_in": resource.withheld_in,
        }
    if resource.author is not None:
        return {"author": _user(resource.author.id), "downloadable": resource.may_be_kept}
    if resource.participants:
        return {"participants": [_user(person.id) for person in resource.participants]}
    private = {"private": resource.private} if resource.type == "List" else {}
    if resource.type == "Space":
        private = {"recorded": resource.may_be_kept}
    return {"owner": _user(resource.owner), **private}


def _of_context(operation: Operation, context: Context) -> dict[str, Any]:
    names = ["credential", "scopes", "permission", *(limit.count for limit in operation.limits)]
    if operation.reads_people or operation.writes:
        names += ("purposes", "practices", "consents")
    if operation.reads_people:
        names += ("derives", "aggregate", "matching", "reasonably_expected", "posts_read")
    if operation.with_lists:
        names.append("member")
    if operation.writes:
        names += ("person_asked", "started_by")
    said = {name: getattr(context, name) for name in names}
    if context.user is not None:
        said["user"] = _user(context.user.id)
    if operation.in_account:
        said["account"] = _user(context.account)
    if context.viewer is not None:
        said["viewer"] = asdict(context.viewer)
    if operation.addresses:
        said["welcome"] = [_user(id_) for id_ in sorted(context.welcome)]
        if context.addressee is not None:
            said["addressee"] = asdict(context.addressee)
    if context.country:
        said["country"] = context.country
    if context.kind:
        said["kind"] = context.kind
        said["posts_written"] = context.posts_written
        said["tags"] = [_user(person.id) for person in context.tags]
    if context.event:
        said["event"] = context.event
        said["subscriptions"] = context.subscriptions
    if context.about is not None:
        said["about"] = _user(context.about.id)
    return said
