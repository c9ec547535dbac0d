"""What is copied, deep-copied or pickled says the same afterwards, or says why it cannot be."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import pickletools
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

import policyengine
from policyengine import (
    Advisory,
    CachedSource,
    Decider,
    Decision,
    DecisionCache,
    DecisionLog,
    Denied,
    Entity,
    EntitySource,
    EntityStore,
    InvalidPolicy,
    InvalidRequest,
    Limits,
    NotRecorded,
    NotReloaded,
    PolicyEngine,
    PolicyError,
    PolicyHolder,
    Problem,
    Ref,
    Request,
    RuleError,
    Shadow,
    SourcedEngine,
    StaleSubject,
    UnhandledObligation,
)
from policyengine.cache.folder import Cache
from policyengine.engine import _loaded_again
from policyengine.explain import Explanation
from policyengine.model.records import Record
from policyengine.model.values import ABSENT
from tests.every_way import (
    AUDIENCES,
    TEAM,
    USERS,
    answers,
    built,
    decisions,
    document,
    explained,
    policy,
    said,
    user,
)

POLICY = """
package a
entity U { n: int }
entity D
action r by U on D
obligation tell(n: int)
permit p: r oblige tell(subject.n)
"""

DENYING = "package d\nentity U\naction s by U on U\npermit p: s when resource == subject"

Remake = Callable[[Any], Any]
"""Makes another of a value."""

PICKLED: dict[str, Remake] = {
    f"pickle {protocol}": lambda value, protocol=protocol: pickle.loads(
        pickle.dumps(value, protocol)
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
REMADE: dict[str, Remake] = {"copy": copy.copy, "deepcopy": copy.deepcopy, **PICKLED}


def each(remade: dict[str, Remake]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("remake", remade.values(), ids=remade)


# ---- exceptions -------------------------------------------------------------------------


def invalid_policy() -> None:
    PolicyEngine.from_text("package a\npermit", "package b\nentity E { a: strin }")


def invalid_request() -> None:
    PolicyEngine.from_text(POLICY).decide({"type": "U", "id": 5}, "s", {"type": "D"})


def unhandled_obligation() -> None:
    PolicyEngine.from_text(POLICY, obligations=["warn"])


def stale_subject() -> None:
    raise StaleSubject("U", "u1")


def denied() -> None:
    PolicyEngine.from_text(DENYING).require({"type": "U", "id": "u"}, "s", {"type": "U", "id": "v"})


def not_reloaded() -> None:
    raise NotReloaded("its tests do not pass")


def not_recorded() -> None:
    raise NotRecorded("the disk is full")


def any_other() -> None:
    raise PolicyError("anything", 1)


RAISING: dict[type[PolicyError], Callable[[], None]] = {
    InvalidPolicy: invalid_policy,
    InvalidRequest: invalid_request,
    UnhandledObligation: unhandled_obligation,
    StaleSubject: stale_subject,
    Denied: denied,
    NotReloaded: not_reloaded,
    NotRecorded: not_recorded,
    PolicyError: any_other,
}


def raised(class_: type[PolicyError]) -> PolicyError:
    with pytest.raises(class_) as found:
        RAISING[class_]()
    return found.value


def saying(problem: BaseException) -> tuple[object, ...]:
    """Return everything that an exception says."""
    data = {
        name: value.outcome if isinstance(value, Decision) else value
        for name, value in vars(problem).items()
    }
    args = () if isinstance(problem, Denied) else problem.args  # the same decision
    return type(problem), str(problem), repr(problem), args, data


def test_the_exceptions_below_are_all_public_ones():
    public = {getattr(policyengine, name) for name in policyengine.__all__}
    assert set(RAISING) == {
        p for p in public if isinstance(p, type) and issubclass(p, BaseException)
    }


@each(REMADE)
@pytest.mark.parametrize("class_", RAISING)
def test_exceptions_say_the_same_afterwards(class_: type[PolicyError], remake: Remake):
    problem = raised(class_)
    problem.add_note("a note")
    assert saying(remake(problem)) == saying(problem)


class OfAService(InvalidRequest):
    """An exception of somebody else, which takes something else."""

    def __init__(self, *, tenant: str) -> None:
        super().__init__([Problem("PE505", tenant, "wrong")])
        self.tenant = tenant


@each(REMADE)
def test_exceptions_of_others_that_are_of_ours_do_so_as_well(remake: Remake):
    problem = OfAService(tenant="t")
    assert saying(remake(problem)) == saying(problem)


def test_a_pool_delivers_each_exception():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for class_, raising in RAISING.items():
            with pytest.raises(class_) as found:
                pool.apply_async(raising).get(timeout=60)
            assert str(found.value) == str(raised(class_))


# ---- values -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(policy(), "package more\nobligation other()")


def spoken(value: Any) -> Any:
    """Return everything that a value says."""
    match value:
        case Decision():
            return said(value)
        case Explanation():
            shown = [[*value.lines(who), value.to_json(who)] for who in AUDIENCES]
            return shown, value.outcome, repr(value)
        case Entity() | Record():
            names = type(value).__match_args__
            return type(value), repr(value), hash(value), [getattr(value, name) for name in names]
        case EntityStore():
            return {key: spoken(value[key]) for key in value}, repr(value)
        case PolicyEngine():
            return answers(value)
        case _:
            return type(value), value


def survives(value: Any, remake: Remake) -> bool:
    made = remake(value)
    return type(made) is type(value) and spoken(made) == spoken(value)


@each(REMADE)
def test_decisions_say_the_same_though_nothing_was_read_before(
    engine: PolicyEngine, remake: Remake
):
    for number, (decision, again) in enumerate(
        zip(decisions(engine), decisions(engine), strict=True)
    ):
        made = remake(decision)
        assert spoken(made) == spoken(decision), number
        assert spoken(remake(made)) == spoken(decision)
        assert spoken(made)["json"] == spoken(again)["json"]


@each(REMADE)
def test_explanations_say_the_same(engine: PolicyEngine, remake: Remake):
    assert all(survives(one, remake) for one in explained(engine))


@each(REMADE)
def test_entities_contexts_and_stores_are_of_the_same_classes(engine: PolicyEngine, remake: Remake):
    team = engine.entity("Team", "staff", parents=[])
    parts = [team, *(built(engine, raw) for raw in (*USERS, document()))]
    boss = engine.entity(
        "User", "zed", USERS[0]["properties"] | {"boss": parts[1]}, parents=[parts[0]]
    )
    contexts = [engine.context("read", values) for values in ({}, {"why": "", "urgent": True})]
    records = [parts[1].v_home, parts[1].v_home.v_at, *parts[1].v_pets]
    store = engine.store([*parts, boss])
    for value in (*parts, boss, *contexts, *records, store):
        assert survives(value, remake)
        made = remake(value)
        assert made == value or made is not store
    together = remake({"one": boss, "other": boss, "store": store})
    assert together["one"] is together["other"]
    assert type(together["one"]) is type(together["store"]["User", "ann"])
    decision = engine.decide(remake(boss), "read", remake(parts[-1]), remake(contexts[1]))
    assert said(decision) == said(engine.decide(boss, "read", parts[-1], contexts[1]))
    assert engine.decide(
        {"type": "User", "id": "ann"},
        "read",
        {"type": "Document", "id": "plan"},
        entities=remake(store),
    ).allowed


CHANGES: list[Callable[[Any], Any]] = [
    lambda given: given.update(a=1),
    lambda given: given.clear(),
    lambda given: given.pop("scope", None),
    lambda given: given.popitem(),
    lambda given: given.setdefault("a", 1),
    lambda given: given.__setitem__("a", 1),
    lambda given: given.__delitem__("who"),
    lambda given: given.__ior__({"a": 1}),
]


@each(REMADE)
def test_a_store_still_says_what_becomes_of_whom_it_does_not_know(
    engine: PolicyEngine, remake: Remake
):
    ann, plan = {"type": "User", "id": "ann"}, {"type": "Document", "id": "plan"}
    for unknown in ("refuse", "bare"):
        store = engine.store([TEAM, USERS[0], document("nobody", readers=[])], unknown=unknown)
        found = []
        for one in (store, remake(store), remake({"held": store})["held"]):
            assert one.by_key.bare == (unknown == "bare")
            asked = engine.decide_many(
                [(USERS[0], "close", {"type": "User", "id": "nobody"}, None)]
            )
            found.append([said(engine.decide(ann, "read", plan, entities=one)), *map(said, asked)])
        assert found[1:] == found[:1] * 2


@each(REMADE)
def test_what_engines_give_beside_is_the_same(engine: PolicyEngine, remake: Remake):
    duty = engine.decide(USERS[0], "read", document()).obligations
    limits = Limits(set_size=7)
    problem = Problem("PE505", "subject", "wrong")
    error = RuleError("a.b", ("subject.n",), "failed")
    wrong, diagnostics = raised(InvalidRequest), raised(InvalidPolicy).diagnostics
    values = [*duty, limits, problem, error, Advisory("a.b", "permit", "unknown"), wrong.problems]
    values += [diagnostics, *diagnostics.items, engine.schema, engine.rules, engine.digest, ABSENT]
    for value in values:
        assert survives(value, remake), value
    for given in (duty[0].parameters, engine.decide(USERS[0], "read", document()).gates):
        assert survives(given, remake)
        for change in CHANGES:
            with pytest.raises(TypeError, match="cannot be changed"):
                change(remake(given))
        assert json.loads(json.dumps(remake(given), default=str))
    assert remake(ABSENT) is ABSENT
    decision = engine.decide(USERS[0], "read", document())
    assert remake(decision.outcome) == decision.outcome


# ---- engines ----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_an_engine_is_loaded_again_from_its_texts(engine: PolicyEngine, protocol: int):
    made = pickle.loads(pickle.dumps(engine, protocol))
    assert made is not engine
    assert answers(made) == answers(engine)


@pytest.mark.parametrize("cached", [False, True])
def test_an_engine_does_not_read_its_files_again(cached: bool, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(tmp_path / "key"))
    file = tmp_path / "set" / "one.policy"
    file.parent.mkdir()
    file.write_text(policy(3), encoding="utf-8")
    options: dict[str, Any] = {"cache": tmp_path / "kept"} if cached else {}
    for _ in range(2):
        engine = PolicyEngine.load(file.parent, **options)
    found = pickle.dumps(engine)
    file.write_text(policy(4), encoding="utf-8")
    made = pickle.loads(found)
    assert made.digest == engine.digest
    file.unlink()
    made = pickle.loads(pickle.dumps(pickle.loads(found)))
    assert answers(made) == answers(engine)


def test_an_engine_keeps_its_store_its_limits_and_the_names_of_its_obligations():
    first = PolicyEngine.from_text(policy())
    engine = PolicyEngine.from_text(
        policy(),
        store=first.store([TEAM, *USERS, document()]),
        limits=Limits(set_size=2, string_size=30),
        obligations=["notify", "other"],
    )
    made = pickle.loads(pickle.dumps(engine))
    ann, plan = {"type": "User", "id": "ann"}, {"type": "Document", "id": "plan"}
    assert said(made.decide(ann, "read", plan)) == said(engine.decide(ann, "read", plan))
    with pytest.raises(InvalidRequest, match="at most 2 elements"):
        made.entity("User", "u", user(tags=["a", "b", "c"])["properties"])
    assert made._origin.obligations == {"notify", "other"}


def test_everything_that_an_engine_is_loaded_with_is_pickled():
    kept = set(signature(_loaded_again).parameters) - {"class_", "texts"}
    for load in (PolicyEngine.load, PolicyEngine.from_text):
        assert set(signature(load).parameters) - {
            "paths", "texts", "cache", "undeclared",  # which the limits say
        } == kept  # fmt: skip


def test_a_pickled_engine_has_no_code(engine: PolicyEngine):
    names = [
        argument for operation, argument, _ in pickletools.genops(pickle.dumps(engine, 2))
        if operation.name == "GLOBAL"
    ]  # fmt: skip
    assert set(names) <= {
        "policyengine.engine _loaded_again", "policyengine.engine PolicyEngine",
        "policyengine.model.limits Limits",
    }  # fmt: skip


def test_an_engine_that_was_made_of_a_program_has_the_texts_of_its_set(engine: PolicyEngine):
    made = PolicyEngine(engine._program, engine._checked, limits=engine._limits)
    assert pickle.loads(pickle.dumps(made)).digest == engine.digest


def test_copies_of_engines_are_themselves(engine: PolicyEngine):
    bound = engine.bind(built(engine, USERS[0]))
    for value in (engine, bound, engine.bind(bound.subject, "read")):
        assert copy.copy(value) is value
        assert copy.deepcopy([value])[0] is value


# ---- what cannot be done ----------------------------------------------------------------


def held(folder: Path) -> PolicyHolder:
    (folder / "held.policy").write_text(policy(), encoding="utf-8")
    return PolicyHolder(folder / "held.policy")


class Facts(EntitySource):
    def fetch(self, keys: object, /) -> list[object]:
        return []


FACTS = Facts()


def refusing(engine: PolicyEngine, folder: Path) -> dict[str, tuple[Any, dict[str, Remake]]]:
    """Return values that refuse, and what they refuse, by what the text says to do instead."""
    ann = built(engine, USERS[0])
    handled = PolicyEngine.from_text(policy(), obligations={"notify": print})
    return {
        "bind it again": (engine.bind(ann), PICKLED),
        "and bind it": (engine.bind(ann, "read"), PICKLED),
        "make one where it is used": (DecisionCache(engine), REMADE),
        "load one with their names": (handled, PICKLED),
        "pickle its `engine`": (held(folder), REMADE),
        "read its `differences`": (Shadow(None), REMADE),
        "make one where its source is": (SourcedEngine(engine, FACTS), REMADE),
        "make one where its version is": (CachedSource(FACTS, int), REMADE),
        "make one where it is used, in a folder": (DecisionLog(folder / "log"), REMADE),
        "open it again": (Cache(str(folder), b"k" * 32), REMADE),
    }


def test_what_is_not_pickled_says_what_to_do_instead(engine: PolicyEngine, tmp_path: Path):
    for text, (value, refused) in refusing(engine, tmp_path).items():
        for remake in refused.values():
            with pytest.raises(TypeError, match=text):
                remake(value)


@each(REMADE)
def test_every_public_name_survives_or_refuses(
    engine: PolicyEngine, tmp_path: Path, remake: Remake
):
    decision = engine.decide(USERS[0], "read", document())
    wrong = raised(InvalidPolicy)
    made: list[Any] = [
        engine, decision, *decision.obligations, built(engine, USERS[0]), wrong.diagnostics,
        wrong.diagnostics.items[0], engine.store([]), Limits(), RuleError("a", (), "b"),
        Advisory("a", "permit", "unknown"), Problem("PE505", "", "x"), Ref("a"), FACTS, *map(raised, RAISING),
        engine.actions(USERS[0], document()), Request(USERS[0], "read", document()),
        engine.schema, engine.evaluations({}), decision.outcome, engine.explain(USERS[0], "read", document()),
        engine.context("read"), engine.partial(action="read", subject=USERS[0]),
        engine.timeline(USERS[0], "read", document()),
        *(value for value, _ in refusing(engine, tmp_path).values()),
    ]  # fmt: skip
    classes = {type(one).__mro__[0] for one in made} | {type(one).__mro__[1] for one in made}
    for name in policyengine.__all__:
        value = getattr(policyengine, name)
        assert remake(value) == value
        is_tried = not isinstance(value, type) or value in classes or value is Decider
        assert is_tried, f"{name} is not tried"
    refusals: list[str] = []
    for value in made:
        try:
            assert type(remake(value)) is type(value)
        except TypeError as refusal:
            refusals.append(str(refusal))
    assert all(":" in text for text in refusals), refusals  # after which it says what to do instead


# ---- between processes ------------------------------------------------------------------


def asked(engine: PolicyEngine, subject: Entity, store: EntityStore) -> tuple[Any, ...]:
    plan = {"type": "Document", "id": "plan"}
    decision = engine.decide(subject, "read", plan, entities=store)
    return (
        decision,
        decision.outcome,
        engine.explain(subject, "read", plan, entities=store),
        subject,
    )


def test_a_process_that_was_started_anew_answers_the_same(engine: PolicyEngine):
    store = engine.store([TEAM, *USERS, document()])
    ann = store["User", "ann"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(asked, (engine, ann, store))
    for found, expected in zip(there, asked(engine, ann, store), strict=True):
        assert spoken(found) == spoken(expected)


def test_a_pickled_entity_has_private_values_and_a_pickled_decision_has_none(engine: PolicyEngine):
    ann = built(engine, USERS[0])
    assert b"hush" in pickle.dumps(ann)
    for action in ("read", "write"):
        assert b"hush" not in pickle.dumps(engine.decide(ann, action, document()))
