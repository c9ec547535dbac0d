"""Write policy sets that are for the tools of authors, not for decisions: they are linted, mutated and explained.

`three_of_eight` is a set of any number of rules as people write them one after another. The others are small sets
that ask much: a constant with many elements, rules over many switches, a table with thousands of names.
"""

from __future__ import annotations

from random import Random
from typing import Any

_SEED = 20_261_129
_ACTIONS = ("read", "change", "share")
_KINDS = ("post", "list", "page", "note")
_FORBIDS = 6
"""One of so many rules is a forbid."""

_VOCABULARY = """\
package authored
levels Tier = free < basic < pro < enterprise
enum Role = guest | member | editor | owner
enum Kind = post | list | page | note
entity Team
entity User { tier: Tier, role: Role, active: bool, age: int, teams: set<Team> }
entity Item { kind: Kind, public: bool, owner: User, team: Team }
action read, change, share by User on Item with { hour: int }
"""


def three_of_eight(size: int) -> str:
    """Return a set of *size* rules, each of three conditions out of eight, for one action of three.

    Every fifth rule has a test, which allows or denies as the set does.
    """
    rng = Random(_SEED)
    made = [_VOCABULARY]
    for number in range(size):
        conditions = " and ".join(rng.sample(_conditions(rng), 3))
        action = rng.choice(_ACTIONS)
        if number % _FORBIDS == _FORBIDS - 1:
            made.append(f'forbid f{number}: {action} when {conditions} because "no {number}"\n')
        else:
            made.append(f"permit p{number}: {action} when {conditions}\n")
    made += [_test(rng, number) for number in range(0, size, 5)]
    return "".join(made)


def _conditions(rng: Random) -> list[str]:
    """Return the eight conditions, with other constants each time."""
    return [
        f"subject.tier >= {rng.choice(('basic', 'pro', 'enterprise'))}",
        f"subject.role == {rng.choice(('guest', 'member', 'editor', 'owner'))}",
        "subject.active",
        f"subject.age >= {rng.randrange(12, 70)}",
        f"resource.kind == {rng.choice(_KINDS)}",
        "resource.public",
        f"context.hour < {rng.randrange(1, 24)}",
        "resource.owner == subject",
    ]


def _test(rng: Random, number: int) -> str:
    """Return a test of a request that no rule is meant for: nobody is of these values."""
    return (
        f'test "t{number}" {{\n    expect deny {rng.choice(_ACTIONS)} by User "u" {{ tier: free, role: guest, '
        f'active: false, age: 1, teams: {{}} }} on Item "i" {{ kind: {rng.choice(_KINDS)}, public: false, '
        f'owner: User "o", team: Team "t" }} with {{ hour: 23 }}\n}}\n'
    )


def large_constant(elements: int = 300, rules: int = 8) -> str:
    """Return a set of two kilobytes in which each rule asks twice for one of many numbers."""
    return (
        "package large_constant\n"
        "entity User { n: int }\nentity Item { n: int }\naction read by User on Item\n"
        f"const known: set<int> = {{{', '.join(map(str, range(elements)))}}}\n"
        "permit a: read when subject.n in known\n"
    ) + "".join(
        f"permit z{number}: read when subject.n in known and resource.n in known\n"
        for number in range(rules)
    )


def many_switches(rules: int = 200, switches: int = 60) -> str:
    """Return a set of permits that each ask for some of many booleans."""
    rng = Random(_SEED)
    names = [f"s{number}" for number in range(switches)]
    parts = ", ".join(f"{name}: bool" for name in names)
    made = [
        "package many_switches\n",
        f"entity User {{ {parts} }}\nentity Item\naction read by User on Item\n",
    ]
    for number in range(rules):
        asked = [
            f"{rng.choice(('', 'not '))}subject.{name}"
            for name in rng.sample(names, rng.randrange(3, 6))
        ]
        made.append(f"permit p{number}: read when {' and '.join(asked)}\n")
    return "".join(made)


def long_table(rules: int = 3_000, names: int = 20_000) -> str:
    """Return a set of permits that look up one table, which has a value for each of many names."""
    members = [f"m{number}" for number in range(names)]
    rows = ", ".join(f"{name}: {number % rules}" for number, name in enumerate(members))
    made = [
        "package long_table\n",
        f"enum Name = {' | '.join(members)}\n",
        "entity User { name: Name }\nentity Item { n: int }\naction read by User on Item\n",
        f"const limits: Name -> int = {{ {rows} }}\n",
    ]
    made += [
        f"permit p{number}: read when limits[subject.name] == {number} and resource.n > {number}\n"
        for number in range(rules)
    ]
    return "".join(made)


def a_request(rng: Random) -> dict[str, Any]:
    """Return a request of `three_of_eight`, as `Validator.validate_parts` takes it."""
    user: dict[str, Any] = {
        "tier": rng.choice(("free", "basic", "pro")),
        "role": rng.choice(("guest", "member", "editor", "owner")),
        "active": rng.random() < 0.5,
        "age": rng.randrange(5, 80),
        "teams": [],
    }
    item = {
        "kind": rng.choice(_KINDS),
        "public": rng.random() < 0.5,
        "owner": {"type": "User", "id": "o"},
        "team": {"type": "Team", "id": "t"},
    }
    return {
        "subject": {"type": "User", "id": "u", "properties": user},
        "action": rng.choice(_ACTIONS),
        "resource": {"type": "Item", "id": "i", "properties": item},
        "context": {"hour": rng.randrange(24)},
    }
