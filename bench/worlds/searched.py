"""Make worlds in which is searched: many documents, some people, and rules that differ in what an index finds.

In `references` a document leads to its owner, and to the team of that; in `tenants` most documents are of
others; in `numbers` every document must be looked at, since the rule compares a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from attrs import frozen

from policyengine import EntityStore, PolicyEngine

_SEED = 20_261_129
_PEOPLE = 50
"""Documents for each person."""
_TEAM = 10
"""People of each team."""
_TENANT = 2
"""Teams of each tenant."""

_VOCABULARY = """
package searched
entity Tenant
entity User { tenant: Tenant, team: Team, level: int, suspended: bool }
entity Team { tenant: Tenant, lead: User }
entity Document { tenant: Tenant, owner: User, editors: set<User>, shared: bool, level: int }
action read by User on Document
"""

POLICIES: Final[Mapping[str, str]] = {
    "references": _VOCABULARY
    + """
permit own: read when resource.owner == subject
permit lead: read when resource.owner.team.lead == subject
permit edit: read when subject in resource.editors
forbid suspended: any when subject.suspended
""",
    "tenants": _VOCABULARY
    + """
gate tenancy "whose it is" for any
gate rights "what may be done" for any
gate tenancy { permit same: read when resource.tenant == subject.tenant }
gate rights {
    permit shared: read when resource.shared
    permit team: read when resource.owner.team == subject.team
    permit level: read when resource.level < subject.level
}
""",
    "numbers": _VOCABULARY
    + """
permit level: read when resource.level < subject.level
forbid suspended: any when subject.suspended
""",
}


@frozen
class Searched:
    """An engine with a store of documents, and the people who ask."""

    engine: PolicyEngine
    store: EntityStore
    people: list[Any]

    @property
    def documents(self) -> list[Any]:
        """All documents of the store."""
        return [entity for key, entity in self.store.by_key.items() if key[0] == "Document"]


def make(name: str, documents: int, asking: int) -> Searched:
    """Return the world *name* with so many documents, and *asking* people who may ask."""
    rng = Random(_SEED)
    people = max(_TEAM, documents // _PEOPLE)
    teams = -(-people // _TEAM)
    tenants = -(-teams // _TENANT)

    def team(number: int) -> int:
        return number // _TEAM

    made: list[dict[str, Any]] = [_entity("Tenant", number) for number in range(tenants)]
    for number in range(teams):
        lead = _to("User", number * _TEAM)
        made.append(_entity("Team", number, tenant=_to("Tenant", number // _TENANT), lead=lead))
    for number in range(people):
        tenant = _to("Tenant", team(number) // _TENANT)
        made.append(_entity(
            "User", number, tenant=tenant, team=_to("Team", team(number)), level=rng.randrange(1, 10),
            suspended=False,
        ))  # fmt: skip
    for number in range(documents):
        owner = rng.randrange(people)
        near = [(owner + rng.randrange(_TEAM)) % people for _ in range(rng.randrange(3))]
        made.append(_entity(
            "Document", number, tenant=_to("Tenant", team(owner) // _TENANT), owner=_to("User", owner),
            editors=[_to("User", one) for one in dict.fromkeys(near)], shared=rng.random() < 0.1,
            level=rng.randrange(100),
        ))  # fmt: skip
    store = PolicyEngine.from_text(POLICIES[name]).store(made)
    engine = PolicyEngine.from_text(POLICIES[name], store=store)
    return Searched(
        engine, store, [store["User", f"user{n}"] for n in rng.sample(range(people), asking)]
    )


def _to(type_: str, number: int) -> dict[str, Any]:
    return {"type": type_, "id": f"{type_.lower()}{number}"}


def _entity(type_: str, number: int, **properties: Any) -> dict[str, Any]:
    return {**_to(type_, number), "properties": properties}
