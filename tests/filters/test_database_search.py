"""Reverse questions of a database find what trying all finds, in pages of any size, and say when there is more."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.whole import share

pytest.importorskip("sqlalchemy")
import sqlalchemy as sa
from attrs import evolve
from sqlalchemy.orm import Session

from policyengine import InvalidRequest
from policyengine.filters.authorized_session import AccessRefused, authorized
from policyengine.filters.database_search import resources, subjects
from policyengine.filters.governing import Verbs
from policyengine.filters.mapped_tables import MappedTables
from policyengine.filters.mapping import IncompleteMapping, map_tables
from policyengine.filters.predicates import NotPushable
from policyengine.filters.row_requests import RowReader
from policyengine.model.values import to_datetime
from policyengine.reverse.page import Page, question_digest, token_of
from tests.filters.mapped_worlds import (
    Asked,
    Database,
    database_of,
    mapping_of,
    parts_of,
    some_ids,
)
from tests.filters.test_fetching import ENGINE, MAPPING, Base, Paper, Who, filled
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import all_targets, make_world
from tests.strategies.requests import some_attributes, some_now

SETS = share(15, 2)


def all_pages(search: Any, **asked: Any) -> list[str]:
    """Return what all pages have, of which none but the last is complete."""
    found: list[str] = []
    token = None
    while True:
        page: Page[str] = search(**asked, token=token)
        assert len(page.items) <= asked["limit"]
        assert page.complete or page.items
        found += page.items
        token = page.token
        if page.complete:
            return found


def known_parts(asked: Asked, made: Database, resource: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a request without its subject, as rows give them."""
    reader = RowReader(made.mapping, made.find)
    key = reader.read(asked.resource_type, resource, asked.needs.resource)
    context = made.mapping.schema.actions[asked.action].context
    reader.follow(context, asked.context, asked.needs.context)
    entities = reader.entities()
    return {
        "action": asked.action, "resource": entities.pop(key), "context": asked.context, "now": asked.now,
        "entities": [*entities.values()],
    }  # fmt: skip


def allowed(asked: Asked, made: Database, resource: dict[str, Any]) -> bool:
    try:
        return asked.engine.decide(**parts_of(asked, made, resource)).allowed
    except InvalidRequest:
        return False


def hold(seed: int, counts: Counter[str]) -> None:
    """Hold the pages of some questions of a set, with rows that do not fit, against decisions."""
    rng = Random(seed)
    world = make_world(rng, rng.choice((1, 2, 2)))
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return
    mapping = mapping_of(loaded.checked.schema, rng, sets=("table", "json"))
    made = database_of(mapping, rng, some_ids(mapping, 8), rng.choice((0.0, 0.05)))
    with filled(made, seed) as (session, classes):
        tables = {name: sa.inspect(of).local_table for name, of in classes.items()}
        for _ in range(6):
            action, subject, resource = target = rng.choice(all_targets(world))
            context = some_attributes(rng, tuple(world.made.context(action).values()))
            who = rng.choice(made.tables[f"t_{subject}"])
            what = rng.choice(made.tables[f"t_{resource}"])
            needs, now = loaded.checked.needs(target), to_datetime(some_now(rng))
            asked = Asked(loaded.engine, needs, action, subject, who, resource, context, now)
            common = {
                "engine": loaded.engine, "mapping": mapping, "database": session, "tables": tables,
                "limit": rng.choice((1, 2, 3, 100)),
            }  # fmt: skip
            try:
                found = all_pages(resources, **common, **parts_of(asked, made, None), type=resource)
                rows = made.tables[f"t_{resource}"]
                wanted = {str(row["id"]) for row in rows if allowed(asked, made, row)}
                assert sorted(found) == sorted(wanted), (seed, target, "resources")
                counts["resources"] += len(found)
                found = all_pages(
                    subjects, **common, **known_parts(asked, made, what), type=subject
                )
                rows = made.tables[f"t_{subject}"]
                wanted = {
                    str(row["id"])
                    for row in rows
                    if allowed(evolve(asked, subject=row), made, what)
                }
                assert sorted(found) == sorted(wanted), (seed, target, "subjects")
                counts["subjects"] += len(found)
            except (InvalidRequest, NotPushable, sa.exc.OperationalError) as problem:
                counts[type(problem).__name__] += 1


def test_pages_have_what_trying_all_finds():
    counts = Counter[str]()
    for seed in range(SETS):
        hold(seed, counts)
    assert min(counts["resources"], counts["subjects"]) > SETS, counts


# ---- of a class -------------------------------------------------------------------------


