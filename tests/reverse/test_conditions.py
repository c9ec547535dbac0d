"""Holds that a search finds what trying all finds, whatever form the condition has by which it is narrowed."""

from __future__ import annotations

from random import Random

import pytest

from policyengine import PolicyEngine

POLICY = """
package p
enum Kind = plain | odd | rare
entity Team in Team
entity User in Team { teams: set<Team>, friends: set<User>, kinds: set<Kind>, first: Document }
entity Document in Team {
    owner: User, readers: set<User>, tags: set<string>, open: bool, kind: Kind, place: { room: string },
}
action read by User on Document
"""
NOW = "2026-01-01"
ANN = {"type": "User", "id": "0"}

CONDITIONS = [
    "resource.open",
    "not resource.open",
    "resource.kind in {plain, odd}",
    "resource.kind in subject.kinds",
    'resource.tags overlaps {"a", "b"}',
    'resource.tags subset {"a"}',
    '"b" in resource.tags',
    "subject in resource.readers",
    "resource.owner in subject.friends",
    "resource.readers overlaps subject.friends",
    "some one in resource.readers: one == subject",
    "some one in resource.readers: one in subject.friends",
    'resource.place.room == "r1"',
    "resource == subject.first",
    'resource within Team "1"',
    "resource within subject.teams",
    'resource.owner within Team "2"',
    "resource.owner within subject.teams",
    "some team in ancestors(resource, Team): team in subject.teams",
    "if resource.open then resource.kind == rare else resource.owner == subject",
    'resource.owner == subject or resource.place.room == "r2"',
    'resource.open and (resource.kind == odd or resource within Team "1")',
    'resource.owner == subject or not (resource.tags subset {"a", "b"})',
]


def ref(type_: str, id_: object) -> dict[str, object]:
    return {"type": type_, "id": str(id_)}


def entities(rng: Random) -> list[dict[str, object]]:
    """Return teams one in the other, and users and documents in them."""
    made = [
        {**ref("Team", n), "parents": [ref("Team", n // 2)] if n > 1 else [], "properties": {}}
        for n in range(6)
    ]

    def some(type_: str, among: int) -> list[dict[str, object]]:
        return [ref(type_, n) for n in rng.sample(range(among), rng.randrange(3))]

    for n in range(8):
        mine = {
            "teams": [ref("Team", 3)],
            "friends": [ref("User", 1), ref("User", 2)],
            "kinds": ["odd"],
            "first": ref("Document", 7),
        }
        made.append({**ref("User", n), "parents": some("Team", 6), "properties": mine})
    for n in range(60):
        about = {
            "owner": ref("User", rng.randrange(8)),
            "readers": some("User", 8),
            "tags": rng.sample(["a", "b", "c"], rng.randrange(3)),
            "open": rng.random() < 0.5,
            "kind": rng.choice(["plain", "odd", "rare"]),
            "place": {"room": f"r{rng.randrange(4)}"},
        }
        made.append({**ref("Document", n), "parents": some("Team", 6), "properties": about})
    return made


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_search_finds_what_trying_all_finds(condition: str):
    engine = PolicyEngine.from_text(f"{POLICY}permit p: read when {condition}\n")
    store = engine.store(entities(Random(1)))
    documents = [ref("Document", n) for n in range(60)]
    expected = {
        one["id"]
        for one in documents
        if engine.decide(ANN, "read", one, now=NOW, entities=store).allowed
    }
    found = engine.resources(ANN, "read", now=NOW, entities=store, limit=100)
    assert found.complete
    assert {one.id for one in found.items} == expected
    assert 0 < len(expected) < len(documents)
