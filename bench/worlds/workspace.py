"""Make requests of policies/workspace, always the same ones, as plain objects and as parts that the engine built."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random
from typing import Any, Final

from attrs import define, field, frozen

from bench.worlds import workspace_by_hand as plain
from policyengine import PolicyEngine

POLICIES: Final = Path(__file__).resolve().parents[2] / "policies" / "workspace"
_SEED = 20_261_128
_PLANS = ("free", "team", "business", "enterprise")
_STANDINGS = (*["active"] * 20, "trial", "past_due", "suspended", "closed")
_REGIONS = ("eu", "us", "apac")
_ROLES = (*["member"] * 6, "billing", "admin", "owner")
_DEPTH = 4
_DENIED = 0.15
_ON_ORGS = ("rename_org", "invite", "change_role", "close_org", "change_plan")
_ON_FOLDERS = ("list_folder", "add_document", "grant", "invite_guest")
_NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)


@frozen
class Ask:
    """One request: what the hand-written function takes, and what the engine takes."""

    by_hand: tuple[Any, str, Any, Mapping[str, Any], datetime]
    built: tuple[Any, str, Any, Any]


@define
class _World:
    """Organisations with people, folders in folders, and documents, plain and built."""

    engine: PolicyEngine
    rng: Random
    built: dict[int, Any] = field(factory=dict)
    teams: dict[str, Any] = field(factory=dict)

    def ref(self, type_: str, id_: str) -> dict[str, str]:
        return {"type": type_, "id": id_}

    def org(self, number: int, partner: str) -> plain.Org:
        rng = self.rng
        org = plain.Org(
            f"org{number}", rng.choice(_PLANS), rng.choice(_STANDINGS), rng.choice(_REGIONS), 20,
            rng.random() < 0.3, (ip_network("10.0.0.0/8"),) if rng.random() < 0.3 else (),
            frozenset({partner}), ("/exports",), _NOW + timedelta(days=9) if rng.random() < 0.7 else None,
        )  # fmt: skip
        given: dict[str, Any] = {"support_until": org.support_until} if org.support_until else {}
        self.built[id(org)] = self.engine.entity(
            "Org", org.id, plan=org.plan, standing=org.standing, region=org.region, seats=org.seats,
            requires_mfa=org.requires_mfa, networks=list(map(str, org.networks)),
            partners=[self.ref("Org", partner)], export_roots=list(org.export_roots), **given,
        )  # fmt: skip
        return org

    def team(self, id_: str, org: plain.Org, parent: str | None) -> None:
        parents = [self.teams[parent]] if parent else []
        self.teams[id_] = self.engine.entity("Team", id_, org=self.built[id(org)], parents=parents)

    def user(self, id_: str, org: plain.Org, teams: tuple[str, ...]) -> plain.User:
        rng = self.rng
        user = plain.User(
            id_, org, rng.choice(_ROLES), rng.random() < 0.97, frozenset(teams), None,
            teams[0] if teams else None, f"{id_}@{org.id}.example",
        )  # fmt: skip
        self.built[id(user)] = self.engine.entity(
            "User", id_, org=self.built[id(org)], role=user.role, active=user.active, email=user.email,
            parents=[self.teams[teams[0]]] if teams else [],
        )  # fmt: skip
        return user

    def folder(
        self, id_: str, org: plain.Org, parent: plain.Folder | None, guest: plain.User
    ) -> plain.Folder:
        rng = self.rng
        grants = tuple(
            (f"{org.id}-{team}", rng.randrange(4))
            for team in ("staff", "writers")
            if rng.random() < 0.5
        )
        folder = plain.Folder(
            id_, org, grants, frozenset({guest.id} if rng.random() < 0.3 else ()),
            rng.random() < 0.1, rng.random() < 0.03, parent,
        )  # fmt: skip
        names = list(plain.RIGHTS)
        self.built[id(folder)] = self.engine.entity(
            "Folder", id_, org=self.built[id(org)],
            grants=[{"to": self.ref("Team", team), "right": names[right]} for team, right in grants],
            guests=[self.ref("User", one) for one in folder.guests],
            for_partners=folder.for_partners, legal_hold=folder.legal_hold,
            parents=[self.built[id(parent)]] if parent else [],
        )  # fmt: skip
        return folder

    def document(self, id_: str, owner: plain.User, parent: plain.Folder) -> plain.Document:
        rng = self.rng
        document = plain.Document(
            id_, parent.org, owner, rng.randrange(4), rng.choice((None,) * 15 + (owner.id,)),
            rng.choice((None,) * 15 + (datetime(2026, 3, 7, tzinfo=UTC), _NOW - timedelta(days=2))),
            parent,
        )  # fmt: skip
        given: dict[str, Any] = {}
        if document.locked_by:
            given["locked_by"] = self.ref("User", document.locked_by)
        if document.trashed_at:
            given["trashed_at"] = document.trashed_at
        self.built[id(document)] = self.engine.entity(
            "Document", id_, org=self.built[id(parent.org)], owner=self.ref("User", owner.id),
            sensitivity=list(plain.SENSITIVITIES)[document.sensitivity],
            parents=[self.built[id(parent)]], **given,
        )  # fmt: skip
        return document


def requests(engine: PolicyEngine, count: int) -> list[Ask]:
    """Return *count* requests over all kinds of resources; most are allowed."""
    rng = Random(_SEED)
    world = _World(engine, rng)
    orgs = [world.org(n, f"org{(n + 1) % 8}") for n in range(8)]
    people: dict[str, list[plain.User]] = {}
    for org in orgs:
        world.team(f"{org.id}-staff", org, None)
        world.team(f"{org.id}-writers", org, f"{org.id}-staff")
        teams = ((f"{org.id}-staff",), (f"{org.id}-writers", f"{org.id}-staff"), ())
        people[org.id] = [world.user(f"{org.id}-u{n}", org, rng.choice(teams)) for n in range(10)]
    asked: list[Ask] = []
    number = 0
    while len(asked) < count:  # as in practice, most are allowed
        ask = _ask(world, orgs, people, number)
        if plain.allows(*ask.by_hand) or rng.random() < _DENIED:
            asked.append(ask)
        number += 1
    return asked


def _ask(
    world: _World, orgs: list[plain.Org], people: dict[str, list[plain.User]], number: int
) -> Ask:
    rng, engine = world.rng, world.engine
    org = rng.choice(orgs)
    other = rng.choice(orgs)
    member = rng.choice(people[org.id])
    guest = rng.choice(people[other.id])
    subject: Any = member if rng.random() < 0.9 else guest
    resource: Any = org
    context: dict[str, Any] = {}
    given: dict[str, Any] = {}
    folder: plain.Folder | None = None
    for depth in range(rng.randint(1, _DEPTH)):
        folder = world.folder(f"f{number}-{depth}", org, folder, guest)
    assert folder is not None
    draw = rng.random()
    if draw < 0.7:
        if draw < 0.5:
            action = rng.choice([a for a in plain.NEEDED if a not in _ON_FOLDERS])
            resource = world.document(f"d{number}", rng.choice(people[org.id]), folder)
        else:
            action, resource = rng.choice(_ON_FOLDERS), folder
        _in_folders(world, rng, action, folder, (member, guest), context, given)
    elif draw < 0.8:
        action = "open_link"
        subject, resource = _link(world, rng, number, world.document(f"d{number}", member, folder))
        right = rng.randrange(2)
        context["wants"], given["wants"] = right, list(plain.RIGHTS)[right]
    elif draw < 0.9:
        action = rng.choice(("inspect_document", "act_as"))
        resource = member if action == "act_as" else world.document(f"d{number}", member, folder)
        subject = plain.Agent(
            f"a{number}",
            rng.random() < 0.9,
            frozenset({*rng.sample(_REGIONS, rng.choice((2, 3, 3)))}),
        )
        world.built[id(subject)] = engine.entity(
            "Agent", subject.id, active=subject.active, regions=sorted(subject.regions)
        )
        context["case"] = given["case"] = rng.choice(("C-1",) * 9 + ("",))
    else:
        action = rng.choice(_ON_ORGS)
        _on_org(world, rng, action, people[org.id], context, given)
    if isinstance(subject, plain.User):
        address = rng.choice(("10.1.2.3",) * 9 + ("192.0.2.1",))
        context |= {"from_ip": ip_address(address), "mfa": rng.random() < 0.97}
        given |= {"from_ip": address, "mfa": context["mfa"]}
    now = _NOW + timedelta(hours=rng.choice((0, 1, 2, 3, 4, 5, 14)))
    built = engine.context(action, given)
    return Ask(
        (subject, action, resource, context, now),
        (world.built[id(subject)], action, world.built[id(resource)], built),
    )


def _in_folders(
    world: _World, rng: Random, action: str, folder: plain.Folder,
    people: tuple[plain.User, plain.User], context: dict[str, Any], given: dict[str, Any],
) -> None:  # fmt: skip
    """Add what actions on folders and documents say beside."""
    names = list(plain.RIGHTS)
    match action:
        case "move_document":
            context["to"], given["to"] = folder, world.built[id(folder)]
        case "export_document":
            to = rng.choice(
                ("/exports/plan", "/exports/a/b", "/exports/c", "/exports/.x", "/other")
            )
            context |= {"to": to, "exports": rng.choice((0, 1, 100))}
            given |= context
        case "make_link":
            right = rng.randrange(3)
            context |= {"expires": _NOW + timedelta(days=rng.choice((3, 5, 60))), "gives": right}
            given |= {"expires": context["expires"], "gives": names[right]}
        case "add_document":
            context |= {"size_mb": 10, "used_mb": rng.choice((0, 1_000, 4_000, 99_990))}
            given |= context
        case "grant":
            right = rng.randrange(4)
            context |= {"team_org": folder.org, "gives": right}
            given |= {"team": world.teams[f"{folder.org.id}-staff"], "gives": names[right]}
        case "invite_guest":
            guest = rng.choice(people)
            context["guest"], given["guest"] = guest, world.built[id(guest)]


def _on_org(
    world: _World, rng: Random, action: str, members: list[plain.User],
    context: dict[str, Any], given: dict[str, Any],
) -> None:  # fmt: skip
    """Add what actions on an organisation say beside."""
    match action:
        case "invite":
            context["members"] = given["members"] = rng.choice((5, 20))
        case "change_plan":
            context |= {"plan": rng.choice(_PLANS), "members": rng.choice((5, 20, 200))}
            given |= context
        case "change_role":
            member = rng.choice(members)
            context |= {"member": member, "role": rng.choice(_ROLES)}
            given |= {"member": world.built[id(member)], "role": context["role"]}


def _link(
    world: _World, rng: Random, number: int, document: plain.Document
) -> tuple[plain.Visitor, plain.Link]:
    domains = rng.choice(((), ("@paper.example",)))
    link = plain.Link(
        f"l{number}", document, rng.randrange(2), _NOW + timedelta(days=rng.choice((-1, 3, 5, 9))),
        rng.random() < 0.1, domains,
    )  # fmt: skip
    world.built[id(link)] = world.engine.entity(
        "ShareLink", link.id, document=world.built[id(document)], right=list(plain.RIGHTS)[link.right],
        expires=link.expires, revoked=link.revoked, domains=list(domains),
    )  # fmt: skip
    email = rng.choice(("Vera@Paper.example", "x@evilpaper.example"))
    visitor = plain.Visitor(f"v{number}", email, rng.random() < 0.8)
    world.built[id(visitor)] = world.engine.entity(
        "Visitor", visitor.id, email=email, verified=visitor.verified
    )
    return visitor, link
