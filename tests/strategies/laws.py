"""State the laws of decisions, each as a function that raises if a case breaks it.

A `Case` is a policy set and a request that fits it. The property tests and `python -m tests.fuzz`
make cases and call these; what breaks one is cut down by `reduce.py` before it is shown.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest import mock
from weakref import finalize

import msgspec
from attrs import frozen
from msgspec.structs import fields, replace

from policyengine.analysis.places import changed
from policyengine.analysis.remedies import remedies
from policyengine.cache import program_cache
from policyengine.cache.folder import Cache
from policyengine.engine import PolicyEngine
from policyengine.explain.explainer import reasons_of
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.masks import detail
from policyengine.model.outcome import Outcome
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import from_datetime, moment_text
from policyengine.reference import interpreter, reasons
from policyengine.reference.evaluation import Env
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet
from policyengine.semantics.visibility import times_hidden
from tests.strategies.loading import Loaded, RefusedError, TooCostlyError, load
from tests.strategies.policies import DEFAULT_GATE, World, make_rule, make_world
from tests.strategies.reduce import reduced
from tests.strategies.requests import MOMENTS, Json, make_request, make_scene, microseconds
from tests.strategies.spoiling import asks_quick_ones_first, spoilings, spoils_an_ancestor


@frozen(eq=False)
class Case:
    """A policy set in force and a request, as it was given and as it was validated.

    *world*: the set in pieces; None if it was not generated.
    """

    world: World | None
    loaded: Loaded
    given: dict[str, Json]
    request: ValidRequest
    seed: int


Law: TypeAlias = Callable[[Case], object]


class LawBrokenError(AssertionError):
    """A case breaks a law; the message is the smallest such case that was found."""


# ---- making cases and holding laws on them ----------------------------------------------


def hold(law: Law, seed: int, *, requests: int) -> int:
    """Hold *law* on the policy set and the requests of *seed*; return how many requests."""
    rng = Random(seed)
    world = make_world(rng, rng.choice((1, 2, 2, 3)))
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return 0
    for number in range(requests):
        if number % 5 == 0:
            scene = make_scene(rng, world.made)
        given = make_request(rng, world, scene)
        case = Case(world, loaded, given, loaded.request(**given), seed + number)
        try:
            law(case)
        except Exception as problem:
            raise LawBrokenError(_shown(law, case, problem)) from problem
    return requests


def _shown(law: Law, case: Case, problem: Exception) -> str:
    def fails(world: World, given: dict[str, Json]) -> bool:
        try:
            loaded = load(world.sources())
            smaller = Case(world, loaded, given, loaded.request(**given), case.seed)
        except (RefusedError, InvalidRequest):
            return False
        try:
            law(smaller)
        except Exception as other:  # noqa: BLE001
            return _kind(other) == _kind(problem)
        return False

    world, given = reduced(case.world, case.given, fails)
    try:
        loaded = load(world.sources())
        law(Case(world, loaded, given, loaded.request(**given), case.seed))
    except Exception as smaller:  # noqa: BLE001
        problem = smaller
    return (
        f"{law.__name__} is broken (seed {case.seed})\n{type(problem).__name__}: {problem}\n\n"
        f"{world.text()}\n{json.dumps(given, indent=1, default=str)}"
    )


def _kind(problem: Exception) -> tuple[type, str]:
    """Return what a smaller case must have in common with the first: not some other mistake."""
    return type(problem), str(problem).partition(" ")[0]


def _same(what: str, one: object, other: object) -> None:
    assert one == other, f"{what}: {one!r} is not {other!r}"


def _same_outcome(one: Outcome, other: Outcome, *, but: tuple[str, ...] = ()) -> None:
    for name in _PARTS_OF_OUTCOMES:
        if name not in but:
            _same(name, getattr(one, name), getattr(other, name))


_PARTS_OF_OUTCOMES = tuple(field.name for field in fields(Outcome))


# ---- what would allow -------------------------------------------------------------------


def what_is_offered_allows(case: Case) -> None:
    """Each change that an explanation offers turns the deny into an allow, compiled as well."""
    for remedy in remedies(case.loaded.checked, case.request):
        after = changed(case.request, tuple((c.place, c.after) for c in remedy.changes))
        assert interpreter.decide(case.loaded.checked, after).allowed
        assert case.loaded.program.decide(after).allowed


# ---- 3 and 4: soundness and agreement ---------------------------------------------------


def reference_is_sound(case: Case) -> None:
    """No rule fails on a request that fits, and every value in a reason can be shown."""
    outcome = interpreter.decide(case.loaded.checked, case.request)
    assert outcome.errors == (), outcome.errors
    reason = reasons.reason(case.loaded.checked, case.request)
    assert reason
    assert "?" not in reason, reason


def compiled_agrees(case: Case) -> None:
    """The compiled program and the reference interpreter give one answer."""
    expected = _agree(case, case.request)
    _decided_again(case, case.loaded.program.decide(case.request), expected)


def _agree(case: Case, request: ValidRequest) -> Outcome:
    checked = case.loaded.checked
    decision = case.loaded.program.decide(request)
    expected = interpreter.decide(checked, request)
    _same_outcome(_outcome_of(decision), expected)
    env = Env(request, checked.schema)
    said = reasons_of(interpreter.judge_all(checked, env))
    hidden = any(times_hidden(r, env.target, checked.schema) for r in checked.rules_for(env.target))
    until = decision.valid_until, None if hidden else decision.valid_until
    without_details = case.loaded.program.decide(request)
    for one in (decision, without_details):
        _same("valid until", (one.valid_until, one.valid_until_for("user")), until)
        _same("reasons", (one.reason_for("auditor"), one.reason_for("user")), said)
    _same("reason", decision.reason, reasons.reason(checked, request))
    context = decision.to_json()["context"]
    listed = tuple(context["rules"]), context["more_rules"]
    _same("listed rules", listed, reasons.listed(checked, request))
    _same("as bytes", decision.to_bytes(), msgspec.json.encode(decision.to_json()))
    return expected


def _decided_again(case: Case, decision: Decision, expected: Outcome) -> None:
    """The request that a decision keeps is decided equally; it may lack entities that cannot matter."""
    kept = decision.request
    assert kept is not None
    (again,) = case.loaded.engine.decide_many([kept])
    if again.problems:
        target = kept.action, kept.subject.type, kept.resource.type
        assert not case.loaded.program.compiled(target).follows
        assert {problem.code for problem in again.problems} == {"PE508"}
    else:
        _same_outcome(_outcome_of(again), expected)


def _outcome_of(decision: Decision) -> Outcome:
    """Return what the public face of a decision says."""
    return Outcome(
        allowed=decision.allowed,
        cause=decision.cause,
        rules=decision.rules,
        gates=tuple(decision.gates.items()),
        exposed=decision.exposed,
        masks=tuple(decision.masks.items()),
        obligations=decision.obligations,
        referrals=decision.referrals,
        advisories=decision.advisories,
        waivers=decision.waivers,
        errors=decision.errors,
    )


def every_entry_point_agrees(case: Case) -> None:
    """A request in JSON, of built entities, or by a store, is answered as the validated one."""
    engine, given = case.loaded.engine, case.given
    expected = json.loads(json.dumps(case.loaded.program.decide(case.request).to_json()))
    now = moment_text(given["now"])
    document = {**given, "now": now, "action": {"name": given["action"]}}
    answered = json.loads(engine.decide_json(json.dumps(document), accept_now=True))
    _same("as JSON", answered, expected)

    def built(entity: Json) -> Entity:
        kind, id_ = entity["type"], entity["id"]
        return engine.entity(kind, id_, entity["properties"], parents=entity["parents"])

    def decided(subject: Any, resource: Any, context: Any, entities: Any) -> Json:
        decision = engine.decide(
            subject, given["action"], resource, context,
            now=now, fields=given.get("fields"), entities=entities,
        )  # fmt: skip
        return json.loads(json.dumps(decision.to_json()))

    context = engine.context(given["action"], given["context"])
    subject, resource = built(given["subject"]), built(given["resource"])
    entities = [built(entity) for entity in given["entities"]]
    _same("built", decided(subject, resource, context, entities), expected)
    store = engine.store(given["entities"])
    names = [
        {"type": given[who]["type"], "id": given[who]["id"]} for who in ("subject", "resource")
    ]
    _same("by a store", decided(*names, context, store), expected)
    by_key = {(e["type"], e["id"]): e for e in given["entities"]}

    def carrying(value: Any, above: frozenset[tuple[str, str]] = frozenset()) -> Any:
        """Put built entities, with what they refer to, where references stand."""
        if isinstance(value, list):
            return [carrying(item, above) for item in value]
        if not isinstance(value, dict):
            return value
        key = (value.get("type"), value.get("id"))
        if set(value) == {"type", "id"} and key in by_key and key not in above:
            entity = by_key[key]
            return built({**entity, "properties": carrying(entity["properties"], above | {key})})
        return {name: carrying(part, above) for name, part in value.items()}

    alone = [
        built({**given[who], "properties": carrying(given[who]["properties"])})
        for who in ("subject", "resource")
    ]
    with_all = engine.context(given["action"], carrying(given["context"]))
    try:
        answered = decided(*alone, with_all, None)
    except InvalidRequest:  # what only a longer way, or a circle, leads to is not carried
        answered = decided(*alone, with_all, entities)
    # What is not carried may be what a rule on trial would have read.
    for answer in (answered, expected):
        answer["context"].pop("advisories")
    _same("carrying", answered, expected)


def the_fast_path_agrees(case: Case) -> bool:
    """A fast path decides as full validation does; return whether there was one."""
    given = case.given

    def bare(entity: Json) -> Json:
        without = {name: part for name, part in entity.items() if name != "parents"}
        return without if entity["parents"] == [] else entity

    parts = given["subject"], given["action"], given["resource"], given["context"]
    without = bare(given["subject"]), given["action"], bare(given["resource"]), given["context"]
    fast = [_is_fast_and_agrees(case, *some) for some in (parts, without)]
    return any(fast)


def _is_fast_and_agrees(case: Case, *parts: Any) -> bool:
    engine, given = case.loaded.engine, case.given
    names = ("subject", "action", "resource", "context")
    try:
        request = case.loaded.request(**dict(zip(names, parts, strict=True)), now=given["now"])
    except InvalidRequest:
        return False
    expected = case.loaded.program.decide(request)
    clock = SimpleNamespace(time_ns=lambda: given["now"] * 1000)
    with mock.patch("policyengine.runtime.clock.time", clock):
        for now in (None, None, moment_text(given["now"])):  # the first makes the reader
            decision = engine.decide(*parts, now=now)
            _same_outcome(decision.outcome, expected.outcome)
            _same("reason", decision.reason, expected.reason)
            _same("valid_until", decision.valid_until, expected.valid_until)
        for mixed in _mixed(engine, *parts):
            bound = engine.bind(mixed[0])
            for decision in (
                engine.decide(*mixed),
                *engine.decide_many([mixed]),
                *(bound.decide(*mixed[1:]) for _ in range(2)),  # the first makes the residual
            ):
                _same_outcome(decision.outcome, expected.outcome)
        document = dict(zip(names, parts, strict=True)) | {"action": {"name": given["action"]}}
        answered = json.loads(engine.decide_json(json.dumps(document)))
    _same("as JSON", answered, json.loads(json.dumps(expected.to_json())))
    return bool(engine._intake.fast.by_action)


def what_was_kept_agrees(case: Case) -> None:
    """A set that is read from a cache decides as the one that was compiled, with the same details."""
    kept = _kept(case.loaded)
    request = case.request
    target = request.action, request.subject.type, request.resource.type
    fresh, expected = case.loaded.program, case.loaded.program.decide(request)
    compiled = kept._compile(target)  # past what is kept in this process
    whole = compiled.answer(request)
    specializer = compiled.specializer
    left = whole
    if specializer is not None:
        left = specializer.for_subject(request.subject, request.now)[0].answer(request)
    for decision in (whole, left):
        _same_outcome(decision.outcome, expected.outcome)
        _same("reason", decision.reason, expected.reason)
        _same("valid_until", decision.valid_until, expected.valid_until)
        _same("as JSON", decision.to_json(), expected.to_json())
    _same("schema", kept.schema, fresh.schema)
    _same("needs", kept.needs(target), fresh.needs(target))
    _same("specializer", specializer is None, fresh.compiled(target).specializer is None)
    _same("text", compiled.source(), fresh.source(target))


@lru_cache(maxsize=1)
def _kept(loaded: Loaded) -> Program:
    """Return the program of a set that was kept, and is read as long as somebody asks it."""

    def lost() -> CheckedSet:
        raise AssertionError("something that was kept was not found")

    folder = mkdtemp()
    cache = Cache(folder, b"k" * 32)
    lost_some = AssertionError("something could not be kept")
    with (
        mock.patch(
            "policyengine.cache.program_cache.MANY", 2
        ),  # so that some modules are kept as well
        mock.patch.object(Cache, "warn", side_effect=lost_some),
    ):
        assert program_cache.keep(cache, "set", loaded.checked)
        made = program_cache.find(cache, "set", lambda: loaded.checked)
        assert made is not None
        for target in loaded.checked.by_target:
            made[0]._compile(target).load()
    found = program_cache.find(cache, "set", lost)
    assert found is not None
    program, owed = found
    finalize(program, shutil.rmtree, folder)
    _same("owed", owed, loaded.checked.owed)
    return program


def _mixed(
    engine: PolicyEngine, subject: Json, action: str, resource: Json, context: Json
) -> Iterator[tuple[Any, str, Any, Any]]:
    """Give a request with some of its parts built."""

    def built(entity: Json) -> Entity:
        parents = entity.get("parents")
        return engine.entity(entity["type"], entity["id"], entity["properties"], parents=parents)

    of_context = engine.context(action, context)
    yield built(subject), action, resource, context
    yield subject, action, built(resource), of_context
    yield built(subject), action, built(resource), context
    yield subject, action, resource, of_context
    if not context:
        yield built(subject), action, built(resource), None


def failures_agree_and_open_nothing(case: Case) -> None:
    """What fails fails alike in both, is reported, and never turns a deny into an allow."""
    before = interpreter.decide(case.loaded.checked, case.request)
    for request in spoilings(case.request, Random(case.seed)):
        try:
            outcome = _agree(case, request)
        except AssertionError:
            # Which ancestor or condition is asked first is not settled: another may decide before this one fails.
            if not (
                spoils_an_ancestor(case.request, request)
                or asks_quick_ones_first(case.loaded.checked, case.request)
            ):
                raise
            outcome = interpreter.decide(case.loaded.checked, request)
            assert before.allowed or not case.loaded.program.decide(request).allowed
        assert before.allowed or not outcome.allowed, "a failure opened it"
        forbids = {r.id for r in case.loaded.checked.rules if r.effect == "forbid"}
        if any(error.rule in forbids for error in outcome.errors):
            assert not outcome.allowed
            assert outcome.cause in ("error", "forbidden")


# ---- 5: time ----------------------------------------------------------------------------


def reference_holds_until(case: Case) -> None:
    """Until the reference's `valid_until` a later `now` changes nothing but wording."""
    checked = case.loaded.checked
    until = interpreter.valid_until(checked, case.request)
    _holds_until(case, until, lambda request: interpreter.decide(checked, request))


