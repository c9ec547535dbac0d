"""Ask how long one change of a large store takes, and what it costs to decide with a changed one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

from bench.questions.answer import Answer, Scale
from bench.timing import side_by_side
from policyengine import EntityStore, PolicyEngine

_POLICY = """
package staff
entity Team
entity User in Team { suspended: bool }
entity Document { owner: User }
action read by User on Document
permit staff: read when subject within Team "staff"
forbid suspended: any when subject.suspended
"""
_CHANGES = 2_000
_PEOPLE = 50


def ask(scale: Scale) -> Iterator[Answer]:
    """Change one user after another, and decide about some."""
    engine = PolicyEngine.from_text(_POLICY)
    team = {"type": "Team", "id": "staff", "parents": []}
    whole = engine.store([team, *(_user(i) for i in range(scale.batch - 1))])
    took, changed = [], whole
    for i in range(_CHANGES):
        put, start = _user(i % _PEOPLE, suspended=i % 2 == 0), perf_counter()
        changed = changed.with_changes([put])
        took.append(perf_counter() - start)
    name = f"one of {len(whole):,} entities changed"
    yield Answer(f"{name}, median", median(took) * 1_000, 1, 0.2, unit="ms")
    yield Answer(f"{name}, mean of {_CHANGES:,}", sum(took) / _CHANGES * 1_000, 1, 0.2, unit="ms")
    together = {"at once": _deciding(engine, whole), "changed": _deciding(engine, changed)}
    ratio = side_by_side(together, _PEOPLE, scale.rounds)["changed"].ratio
    yield Answer("decide with a changed store over one made at once", ratio, 1.3, 1.1)


def _user(number: int, *, suspended: bool = False) -> dict[str, object]:
    above = [{"type": "Team", "id": "staff"}]
    properties = {"suspended": suspended}
    return {"type": "User", "id": f"u{number}", "properties": properties, "parents": above}


def _deciding(engine: PolicyEngine, store: EntityStore) -> Callable[[], None]:
    asked = engine.with_store(store)
    people = [{"type": "User", "id": f"u{i}"} for i in range(_PEOPLE)]
    plan = {"type": "Document", "id": "plan", "properties": {"owner": people[0]}}

    def run() -> None:
        for person in people:
            asked.decide(person, "read", plan).allowed

    return run
