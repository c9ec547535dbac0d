"""Make a world of tenants with 25 rules each, of ten shapes, and a dict of their rules by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from random import Random
from typing import TypeAlias

from attrs import frozen

from bench.rules import Parts, Plain, build_plain
from policyengine import PolicyEngine

_SEED = 20_261_201
RULES = 25
"""Of each tenant."""

ACTIONS = ("read", "write", "list", "share", "remove")
_DEPARTMENTS = ("sales", "law", "care", "labs", "press", "audit")
_KINDS = ("note", "sheet", "photo", "plan")
_ROLES = ("reader", "editor", "owner", "guest", "lead")
_TAGS = ("draft", "final", "old", "new", "legal")
_PURPOSES = ("work", "backup", "study", "trial")
_LONG_AGO, _FAR_AHEAD = datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
"""When documents were made: so that what is decided does not depend on the day."""

_COMMON = f"""package tenants
entity User {{
    tenant: string, dept: string, level: int, roles: set<string>, age_days: int, suspended: bool
}}
entity Doc {{
    tenant: string, owner: User, kind: string, level: int, tags: set<string>, size: int,
    created_at: datetime
}}
action {", ".join(ACTIONS)} by User on Doc with {{ ip: ip, mfa: bool, purpose: string }}
forbid suspended: any when subject.suspended
forbid foreign: any when subject.tenant != resource.tenant"""

Test: TypeAlias = Callable[[Plain], bool]


@frozen
class TenantsWorld:
    """A policy file for all tenants and one for each, requests of them, and who decides by hand."""

    policies: tuple[str, ...]
    requests: list[Plain]
    by_hand: Callable[[Plain], str]
    """Gives the cause of a decision."""

    @property
    def rules(self) -> int:
        """How many rules there are."""
        return (len(self.policies) - 1) * RULES + 2


def make(tenants: int, count: int) -> TenantsWorld:
    """Return the world with so many tenants, and *count* requests."""
    rng = Random(_SEED)
    files = [_COMMON]
    by_hand: dict[tuple[str, str], tuple[list[Test], list[Test]]] = {}
    for number in range(tenants):
        tenant = f"t{number}"
        lines = ["package tenants"]
        for rule in range(RULES):
            action = ACTIONS[rng.randrange(len(ACTIONS))]
            condition, test = _shape(rng, rule % 10)
            permits = rule % 10 != _FORBID
            effect = "permit" if permits else "forbid"
            lines.append(
                f'{effect} {tenant}_{rule}: {action} when subject.tenant == "{tenant}" and {condition}'
            )
            by_hand.setdefault((tenant, action), ([], []))[permits].append(test)
        files.append("\n".join(lines))

    def decide(request: Plain) -> str:
        user = request["subject"]
        if user["suspended"] or user["tenant"] != request["resource"]["tenant"]:
            return "forbidden"
        forbids, permits = by_hand.get((user["tenant"], request["action"]), ((), ()))
        if any(test(request) for test in forbids):
            return "forbidden"
        return "permitted" if any(test(request) for test in permits) else "not_permitted"

    requests = [_request(rng, tenants, number) for number in range(count)]
    return TenantsWorld(tuple(files), requests, decide)


_FORBID = 9
"""The shape of rules that forbid."""


def _shape(rng: Random, shape: int) -> tuple[str, Test]:
    """Return the condition of a rule beside its tenant, in the language and by hand."""
    dept, kind, role = rng.choice(_DEPARTMENTS), rng.choice(_KINDS), rng.choice(_ROLES)
    tag, purpose, level = rng.choice(_TAGS), rng.choice(_PURPOSES), rng.randint(1, 9)
    size, days, net = rng.randint(100, 1000), rng.randint(10, 900), rng.randrange(8)
    network = ip_network(f"10.{net}.0.0/16")
    shapes: tuple[tuple[str, Test], ...] = (
        (
            f'subject.dept == "{dept}" and resource.kind == "{kind}"',
            lambda q: q["subject"]["dept"] == dept and q["resource"]["kind"] == kind,
        ),
        (
            f'"{role}" in subject.roles and subject.level >= {level}',
            lambda q: role in q["subject"]["roles"] and q["subject"]["level"] >= level,
        ),
        ("resource.owner == subject", lambda q: q["resource"]["owner"] == q["subject"]["id"]),
        (
            f'resource.size <= {size} and "{tag}" in resource.tags',
            lambda q: q["resource"]["size"] <= size and tag in q["resource"]["tags"],
        ),
        (
            f'context.ip within ip "{network}" and context.mfa',
            lambda q: q["context"]["mfa"] and ip_address(q["context"]["ip"]) in network,
        ),
        (
            f'context.purpose == "{purpose}" and resource.level <= {level}',
            lambda q: q["context"]["purpose"] == purpose and q["resource"]["level"] <= level,
        ),
        (
            f"subject.age_days > {days} and now - resource.created_at <= {days}d",
            lambda q: q["subject"]["age_days"] > days and q["resource"]["created_at"] is _FAR_AHEAD,
        ),
        (
            f'subject.level >= resource.level and resource.kind == "{kind}"',
            lambda q: (
                q["subject"]["level"] >= q["resource"]["level"] and q["resource"]["kind"] == kind
            ),
        ),
        (
            f'subject.dept like "{dept[:2]}*" and resource.kind == "{kind}"',
            lambda q: q["subject"]["dept"].startswith(dept[:2]) and q["resource"]["kind"] == kind,
        ),
        (
            "not context.mfa and resource.level >= 8",
            lambda q: not q["context"]["mfa"] and q["resource"]["level"] >= 8,
        ),
    )
    return shapes[shape]


def _request(rng: Random, tenants: int, number: int) -> Plain:
    tenant, user = f"t{rng.randrange(tenants)}", f"u{number}"
    elsewhere = rng.random() < 0.05
    return {
        "subject": {
            "id": user,
            "tenant": tenant,
            "dept": rng.choice(_DEPARTMENTS),
            "level": rng.randint(0, 9),
            "roles": frozenset(rng.sample(_ROLES, rng.randint(0, 2))),
            "age_days": rng.randint(0, 1000),
            "suspended": rng.random() < 0.03,
        },
        "action": rng.choice(ACTIONS),
        "resource": {
            "id": f"d{number}",
            "tenant": f"t{rng.randrange(tenants)}" if elsewhere else tenant,
            "owner": user if rng.random() < 0.2 else f"u{number + 1}",
            "kind": rng.choice(_KINDS),
            "level": rng.randint(1, 9),
            "tags": frozenset(rng.sample(_TAGS, rng.randint(0, 2))),
            "size": rng.randint(1, 3000),
            "created_at": rng.choice((_LONG_AGO, _FAR_AHEAD)),
        },
        "context": {
            "ip": f"10.{rng.randrange(30)}.1.{rng.randrange(250)}",
            "mfa": rng.random() < 0.6,
            "purpose": rng.choice(_PURPOSES),
        },
    }


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    owner = {"type": "User", "id": request["resource"]["owner"]}
    return build_plain(
        engine, {**request, "resource": {**request["resource"], "owner": owner}}, "User", "Doc"
    )
