"""Decide all operations of policies/x as somebody would write it by hand.

This is what the compiled policies are measured against: their rules as functions of plain Python values,
which are trusted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bench.worlds.platform_asked import (
    PERMISSIONS,
    WRITE,
    App,
    Context,
    Operation,
    Resource,
    User,
)
from bench.worlds.platform_limits import TABLES_FROM, limits_reached

_PURPOSE_PARENTS = {
    "academic_research": "research", "public_health": "academic_research",
    "election_integrity": "academic_research", "systemic_risk": "academic_research",
    "market_research": "research",
    "embedding": "publishing", "newsroom": "publishing",
    "scheduling": "community_management", "moderation": "community_management",
    "public_safety": "public_service", "utilities": "public_service",
    "ad_measurement": "advertising_on_x",
    "tracking_people": "surveillance", "monitoring_protests": "surveillance",
    "monitoring_activist_groups": "surveillance", "law_enforcement_watch": "surveillance",
    "background_checks": "profiling", "extreme_vetting": "profiling", "credit_risk": "profiling",
    "insurance_risk": "profiling", "face_recognition": "profiling", "psychographics": "profiling",
    "discrimination": "unlawful_analysis",
    "foundation_model_training": "model_training",
    "labelled_bot": "automation", "ai_written_replies": "automation",
    "competitive_benchmarking": "benchmarking", "internal_measurement": "benchmarking",
    "selling_engagement": "engagement_for_sale", "paying_for_engagement": "engagement_for_sale",
    "growth_by_following": "engagement_for_sale",
}  # fmt: skip

PROHIBITED = {
    "surveillance": frozenset({
        "surveillance", "tracking_people", "monitoring_protests", "monitoring_activist_groups",
        "law_enforcement_watch",
    }),
    "profiling": frozenset({
        "profiling", "background_checks", "extreme_vetting", "credit_risk", "insurance_risk",
        "face_recognition", "psychographics",
    }),
    "unlawful_analysis": frozenset({"unlawful_analysis", "discrimination"}),
    "model_training": frozenset({"model_training", "foundation_model_training"}),
    "advertising_off_x": frozenset({"advertising_off_x"}),
    "benchmarking": frozenset({"benchmarking", "competitive_benchmarking", "internal_measurement"}),
    "resale": frozenset({"resale"}),
    "substitutes": frozenset({"substitute_product", "reverse_engineering"}),
    "engagement_for_sale": frozenset({
        "engagement_for_sale", "selling_engagement", "paying_for_engagement", "growth_by_following",
    }),
    "trend_manipulation": frozenset({"trend_manipulation"}),
}  # fmt: skip

_ONLY_IN_WRITING = {
    "violation_reporting": "reports_on_violations",
    "bulk_redistribution": "redistribution",
    "ai_written_replies": "generated_replies",
    "automation": "generated_replies",
}

HARMLESS_TRAITS = frozenset({"sentiment", "topics", "language"})
"""All others are sensitive."""

MODEL_TRAINING_FROM = datetime(2025, 6, 4, tzinfo=UTC)
_REVIEW_INTERVAL = timedelta(days=365)
_UNSUMMONED_REPLIES_UNTIL = datetime(2026, 2, 23, tzinfo=UTC)
_QUOTES_UNTIL = datetime(2026, 4, 20, tzinfo=UTC)

PUBLIC_EVENTS = frozenset({
    "profile.update", "post.create", "post.delete", "broadcast.start", "broadcast.end",
})  # fmt: skip
EVENT_SCOPES = {
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


def declared(app: App, context: Context) -> bool:
    """Whether the app is approved for what it declares."""
    return bool(context.purposes) and all(
        _is_approved(purpose, app.approved_purposes) for purpose in context.purposes
    )


def missing_approvals(app: App, context: Context, now: datetime) -> set[str]:
    """Return the approvals in writing that the use needs and the app lacks."""
    needed = {_ONLY_IN_WRITING[use] for use in context.purposes if use in _ONLY_IN_WRITING}
    if "generates_replies" in context.practices:
        needed.add("generated_replies")
    return {what for what in needed if not in_writing(app, what, now)}


def in_writing(app: App, what: str, now: datetime) -> bool:
    """Whether X has approved it in writing, and that is in force."""
    return any(given.what == what and given.since <= now < given.until for given in app.approvals)


def credential_fits(operation: Operation, context: Context) -> bool:
    """Whether the token is of the right kind and carries what the operation takes."""
    credential = context.credential
    if credential not in operation.accepts:
        return False
    if credential == "oauth2_user":
        return context.user is not None and operation.scopes <= context.scopes
    if credential == "oauth1_user":
        given = PERMISSIONS[context.permission]
        return context.user is not None and given >= operation.permission
    return context.user is None


def in_standing(app: App, operation: Operation, now: datetime) -> bool:
    """Whether the app is active, or reads while it is write-restricted, and was reviewed."""
    status = app.status
    if status == "write_restricted":
        if operation.writes or operation.permission == WRITE:
            return False
    elif status != "active":
        return False
    return timedelta(0) <= now - app.reviewed_at <= _REVIEW_INTERVAL


_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
_ENDLESS = datetime(9999, 1, 1, tzinfo=UTC)
_OLD_TIERS_END = datetime(2023, 4, 28, tzinfo=UTC)
LIVES = {
    "standard_track": (datetime(2020, 8, 12, tzinfo=UTC), datetime(2021, 11, 15, tzinfo=UTC)),
    "academic_research": (datetime(2021, 1, 26, tzinfo=UTC), _OLD_TIERS_END),
    "essential": (datetime(2021, 11, 15, tzinfo=UTC), _OLD_TIERS_END),
    "elevated": (datetime(2021, 11, 15, tzinfo=UTC), _OLD_TIERS_END),
    "enterprise": (datetime(2022, 1, 1, tzinfo=UTC), _ENDLESS),
    "free": (datetime(2023, 3, 29, tzinfo=UTC), datetime(2026, 2, 6, tzinfo=UTC)),
    "basic": (datetime(2023, 3, 29, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)),
    "pro": (datetime(2024, 1, 1, tzinfo=UTC), _ENDLESS),
    "pay_per_use": (datetime(2026, 2, 6, tzinfo=UTC), _ENDLESS),
}
"""When each tier of v2 begins and ends; those of v1.1 grant none of its operations."""
EARLY = {
    "standard_track": {"reads", "streams"},
    "academic_research": {"reads", "streams", "archive"},
    "essential": {"reads"}, "elevated": {"reads"}, "enterprise": {"reads", "archive"},
    "free": {"writes"}, "basic": {"reads", "writes"},
    "pro": {"reads", "writes", "streams", "archive"},
}  # fmt: skip
"""What is known of tiers before there were tables."""


def granted(app: App, operation: Operation, now: datetime) -> bool:
    """Whether a table, or what is known from before, has the operation for the tier."""
    if now < TABLES_FROM:
        return operation.known_early in EARLY.get(app.tier, ())
    return app.tier in operation.tiers and now >= operation.since


def withdrawn(app: App, operation: Operation, now: datetime) -> set[str]:
    """Return why the tier grants nothing, or the operation no more."""
    found: set[str] = set()
    tier = app.tier
    begins, ends = LIVES.get(tier, (_ALWAYS, _ENDLESS))
    if tier not in LIVES:
        found.add("of_v1")
    if now < begins:
        found.add("not_begun")
    if now >= ends and not (tier == "free" and app.public_utility):
        found.add("over")
    if tier == "free" and now >= operation.free_until:
        found.add("left_free")
    if tier != "enterprise" and now >= operation.self_serve_until:
        found.add("left_self_serve")
    if tier == "academic_research" and (
        "accredited_researcher" not in app.marks or "for_business" in app.marks
    ):
        found.add("not_academic")
    return found


_OPEN = frozenset(
    {"read_users", "read_spaces", "read_open", "run_app", "follow_people", "write_notes"}
)


def may_see(app: App, operation: Operation, resource: Resource, context: Context) -> bool:
    """Whether the acting user may see it, or do that with it."""
    kind, user = operation.kind, context.user
    if kind in _OPEN:
        return True
    if kind in ("read_posts", "read_own_posts", "read_included", "read_media"):
        return not hidden(resource, context)
    if kind in ("read_lists", "read_own_lists"):
        return not unseen_list(resource, context)
    if user is None:
        return False
    if kind in ("read_own", "read_owned", "act_as_owner"):
        return user.id == resource.owner
    if kind == "act_as_author":
        assert resource.author is not None
        return user.id == resource.author.id
    if kind == "moderate":
        return user.id == resource.conversation_owner
    if kind in ("read_messages", "write_messages", "send_messages"):
        return user in resource.participants and app.id in user.authorized_apps
    if kind == "read_keys":
        return app.id in user.authorized_apps
    return user.id == context.account  # what is done in an account


def hidden(resource: Resource, context: Context) -> bool:
    """Whether the author is protected, and the acting user is neither they nor approved by them."""
    author, user, viewer = resource.author, context.user, context.viewer
    assert author is not None
    if not author.protected:
        return False
    if user is None:
        return True
    return user.id != author.id and (viewer is None or not viewer.approved_follower)


def unseen_list(resource: Resource, context: Context) -> bool:
    """Whether the List is private, and the acting user neither owner nor member."""
    if not resource.private:
        return False
    user = context.user
    return user is None or (user.id != resource.owner and not context.member)


SEEN_BEFORE = frozenset({"likePost", "repostPost", "createUsersBookmark"})


def not_theirs(app: App, operation: Operation, resource: Resource, context: Context) -> bool:
    """Whether it is somebody else's account, not to be seen, or for writers of notes."""
    user = context.user
    if operation.of_the_app and resource.app != app.id:
        return True
    if operation.for_note_writers and (user is None or not user.writes_notes):
        return True
    if (
        operation.in_account
        and operation.reads_people
        and (user is None or user.id != context.account)
    ):
        return True
    if operation.name in SEEN_BEFORE and hidden(resource, context):
        return True
    return operation.kind == "act_on_lists" and unseen_list(resource, context)


