"""Decide two operations of policies/x as somebody would write it by hand, with the same reasons.

This is what the compiled policies are measured against: the rules that cover `searchPostsRecent` and
`searchPostsAll`, written out for these two operations alone, on plain Python values. `allows` says
whether; `why` says why, for whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from attrs import frozen


@frozen
class User:
    """A person, as the rules see one."""

    id: str
    protected: bool
    authorized_apps: frozenset[str]
    shares_location: bool
    writes_notes: bool


@frozen
class App:
    """A developer's app."""

    id: str
    tier: str
    status: str
    approved_purposes: frozenset[str]
    reviewed_at: datetime
    serves_government: bool


@frozen
class Post:
    """A Post."""

    id: str
    author: User
    created_at: datetime


@frozen
class Viewer:
    """The acting user, as the author sees them."""

    approved_follower: bool
    blocked: bool


@frozen
class Context:
    """What an app says of its request."""

    credential: str
    scopes: frozenset[str]
    permission: str
    purposes: frozenset[str]
    derives: frozenset[str]
    aggregate: bool
    matching: str
    reasonably_expected: bool
    user: User | None
    viewer: Viewer | None


@frozen
class Operation:
    """What an operation of the API demands."""

    name: str
    accepts: frozenset[str]
    scopes: frozenset[str]
    permission: str
    tiers: frozenset[str]


OPERATIONS = {
    "searchPostsRecent": Operation(
        "searchPostsRecent",
        frozenset({"app_only", "oauth2_user", "oauth1_user"}),
        frozenset({"tweet.read", "users.read"}),
        "read",
        frozenset({"free", "basic", "pro", "pay_per_use", "enterprise"}),
    ),
    "searchPostsAll": Operation(
        "searchPostsAll",
        frozenset({"app_only"}),
        frozenset(),
        "read",
        frozenset({"pro", "pay_per_use", "enterprise"}),
    ),
}

_PERMISSIONS = {"read": 0, "write": 1, "direct_messages": 2}

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
    "competitive_benchmarking": "benchmarking",
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

_HARMLESS_TRAITS = frozenset({"sentiment", "topics", "language"})
"""All others are sensitive."""

_MODEL_TRAINING_FROM = datetime(2025, 6, 4, tzinfo=UTC)
_FREE_UNTIL = datetime(2026, 2, 6, tzinfo=UTC)
_BASIC_UNTIL = datetime(2026, 7, 1, tzinfo=UTC)
_PAY_PER_USE_FROM = datetime(2026, 2, 6, tzinfo=UTC)
_REVIEW_INTERVAL = timedelta(days=365)


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
        needed = _PERMISSIONS[operation.permission]
        return context.user is not None and _PERMISSIONS[context.permission] >= needed
    return context.user is None


def _in_standing(app: App, now: datetime) -> bool:
    if app.status not in ("active", "write_restricted"):
        return False
    return now - app.reviewed_at <= _REVIEW_INTERVAL


def _granted(app: App, operation: Operation, now: datetime) -> bool:
    tier = app.tier
    if tier == "enterprise":
        return True
    if tier not in operation.tiers:
        return False
    if tier == "free":
        return now < _FREE_UNTIL
    if tier == "basic":
        return now < _BASIC_UNTIL
    if tier == "pay_per_use":
        return now >= _PAY_PER_USE_FROM
    return True


def _visible(post: Post, context: Context) -> bool:
    author = post.author
    if not author.protected:
        return True
    user, viewer = context.user, context.viewer
    if user is None:
        return False
    return user.id == author.id or (viewer is not None and viewer.approved_follower)


def _matching_forbidden(context: Context) -> bool:
    if context.matching == "third_party_data":
        return True
    return (
        context.matching in ("given_by_person", "public_data") and not context.reasonably_expected
    )


def _disconnected(app: App, context: Context) -> bool:
    return context.user is not None and app.id not in context.user.authorized_apps


