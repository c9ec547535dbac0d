"""State the law of entry points: all of them read a request the same way, in whatever form it comes in.

Requests are generated, and then spoilt in one place at any level: keys added, misspelt and left out,
values of other types, other containers, parts of another engine, strings that lie about what they
equal. Every entry point must accept and refuse the same requests, with the same problems, and decide them
equally: the first time it is asked, and again when everything that is kept was made. If decisions are recorded,
each is once, as it is given.
"""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from random import Random
from types import MappingProxyType, SimpleNamespace
from typing import Any, Self
from unittest import mock

from policyengine import BoundSubject, Decision, DecisionCache, InvalidRequest, PolicyEngine
from policyengine.analysis.remedies import SearchResult
from policyengine.intake.store import EntityStore
from policyengine.model.decision import refused
from policyengine.model.errors import Problem
from policyengine.model.limits import Limits
from tests.strategies.laws import Case
from tests.strategies.objects import objects_of, spoilt_objects
from tests.strategies.store_changes import by_changes

Json = Any
Seen = tuple[Any, ...]

_OTHER = PolicyEngine.from_text("package other\nentity App\nentity Alien { n?: int }")
_PARTS = ("subject", "resource")


class Liar(str):
    """A string that says that it equals every other."""

    __slots__ = ()
    __eq__ = lambda self, other: True  # noqa: E731
    __ne__ = lambda self, other: False  # noqa: E731
    __hash__ = str.__hash__


class Pretender(str):
    """A string that is found, where another one is looked up, in its place."""

    __slots__ = ("other",)

    def __new__(cls, text: str, other: str) -> Self:
        made = str.__new__(cls, text)
        made.other = other
        return made

    __eq__ = lambda self, other: other == self.other  # noqa: E731
    __ne__ = lambda self, other: other != self.other  # noqa: E731
    __hash__ = lambda self: hash(self.other)  # noqa: E731
    __reduce__ = lambda self: (Pretender, (str.__str__(self), self.other))  # type: ignore[assignment] # noqa: E731


_VALUES: list[Json] = [
    1, True, "x", "", [], {}, {"a": 1}, [[]], "\ud800", 10**30, Liar("App"), object(),
    _OTHER.entity("App", "a"), _OTHER.entity("Alien", "a", n=1), {"type": "Alien", "id": "a"},
]  # fmt: skip
_KEYS = ("properties", "propertes", "Type", "id ", "banned", "parent", "", 5, Liar("type"))


def every_entry_point_reads_the_same(case: Case) -> int:
    """Ask a request, and spoilt ones, of every entry point; return how many were refused."""
    rng = Random(case.seed)
    given = {name: case.given[name] for name in ("subject", "action", "resource", "context")}
    scene = by_changes(case.loaded.engine, case.given["entities"], rng)
    fewer = _with_gaps(case, rng)
    bare = {who: {k: given[who][k] for k in ("type", "id")} for who in _PARTS}
    count = 0
    clock = SimpleNamespace(time_ns=lambda: case.given["now"] * 1000)
    with mock.patch("policyengine.runtime.clock.time", clock):
        engine = PolicyEngine(case.loaded.program, case.loaded.engine._checked, limits=Limits())
        for store in (None, rng.choice((scene, fewer))):
            engine = engine.with_store(store)  # the second has what was made for the first
            recorded: list[Decision] = []
            engine = engine.with_record(rng.choice((None, recorded.append)))
            asked = {**given, **(bare if store is not None else {})}
            others = _other_resources(case, asked, rng) if store is not None else []
            opened = _opened(engine, asked, others) if store is not None else None
            for one in (asked, *others, *spoilt(asked, rng, 6), asked):
                same = opened if _names_the_same(one.get("subject"), asked["subject"]) else None
                for entities in (None, case.given["entities"]):
                    found = {**one, "entities": entities}
                    count += _agree(engine, found, store, recorded, same)
        _objects_are_read_the_same(case, rng)
    return count


def _other_resources(case: Case, asked: dict[str, Json], rng: Random) -> list[dict[str, Json]]:
    """Return the same request about up to three others of the entities that may be in a store."""
    kinds = case.loaded.engine.schema.actions[asked["action"]].resources
    others = [
        {**asked, "resource": {"type": one["type"], "id": one["id"]}}
        for one in case.given["entities"]
        if one["type"] in kinds
    ]
    return rng.sample(others, min(3, len(others)))


