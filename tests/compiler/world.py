"""A small policy set to compile: every kind of rule, and each operator on values of its types."""

from __future__ import annotations

import re
from typing import Any

from policyengine.compiler.lower import lower
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.valid_request import ValidRequest
from tests.strategies.loading import Loaded, load

VOCABULARY = """
package p
levels Tier = free < basic < pro
enum Status = active | "shut down"
taxonomy Topic { science { physics { optics } biology } art }
entity Team in Team
entity User in Team {
    tier: Tier, status: Status, topics: set<Topic>, topic: Topic, tags: set<string>, age: int,
    name: string, ok: bool, since: datetime, home: ip, nets: set<ip>, teams: set<Team>,
    boss?: User, place?: { city: string, zip?: string }
}
group work having { limit: int, scopes: set<string>, extra?: { a: int, b?: int } }
action act in work by User on User with { n: int, when: datetime, others: set<User> }
    having { limit: 3, scopes: {"read"} }
obligation tell(who: string)
obligation keep(span: duration)
"""

TARGET = ("act", "User", "User")


def world(text: str) -> Loaded:
    """Load `VOCABULARY` with some rules."""
    return load({"p.policy": VOCABULARY + text})


def decided(text: str) -> str:
    """Return the text of what decides, without the lines that look at the parts of a plain request."""
    made = world(text).program.source(TARGET).partition("\n\n\n")[0]
    return re.sub(r"    if entities is None:\n(?: {8}.*\n)+", "", made)


def rules(text: str, *, simple: bool = True) -> dict[str, Rule]:
    """Return the rules of `TARGET`, lowered and, if *simple*, simplified."""
    lowered = lower(world(text).checked, TARGET)
    return {rule.id: simplify_rule(rule) if simple else rule for rule in lowered}


def conditions(text: str, *, simple: bool = True) -> tuple[Any, ...]:
    """Return the conditions of a rule `permit r` with that clause."""
    return rules(f"permit r: act {text}", simple=simple)["access.r"].conditions


def user(id_: str = "u1", **changes: object) -> dict[str, Any]:
    """Return an entity as a request gives it."""
    properties: dict[str, object] = {
        "tier": "basic", "status": "active", "topics": ["optics"], "topic": "physics",
        "tags": ["x"], "age": 30, "name": "Ada", "ok": True, "since": "2026-01-01",
        "home": "10.0.0.1", "nets": ["10.0.0.0/8"], "teams": [{"type": "Team", "id": "t"}],
    }  # fmt: skip
    parents = changes.pop("parents", [{"type": "Team", "id": "t"}])
    return {"type": "User", "id": id_, "properties": properties | changes, "parents": parents}


TEAM = {"type": "Team", "id": "t", "properties": {}, "parents": [{"type": "Team", "id": "top"}]}
TOP = {"type": "Team", "id": "top", "properties": {}, "parents": []}


def request(loaded: Loaded, **changes: Any) -> ValidRequest:
    """Return a request that fits `VOCABULARY`."""
    given = {
        "subject": user(),
        "action": "act",
        "resource": user("u2"),
        "context": {"n": 2, "when": "2026-03-01", "others": [{"type": "User", "id": "u3"}]},
        "now": "2026-02-01",
        "entities": [user("u3"), TEAM, TOP],
    }
    return loaded.request(**(given | changes))