def allows(app: App, operation: Operation, post: Post, context: Context, now: datetime) -> bool:
    """Whether *app* may find *post* by *operation*."""
    if app.status in ("suspended", "terminated") or _disconnected(app, context):
        return False
    if context.viewer is not None and context.viewer.blocked:
        return False
    if not context.aggregate and not context.derives <= _HARMLESS_TRAITS:
        return False
    if _matching_forbidden(context) or (app.serves_government and app.tier != "enterprise"):
        return False
    for kind, terms in _PROHIBITED.items():
        if context.purposes & terms and (kind != "model_training" or now >= _MODEL_TRAINING_FROM):
            return False
    return (
        _declared(app, context)
        and _credential_fits(operation, context)
        and _visible(post, context)
        and _in_standing(app, now)
        and _granted(app, operation, now)
    )


# ---- reasons ----------------------------------------------------------------------------


def why(app: App, operation: Operation, post: Post, context: Context, now: datetime) -> str:
    """Return the reason for what `allows` says."""
    parts = list(_forbidden(app, context, now))
    parts = parts or list(_shut(app, operation, post, context, now))
    parts = parts or list(_allowed(app, post, context))
    return "; ".join(dict.fromkeys(parts))


def _set(values: Iterable[str]) -> str:
    return "{" + ", ".join(sorted(values)) + "}"


def _date(moment: datetime) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.removesuffix("T00:00:00Z")


def _forbidden(app: App, context: Context, now: datetime) -> Iterator[str]:
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
    if _matching_forbidden(context):
        yield (
            f"linking people on X with outside identifiers by {context.matching} needs their "
            "opt-in consent, or must be what they would expect"
        )
    if purposes & _PROHIBITED["profiling"]:
        yield f"{_set(purposes)} includes individual profiling, which is prohibited"
    if purposes & _PROHIBITED["resale"]:
        yield "selling or sublicensing content of X is prohibited"
    if not context.aggregate and not context.derives <= _HARMLESS_TRAITS:
        yield (
            f"deriving {_set(context.derives)} about people is a restricted use; an aggregate "
            "analysis that keeps nothing about persons is not"
        )
    if purposes & _PROHIBITED["surveillance"]:
        yield f"{_set(purposes)} includes surveillance, which is prohibited for everybody"
    if context.user is not None and app.id not in context.user.authorized_apps:
        yield f'User "{context.user.id}" has not connected {name}, or has disconnected it'
    if context.viewer is not None and context.viewer.blocked:
        yield ("the acting user is blocked there, and no other token may be used to get round it")
    if app.status == "suspended":
        yield f"{name} is suspended; the operator can appeal to the platform"
    if app.status == "terminated":
        yield f"{name} was terminated; everything it was given must be deleted"


def _shut(
    app: App, operation: Operation, post: Post, context: Context, now: datetime
) -> Iterator[str]:
    name, author = f'App "{app.id}"', f'User "{post.author.id}"'
    if not _declared(app, context):
        yield (
            f"{name} is approved for {_set(app.approved_purposes)}, not for all of "
            f"{_set(context.purposes)}; a substantive change of use needs approval first"
        )
    if not _credential_fits(operation, context):
        yield (
            f"{operation.name} takes {_set(operation.accepts)}, with the scopes "
            f"{_set(operation.scopes)} or the permission {operation.permission}; this is "
            f"{context.credential} with {_set(context.scopes)} and {context.permission}"
        )
    if not _visible(post, context):
        yield (
            f"{author} shares Posts with approved followers only, through a token of one of them"
        )
        yield f"the account of {author} is protected"
    if not _in_standing(app, now):
        yield (
            f"{name} is {app.status} and was last reviewed on {_date(app.reviewed_at)}; it must "
            "be active, with a review in the last 365d"
        )
        yield f"{name} is {app.status}"
    if not _granted(app, operation, now):
        yield (
            f"{operation.name} comes with {_set(operation.tiers)}; {name} is on {app.tier}, or "
            "that grant has ended"
        )


def _allowed(app: App, post: Post, context: Context) -> Iterator[str]:
    name, author = f'App "{app.id}"', f'User "{post.author.id}"'
    yield f"approved for {_set(context.purposes)}"
    if post.author.protected:
        yield f"the acting user may see what {author} shares with approved followers"
    else:
        yield f"{author} writes in public"
    if app.status == "active":
        yield f"{name} is active and was reviewed on {_date(app.reviewed_at)}"
    else:
        yield f"{name} is write-restricted, which leaves reading"
    if app.tier == "enterprise":
        yield f"{name} is on Enterprise, which grants every operation"