def matching_forbidden(context: Context) -> bool:
    """Whether people are linked with what is outside, and may not be."""
    if context.matching == "third_party_data":
        return True
    return (
        context.matching in ("given_by_person", "public_data") and not context.reasonably_expected
    )


def _disconnected(app: App, context: Context) -> bool:
    return context.user is not None and app.id not in context.user.authorized_apps


def told_to_themselves(context: Context) -> bool:
    """Whether the event is told by a grant of the person that it is about."""
    user, about = context.user, context.about
    return (
        context.credential == "oauth2_user"
        and user is not None
        and about is not None
        and user.id == about.id
        and EVENT_SCOPES.get(context.event, "tweet.read") in context.scopes
    )


def event_forbidden(app: App, context: Context) -> bool:
    """Whether the event may not be told."""
    event, about = context.event, context.about
    if event == "news.new":
        return app.tier != "enterprise"
    if about is None:
        return True
    if event in PUBLIC_EVENTS:
        return about.protected
    return not told_to_themselves(context)


def new_post_forbidden(app: App, context: Context, now: datetime) -> bool:
    """Whether it is a reply or a quote that the tier does not grant."""
    if app.tier == "enterprise":
        return False
    kind = context.kind
    return (kind == "reply" and now >= _UNSUMMONED_REPLIES_UNTIL) or (
        kind == "quote" and now >= _QUOTES_UNTIL
    )


