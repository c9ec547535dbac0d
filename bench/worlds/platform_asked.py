"""Hold what is asked of policies/x as plain Python values, for the functions that are written by hand.

What each operation demands is data, and read from where it is declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from attrs import define

from policyengine.model.types import ActionType
from policyengine.model.values import to_json


@define
class User:
    """A person, as the rules see one."""

    id: str
    protected: bool
    authorized_apps: frozenset[str]
    shares_location: bool
    writes_notes: bool
    state: str
    messages_from: str
    blocks_messages_of: frozenset[str]
    tagged_by: str
    discoverable_by_email: bool
    discoverable_by_phone: bool


@define
class Approval:
    """An approval in writing, from its day to its end."""

    what: str
    since: datetime
    until: datetime


@define
class App:
    """A developer's app."""

    id: str
    tier: str
    status: str
    approved_purposes: frozenset[str]
    reviewed_at: datetime
    approvals: tuple[Approval, ...]
    marks: frozenset[str]
    serves_government: bool
    public_utility: bool


@define
class Resource:
    """What an operation is about; *owner*: of a person, they themselves. What rules do not read is empty."""

    type: str
    id: str
    author: User | None = None
    user: User | None = None
    owner: str = ""
    participants: tuple[User, ...] = ()
    private: bool = False
    may_be_kept: bool = True
    withheld_in: frozenset[str] = frozenset()
    conversation_owner: str = ""
    app: str = ""


@define
class Viewer:
    """The acting user, as the author sees them."""

    approved_follower: bool
    blocked: bool


@define
class Addressed:
    """Whom a reply or a message turns to, and what they have said."""

    turned_to_us: bool
    agreed: bool
    opted_out: bool
    answered: int
    replies_from: str
    knows_us: bool


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
    account: str = ""
    member: bool = False
    person_asked: bool = False
    practices: frozenset[str] = frozenset()
    consents: frozenset[str] = frozenset()
    started_by: str = ""
    addressee: Addressed | None = None
    welcome: frozenset[str] = frozenset()
    tags: tuple[User, ...] = ()
    country: str = ""
    kind: str = ""
    event: str = ""
    about: User | None = None
    posts_read: int = 0
    calls: int = 0
    calls_by_day: int = 0
    calls_in_all: int = 0
    calls_in_all_by_day: int = 0
    calls_by_second: int = 0
    posts_written: int = 0
    subscriptions: int = 0


@define
class Limit:
    """How many requests an operation takes in a time from each tier, and what of the context has counted them."""

    count: str
    time: str
    app: Mapping[str, int]
    person: Mapping[str, int]
    in_all: bool = False


@define
class Operation:
    """What an operation of the API demands, and who may have it."""

    name: str
    kind: str
    reads_people: bool
    faces_people: bool
    in_account: bool
    with_lists: bool
    for_note_writers: bool
    of_the_app: bool
    addresses: bool
    of_people: bool
    writes: bool
    accepts: frozenset[str]
    scopes: frozenset[str]
    permission: int
    tiers: frozenset[str]
    since: datetime
    known_early: str
    free_until: datetime
    self_serve_until: datetime
    limits: tuple[Limit, ...]


Asked: TypeAlias = tuple[App, Operation, Resource, Context, datetime]
"""A request."""

_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_KINDS = (
    "read_own_posts", "read_posts", "read_included", "read_users", "read_own_lists", "read_lists", "read_own",
    "read_owned", "read_spaces", "read_media", "read_messages", "read_keys", "read_open",
    "follow_people", "act_as_author", "act_as_owner", "act_on_lists", "act_towards",
    "act_in_account", "moderate", "write_notes", "send_messages", "write_messages", "run_app",
)  # fmt: skip
"""Groups of operations; the first that an operation is in says most of it."""


def operations(actions: Mapping[str, ActionType]) -> dict[str, Operation]:
    """Return the operations of the API by name, from what is declared of them."""
    return {name: _operation(action) for name, action in actions.items() if "api" in action.groups}


def _operation(action: ActionType) -> Operation:
    constants: Mapping[str, Any] = action.constants
    until = {
        name: datetime.fromtimestamp(constants[name] // 1_000_000, UTC)
        if name in constants
        else _NEVER
        for name in ("free_until", "self_serve_until")
    }
    since = constants.get("since")
    groups = action.groups
    return Operation(
        name=action.name,
        kind=next(kind for kind in _KINDS if kind in groups),
        reads_people="people_data" in groups,
        faces_people="facing_people" in groups,
        in_account="in_account" in groups,
        with_lists="with_lists" in groups,
        for_note_writers="notes_programme" in groups,
        of_the_app="of_the_app" in groups,
        addresses="address" in groups,
        of_people="of_people" in groups,
        writes="write" in groups,
        accepts=constants["accepts"],
        scopes=constants["scopes"],
        permission=constants["permission"],
        tiers=constants["tiers"],
        since=_ALWAYS if since is None else datetime.fromtimestamp(since // 1_000_000, UTC),
        known_early=constants.get("known_early", ""),
        limits=tuple(_limits(action)),
        **until,
    )


_SEARCHES = 60


def _limits(action: ActionType) -> Iterator[Limit]:
    rows: dict[str, Any] = {
        name: to_json(type_.type, action.constants[name])
        for name, type_ in action.constant_types.by_name.items()
        if name in action.constants and "per_" in name
    }
    for name, count, time in (
        ("per_second", "calls_by_second", "a second"),
        ("per_15m", "calls", "15 minutes"),
        ("per_day", "calls_by_day", "24 hours"),
    ):
        if name in rows:
            app, person = (rows[name].get(whose, {}) for whose in ("app", "person"))
            if action.name == "searchPostsRecent":  # another text has fewer
                app = person = {tier: min(most, _SEARCHES) for tier, most in person.items()}
            yield Limit(count, time, app, person)
    for name, count, time in (
        ("all_per_15m", "calls_in_all", "15 minutes"),
        ("all_per_day", "calls_in_all_by_day", "24 hours"),
    ):
        if name in rows:
            yield Limit(count, time, rows[name], rows[name], in_all=True)


PERMISSION_NAMES = ("read", "write", "direct_messages")
PERMISSIONS = {name: rank for rank, name in enumerate(PERMISSION_NAMES)}
"""How much a token of OAuth 1.0a may do."""

WRITE = PERMISSIONS["write"]
