"""State the laws of fast paths: full validation accepts what they accept, and returns the same request.

Every request is put to an engine with fast paths and to one with full validation only: as it was
made, by a store, and spoilt. Spoilt requests have parts that are left out, mistyped or added, or are
text in which a name is repeated or something is no number.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from policyengine.engine import PolicyEngine
from policyengine.intake.fast_path import FastPaths
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore
from policyengine.intake.validation import GivenParts, Validator
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity, Key
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import moment_text, to_datetime
from policyengine.reference import interpreter
from tests.strategies.laws import Case, damaged
from tests.strategies.loading import Loaded
from tests.strategies.requests import make_scene

Json = Any


def engine_without_fast_paths(loaded: Loaded) -> PolicyEngine:
    """Return an engine without fast paths."""
    engine = PolicyEngine(loaded.program, loaded.checked, limits=Limits())
    engine._intake._decoder._is_shallow = False
    engine._intake.fast.open = lambda *_: None  # type: ignore[method-assign]
    return engine


def what_a_fast_path_takes_is_valid(case: Case) -> int:
    """A request from a fast path is equal, part by part, to the one that full validation returns."""
    engine, given, rng = case.loaded.engine, case.given, Random(case.seed)
    request = case.request
    engine._intake.fast.open((given["action"], request.subject.type, request.resource.type))
    store = engine.store(given["entities"])
    names = [{"type": given[who]["type"], "id": given[who]["id"]} for who in PARTS]
    alone = {k: v for k, v in given.items() if k != "entities"}
    strangers = {**alone, **{who: {**alone[who], "id": "stranger"} for who in PARTS}}
    asked: list[tuple[dict[str, Json], EntityStore | None]] = [
        (given, None),
        ({**alone, **dict(zip(PARTS, names, strict=True))}, store),
        (strangers, store),
        (strangers, None),
        *((repeating, store) for repeating in _repeating(case, rng)),
        *((spoilt, rng.choice((None, store))) for spoilt in damaged(case, rng)),
        *((built, rng.choice((None, None, store))) for built in _with_built_parts(case, rng)),
    ]
    return sum(fast_path_takes(engine._intake.fast, case.loaded.validator, *one) for one in asked)


PARTS = ("subject", "resource")


def _repeating(case: Case, rng: Random) -> Iterator[dict[str, Json]]:
    """Give the request for a store which knows its entities, with some of them described once more: fully, in part, or otherwise."""
    engine, given = case.loaded.engine, case.given
    scene = {(one["type"], one["id"]): one for one in given["entities"]}
    elsewhere = make_scene(rng, case.world.made) if case.world else scene

    def repeated(one: Json) -> Json:
        key = one["type"], one["id"]
        whole = rng.choice((scene, scene, scene, elsewhere)).get(key, one)
        said = {**whole, "properties": dict(whole.get("properties", {}))}
        for part in ("parents", "properties"):
            if rng.random() < 0.2:
                said.pop(part, None)
        if rng.random() < 0.1 and said.get("properties"):
            del said["properties"][rng.choice([*said["properties"]])]
        if rng.random() < 0.3:
            try:
                return engine.entity(*key, said.get("properties"), parents=said.get("parents"))
            except InvalidRequest:  # it lacks too much
                return said
        return said

    for chance in (0, 0.5):
        asked = {**given, "entities": [one for one in given["entities"] if rng.random() < chance]}
        for who in (*PARTS, *range(len(asked["entities"]))):
            owner = asked if isinstance(who, str) else asked["entities"]
            owner[who] = repeated(owner[who])
        yield asked


def _with_built_parts(case: Case, rng: Random) -> Iterator[dict[str, Json]]:
    """Give the request with some of its parts built, which carry others along, in any order.

    Now and then an entity is described differently from the request, with other parents; or it is one
    of a store, whose ancestors nothing in the request describes.
    """
    engine, given = case.loaded.engine, case.given
    scene = {(one["type"], one["id"]): one for one in given["entities"]}
    other = make_scene(rng, case.world.made) if case.world else scene
    above = rng.choice((scene, other))
    elsewhere = engine.store(
        {**one, "parents": above[key]["parents"]} for key, one in scene.items()
    )

    def built(one: Json, changes: float, ready: dict[Any, Entity]) -> Entity:
        key = one["type"], one["id"]
        if key not in ready and rng.random() < changes:
            ready[key] = elsewhere[key]
        if key not in ready or rng.random() < 0.1:
            parents = [scene[parent["type"], parent["id"]] for parent in one["parents"]]
            if rng.random() < changes:
                parents = parents[1:]
            above_it: Json = [built(parent, changes, ready) for parent in parents]
            if rng.random() < changes:
                above_it = one["parents"]
            properties = {
                name: ready.get((value["type"], value["id"]), value)
                if _is_reference(value)
                else value
                for name, value in one["properties"].items()
            }
            try:
                ready[key] = engine.entity(*key, properties, parents=above_it)
            except InvalidRequest:  # what it would carry along contradicts
                ready[key] = engine.entity(*key, one["properties"], parents=one["parents"])
        return ready[key]

    for changes in (0, 0, 0, 0.1, 0.2):
        ready: dict[Any, Entity] = {}
        asked = {**given, "entities": list(given["entities"])}
        rng.shuffle(asked["entities"])
        del asked["entities"][rng.choice((len(scene), len(scene), 3)) :]
        for i in range(len(asked["entities"])):
            if rng.random() < 0.5:
                asked["entities"][i] = built(asked["entities"][i], changes, ready)
        for who in PARTS:
            if rng.random() < 0.7:
                asked[who] = built(asked[who], changes, ready)
        asked["context"] = {
            name: ready.get((value["type"], value["id"]), value) if _is_reference(value) else value
            for name, value in given["context"].items()
        }
        if rng.random() < 0.5:
            try:
                asked["context"] = engine.context(given["action"], asked["context"])
            except InvalidRequest:
                asked["context"] = given["context"]
        yield asked


def _is_reference(value: Json) -> bool:
    return isinstance(value, dict) and value.keys() == {"type", "id"}


def fast_path_takes(
    fast: FastPaths, full: Validator, given: dict[str, Json], store: EntityStore | None
) -> bool:
    """Whether *fast* takes a request; raises if *full* refuses it, or reads it differently."""
    names = ("subject", "action", "resource", "context", "now", "fields", "entities")
    parts: dict[str, Any] = {name: given.get(name) for name in names}
    parts["now"] = _time(parts["now"])
    # Of parts that come again, what was found out before is noted.
    read = [fast.read(RawRequest(**parts, store=store)) for _ in range(3)]
    if not any(read):
        return False
    try:
        expected = full.validate_parts(store, **parts)
    except InvalidRequest as refusal:
        raise AssertionError(f"refused: {refusal}") from None
    for taken in read:
        assert taken is not None, "it was taken before"
        for part in ("subject", "action", "resource", "context", "now", "fields"):
            assert getattr(taken, part) == getattr(expected, part), part
        for key in {*taken.entities, *expected.entities}:
            assert _content(taken, key) == _content(expected, key)
    return True


def what_was_built_is_read_as_it_is(case: Case) -> int:
    """Parts that were built are taken as they are by `partial` where full validation would return the same."""
    full, rng, taken = case.loaded.validator, Random(case.seed), 0
    target = case.given["action"], case.request.subject.type, case.request.resource.type
    for asked in _with_built_parts(case, rng):
        given = {who: asked[who] for who in (*PARTS, "context") if rng.random() < 0.7}
        raw = RawRequest(
            **{**dict.fromkeys((*PARTS, "context")), **given},
            action=target[0],
            now=_time(asked.get("now")),
        )
        read = full._built(raw, target)
        if read is not None:
            taken += 1
            with mock.patch.object(Validator, "_built", return_value=None):
                expected = full.given_parts(raw, target, None)
            for part in ("subject", "resource", "context", "fields"):
                assert getattr(read, part) == getattr(expected, part), part
            assert raw.now is None or read.now == expected.now
            assert read.entities.keys() == expected.entities.keys()
            for key in read.entities:
                assert _content(read, key) == _content(expected, key)
    return taken


def _time(now: Json) -> Any:
    """Return a time as a caller gives it: generated ones are in microseconds."""
    return moment_text(now) if type(now) is int else now


def what_parts_bring_along_decides(case: Case) -> int:
    """Parts that were built, and come again, are decided about as the interpreter does; it returns how many bring all along."""
    engine, rng, apart = case.loaded.engine, Random(case.seed), 0
    for asked in _with_built_parts(case, rng):
        subject, action, resource = asked["subject"], asked["action"], asked["resource"]
        context, now = asked["context"], to_datetime(case.request.now)
        parts = RawRequest(subject, action, resource, context, now)
        decided: list[Decision | None] = []
        for _ in range(3):  # the third time, it is noted what they bring along
            try:
                decided.append(engine.decide(subject, action, resource, context, now=now))
            except InvalidRequest:
                decided.append(None)
        try:
            valid = case.loaded.validator.validate(parts)
        except InvalidRequest:  # parts contradict one another, or what only others say is lacking
            assert decided == [None] * 3
            continue
        outcome = interpreter.decide(case.loaded.checked, valid)
        assert [one is not None and one.allowed for one in decided] == [outcome.allowed] * 3
        decision = decided[-1]
        assert decision is not None
        apart += isinstance(decision._rest, tuple) and isinstance(decision._rest[1], tuple)
        assert decision.rules == outcome.rules
        assert decision.obligations == outcome.obligations
    return apart


def _content(request: ValidRequest | GivenParts, key: Key) -> Json:
    """Return everything about an entity that is known; what a store knows is behind the rest."""
    entity = request.entities[key]
    return entity, entity.line, entity.parents_, entity.described_


def every_text_gets_the_same_answer(case: Case) -> None:
    """A request in JSON, right or wrong, gets the same bytes as with full validation only."""
    fast, slow = case.loaded.engine, engine_without_fast_paths(case.loaded)
    rng = Random(case.seed)
    clock = SimpleNamespace(time_ns=lambda: case.given["now"] * 1000)
    with mock.patch("policyengine.runtime.clock.time", clock):
        for document in documents(case, rng):
            text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
            for written in (text, *spoilt_texts(text, rng)):
                accept_now = rng.random() < 0.8
                expected = slow.decide_json(written, accept_now=accept_now)
                for _ in range(2):  # the first opens the fast path
                    answered = fast.decide_json(written, accept_now=accept_now)
                    assert answered == expected, written


def documents(case: Case, rng: Random) -> Iterator[Json]:
    """Give requests as JSON has them: with everything, the parts alone, and spoilt ones."""
    for given in (case.given, *damaged(case, rng)):
        document = copy.deepcopy(given)
        if isinstance(document.get("now"), int):
            document["now"] = moment_text(document["now"])
        document["action"] = {"name": document.get("action")}
        yield document
        alone = {k: v for k, v in document.items() if k in (*PARTS, "action", "context")}
        for part in PARTS:
            alone[part] = {k: v for k, v in alone[part].items() if k != "parents"}
        yield alone


def spoilt_texts(text: str, rng: Random) -> Iterator[str]:
    """Give the text with a name twice, a blank more, a number that is none, or cut off."""
    names = [i for i, character in enumerate(text) if character == ":" and text[i - 1] == '"']
    for at in rng.sample(names, min(3, len(names))):
        start = text.rindex('"', 0, at - 1)
        name = text[start:at]
        blank = rng.choice(("", " ", "\n"))
        yield f"{text[:start]}{name}{blank}:{rng.choice(_VALUES)},{text[start:]}"
        yield f"{text[:at]}{blank}{text[at:]}"
        yield f"{text[: at + 1]}{rng.choice(_VALUES)},{name}{text[at:]}"
    at = rng.randrange(len(text))
    yield text[:at]
    yield text[:at] + rng.choice(_VALUES) + text[at:]


_VALUES = ("1", "1.0", "NaN", "null", '""', '":"', "[]", "{}", "1e2", "10000000000000000000000")
