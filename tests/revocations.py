"""Take rights away, one after another, and hold that the next decision knows it, by every way to ask.

They are taken away in a store, and in a database of which a `SourcedEngine` fetches what it needs.

`python -m tests.revocations --count 10000` takes away and gives as many times.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from random import Random
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from policyengine import DecisionCache, EntityStore, PolicyEngine, Ref, SourcedEngine
from policyengine.sources.row_source import RowSource

Json = Any

POLICY = """
package revoking
entity Team
entity User in Team { suspended: bool, boss?: User }
entity Document in Team { owner: User }
action read by User on Document
permit own: read when resource.owner == subject
permit boss: read when resource.owner has boss and resource.owner.boss == subject
permit team: read when subject within Team "staff"
forbid suspended: any when subject.suspended
"""


def team_user(
    id_: str, *, suspended: bool = False, team: bool = True, boss: str | None = None
) -> Json:
    """Return a user as a dict."""
    above = [{"type": "Team", "id": "staff"}] if team else []
    more = {} if boss is None else {"boss": {"type": "User", "id": boss}}
    properties = {"suspended": suspended, **more}
    return {"type": "User", "id": id_, "properties": properties, "parents": above}


def revoking(users: int = 20) -> tuple[PolicyEngine, EntityStore]:
    """Return an engine and a store of users, each with a document."""
    engine = PolicyEngine.from_text(POLICY)
    people = [team_user(f"u{i}") for i in range(users)]
    documents = [
        {
            "type": "Document",
            "id": f"d{i}",
            "properties": {"owner": {"type": "User", "id": f"u{i}"}},
        }
        for i in range(users)
    ]
    return engine, engine.store(
        [{"type": "Team", "id": "staff", "parents": []}, *people, *documents]
    )


def ways(engine: PolicyEngine, subject: Json, document: Json) -> Iterator[bool]:
    """Yield whether a request is allowed, by every way to ask."""
    request = {"subject": subject, "action": {"name": "read"}, "resource": document}
    yield engine.decide(subject, "read", document).allowed
    yield engine.decide_many([(subject, "read", document, None)])[0].allowed
    yield json.loads(engine.decide_json(json.dumps(request)))["decision"]
    yield engine.bind(subject).decide("read", document).allowed
    yield DecisionCache(engine).decide(subject, "read", document).allowed
    yield engine.explain(subject, "read", document).outcome.allowed
    yield engine.partial(action="read", subject=subject, resource=document, context={}).always
    yield document["id"] in {one.id for one in engine.resources(subject, "read", "Document").items}
    yield subject["id"] in {one.id for one in engine.subjects("read", document, "User").items}
    yield "read" in engine.actions(subject, document).items


def revoke(count: int, seed: int = 7) -> int:
    """Change users *count* times; return how many requests were denied. Raises for one that is stale."""
    engine, store = revoking()
    engine = engine.with_store(store)
    cache, rng, denied = DecisionCache(engine), Random(seed), 0
    people = {f"u{i}": (False, True, None) for i in range(20)}
    for step in range(count):
        who, owner = rng.choice([*people]), rng.choice([*people])
        people[who] = rng.random() < 0.5, rng.random() < 0.5, rng.choice([None, *people])
        suspended, team, boss = people[who]
        store = store.with_changes([team_user(who, suspended=suspended, team=team, boss=boss)])
        engine = engine.with_store(store)
        subject = {"type": "User", "id": who}
        document = {"type": "Document", "id": "d" + owner[1:]}
        expected = not suspended and (team or owner == who or people[owner][2] == who)
        assert engine.decide(subject, "read", document).allowed == expected
        assert cache.decide(subject, "read", document, entities=store).allowed == expected
        if not step % 25:
            assert {*ways(engine, subject, document)} == {expected}
        denied += not expected
    return denied


class Base(DeclarativeBase):
    """The tables."""


class Person(Base):
    __tablename__ = "people"
    id: Mapped[str] = mapped_column(primary_key=True)
    suspended: Mapped[bool]
    team: Mapped[str | None]
    boss: Mapped[str | None]


class Paper(Base):
    __tablename__ = "papers"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[str] = mapped_column(primary_key=True)


def revoke_in_database(count: int, seed: int = 7) -> int:
    """Change users of a database *count* times, as `revoke` those of a store."""
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Team, "Team")
    engine.register(Person, "User", boss=Ref("boss"), parents=_team_of)
    engine.register(Paper, "Document", owner=Ref("owner"), parents=lambda _: [])
    database, rng, denied = create_engine("sqlite://"), Random(seed), 0
    Base.metadata.create_all(database)
    with Session(database) as writing, Session(database) as reading:
        writing.add(Team(id="staff"))
        writing.add_all(Person(id=f"u{i}", suspended=False, team="staff") for i in range(20))
        writing.add_all(Paper(id=f"d{i}", owner=f"u{i}") for i in range(20))
        writing.commit()
        source = RowSource(reading, {"User": Person, "Document": Paper, "Team": Team})
        sourced = SourcedEngine(engine, source, deadline=60)
        people: dict[str, tuple[bool, bool, str | None]]
        people = {f"u{i}": (False, True, None) for i in range(20)}
        for _ in range(count):
            who, owner = rng.choice([*people]), rng.choice([*people])
            people[who] = rng.random() < 0.5, rng.random() < 0.5, rng.choice([None, *people])
            suspended, team, boss = people[who]
            row = writing.get_one(Person, who)
            row.suspended, row.team, row.boss = suspended, "staff" if team else None, boss
            writing.commit()
            expected = not suspended and (team or owner == who or people[owner][2] == who)
            asked = {"type": "User", "id": who}, "read", {"type": "Document", "id": "d" + owner[1:]}
            assert sourced.decide(*asked).allowed == expected
            reading.rollback()
            denied += not expected
    return denied


def _team_of(row: Any) -> list[Json]:
    return [{"type": "Team", "id": row.team}] if row.team else []


def main() -> None:
    """Say how many of the decisions were stale: none, or it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    for where, change in (("a store", revoke), ("a database", revoke_in_database)):
        denied = change(count)
        sys.stdout.write(f"{count:,} changes of {where}: {denied:,} decisions denied, none stale\n")


if __name__ == "__main__":
    main()