_BARRING = {
    "embargoed": "embargoed", "under_age": "under_age", "children_unmarked": "children_unmarked",
    "several_use_cases": "several_use_cases", "too_many_apps": "apps_for_one_use",
    "test_app_in_production": "test_app", "shares_keys": "careless",
    "asks_for_passwords": "careless", "without_privacy_policy": "without_privacy_policy",
    "refuses_audit": "unaudited", "breached": "breached", "unpaid": "unpaid",
}  # fmt: skip


def barred(app: App, now: datetime) -> set[str]:
    """Return why the developer, or how they run the app, bars it."""
    marks = app.marks
    found = {_BARRING[mark] for mark in marks if mark in _BARRING}
    if "non_commercial" in marks and "for_business" in marks and "non_profit" not in marks:
        found.add("commercial")
    if "outgrown" in marks and app.tier != "enterprise":
        found.add("outgrown")
    if "white_label" in marks and not in_writing(app, "white_label", now):
        found.add("white_label")
    return found


_FORBIDDEN_PRACTICES = {
    "derives_what_is_not_public": "not_public",
    "stores_location_apart": "location_apart", "tracks_movements": "location_apart",
    "pools_tokens": "around", "scrapes": "around", "scripts_a_browser": "around",
    "evades_limits": "around", "frames_x": "framing",
    "advertises_in_timelines": "advertising", "advertises_like_posts": "advertising",
    "alters_posts": "untrue", "hides_authors": "untrue", "mixes_networks": "untrue",
    "implies_endorsement": "untrue", "serves_who_may_not_see": "entitled_alone",
    "hides_read_receipts": "silent_receipts",
}  # fmt: skip
_FORBIDDEN_IN_WRITING = {
    "in_bulk": "in_bulk", "repeats_over_accounts": "repeated", "rides_on_trends": "repeated",
    "hides_that_it_is_paid": "undisclosed",
}  # fmt: skip
_WITH_CONSENT = frozenset({
    "stores_messages", "shares_what_is_protected", "promotes_with_people",
    "republishes_from_elsewhere", "shows_the_exact_place",
})  # fmt: skip
_REPLIES = ("reply", "summoned_reply")