@pytest.fixture
def session():
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as made:
        made.add_all(Who(name=name, team=team, alias=alias) for name, team, alias in PEOPLE)
        made.flush()
        made.add_all(
            Paper(name=f"p{at:04}", owner="bob", title="ANN" if at % 3 == 0 else "other")
            for at in range(1_500)
        )
        made.commit()
        yield made


PEOPLE = (("ann", "red", "ann"), ("bob", "red", "bob"), ("eve", "blue", "ann"))
ANN = {"type": "User", "id": "ann", "properties": {"team": "red", "alias": "ann"}}


def papers(session: Any, **options: Any) -> Page[str]:
    given = {"subject": ANN, "action": "read", **options}
    return resources(ENGINE, MAPPING, session, Base.metadata, **given)


def test_what_no_database_says_is_decided_row_by_row(session):
    first = papers(session, limit=300)
    assert first.items == tuple(f"p{at:04}" for at in range(0, 900, 3))
    assert not first.complete
    second = papers(session, limit=300, token=first.token)
    assert second.items == tuple(f"p{at:04}" for at in range(900, 1_500, 3))
    assert second.complete


def test_who_may_is_found(session):
    paper = {
        "type": "Paper", "id": "p0000",
        "properties": {"owner": {"type": "User", "id": "bob"}, "title": "ANN", "readers": [{"type": "User", "id": "bob"}]},
    }  # fmt: skip
    bob = {"type": "User", "id": "bob", "properties": {"team": "red", "alias": "bob"}}
    found = subjects(
        ENGINE, MAPPING, session, Base.metadata, "read", paper, "User", entities=[bob], limit=2
    )
    assert found.items == ("ann", "bob")
    given = {"entities": [bob], "limit": 2, "token": found.token}
    found = subjects(ENGINE, MAPPING, session, Base.metadata, "read", paper, "User", **given)
    assert (found.items, found.complete) == (("eve",), True)


def test_a_token_goes_on_with_its_question_alone(session):
    token = papers(session, limit=1).token
    assert token is not None
    with pytest.raises(InvalidRequest, match="PE561"):
        papers(session, token=token, subject={**ANN, "id": "eve"})
    for odd, code in (("x", "PE560"), ("", "PE561"), (token[:-4] + "AAAA", "PE561"), (7, "PE560")):
        with pytest.raises(InvalidRequest, match=code):
            papers(session, token=odd)


def test_a_token_that_somebody_made_is_refused_or_goes_on_somewhere(session):
    question = question_digest(ENGINE.digest, "resource", "read", "User", "Paper", "ann")
    known = papers(session, limit=1)
    assert known.token == token_of(question, known.items[0].encode())
    with pytest.raises(InvalidRequest, match="PE560"):
        papers(session, token=token_of(question, b"\xff\xfe"))
    assert papers(session, token=token_of(question, "\u07ff".encode())).items == ()


def test_what_is_added_and_removed_between_pages_hides_nothing(session):
    first = papers(session, limit=1)
    session.execute(sa.delete(Paper).where(Paper.name == first.items[0]))
    session.execute(sa.insert(Paper), [{"name": "o", "owner": "bob", "title": "ann"}])
    assert papers(session, limit=1, token=first.token).items == ("p0003",)


def test_what_cannot_be_asked_is_named(session):
    for limit in (0, 10_001, True, "7"):
        with pytest.raises(ValueError, match="from 1 to 10,000"):
            papers(session, limit=limit)
    with pytest.raises(IncompleteMapping, match="Paper"):
        resources(ENGINE, map_tables(ENGINE.schema, {}), session, Base.metadata, ANN, "read")
    with pytest.raises(InvalidRequest):
        papers(session, subject={"type": "User", "id": "ann"})
    with pytest.raises(ValueError, match="no action"):
        papers(session, action="write")


def test_pages_in_postgresql_whatever_the_ids(postgresql):
    names = [
        "a",
        "A",
        "\u00e1",
        "a\u0301",
        "b",
        "B",
        "a b",
        "a'b",
        "%",
        "_",
        "\U0001f600",
        "10",
        "9",
    ]
    Base.metadata.create_all(postgresql)
    try:
        with Session(postgresql) as made:
            made.add_all(Who(name=name, team=team, alias=alias) for name, team, alias in PEOPLE)
            made.flush()
            made.add_all(Paper(name=name, owner="bob", title="ANN") for name in names)
            made.flush()
            asked = {"session": made, "limit": 1}
            assert sorted(all_pages(papers, **asked)) == sorted(names)
    finally:
        Base.metadata.drop_all(postgresql)


def test_an_authorized_session_gives_no_connection(session):
    governed = MappedTables(MAPPING, {Paper: Verbs(select="read"), Who: None})
    with Session(session.bind) as other:
        authorized(other, ENGINE.bind(ANN), governed)
        with pytest.raises(AccessRefused, match="connection"):
            papers(other)
