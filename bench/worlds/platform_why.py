"""Say why policies/x decide as they do, as somebody would write it by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from bench.worlds.platform_asked import (
    PERMISSION_NAMES,
    App,
    Context,
    Operation,
    Resource,
)
from bench.worlds.platform_by_hand import (
    EARLY,
    EVENT_SCOPES,
    HARMLESS_TRAITS,
    LIVES,
    MODEL_TRAINING_FROM,
    PROHIBITED,
    PUBLIC_EVENTS,
    READS_POSTS,
    SEEN_BEFORE,
    barred,
    credential_fits,
    declared,
    event_forbidden,
    granted,
    hidden,
    in_standing,
    matching_forbidden,
    may_see,
    misconduct,
    missing_approvals,
    new_post_forbidden,
    not_theirs,
    posts_to_read,
    posts_to_write,
    quota_left,
    refused,
    subscriptions_of,
    told_to_themselves,
    unseen_list,
    withdrawn,
)
from bench.worlds.platform_limits import TABLES_FROM, limit_says, limits_reached


def why(app: App, operation: Operation, resource: Resource, context: Context, now: datetime) -> str:
    """Return the reason for what `allows` says."""
    parts = list(_forbidden(app, operation, resource, context, now))
    parts = parts or list(_shut(app, operation, resource, context, now))
    parts = parts or list(_allowed(app, operation, resource, context, now))
    return "; ".join(dict.fromkeys(parts))


def _set(values: Iterable[str]) -> str:
    return "{" + ", ".join(sorted(values)) + "}"


def _date(moment: datetime) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.removesuffix("T00:00:00Z")


def _forbidden(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> Iterator[str]:
    name = f'App "{app.id}"'
    if operation.reads_people or operation.writes:
        yield from _use_forbidden(app, operation, context, now)
        for rule in misconduct(app, operation, context, now):
            yield _misconduct_says(rule, app, operation, context)
    for rule in refused(operation, resource, context):
        yield _refusal_says(rule, resource, context)
    for limit, most in limits_reached(app, operation, context, now):
        if limit.count == "calls_by_second":
            yield limit_says(limit, most, app, operation, context)
    for rule in withdrawn(app, operation, now):
        yield _withdrawn_says(rule, app, operation)
    for rule in barred(app, now):
        yield _BARRED_SAYS[rule].format(name=name)
    if context.user is not None and app.id not in context.user.authorized_apps:
        yield f'User "{context.user.id}" has not connected {name}, or has disconnected it'
    if not_theirs(app, operation, resource, context):
        yield from _why_not_theirs(app, operation, resource, context)
    if operation.faces_people and context.viewer is not None and context.viewer.blocked:
        yield "the acting user is blocked there, and no other token may be used to get round it"
    if operation.name == "createActivitySubscription" and event_forbidden(app, context):
        yield from _why_no_event(app, context)
    if app.status == "suspended":
        yield f"{name} is suspended; the operator can appeal to the platform"
    if app.status == "terminated":
        yield f"{name} was terminated; everything it was given must be deleted"
    if operation.name == "createPosts" and new_post_forbidden(app, context, now):
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
    if purposes & PROHIBITED["advertising_off_x"]:
        yield "content of X may not be used to target people with advertisements elsewhere"
    if purposes & PROHIBITED["benchmarking"]:
        yield (f"{_set(purposes)} includes measuring X, which is prohibited, for internal use too")
    if purposes & PROHIBITED["unlawful_analysis"]:
        yield (
            f"{_set(purposes)} includes an analysis that the law, or what people may expect of it, "
            "forbids"
        )
    if purposes & PROHIBITED["substitutes"]:
        yield "nobody may build a substitute for X from its content, or take X apart"
    if purposes & PROHIBITED["engagement_for_sale"]:
        yield (
            "likes, follows, reposts and replies may not be sold or paid for, nor "
            "may an app win followers by following"
        )
    if purposes & PROHIBITED["trend_manipulation"]:
        yield "nobody may make trends, or bend them"
    if app.serves_government or "government_use" in purposes:
        if app.tier != "enterprise":
            yield (
                f"serving government end users needs the Enterprise plan; {name} is on {app.tier}"
            )
        if "government_disclosed" not in app.marks:
            yield (
                "each government end user and use is disclosed to X before it begins; "
                f"{name} has disclosed none"
            )
    if purposes & PROHIBITED["model_training"] and now >= MODEL_TRAINING_FROM:
        yield "content of X may not train or fine-tune any model, whoever made it"
    if operation.reads_people and matching_forbidden(context):
        if context.matching == "third_party_data":
            yield (
                "linking people on X with data about them from elsewhere needs their opt-in consent"
            )
        else:
            yield (
                f"without opt-in consent, {context.matching} may link a person only as they would "
                "expect"
            )
    if purposes & PROHIBITED["profiling"]:
        yield f"{_set(purposes)} includes individual profiling, which is prohibited"
    if purposes & PROHIBITED["resale"]:
        yield "selling or sublicensing content of X is prohibited"
    if operation.reads_people and not context.aggregate and not context.derives <= HARMLESS_TRAITS:
        yield (
            f"deriving {_set(context.derives)} about people is a restricted use; an aggregate "
            "analysis that keeps nothing about persons is not"
        )
    if purposes & PROHIBITED["surveillance"]:
        yield f"{_set(purposes)} includes surveillance, which is prohibited for everybody"
    if operation.writes and not context.person_asked:
        yield (
            f"{operation.name} acts for a person, who must have asked for it: being logged in is "
            "no consent"
        )


_MISCONDUCT_SAYS = {
    "not_public": "what people have not made public may not be derived from what they have",
    "location_apart": "a place stays with its Post: apart from it no place may be stored, "
    "and no movements followed",
    "framing": "X may not be framed in another page",
    "advertising": "only X's own advertisements may be in timelines, and none may look like a Post",
    "untrue": "Posts are shown as they are, with their author, beside no other network's, and imply no "
    "endorsement",
    "entitled_alone": "what is shared with some may be served to them alone",
    "silent_receipts": "where others see that somebody has read a message, the app must say so",
    "repeated": "several accounts may not say the same, and nothing may ride on a trend",
    "undisclosed": "what is paid for must say so",
    "surveillance_agency": "no app serves agencies whose main mission is surveillance or "
    "intelligence",
    "unlabelled": "an account that acts by itself must say so, and who runs it",
    "automated_like": "a like is the person's own, at that moment",
    "unasked_reply": "by itself an app may answer only people who have turned to its account or agreed to it",
    "second_reply": "by itself an app may answer once in an interaction",
    "unsolicited_message": "by itself an app may write messages only to people who have written "
    "first, and may not greet new followers",
    "opted_out": "by itself an app must leave alone, at once, whoever has said stop",
}


def _misconduct_says(rule: str, app: App, operation: Operation, context: Context) -> str:
    match rule:
        case "around":
            return (
                "what X has comes by its API, through each person's own token and within the limits; "
                f"{_set(context.practices)} goes around it"
            )
        case "unconsented":
            return (
                f"{_set(context.practices)} takes the express consent of the person; there is one to "
                f"{_set(context.consents)}"
            )
        case "sensitive_targeting":
            return (
                "people are chosen by sensitive traits only with X's approval in writing; "
                f'App "{app.id}" has none in force'
            )
        case "in_bulk":
            return f"{operation.name} is done one by one, and not in bulk"
    return _MISCONDUCT_SAYS[rule]


def _refusal_says(rule: str, resource: Resource, context: Context) -> str:
    about, user = f'{resource.type} "{resource.id}"', context.user
    acting = "" if user is None else f'User "{user.id}"'
    match rule:
        case "gone_author":
            assert resource.author is not None
            return f'the account of User "{resource.author.id}" is {resource.author.state}'
        case "gone":
            assert resource.user is not None
            return f"the account of {about} is {resource.user.state}"
        case "withheld":
            return f"{about} is withheld in {_set(resource.withheld_in)}"
        case "hidden_from_search":
            return f"{about} is not found by an address or a number"
        case "no_download":
            return f"{about} may be watched, and not kept"
        case "not_recorded":
            return f"{about} was not recorded for others to hear later"
        case "unwelcome":
            return f"somebody there does not let {acting} write to them"
        case "messages_blocked":
            return f"somebody there has blocked the messages of {acting}"
        case "untaggable":
            return "somebody does not let themselves be tagged"
        case _:
            return "the author has said who may answer, and it is not the acting user"


def _withdrawn_says(rule: str, app: App, operation: Operation) -> str:
    tier = app.tier
    match rule:
        case "of_v1":
            return f"{tier} is a tier of v1.1, which grants no operation of v2"
        case "not_begun":
            begins = _date(LIVES[tier][0])
            return f"{tier} begins on {begins}, and of what was before nothing is known here"
        case "over":
            return f"{tier} ended on {_date(LIVES[tier][1])}"
        case "left_free":
            return f"{operation.name} left Free on {_date(operation.free_until)}"
        case "left_self_serve":
            return (
                f"{operation.name} left the self-serve tiers on {_date(operation.self_serve_until)}; "
                f'App "{app.id}" is on {tier}'
            )
        case _:
            return "the academic tier is for researchers at an institution, and for no business"


_BARRED_SAYS = {
    "embargoed": "{name} is of a person or region under sanctions",
    "under_age": "whoever runs {name} is under 18, and no guardian has consented",
    "children_unmarked": "{name} is for children, and has not set the opt-out that such apps must set",
    "commercial": "{name} is designated as non-commercial, and used by a business or sold",
    "outgrown": "{name} has outgrown the self-serve tiers, and needs Enterprise",
    "several_use_cases": "one use case is one app; {name} serves several",
    "apps_for_one_use": "one use case has three apps at most, for development, staging and production",
    "test_app": "{name} is for development or staging, and serves production",
    "white_label": "{name} is sold under other names, which needs X's approval in writing",
    "careless": "keys are for their owner alone, and nobody may be asked for a password of X",
    "without_privacy_policy": "{name} does not show people what it collects, how it is used and "
    "shared, and whom to ask",
    "unaudited": "{name} has not let X see the records of the last two years",
    "breached": "what {name} was given may have come into other hands",
    "unpaid": "{name} is suspended until it is paid for",
}


def _why_not_theirs(
    app: App, operation: Operation, resource: Resource, context: Context
) -> Iterator[str]:
    user = context.user
    if operation.of_the_app and resource.app != app.id:
        yield f'{resource.type} "{resource.id}" is that of App "{resource.app}"'
    if operation.for_note_writers and (user is None or not user.writes_notes):
        yield f"{operation.name} is for those who are enrolled as writers of notes"
    if (
        operation.in_account
        and operation.reads_people
        and (user is None or user.id != context.account)
    ):
        yield (
            f'{operation.name} shows User "{context.account}" what is their own, through their own '
            "token"
        )
    if operation.name in SEEN_BEFORE and hidden(resource, context):
        assert resource.author is not None
        yield f'User "{resource.author.id}" shares Posts with approved followers only'
    if operation.kind == "act_on_lists" and unseen_list(resource, context):
        yield "a private list is there for its owner and members"


def _why_no_event(app: App, context: Context) -> Iterator[str]:
    event, about = context.event, context.about
    if event == "news.new":
        yield f'{event} needs Enterprise; App "{app.id}" is on {app.tier}'
        return
    if about is None:
        yield f"{event} is about a person, who must be named"
    if event not in PUBLIC_EVENTS and not told_to_themselves(context):
        yield (
            f"{event} is delivered only with an OAuth 2.0 grant of the person whose activity it is, "
            f"with {EVENT_SCOPES.get(event, 'tweet.read')}"
        )
    if event in PUBLIC_EVENTS and about is not None and about.protected:
        yield "what protected accounts do on X is not delivered as events, whoever has agreed"


def _shut(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> Iterator[str]:
    name = f'App "{app.id}"'
    if (operation.reads_people or operation.writes) and not declared(app, context):
        yield (
            f"{name} is approved for {_set(app.approved_purposes)}, not for all of "
            f"{_set(context.purposes)}; a substantive change of use needs approval first"
        )
    if not credential_fits(operation, context):
        yield (
            f"{operation.name} takes {_set(operation.accepts)}, with the scopes "
            f"{_set(operation.scopes)} or the permission {PERMISSION_NAMES[operation.permission]}; "
            f"this is {context.credential} with {_set(context.scopes)} and {context.permission}"
        )
    if not may_see(app, operation, resource, context):
        yield from _not_shown(app, operation, resource, context)
    if not in_standing(app, operation, now):
        yield (
            f"{name} is {app.status} and was last reviewed on {_date(app.reviewed_at)}; it must "
            "be active, with a review in the last 1y"
        )
    if not granted(app, operation, now):
        if now < TABLES_FROM:
            early = _set(EARLY.get(app.tier, ()))
            yield f"of {app.tier} before 2024-12-20 no more is known than {early}"
        else:
            yield f"{operation.name} comes with {_set(operation.tiers)}; {name} is on {app.tier}"
    if not quota_left(app, operation, context, now):
        yield from _used_up(app, operation, context, now)
    for limit, most in limits_reached(app, operation, context, now):
        yield limit_says(limit, most, app, operation, context)
        yield f"Enterprise has the limits of its contract; {name} is on {app.tier}"
    for missing in missing_approvals(app, context, now):
        yield {
            "reports_on_violations": "publishing what was found about violations of X's rules needs "
            f"X's approval in writing; {name} has none in force",
            "redistribution": "handing on more than anybody may needs X's approval in writing; "
            f"{name} has none in force",
            "generated_replies": "replies written by AI need X's approval in writing, app by app; "
            f"{name} has none in force",
        }[missing]


def _used_up(app: App, operation: Operation, context: Context, now: datetime) -> Iterator[str]:
    name, tier = f'App "{app.id}"', app.tier
    if operation.name == "createActivitySubscription":
        yield (
            f"{tier} comes with {subscriptions_of(tier)} subscriptions, and "
            f"{context.subscriptions} are there"
        )
        return
    yield f"Enterprise has the quota of its contract; {name} is on {tier}"
    if operation.kind in READS_POSTS:
        yield (
            f"{tier} comes with {posts_to_read(tier, now)} Posts a month, and "
            f"{context.posts_read} were read"
        )
        return
    yield (
        f"{tier} comes with {posts_to_write(tier, now)} Posts to write a month, and "
        f"{context.posts_written} were written"
    )
    yield f"pay_per_use pays for each Post it writes; {name} is on {tier}"


def _not_shown(
    app: App, operation: Operation, resource: Resource, context: Context
) -> Iterator[str]:
    name = f'App "{app.id}"'
    match operation.kind:
        case "read_posts" | "read_own_posts" | "read_included" | "read_media":
            assert resource.author is not None
            author = f'User "{resource.author.id}"'
            shared = "media" if operation.kind == "read_media" else "Posts"
            yield (
                f"{author} shares {shared} with approved followers only, through a token of one of "
                "them"
            )
        case "read_own":
            yield f"{operation.name} shows a person what is their own, through their own token"
        case "read_owned":
            yield (
                f'{operation.name} shows {resource.type} "{resource.id}" to its owner, through '
                "their own token"
            )
        case "read_messages":
            yield f"Direct Messages are read only for a participant who has authorized {name}"
        case "write_messages" | "send_messages":
            yield f"messages are sent only for a participant who has authorized {name}"
        case "read_keys":
            yield f"the keys of encrypted chat are read for a person who has authorized {name}"
        case "read_lists" | "read_own_lists":
            yield "a private list is shown to its owner and members, through their own token"
        case "act_as_author" | "act_as_owner":
            owner = resource.owner if resource.author is None else resource.author.id
            yield (
                f'{operation.name} is done by User "{owner}", whose {resource.type} '
                f'"{resource.id}" is, with a token of theirs'
            )
        case "moderate":
            yield (
                f'replies are hidden by User "{resource.conversation_owner}", who began the '
                "conversation, with a token of theirs"
            )
        case _:
            yield (
                f'{operation.name} is done in the account of User "{context.account}", with a '
                "token of theirs"
            )


_BECAUSE_OF_THE_USER = {
    "act_as_author": "is the author", "act_as_owner": "is the owner",
    "moderate": "began the conversation", "act_in_account": "acts in their own account",
    "act_towards": "acts in their own account", "act_on_lists": "acts in their own account",
}  # fmt: skip


def _allowed(
    app: App, operation: Operation, resource: Resource, context: Context, now: datetime
) -> Iterator[str]:
    name = f'App "{app.id}"'
    if operation.reads_people or operation.writes:
        yield f"approved for {_set(context.purposes)}"
    else:
        yield f"{operation.name} shows or ends what is the developer's own"
    if operation.kind in ("read_posts", "read_own_posts", "read_included", "read_media"):
        assert resource.author is not None
        author = f'User "{resource.author.id}"'
        if resource.author.protected:
            yield f"the acting user may see what {author} shares with approved followers"
        elif operation.kind == "read_media":
            yield f"{author} publishes media for everybody"
        else:
            yield f"{author} writes in public"
    elif operation.kind == "read_users":
        yield f'the profile of User "{resource.id}" is public'
    elif operation.kind == "read_messages":
        yield f"a participant has authorized {name} to read their Direct Messages"
    elif operation.kind in _BECAUSE_OF_THE_USER:
        assert context.user is not None
        yield f'User "{context.user.id}" {_BECAUSE_OF_THE_USER[operation.kind]}'
    if app.status == "active":
        yield f"{name} is active and was reviewed on {_date(app.reviewed_at)}"
    else:
        yield f"{name} is write-restricted, which leaves reading"
    if now < TABLES_FROM:
        yield f"{app.tier} comes with {_set(EARLY[app.tier])}"
    else:
        yield f"{operation.name} comes with {app.tier}"