def misconduct(app: App, operation: Operation, context: Context, now: datetime) -> set[str]:
    """Return what is wrong with how the app goes about it."""
    found: set[str] = set()
    practices = context.practices
    if practices:
        found |= {_FORBIDDEN_PRACTICES[done] for done in practices if done in _FORBIDDEN_PRACTICES}
        if "targets_by_sensitive_traits" in practices and not in_writing(
            app, "sensitive_targeting", now
        ):
            found.add("sensitive_targeting")
        if (practices & _WITH_CONSENT) - context.consents:
            found.add("unconsented")
        if operation.writes:
            found |= {
                _FORBIDDEN_IN_WRITING[done] for done in practices if done in _FORBIDDEN_IN_WRITING
            }
    if "surveillance_agency" in app.marks:
        found.add("surveillance_agency")
    if context.started_by == "rule_of_app":
        found |= _by_itself(app, operation, context)
    return found


def _by_itself(app: App, operation: Operation, context: Context) -> set[str]:
    found: set[str] = set()
    to = context.addressee
    if "labelled_as_bot" not in app.marks:
        found.add("unlabelled")
    if operation.name == "likePost":
        found.add("automated_like")
    if operation.kind == "send_messages" and (to is None or not to.turned_to_us):
        found.add("unsolicited_message")
    if context.kind in _REPLIES:
        if to is None or not (to.turned_to_us or to.agreed):
            found.add("unasked_reply")
        if to is None or to.answered != 0:
            found.add("second_reply")
    if operation.addresses and to is not None and to.opted_out:
        found.add("opted_out")
    return found


def refused(operation: Operation, resource: Resource, context: Context) -> set[str]:
    """Return what people have set, or X has ruled, that stands against it."""
    found: set[str] = set()
    practices, author = context.practices, resource.author
    if operation.of_people and author is not None and author.state != "active":
        found.add("gone_author")
    if operation.kind == "read_users":
        assert resource.user is not None
        if resource.user.state != "active":
            found.add("gone")
        if practices and (
            ("finds_by_email" in practices and not resource.user.discoverable_by_email)
            or ("finds_by_phone" in practices and not resource.user.discoverable_by_phone)
        ):
            found.add("hidden_from_search")
    elif operation.kind in ("read_posts", "read_own_posts"):
        withheld = resource.withheld_in
        if withheld and (not context.country or context.country in withheld):
            found.add("withheld")
    elif operation.kind in ("read_media", "read_spaces"):
        if "downloads" in practices and not resource.may_be_kept:
            found.add("no_download" if operation.kind == "read_media" else "not_recorded")
    elif operation.kind == "send_messages":
        found |= _unwelcome(resource, context)
    elif operation.name == "createPosts":
        if not all(_lets(person.tagged_by, person, context) for person in context.tags):
            found.add("untaggable")
        to = context.addressee
        if context.kind in _REPLIES and (
            to is None
            or not (to.replies_from == "everybody" or (to.replies_from == "known" and to.knows_us))
        ):
            found.add("not_answerable")
    return found


