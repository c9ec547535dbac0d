"""Decide all operations of policies/x as somebody would write it by hand, with the same reasons.

This is what the compiled policies are measured against: their rules as functions of plain Python values,
which are trusted. What each operation demands is data, and read from where it is declared. `allows` says
whether; `why` says why, for whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from attrs import define

from policyengine.model.types import ActionType


@define
class User:
    """A person, as the rules see one."""

    id: str
    protected: bool
    authorized_apps: frozenset[str]
    shares_location: bool
    writes_notes: bool


@define
class App:
    """A developer's app."""

    id: str
    tier: str
    status: str
    approved_purposes: frozenset[str]
    reviewed_at: datetime
    serves_government: bool
    public_utility: bool


@define
class Resource:
    """What an operation is about; *owner*: of a person, they themselves. What rules do not read is empty."""

    type: str
    id: str
    author: User | None = None
    owner: str = ""
    participants: frozenset[str] = frozenset()
    private: bool = False


@define
class Viewer:
    """The acting user, as the author sees them."""

    approved_follower: bool
    blocked: bool


@define
class Context:
    """What an app says of its request; what its operation does not ask for is empty."""

    credential: str
    scopes: frozenset[str]
    permission: str
    user: User | None = None
    purposes: frozenset[str] = frozenset()
    derives: frozenset[str] = frozenset()
    aggregate: bool = False
    matching: str = "no_matching"
    reasonably_expected: bool = False
    viewer: Viewer | None = None
    member: bool = False
    person_asked: bool = False
    kind: str = ""
    event: str = ""
    about: User | None = None


@define
class Operation:
    """What an operation of the API demands, and who may have it."""

    name: str
    kind: str
    reads_people: bool
    about_people: bool
    writes: bool
    accepts: frozenset[str]
    scopes: frozenset[str]
    permission: int
    tiers: frozenset[str]
    free_until: datetime
    self_serve_until: datetime


Asked: TypeAlias = tuple[App, Operation, Resource, Context, datetime]
"""A request."""

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_ABSTRACT = {"api", "people_data", "of_people", "write"}


def operations(actions: Mapping[str, ActionType]) -> dict[str, Operation]:
    """Return the operations of the API by name, from what is declared of them."""
    return {name: _operation(action) for name, action in actions.items()}


