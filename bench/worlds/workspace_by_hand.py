"""Decide policies/workspace as somebody would write it by hand, over plain Python objects, which are trusted.

`answer` gives what the engine's decision has at once: whether it is an allow and, if so, what is shown of a document
and what is owed. `allows` gives the first of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from attrs import define

RIGHTS: Final = {"view": 0, "comment": 1, "edit": 2, "manage": 3}
SENSITIVITIES: Final = {"open": 0, "internal": 1, "confidential": 2, "restricted": 3}

_IN_ORDER: Final = frozenset({"trial", "active", "past_due"})
_STORAGE: Final = {"free": 5_000, "team": 100_000, "business": 1_000_000, "enterprise": 50_000_000}
_EXPORTS: Final = {"free": 5, "team": 100, "business": 1_000, "enterprise": 20_000}
_LINKS: Final = {
    plan: timedelta(days=days)
    for plan, days in {"free": 7, "team": 30, "business": 90, "enterprise": 365}.items()
}
_TRASH: Final = {"free": 1, "team": 3, "business": 6, "enterprise": 12}
_SEATS: Final = {"free": 5, "team": 50, "business": 1_000, "enterprise": 100_000}
_DESK: Final = {
    "eu": (ZoneInfo("Europe/Berlin"), time(8), time(18)),
    "us": (ZoneInfo("America/New_York"), time(8), time(20)),
    "apac": (ZoneInfo("Asia/Singapore"), time(8), time(18)),
}
_FRIDAY: Final = 4


@define(eq=False)
class Org:
    """An organisation; *networks*: none, or those from which its members work."""

    id: str
    plan: str
    standing: str
    region: str
    seats: int
    requires_mfa: bool
    networks: tuple[Any, ...]
    partners: frozenset[str]
    export_roots: tuple[str, ...]
    support_until: datetime | None


@define(eq=False)
class User:
    """A member; *teams*: the ids of all that they are in, however deep."""

    id: str
    org: Org
    role: str
    active: bool
    teams: frozenset[str]
    home: str | None
    team: str | None
    email: str


@define(eq=False)
class Folder:
    """A folder, with the one that it is in."""

    id: str
    org: Org
    grants: tuple[tuple[str, int], ...]
    guests: frozenset[str]
    for_partners: bool
    legal_hold: bool
    parent: Folder | None


@define(eq=False)
class Document:
    """A document, with the folder that it is in."""

    id: str
    org: Org
    owner: User
    sensitivity: int
    locked_by: str | None
    trashed_at: datetime | None
    parent: Folder


@define(eq=False)
class Link:
    """A link to a document."""

    id: str
    document: Document
    right: int
    expires: datetime
    revoked: bool
    domains: tuple[str, ...]


@define(eq=False)
class Visitor:
    """Somebody with a link."""

    id: str
    email: str
    verified: bool


@define(eq=False)
class Agent:
    """A person of the service's support."""

    id: str
    active: bool
    regions: frozenset[str]


Context: TypeAlias = Mapping[str, Any]
"""What the request says beside, as plain values."""


def _folders(resource: Document | Folder) -> Iterator[Folder]:
    folder: Folder | None = resource if isinstance(resource, Folder) else resource.parent
    while folder is not None:
        yield folder
        folder = folder.parent


def _account(user: User, action: str, context: Context) -> bool:
    org = user.org
    if not user.active or (org.requires_mfa and not context["mfa"]):
        return False
    pays = action in {"read_invoice", "pay_invoice"}
    if org.networks and not pays and not any(context["from_ip"] in n for n in org.networks):
        return False
    if org.standing in _IN_ORDER:
        return True
    return org.standing == "suspended" and (pays or action == "export_document")


_LOCKED = frozenset({"edit_document", "move_document", "trash_document"})
_HELD = _LOCKED | {"purge_document"}
_IN_TRASH = frozenset({"read_document", "restore_document", "purge_document"})
NEEDED: Final = {
    "read_document": 0, "comment_document": 1, "edit_document": 2, "trash_document": 2,
    "restore_document": 2, "move_document": 2, "purge_document": 3, "export_document": 0,
    "make_link": 3, "list_folder": 0, "add_document": 2, "grant": 3, "invite_guest": 3,
}  # fmt: skip
"""The right that each action takes."""


def _is_shared(user: User, action: str, resource: Document | Folder) -> bool:
    if isinstance(resource, Document) and resource.sensitivity == SENSITIVITIES["restricted"]:
        return False
    if action not in {"read_document", "comment_document", "list_folder"}:
        return False
    if any(user.id in folder.guests for folder in _folders(resource)):
        return True
    return (
        action != "comment_document"
        and user.org.id in resource.org.partners
        and any(folder.for_partners for folder in _folders(resource))
    )


def _may(user: User, action: str, resource: Document | Folder) -> bool:
    needed, teams = NEEDED[action], user.teams
    for folder in _folders(resource):
        if folder.id == user.home:
            return True
        for team, right in folder.grants:
            if right >= needed and team in teams:
                return True
    if isinstance(resource, Document) and resource.owner is user:
        return True
    return user.role in {"admin", "owner"}