def _lets(audience: str, person: User, context: Context) -> bool:
    return audience == "everybody" or (audience == "known" and person.id in context.welcome)


def _unwelcome(resource: Resource, context: Context) -> set[str]:
    found: set[str] = set()
    user = context.user
    if user is None:
        return found
    if not all(
        person.id == user.id or _lets(person.messages_from, person, context)
        for person in resource.participants
    ):
        found.add("unwelcome")
    if any(user.id in person.blocks_messages_of for person in resource.participants):
        found.add("messages_blocked")
    return found


READS_POSTS = ("read_posts", "read_own_posts")
_TO_READ = {
    "standard_track": 500_000, "academic_research": 10_000_000, "essential": 500_000,
    "elevated": 2_000_000, "free": 100, "basic": 15_000, "pro": 1_000_000,
    "pay_per_use": 3_000_000,
}  # fmt: skip
_TO_WRITE = {"free": 500, "basic": 50_000, "pro": 300_000}
_FEWER_UNTIL = (
    ("free", datetime(2025, 5, 6, tzinfo=UTC), 50),
    ("basic", datetime(2025, 5, 6, tzinfo=UTC), 10_000),
    ("pay_per_use", datetime(2026, 8, 13, tzinfo=UTC), 2_000_000),
)
_MORE_WRITTEN_UNTIL = datetime(2024, 10, 1, tzinfo=UTC)


def posts_to_read(tier: str, now: datetime) -> int:
    """Return how many Posts a month the tier comes with."""
    for of, until, fewer in _FEWER_UNTIL:
        if tier == of and now < until:
            return fewer
    return _TO_READ.get(tier, 0)


def posts_to_write(tier: str, now: datetime) -> int:
    """Return how many Posts a month the tier may write."""
    if tier == "free" and now < _MORE_WRITTEN_UNTIL:
        return 1_500
    return _TO_WRITE.get(tier, 0)


def subscriptions_of(tier: str) -> int:
    """Return how many subscriptions to activity the tier comes with."""
    return 75_000 if tier == "enterprise" else 1_500


def quota_left(app: App, operation: Operation, context: Context, now: datetime) -> bool:
    """Whether something is left of what the tier comes with."""
    if operation.name == "createActivitySubscription":
        return context.subscriptions < subscriptions_of(app.tier)
    if operation.kind in READS_POSTS:
        return app.tier == "enterprise" or context.posts_read < posts_to_read(app.tier, now)
    return (
        operation.name != "createPosts"
        or app.tier in ("enterprise", "pay_per_use")
        or context.posts_written < posts_to_write(app.tier, now)
    )


def allows(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> bool:
    """Whether *app* may do *operation* on *resource*."""
    if app.status in ("suspended", "terminated") or _disconnected(app, context):
        return False
    if (app.marks and barred(app, now)) or withdrawn(app, operation, now):
        return False
    if operation.faces_people and context.viewer is not None and context.viewer.blocked:
        return False
    if not_theirs(app, operation, resource, context):
        return False
    if refused(operation, resource, context):
        return False
    if operation.reads_people:
        if not context.aggregate and not context.derives <= HARMLESS_TRAITS:
            return False
        if matching_forbidden(context):
            return False
    elif operation.writes and not context.person_asked:
        return False
    if operation.reads_people or operation.writes:
        purposes = context.purposes
        if (app.serves_government or "government_use" in purposes) and (
            app.tier != "enterprise" or "government_disclosed" not in app.marks
        ):
            return False
        if misconduct(app, operation, context, now):
            return False
        for kind, terms in PROHIBITED.items():
            if purposes & terms and (kind != "model_training" or now >= MODEL_TRAINING_FROM):
                return False
        if missing_approvals(app, context, now) or not declared(app, context):
            return False
    name = operation.name
    if name == "createPosts":
        if new_post_forbidden(app, context, now):
            return False
    elif name == "createActivitySubscription" and event_forbidden(app, context):
        return False
    return (
        credential_fits(operation, context)
        and may_see(app, operation, resource, context)
        and in_standing(app, operation, now)
        and granted(app, operation, now)
        and quota_left(app, operation, context, now)
        and not limits_reached(app, operation, context, now)
    )