def _opened(
    engine: PolicyEngine, asked: dict[str, Json], others: Iterable[dict[str, Json]]
) -> BoundSubject | None:
    """Return the subject, bound, once one of some requests about it was decided, so that others are read quickly."""
    try:
        bound = engine.bind(asked["subject"])
    except InvalidRequest:
        return None
    for one in (asked, *others):
        with suppress(InvalidRequest):
            bound.decide(one["action"], one["resource"], one["context"])
    return bound


def _names_the_same(spoilt: Json, given: dict[str, str]) -> bool:
    """Whether the type and the id that are *given* were left as they are, and nothing was added."""
    return (
        type(spoilt) is dict and len(spoilt) == 2 and all(spoilt.get(k) is given[k] for k in given)
    )


def _objects_are_read_the_same(case: Case, rng: Random) -> None:
    """Ask about objects of registered classes, and with one spoilt; raises if they are read otherwise than dicts."""
    given = {name: case.given[name] for name in (*_PARTS, "action", "context", "entities")}
    validator = case.loaded.engine._intake.validator
    expected = seen(lambda: case.loaded.program.decide(validator.validate_parts(None, **given)))
    engine, asked = objects_of(case, rng)
    for name, ask in entry_points(engine, asked):
        for _ in range(2):
            found = seen(ask)
            assert found == expected, (name, found, expected, asked)
    if expected[0] == "refused":
        return
    for _ in range(3):
        spoilt_ = spoilt_objects(engine, asked, rng)
        if spoilt_ is None:
            return
        where, refused_, one = spoilt_
        slowly = engine._intake.validator
        known = seen(
            lambda one=one, slowly=slowly: engine._program.decide(
                slowly.validate_parts(None, **one)
            )
        )
        assert not refused_ or (known[0] == "refused" and where in str(known)), (where, known)
        for name, ask in entry_points(engine, one):
            for _ in range(2):
                found = seen(ask)
                if found[0] == "denied":
                    assert known[0] == "refused", (name, where, found, known)
                elif found[0] == "refused" and name in ("bind", "bound"):
                    # Of a subject, whatever any rule reads is read.
                    assert known[0] != "refused" or where in str(found), (name, where, found, known)
                else:
                    assert found == known, (name, where, found, known)


def _with_gaps(case: Case, rng: Random) -> EntityStore:
    """Return a store that does not know some of the entities, which are no parents of others."""
    entities = case.given["entities"]
    parents = {(p["type"], p["id"]) for entity in entities for p in entity["parents"]}
    known = [e for e in entities if (e["type"], e["id"]) in parents or rng.random() < 0.7]
    return case.loaded.engine.store(known, unknown=rng.choice(("refuse", "bare")))


def _agree(
    engine: PolicyEngine,
    asked: dict[str, Json],
    store: EntityStore | None,
    recorded: list[Decision],
    opened: BoundSubject | None,
) -> bool:
    """Whether a request is refused; raises if two entry points differ on it, or if it is *recorded* otherwise.

    *opened*: its subject, about which others were decided before.
    """
    expected = seen(
        lambda: engine._program.decide(engine._intake.validator.validate_parts(store, **asked))
    )
    for name, ask in entry_points(engine, asked, opened):
        for _ in range(2):
            recorded.clear()
            found = seen(ask)
            if engine._on_decision is not None and name not in ("bind", "explain"):
                assert [one.allowed for one in recorded] == [found[0] is True], (name, found)
                json.dumps(recorded[0].to_log())
            if found[0] == "denied":
                problems = (Problem(*parts) for parts in expected[1])
                assert refused(InvalidRequest(problems), "").reason == found[1], (found, expected)
                continue
            if name == "bind" and found[0] == expected[0] == "refused":
                # The subject alone is refused, before it is known for which action.
                wrong_type = ("PE502", "subject.type") in _places_of(expected)
                assert wrong_type or _places_of(found) <= _places_of(expected), (found, expected)
                continue
            assert found == expected, (name, found, expected)
    return expected[0] == "refused"


def _places_of(refused: Seen) -> set[tuple[str, str]]:
    return {(code, path) for code, path, _ in refused[1]}