def compiled_holds_until(case: Case) -> None:
    """Until the program's `valid_until` a later `now` changes nothing but wording."""
    program = case.loaded.program
    until = program.decide(case.request).valid_until
    moment = None if until is None else from_datetime(until)
    _holds_until(case, moment, lambda request: _outcome_of(program.decide(request)))


def _holds_until(case: Case, until: int | None, decide: Callable[[ValidRequest], Outcome]) -> None:
    now = case.request.now
    assert until is None or until > now, f"valid until {until}, which is not after {now}"
    expected = decide(case.request)
    moments = [now + 1, now + 86_400_000_000, *map(microseconds, MOMENTS)]
    if until is not None:
        moments += [until - 1, (now + until) // 2]
    for later in moments:
        if later > now and (until is None or later < until):
            outcome = decide(replace(case.request, now=later))
            _same_outcome(outcome, expected, but=("advisories",))


# ---- 6: what a rule more can do ---------------------------------------------------------


def a_rule_more_only_adds(case: Case) -> None:
    """A forbid never allows, a permit or an expose never denies, advice changes nothing."""
    rng = Random(case.seed)
    world = case.world
    gate = rng.choice(list(world.gates) or [DEFAULT_GATE])
    effects = ["permit", "forbid", *(["expose"] if world.gates.get(gate) else [])]
    effect, advisory = rng.choice(effects), rng.random() < 0.3
    more = world.with_rule(make_rule(rng, world, gate, effect, advisory=advisory))
    try:
        loaded = load(more.sources())
        request = loaded.request(**case.given)
    except (InvalidRequest, TooCostlyError):
        return
    before = interpreter.decide(case.loaded.checked, case.request)
    after = interpreter.decide(loaded.checked, request)
    if advisory:
        _same_outcome(after, before, but=("advisories",))
        assert len(after.advisories) - len(before.advisories) in (0, 1)
    elif effect == "forbid":
        assert before.allowed or not after.allowed
    else:
        assert after.allowed or not before.allowed
        shown = dict(after.masks) | dict.fromkeys(after.exposed or ())
        assert all(shown[name] is None for name in before.exposed or ())
        assert all(detail(shown[name]) >= detail(mask) for name, mask in before.masks)
        assert set(before.obligations) <= set(after.obligations) or not before.allowed


# ---- 7: order ---------------------------------------------------------------------------


def order_changes_nothing(case: Case) -> None:
    """The order of declarations, gates and rules, and the files they stand in, do not count."""
    loaded = load(case.world.shuffled(Random(case.seed)).sources())
    request = loaded.request(**case.given)
    before, after = case.loaded.checked, loaded.checked
    _same_outcome(interpreter.decide(after, request), interpreter.decide(before, case.request))
    _same("reason", reasons.reason(after, request), reasons.reason(before, case.request))
    until = interpreter.valid_until(before, case.request)
    _same("valid_until", interpreter.valid_until(after, request), until)


# ---- 9: leaving out ---------------------------------------------------------------------


def leaving_out_opens_nothing(case: Case) -> None:
    """A request with something left out or mistyped is refused, or not allowed if it was denied."""
    before = interpreter.decide(case.loaded.checked, case.request)
    for given in damaged(case, Random(case.seed)):
        try:
            request = case.loaded.request(**given)
        except InvalidRequest:
            continue
        after = interpreter.decide(case.loaded.checked, request)
        assert before.allowed or not after.allowed, f"leaving out opened it: {given}"
        if after.allowed and given.get("fields") == case.given.get("fields"):
            assert (after.exposed, after.masks) == (before.exposed, before.masks), given
        assert after.errors == (), after.errors


def damaged(case: Case, rng: Random) -> Iterator[dict[str, Json]]:
    """Give the request with something left out, or with a value of another type."""
    # One entity is one object wherever it stands in the request, and stays so in a deep copy.
    places = list(_places(case))
    for path, may_be_dropped in rng.sample(places, min(len(places), 8)):
        for replacement in (_DROPPED, rng.choice(("x", 1, True, 1.5, None, [], {}))):
            if replacement is _DROPPED and not may_be_dropped:
                continue
            given = copy.deepcopy(case.given)
            part = given
            for step in path[:-1]:
                part = part[step]
            if replacement is _DROPPED:
                del part[path[-1]]
            elif type(part[path[-1]]) is type(replacement):
                continue
            else:
                part[path[-1]] = replacement
            yield given


_DROPPED = object()


def _places(case: Case) -> Iterator[tuple[tuple[Json, ...], bool]]:
    """Give the places of a request, and whether leaving out what is there may change nothing."""
    text = case.loaded.text()
    schema = case.loaded.checked.schema
    context = schema.actions[case.given["action"]].context.by_name
    # A whole record that is compared is another one without its optional attributes.
    whole = re.search(r"\bcontext\b(?!\.| has)", text) is not None

    def asked(name: str) -> bool:
        return f" has {name}" in text

    for i, entity in enumerate(case.given["entities"]):
        yield ("entities", i), True
        yield ("entities", i, "parents"), True
        for attribute in schema.entities[entity["type"]].attributes:
            if attribute.name in entity["properties"]:
                may = not (attribute.optional and asked(attribute.name))
                yield ("entities", i, "properties", attribute.name), may
    for name in case.given["context"]:
        may = not (context[name].optional and (whole or asked(name)))
        yield ("context", name), may