def _operation(action: ActionType) -> Operation:
    constants: Mapping[str, Any] = action.constants
    until = {
        name: datetime.fromtimestamp(constants[name] // 1_000_000, UTC)
        if name in constants
        else _NEVER
        for name in ("free_until", "self_serve_until")
    }
    (kind,) = action.groups - _ABSTRACT
    return Operation(
        name=action.name,
        kind=kind,
        reads_people="people_data" in action.groups,
        about_people="of_people" in action.groups,
        writes="write" in action.groups,
        accepts=constants["accepts"],
        scopes=constants["scopes"],
        permission=constants["permission"],
        tiers=constants["tiers"],
        **until,
    )


_PERMISSION_NAMES = ("read", "write", "direct_messages")
PERMISSIONS = {name: rank for rank, name in enumerate(_PERMISSION_NAMES)}
"""How much a token of OAuth 1.0a may do."""

_PURPOSE_PARENTS = {
    "academic_research": "research", "public_health": "academic_research",
    "election_integrity": "academic_research", "market_research": "research",
    "embedding": "publishing", "newsroom": "publishing",
    "scheduling": "community_management", "moderation": "community_management",
    "ad_measurement": "advertising_on_x",
    "tracking_people": "surveillance", "monitoring_protests": "surveillance",
    "monitoring_activist_groups": "surveillance", "law_enforcement_watch": "surveillance",
    "background_checks": "profiling", "credit_risk": "profiling", "insurance_risk": "profiling",
    "face_recognition": "profiling", "psychographics": "profiling",
    "foundation_model_training": "model_training",
    "labelled_bot": "automation", "ai_written_replies": "automation",
    "competitive_benchmarking": "benchmarking", "internal_measurement": "benchmarking",
}  # fmt: skip

_PROHIBITED = {
    "surveillance": frozenset({
        "surveillance", "tracking_people", "monitoring_protests", "monitoring_activist_groups",
        "law_enforcement_watch",
    }),
    "profiling": frozenset({
        "profiling", "background_checks", "credit_risk", "insurance_risk", "face_recognition",
        "psychographics",
    }),
    "model_training": frozenset({"model_training", "foundation_model_training"}),
    "advertising_off_x": frozenset({"advertising_off_x"}),
    "benchmarking": frozenset({"benchmarking", "competitive_benchmarking"}),
    "resale": frozenset({"resale"}),
}  # fmt: skip

_ONLY_IN_WRITING = frozenset(
    {"violation_reporting", "bulk_redistribution", "ai_written_replies", "automation"}
)

_HARMLESS_TRAITS = frozenset({"sentiment", "topics", "language"})
"""All others are sensitive."""

_MODEL_TRAINING_FROM = datetime(2025, 6, 4, tzinfo=UTC)
_FREE_UNTIL = datetime(2026, 2, 6, tzinfo=UTC)
_BASIC_UNTIL = datetime(2026, 7, 1, tzinfo=UTC)
_PAY_PER_USE_FROM = datetime(2026, 2, 6, tzinfo=UTC)
_REVIEW_INTERVAL = timedelta(days=365)
_UNSUMMONED_REPLIES_UNTIL = datetime(2026, 2, 23, tzinfo=UTC)
_QUOTES_UNTIL = datetime(2026, 4, 20, tzinfo=UTC)

_MESSAGE_EVENTS = frozenset({"dm", "chat"})
_OPEN_EVENTS = frozenset({
    "profile.update", "post.create", "post.delete", "broadcast.start", "broadcast.end", "news.new",
})  # fmt: skip
_EVENT_SCOPES = {
    "dm": "dm.read", "chat": "dm.read", "like.create": "like.read", "mute": "mute.read",
    "block": "block.read", "broadcast.chat": "broadcast.read",
}  # fmt: skip
"""All others need `tweet.read`."""


def _is_approved(purpose: str, approved: frozenset[str]) -> bool:
    term: str | None = purpose
    while term is not None:
        if term in approved:
            return True
        term = _PURPOSE_PARENTS.get(term)
    return False


def _declared(app: App, context: Context) -> bool:
    return bool(context.purposes) and all(
        _is_approved(purpose, app.approved_purposes) for purpose in context.purposes
    )


def _credential_fits(operation: Operation, context: Context) -> bool:
    credential = context.credential
    if credential not in operation.accepts:
        return False
    if credential == "oauth2_user":
        return context.user is not None and operation.scopes <= context.scopes
    if credential == "oauth1_user":
        given = PERMISSIONS[context.permission]
        return context.user is not None and given >= operation.permission
    return context.user is None


def _in_standing(app: App, operation: Operation, now: datetime) -> bool:
    status = app.status
    if status == "write_restricted":
        if not operation.reads_people and (operation.writes or operation.permission > 0):
            return False
    elif status != "active":
        return False
    return now - app.reviewed_at <= _REVIEW_INTERVAL


def _granted(app: App, operation: Operation, now: datetime) -> bool:
    tier = app.tier
    if tier == "enterprise":
        return True
    if tier not in operation.tiers:
        return False
    if tier == "free":
        return now < operation.free_until and (now < _FREE_UNTIL or app.public_utility)
    if now >= operation.self_serve_until:
        return False
    if tier == "basic":
        return now < _BASIC_UNTIL
    if tier == "pay_per_use":
        return now >= _PAY_PER_USE_FROM
    return True


_OPEN = frozenset({"read_users", "read_spaces", "read_media", "read_open", "run_app"})


def _may_see(app: App, operation: Operation, resource: Resource, context: Context) -> bool:
    kind, user = operation.kind, context.user
    if kind in _OPEN:
        return True
    if kind in ("read_posts", "read_own_posts"):
        author, viewer = resource.author, context.viewer
        assert author is not None
        if not author.protected:
            return True
        return user is not None and (
            user.id == author.id or (viewer is not None and viewer.approved_follower)
        )
    if kind == "read_lists" and not resource.private:
        return True
    if user is None:
        return False
    if kind in ("read_own", "read_owned"):
        return user.id == resource.owner
    if kind in ("read_messages", "write_messages"):
        return user.id in resource.participants and app.id in user.authorized_apps
    if kind == "read_keys":
        return app.id in user.authorized_apps
    if kind == "read_lists":
        return user.id == resource.owner or context.member
    return True  # what is done for a person


def _matching_forbidden(context: Context) -> bool:
    if context.matching == "third_party_data":
        return True
    return (
        context.matching in ("given_by_person", "public_data") and not context.reasonably_expected
    )


def _disconnected(app: App, context: Context) -> bool:
    return context.user is not None and app.id not in context.user.authorized_apps


def _told_to_themselves(context: Context) -> bool:
    user, about = context.user, context.about
    return (
        context.credential == "oauth2_user"
        and user is not None
        and about is not None
        and user.id == about.id
        and _EVENT_SCOPES.get(context.event, "tweet.read") in context.scopes
    )


def _event_forbidden(app: App, context: Context) -> bool:
    event = context.event
    if context.about is not None and context.about.protected:
        return True
    if event in _OPEN_EVENTS:
        return event == "news.new" and app.tier != "enterprise"
    return not _told_to_themselves(context)


def _new_post_forbidden(app: App, context: Context, now: datetime) -> bool:
    if app.tier == "enterprise":
        return False
    kind = context.kind
    return (kind == "reply" and now >= _UNSUMMONED_REPLIES_UNTIL) or (
        kind == "quote" and now >= _QUOTES_UNTIL
    )


def allows(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> bool:
    """Whether *app* may do *operation* on *resource*."""
    if app.status in ("suspended", "terminated") or _disconnected(app, context):
        return False
    if operation.reads_people:
        if operation.about_people and context.viewer is not None and context.viewer.blocked:
            return False
        if not context.aggregate and not context.derives <= _HARMLESS_TRAITS:
            return False
        if _matching_forbidden(context):
            return False
    elif operation.writes and not context.person_asked:
        return False
    if operation.reads_people or operation.writes:
        if app.serves_government and app.tier != "enterprise":
            return False
        purposes = context.purposes
        for kind, terms in _PROHIBITED.items():
            if purposes & terms and (kind != "model_training" or now >= _MODEL_TRAINING_FROM):
                return False
        if purposes & _ONLY_IN_WRITING or not _declared(app, context):
            return False
    name = operation.name
    if name == "createPosts":
        if _new_post_forbidden(app, context, now):
            return False
    elif name == "createActivitySubscription" and _event_forbidden(app, context):
        return False
    return (
        _credential_fits(operation, context)
        and _may_see(app, operation, resource, context)
        and _in_standing(app, operation, now)
        and _granted(app, operation, now)
    )


# ---- reasons ----------------------------------------------------------------------------


def why(app: App, operation: Operation, resource: Resource, context: Context, now: datetime) -> str:
    """Return the reason for what `allows` says."""
    parts = list(_forbidden(app, operation, context, now))
    parts = parts or list(_shut(app, operation, resource, context, now))
    parts = parts or list(_allowed(app, operation, resource, context, now))
    return "; ".join(dict.fromkeys(parts))


def _set(values: Iterable[str]) -> str:
    return "{" + ", ".join(sorted(values)) + "}"


def _date(moment: datetime) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.removesuffix("T00:00:00Z")


def _forbidden(app: App, operation: Operation, context: Context, now: datetime) -> Iterator[str]:
    name = f'App "{app.id}"'
    if operation.reads_people or operation.writes:
        yield from _use_forbidden(app, operation, context, now)
    if context.user is not None and app.id not in context.user.authorized_apps:
        yield f'User "{context.user.id}" has not connected {name}, or has disconnected it'
    if operation.about_people and context.viewer is not None and context.viewer.blocked:
        yield "the acting user is blocked there, and no other token may be used to get round it"
    if operation.name == "createActivitySubscription" and _event_forbidden(app, context):
        yield from _why_no_event(app, context)
    if app.status == "suspended":
        yield f"{name} is suspended; the operator can appeal to the platform"
    if app.status == "terminated":
        yield f"{name} was terminated; everything it was given must be deleted"
    if operation.name == "createPosts" and _new_post_forbidden(app, context, now):
        if context.kind == "quote":
            yield f"quoting a Post by the API needs Enterprise; {name} is on {app.tier}"
        else:
            yield (
                f"on {app.tier}, an app replies only where the author has mentioned or quoted "
                "the replier"
            )


def _use_forbidden(
    app: App, operation: Operation, context: Context, now: datetime
) -> Iterator[str]:
    name, purposes = f'App "{app.id}"', context.purposes
    if purposes & _PROHIBITED["advertising_off_x"]:
        yield "content of X may not be used to target people with advertisements elsewhere"
    if purposes & _PROHIBITED["benchmarking"]:
        yield "measuring X for competitive or commercial ends is prohibited"
    if app.serves_government and app.tier != "enterprise":
        yield (
            f"{name} serves government end users, which needs the Enterprise plan; "
            f"it is on {app.tier}"
        )
    if purposes & _PROHIBITED["model_training"] and now >= _MODEL_TRAINING_FROM:
        yield "content of X may not train or fine-tune foundation or frontier models"
    if operation.reads_people and _matching_forbidden(context):
        yield (
            f"linking people on X with outside identifiers by {context.matching} needs their "
            "opt-in consent, or must be what they would expect"
        )
    if purposes & _PROHIBITED["profiling"]:
        yield f"{_set(purposes)} includes individual profiling, which is prohibited"
    if purposes & _PROHIBITED["resale"]:
        yield "selling or sublicensing content of X is prohibited"
    if operation.reads_people and not context.aggregate and not context.derives <= _HARMLESS_TRAITS:
        yield (
            f"deriving {_set(context.derives)} about people is a restricted use; an aggregate "
            "analysis that keeps nothing about persons is not"
        )
    if purposes & _PROHIBITED["surveillance"]:
        yield f"{_set(purposes)} includes surveillance, which is prohibited for everybody"
    if operation.writes and not context.person_asked:
        yield (
            f"{operation.name} acts for a person, who must have asked for it: being logged in is "
            "no consent"
        )


def _why_no_event(app: App, context: Context) -> Iterator[str]:
    event, about = context.event, context.about
    scope = _EVENT_SCOPES.get(event, "tweet.read")
    if event not in _OPEN_EVENTS and not _told_to_themselves(context):
        yield (
            f"{event} is told only with an OAuth 2.0 grant of the person whose activity it is, "
            f"with {scope}"
        )
    if about is not None and about.protected:
        yield "the activity of protected accounts is never delivered, whoever has agreed"
    if event == "news.new" and app.tier != "enterprise":
        yield f'{event} needs Enterprise; App "{app.id}" is on {app.tier}'


def _shut(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> Iterator[str]:
    name = f'App "{app.id}"'
    if (operation.reads_people or operation.writes) and not _declared(app, context):
        yield (
            f"{name} is approved for {_set(app.approved_purposes)}, not for all of "
            f"{_set(context.purposes)}; a substantive change of use needs approval first"
        )
    if not _credential_fits(operation, context):
        yield (
            f"{operation.name} takes {_set(operation.accepts)}, with the scopes "
            f"{_set(operation.scopes)} or the permission {_PERMISSION_NAMES[operation.permission]}; "
            f"this is {context.credential} with {_set(context.scopes)} and {context.permission}"
        )
    if not _may_see(app, operation, resource, context):
        yield from _not_shown(app, operation, resource)
    if not _in_standing(app, operation, now):
        yield (
            f"{name} is {app.status} and was last reviewed on {_date(app.reviewed_at)}; it must "
            "be active, with a review in the last 1y"
        )
        if not operation.writes:
            yield f"{name} is {app.status}"
    if not _granted(app, operation, now):
        yield (
            f"{operation.name} comes with {_set(operation.tiers)}; {name} is on {app.tier}, or "
            "that grant has ended"
        )
    if context.purposes & _ONLY_IN_WRITING:
        yield f"{_set(context.purposes)} needs approval in writing, and {name} has none on record"


def _not_shown(app: App, operation: Operation, resource: Resource) -> Iterator[str]:
    name = f'App "{app.id}"'
    match operation.kind:
        case "read_posts" | "read_own_posts":
            assert resource.author is not None
            author = f'User "{resource.author.id}"'
            yield (
                f"{author} shares Posts with approved followers only, through a token of one of "
                "them"
            )
            yield f"the account of {author} is protected"
        case "read_own":
            yield f"{operation.name} shows a person what is their own, through their own token"
        case "read_owned":
            yield (
                f'{operation.name} shows {resource.type} "{resource.id}" to its owner, through '
                "their own token"
            )
        case "read_messages":
            yield f"Direct Messages are read only for a participant who has authorized {name}"
        case "write_messages":
            yield f"messages are sent only for a participant who has authorized {name}"
        case "read_keys":
            yield f"the keys of encrypted chat are read for a person who has authorized {name}"
        case "read_lists":
            yield "the list is private"
            yield "a private list is shown to its owner and members, through their own token"
        case _:
            yield f"{operation.name} is done for a person, with a token of theirs"


def _allowed(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> Iterator[str]:
    name = f'App "{app.id}"'
    if operation.reads_people or operation.writes:
        yield f"approved for {_set(context.purposes)}"
    else:
        yield f"{operation.name} concerns the developer's own account"
    if operation.kind in ("read_posts", "read_own_posts"):
        assert resource.author is not None
        author = f'User "{resource.author.id}"'
        if resource.author.protected:
            yield f"the acting user may see what {author} shares with approved followers"
        else:
            yield f"{author} writes in public"
    elif operation.kind == "read_users":
        yield f'the profile of User "{resource.id}" is public'
    elif operation.kind == "read_messages":
        yield f"a participant has authorized {name} to read their Direct Messages"
    if app.status == "active":
        yield f"{name} is active and was reviewed on {_date(app.reviewed_at)}"
    else:
        yield f"{name} is write-restricted, which leaves reading"
    if app.tier == "enterprise":
        yield f"{name} is on Enterprise, which grants every operation"
    elif app.tier == "free" and app.public_utility and now >= _FREE_UNTIL:
        yield f"{name} is a public utility, which stays on Free"