def seen(ask: Callable[[], Any]) -> Seen:
    """Return how a request was decided, or the problems for which it was refused."""
    try:
        decision = ask()
    except InvalidRequest as refusal:
        return "refused", tuple((p.code, p.path, p.message) for p in refusal.problems)
    if isinstance(decision, bytes):
        answer = json.loads(decision)
        problems = answer["context"]["problems"]
        if answer["context"]["cause"] == "invalid_request":
            return "refused", tuple((p["code"], p["path"], p["message"]) for p in problems)
        return answer["decision"], answer["context"]["cause"], tuple(answer["context"]["rules"])
    if decision.cause == "invalid_request":  # of many requests, one that is refused is denied
        return "denied", decision.reason
    return decision.allowed, decision.cause, tuple(decision.rules)


def entry_points(
    engine: PolicyEngine, asked: dict[str, Json], opened: BoundSubject | None = None
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give each entry point that can be asked this request; *opened* is its subject, if it was bound before."""
    subject, action, resource, context, entities = (
        asked.get(name, {}) for name in ("subject", "action", "resource", "context", "entities")
    )
    more = {"entities": entities}
    cache = DecisionCache(engine)
    yield "decide", lambda: engine.decide(subject, action, resource, context, **more)
    yield "cache", lambda: cache.decide(subject, action, resource, context, **more)
    yield "bind", lambda: engine.bind(subject).decide(action, resource, context, **more)
    try:
        bound = engine.bind(subject)
    except InvalidRequest:
        pass
    else:
        yield "bound", lambda: bound.decide(action, resource, context, **more)
    if opened is not None:
        yield "opened", lambda: opened.decide(action, resource, context, **more)
    yield "explain", lambda: _explained(engine, subject, action, resource, context, entities)
    if entities is None:
        yield "many", lambda: engine.decide_many([(subject, action, resource, context)])[0]
    document = {**asked, "action": {"name": action}}
    if entities is None:
        del document["entities"]
    if type(action) is str and action in engine.schema.actions and _is_json(document):
        wire = json.dumps(document)
        yield "json", lambda: engine.decide_json(wire)


def _explained(engine: PolicyEngine, *parts: Any) -> Any:
    subject, action, resource, context, entities = parts
    with mock.patch("policyengine.explain.offers.search", return_value=SearchResult(())):
        # What would allow has laws of its own, and is not searched some hundred times.
        explained = engine.explain(subject, action, resource, context, entities=entities)
    decided = engine.decide(subject, action, resource, context, entities=entities)
    assert explained.outcome.allowed == decided.allowed
    return decided


def _is_json(value: Json) -> bool:
    """Whether a value is the same when it comes from JSON."""
    match value:
        case dict():
            names = all(type(name) is str for name in value)
            return type(value) is dict and names and all(map(_is_json, value.values()))
        case list():
            return all(map(_is_json, value))
        case bool():
            return True
        case int():
            return abs(value) < 10**18
        case str():
            return type(value) is str and value.isprintable() and "\ud800" not in value
        case _:
            return False


# ---- spoiling ---------------------------------------------------------------------------


def spoilt(given: dict[str, Json], rng: Random, count: int) -> Iterator[dict[str, Json]]:
    """Give the request with one thing about it spoilt, *count* times."""
    for _ in range(count):
        made = copy.deepcopy(given)
        owner, step = rng.choice(list(_places(made)))
        _spoil(made, owner, step, rng)
        yield made


def _places(value: Json) -> Iterator[tuple[Json, Any]]:
    """Give every place in a request: what it is in, and by which step."""
    steps = list(value) if isinstance(value, dict) else range(len(value))
    for step in steps:
        yield value, step
        if isinstance(value[step], dict | list):
            yield from _places(value[step])


def _spoil(made: Json, owner: Json, step: Any, rng: Random) -> None:
    value = owner[step]
    if isinstance(value, dict) and rng.random() < 0.4:
        value[rng.choice(_KEYS)] = rng.choice(_VALUES)
    elif isinstance(value, dict) and rng.random() < 0.3:
        owner[step] = rng.choice((OrderedDict(value), MappingProxyType(value), list(value.items())))
    elif isinstance(owner, dict) and rng.random() < 0.3 and owner is not made:
        del owner[step]
    elif isinstance(owner, dict) and rng.random() < 0.3 and owner is not made:
        owner[f"{step}s"] = owner.pop(step)
    elif isinstance(value, list) and rng.random() < 0.5:
        owner[step] = rng.choice((tuple(value), value * 2, [value]))
    elif isinstance(value, str) and rng.random() < 0.3:
        owner[step] = rng.choice((Liar(value), value + "é", Pretender(value + "é", value)))
    else:
        owner[step] = rng.choice(_VALUES)