def _document(user: User, action: str, it: Document, context: Context, now: datetime) -> bool:
    if it.locked_by is not None and it.locked_by != user.id and action in _LOCKED:
        return False
    if it.trashed_at is not None and action not in _IN_TRASH:
        return False
    if action in _HELD and any(folder.legal_hold for folder in _folders(it)):
        return False
    match action:
        case "move_document":
            return bool(context["to"].org is it.org)
        case "purge_document":
            return it.trashed_at is not None and _later(it.trashed_at, _TRASH[it.org.plan]) <= now
        case "export_document":
            return _export(user, context)
        case "make_link":
            life = context["expires"] - now
            return bool(timedelta() < life <= _LINKS[user.org.plan] and context["gives"] <= 1)
    return True


def _export(user: User, context: Context) -> bool:
    to: str = context["to"]
    if context["exports"] >= _EXPORTS[user.org.plan] and "migration" not in user.teams:
        return False
    if not any(root in ("/", to) or to.startswith(root + "/") for root in user.org.export_roots):
        return False
    return "/." not in to


def _folder(user: User, action: str, it: Folder, context: Context) -> bool:
    match action:
        case "add_document":
            return bool(context["used_mb"] + context["size_mb"] <= _STORAGE[it.org.plan])
        case "grant":
            if context["gives"] == RIGHTS["manage"] and user.role not in {"admin", "owner"}:
                return False
            return bool(context["team_org"] is it.org)
        case "invite_guest":
            return bool(context["guest"].org is not it.org)
    return True


def _shared(user: User, action: str, it: Any, context: Context, now: datetime) -> bool:
    if not _account(user, action, context):
        return False
    if user.org is it.org:
        if not _may(user, action, it):
            return False
    elif not _is_shared(user, action, it):
        return False
    if isinstance(it, Document):
        return _document(user, action, it, context, now)
    return _folder(user, action, it, context)


def _later(moment: datetime, months: int) -> datetime:
    """Return the same day of a later month; all days here are before the 29th."""
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1)


def _link(visitor: Visitor, link: Link, context: Context, now: datetime) -> bool:
    wants = context["wants"]
    if link.revoked or now >= link.expires or wants > link.right:
        return False
    if (link.domains or wants > 0) and not visitor.verified:
        return False
    if link.domains and not visitor.email.lower().endswith(link.domains):
        return False
    document = link.document
    return document.sensitivity < SENSITIVITIES["confidential"] and document.org.standing not in {
        "suspended",
        "closed",
    }


def _support(agent: Agent, action: str, it: Any, context: Context, now: datetime) -> bool:
    org = it.org
    until = org.support_until
    if not agent.active or org.region not in agent.regions or until is None or now >= until:
        return False
    if context["case"] == "":
        return False
    if action == "act_as":
        zone, opens, closes = _DESK[org.region]
        there = now.astimezone(zone)
        return (
            it.role not in {"admin", "owner"}
            and there.weekday() <= _FRIDAY
            and opens <= there.time() < closes
        )
    return True


def _administer(user: User, action: str, org: Org, context: Context) -> bool:
    if not _account(user, action, context) or user.org is not org:
        return False
    match action:
        case "change_plan":
            return (
                user.role in {"billing", "owner"} and context["members"] <= _SEATS[context["plan"]]
            )
        case "close_org":
            return user.role == "owner"
    if user.role not in {"admin", "owner"}:
        return False
    match action:
        case "invite":
            return bool(context["members"] < org.seats)
        case "change_role":
            member = context["member"]
            promotes = context["role"] == "owner" and user.role != "owner"
            return member is not user and not promotes and member.org is org
    return True


def allows(subject: Any, action: str, resource: Any, context: Context, now: datetime) -> bool:
    """Return whether a request is allowed."""
    if isinstance(subject, Agent):
        return _support(subject, action, resource, context, now)
    if isinstance(subject, Visitor):
        return _link(subject, resource, context, now)
    if isinstance(resource, Org):
        return _administer(subject, action, resource, context)
    return _shared(subject, action, resource, context, now)


@define
class Answer:
    """A decision; of an allow, the fields that are shown, those that are in part, and what is *owed*: names and arguments."""

    allowed: bool
    exposed: frozenset[str] = frozenset()
    masks: Mapping[str, str] = {}
    owed: tuple[tuple[str, tuple[str, ...]], ...] = ()


_DENIED: Final = Answer(False)
_ALLOWED: Final = Answer(True)
_MASKED: Final = {"changed": "day", "owner": "pseudonym"}
_TO_MEMBERS: Final = Answer(
    True,
    frozenset({
        "id", "org", "owner", "title", "body", "kind", "size_mb", "sensitivity", "created", "changed", "locked_by",
        "trashed_at",
    }),
)  # fmt: skip
_TO_GUESTS: Final = frozenset({"id", "title", "body", "kind"})
_TO_SUPPORT: Final = Answer(
    True, frozenset({"id", "kind", "size_mb", "sensitivity"}), {"created": "month", **_MASKED}
)
_OPEN_TO_SUPPORT: Final = Answer(
    True, frozenset({"id", "title", "kind", "size_mb", "sensitivity"}), _TO_SUPPORT.masks
)


def answer(subject: Any, action: str, resource: Any, context: Context, now: datetime) -> Answer:
    """Return the decision on a request."""
    if not allows(subject, action, resource, context, now):
        return _DENIED
    if not isinstance(resource, Document):
        return _ALLOWED
    if isinstance(subject, Agent):
        return _OPEN_TO_SUPPORT if resource.sensitivity == 0 else _TO_SUPPORT
    if subject.org is resource.org:
        return _TO_MEMBERS
    return Answer(True, _TO_GUESTS, _MASKED, (("watermark", (resource.org.id,)),))
