"""Settings that do not fit are refused where they are given, and what was set shows in a text."""

import re
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from policyengine import (
    CachedSource,
    Decision,
    DecisionCache,
    DecisionLog,
    InvalidPolicy,
    InvalidRequest,
    Limits,
    PolicyEngine,
    PolicyHolder,
    Request,
    SourcedEngine,
    StaleSubject,
    Timeline,
)
from policyengine.adapters.enforcement import EnforcementPoint
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.explain.periods import Answer
from policyengine.filters.row_filter import Filter
from policyengine.record.structured_logging import LoggedDecisions

TEXT = """
package settings
entity Team in Team
entity User in Team { level: int, boss?: User }
entity Document { owner: User }
action read by User on Document with { reason?: string }
action audit by Team on Document
permit own: read when resource.owner == subject
permit staff: read when subject within Team "all"
permit boss: read when subject has boss and subject.boss.level > 3
permit auditors: audit
"""
ENGINE = PolicyEngine.from_text(TEXT)
OTHER = PolicyEngine.from_text("package o entity A action a by A on A permit p: a")
SOURCE = SimpleNamespace(fetch=lambda _keys: [])
ANN = {"type": "User", "id": "ann", "properties": {"level": 1}, "parents": []}
PLAN = {"type": "Document", "id": "plan", "properties": {"owner": {"type": "User", "id": "bob"}}}
FILE = "settings.policy"
DECISION = Decision.example(allowed=True)


class Row:
    """A class that is to be registered."""


@pytest.fixture(autouse=True)
def _file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_text(TEXT)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PolicyEngine.load(FILE, store=[]), "`store` is of the class EntityStore"),
        (lambda: PolicyEngine.load(FILE, limits=3), "`limits` is of the class Limits"),
        (lambda: PolicyEngine.load(FILE, obligations="log"), "and not one text"),
        (lambda: PolicyEngine.load(FILE, obligations={"log": 3}), "`obligations['log']` is a func"),
        (lambda: ENGINE.with_store([ANN]), "make one with `engine.store`"),
        (lambda: ENGINE.with_store(OTHER.store([])), "`store` is of other entity types"),
        (lambda: PolicyEngine.load(FILE, store=OTHER.store([])), "`store` is of other entity types"),
        (lambda: ENGINE.warm("re\nad"), r"there is no action `re\nad`"),
        (lambda: Decision.example(allowed=1), "`allowed` is True or False"),
        (lambda: Decision.example(allowed=False, reason=None), "`reason` is of the class str"),
        (lambda: ENGINE.with_record("log"), "`on_decision` is a function"),
        (lambda: ENGINE.explain(ANN, "read", PLAN, seconds="1"), "`seconds` is a number"),
        (lambda: ENGINE.explain(ANN, "read", PLAN, seconds=-1), "from 0 on, not -1"),
        (lambda: ENGINE.bind(ANN, max_age=timedelta(0)), "`max_age` is a time above 0"),
        (lambda: ENGINE.decide_json({}, accept_now="false"), "`accept_now` is True or False"),
        (lambda: ENGINE.decide_request({}, accept_now=0), "`accept_now` is True or False"),
        (lambda: ENGINE.evaluations({}, accept_now=None), "`accept_now` is True or False"),
        (lambda: ENGINE.bind(ANN, max_age=timedelta(-1)), "`max_age` is a time above 0"),
        (lambda: DecisionCache(TEXT), "`engine` is of the class PolicyEngine"),
        (lambda: DecisionCache(None), "`engine` is of the class PolicyEngine, and not None"),
        (lambda: SourcedEngine(None, SOURCE), "`engine` is of the class PolicyEngine, and not N"),
        (lambda: PolicyEngine.load([FILE]), "each given by itself, and not of the type list"),
        (lambda: PolicyEngine.load(FILE.encode()), "a path is a string or a `Path`"),
        (lambda: PolicyEngine.load(None), "a path is a string or a `Path`"),
        (lambda: PolicyHolder(FILE.encode()), "a path is a string or a `Path`"),
        (lambda: PolicyHolder(FILE, shadow=[3]), "a path is a string or a `Path`"),
        (lambda: PolicyEngine.from_text(TEXT.encode()), "is a string, and not of the type bytes"),
        (lambda: PolicyEngine.from_text(None), "is a string, and not None"),
        (lambda: Limits(set_size="9"), "`set_size` is a whole number"),
        (lambda: Limits(problems=-1), "from 0 on, not -1"),
        (lambda: Limits(entities=True), "`entities` is a whole number"),
        (lambda: PolicyHolder(FILE, poll="2"), "`poll` is a number of seconds"),
        (lambda: PolicyHolder(FILE, poll=timedelta(seconds=2)), "not of the type timedelta"),
        (lambda: PolicyHolder(FILE, poll=float("nan")), "above 0, not nan"),
        (lambda: PolicyHolder(FILE, poll=float("inf")), "`poll` is a number of seconds of at most"),
        (lambda: PolicyHolder(FILE, quiet=1e10), "`quiet` is a number of seconds of at most"),
        (lambda: PolicyHolder(FILE, tests="false"), "`tests` is True or False"),
        (lambda: PolicyHolder(FILE, version=7), "a path is a string or a `Path`"),
        (lambda: PolicyHolder(FILE, version=b"version"), "a path is a string or a `Path`"),
        (lambda: PolicyHolder(FILE).use_store(None), "`store` is of the class EntityStore, and not N"),
        (lambda: PolicyHolder(FILE).use_store([ANN]), "make one with `engine.store`"),
        (lambda: PolicyHolder(FILE, shadow=None), "a path is a string or a `Path`"),
        (lambda: PolicyHolder(FILE, store=lambda _: None), "`store()` is of the class EntityStore"),
        (lambda: PolicyHolder(FILE, store=lambda _: [ANN]), "make one with `engine.store`"),
        (lambda: PolicyHolder(FILE, obligations=(x for x in "ab")), "not of the type generator"),
        (lambda: PolicyEngine.load(FILE, obligations=5), "`obligations` are names, or with a func"),
        (lambda: PolicyEngine.load(FILE, cache=5), "a path is a string or a `Path`"),
        (lambda: PolicyEngine.load(FILE, cache=None), "a path is a string or a `Path`"),
        (lambda: PolicyHolder(FILE, quiet="1"), "`quiet` is a number of seconds"),
        (lambda: PolicyHolder(FILE, quiet=-1), "from 0 on"),
        (lambda: PolicyHolder(FILE, store=[ANN]), "make one with `engine.store`"),
        (lambda: PolicyHolder(FILE, limits=3), "`limits` is of the class"),
        (lambda: PolicyHolder(FILE, on_load=3), "`on_load` is a function"),
        (lambda: PolicyHolder(FILE, on_reload=3), "`on_reload` is a function"),
        (lambda: PolicyHolder(FILE, on_difference=3), "`on_difference` is a function"),
        (lambda: PolicyHolder(FILE, on_decision=3), "`on_decision` is a function"),
        (lambda: SourcedEngine(TEXT, SOURCE), "`engine` is of the class"),
        (lambda: SourcedEngine(ENGINE, {}), "a source has a method `fetch`"),
        (lambda: SourcedEngine(ENGINE, SOURCE, deadline=None), "`deadline` is a number of seconds"),
        (lambda: SourcedEngine(ENGINE, SOURCE, deadline=0), "above 0, not 0"),
        (lambda: SourcedEngine(ENGINE, SOURCE, deadline=10**400), "of at most"),
        (lambda: SourcedEngine(ENGINE, SOURCE, most=0), "from 1 on"),
        (lambda: CachedSource({}, int), "a source has a method `fetch`"),
        (lambda: CachedSource(SOURCE, 3), "`version` is a function"),
        (lambda: CachedSource(SOURCE, None), "`version` is a function"),
        (lambda: CachedSource(SOURCE, int, size=0), "from 1 on"),
        (lambda: DecisionLog("log", size="1"), "`size` is a whole number"),
        (lambda: DecisionLog("log", "fast", queue=1.5), "`queue` is a whole number"),
        (lambda: DecisionLog("log", to_log=3), "`to_log` is a function"),
        (lambda: DecisionLog(""), "a log needs the path of its folder"),
        (lambda: DecisionLog(None), "a path is a string or a `Path`"),
        (lambda: DecisionLog(b"log"), "a path is a string or a `Path`"),
        (lambda: LoggedDecisions(to_log=3), "`to_log` is a function"),
        (lambda: LoggedDecisions(None), "`logger` is one of `logging`"),
        (lambda: LoggedDecisions(allowed="INFO"), "`allowed` is a whole number"),
        (lambda: LoggedDecisions(denied=None), "`denied` is a whole number"),
        (lambda: ENGINE.warm(5), "`action` is a string"),
        (lambda: ENGINE.warm(["read"]), "`action` is a string"),
        (lambda: ENGINE.warm("read", reasons="no"), "`reasons` is True or False"),
        (lambda: ENGINE.register(Row, 5), "`type` is a string"),
        (lambda: ENGINE.register(Row, None), "`type` is a string, and not None"),
        (lambda: ENGINE.fulfil(None), "what is fulfilled is a decision, and not None"),
        (lambda: DECISION.to_log(private="false"), "`private` is True or False"),
        (lambda: DECISION.to_log(longest="500"), "`longest` is a whole number"),
        (lambda: DECISION.to_log(longest=None), "`longest` is a whole number"),
        (lambda: ENGINE.with_record(LoggedDecisions), "and not the class LoggedDecisions"),
        (lambda: ExplainBudget("1"), "`seconds` is a number"),
        (lambda: ExplainBudget(per_caller=None), "`per_caller` is a whole number"),
        (lambda: EnforcementPoint(3), "what decides has a method `decide`"),
        (lambda: EnforcementPoint(ENGINE, fulfill=print), "did you mean `fulfil`"),
        (lambda: EnforcementPoint(ENGINE, fulfil="log"), "`fulfil` is a function"),
        (lambda: EnforcementPoint(ENGINE, explain=0.05), "`explain` is of the class ExplainBudget"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_refused_at_once(make, said):
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        make()


@pytest.mark.parametrize("load", [PolicyEngine.load, PolicyHolder])
def test_what_is_no_path_is_named_by_all_that_load(load):
    """An empty path is a setting that was forgotten, and not the folder in which the service runs."""
    for paths, said in [
        (("",), "nothing to load"), ((FILE, ""), "nothing to load"), (("a\0b",), "not the name of a file"),
    ]:  # fmt: skip
        with pytest.raises(InvalidPolicy, match=said):
            load(*paths)


@pytest.mark.parametrize(
    ("subject", "action", "place"),
    [
        (PLAN, None, "subject.type"),
        (PLAN, "read", "subject.type"),
        ({"type": "Team", "id": "all"}, "read", "subject.type"),
        (ANN, "audit", "subject.type"),
        (ANN, "reed", "action"),
    ],
)
def test_a_subject_that_can_do_nothing_is_not_bound(subject, action, place):
    with pytest.raises(InvalidRequest) as refusal:
        ENGINE.bind(subject, action)
    assert [problem.path for problem in refusal.value.problems] == [place]
    assert ENGINE.bind({"type": "Team", "id": "all", "parents": []}, "audit").decide(PLAN).allowed


def test_a_subject_is_bound_with_what_it_refers_to():
    named = {"type": "User", "id": "ann"}
    all_ = {"type": "Team", "id": "all", "parents": []}
    night = {"type": "Team", "id": "night", "parents": [{"type": "Team", "id": "all"}]}
    ann = {**ANN, "parents": [{"type": "Team", "id": "night"}]}
    assert ENGINE.bind(ann, entities=[night, all_]).decide("read", PLAN).allowed
    store = ENGINE.store([ann, night, all_])
    assert ENGINE.bind(named, "read", entities=store).decide(PLAN).allowed
    # What the store does not know is not one without attributes, for a bound subject neither.
    gone = {"type": "User", "id": "gone"}
    for resource in ({"type": "Document", "id": "gone"}, {**PLAN, "properties": {"owner": gone}}):
        codes = set()
        for decide in (
            lambda one: ENGINE.with_store(store).decide(named, "read", one),
            lambda one: ENGINE.decide(named, "read", one, entities=store),
            lambda one: ENGINE.bind(named, entities=store).decide("read", one),
            lambda one: ENGINE.bind(named, "read", entities=store).decide(one),
            lambda one: ENGINE.bind(named, entities=store).decide_many([("read", one, None)])[0],
        ):
            try:
                found = decide(resource)
                codes.add((found.cause, *(one.code for one in found.problems)))
            except InvalidRequest as refusal:
                codes.add(("invalid_request", *(one.code for one in refusal.problems)))
        assert len(codes) == 1
    boss = {"type": "User", "id": "eve", "properties": {"level": 4}, "parents": []}
    led = {**ANN, "properties": {"level": 1, "boss": {"type": "User", "id": "eve"}}}
    bound = ENGINE.bind(led, entities=(one for one in [boss]))
    assert bound.decide("read", PLAN).rules == ("access.boss",)
    small = PolicyEngine.from_text(TEXT, limits=Limits(entities=1))
    for entities, path in [([night, all_], "entities"), ([3], "entities[0]"), ("x", "entities")]:
        with pytest.raises(InvalidRequest) as refusal:
            small.bind(ann, entities=entities)
        assert refusal.value.problems[0].path == path
    other = PolicyEngine.from_text("package o entity User action see by User on User permit p: see")
    with pytest.raises(InvalidRequest, match="PE528"):
        ENGINE.bind(named, entities=other.store([]))


def test_a_bound_subject_is_explained_as_it_was_bound(monkeypatch):
    bound = ENGINE.bind(ANN, max_age=timedelta(seconds=60))
    explained = bound.explain("read", PLAN, {"reason": "x"}, seconds=1.0)
    asked = ENGINE.explain(ANN, "read", PLAN, {"reason": "x"})
    assert [*explained.lines("auditor")] == [*asked.lines("auditor")]
    monkeypatch.setattr("policyengine.runtime.clock.now", lambda: 1 << 61)
    with pytest.raises(StaleSubject):
        bound.explain("read", PLAN)


def test_all_that_decides_or_keeps_shows_what_it_is():
    digest = ENGINE.digest[:12]
    holder = PolicyHolder(FILE, shadow=FILE)
    made = [
        ENGINE, ENGINE.bind(ANN), ENGINE.bind(ANN, "read"), DecisionCache(ENGINE), holder,
        holder.shadow, SourcedEngine(ENGINE, SOURCE),
    ]  # fmt: skip
    for one in made:
        assert digest in repr(one)
    assert repr(CachedSource(SOURCE, int)).startswith("<0 entities kept of")


def test_views_of_dicts_are_taken_as_sets_and_lists():
    engine = PolicyEngine.from_text("""
        package views
        entity Team
        entity User in Team { scopes: set<string> }
        entity Document
        action read by User on Document
        field gate view "which"
        gate view {
            permit p: read when "a" in subject.scopes and subject within Team "t" fields id
        }
    """)
    teams = {"t": {"type": "Team", "id": "t"}}
    user = {"type": "User", "id": "u", "properties": {"scopes": {"a": 1, "b": 2}.keys()}}
    user["parents"] = teams.values()
    described = {"t": {"type": "Team", "id": "t", "parents": []}}
    document = {"type": "Document", "id": "d"}
    for _ in range(2):  # the second request takes the fast path
        decision = engine.decide(
            user, "read", document, fields={"id": 1}.keys(), entities=described.values()
        )
        assert decision.allowed
    repeated = {**user, "properties": {"scopes": {1: "a", 2: "a"}.values()}}
    with pytest.raises(InvalidRequest, match=r"subject\.properties\.scopes"):
        engine.decide(repeated, "read", document, entities=described.values())


def test_a_store_as_a_dict_has_its_entities():
    store = ENGINE.store([ANN])
    assert dict(store) == {("User", "ann"): store["User", "ann"]}


def test_a_refused_request_of_many_has_the_moment_as_others_have_it():
    (found,) = ENGINE.decide_many([(ANN, "reed", PLAN, None)])
    assert type(found.request.now) is datetime
    batch = {"subject": ANN, "resource": PLAN, "evaluations": [{"action": {"name": "reed"}}]}
    (found,) = ENGINE.evaluations(batch).decisions
    assert type(found.request.now) is datetime


def test_a_moment_is_no_number():
    """A number of seconds, as `time.time()` is, would be taken for one of microseconds: a moment in 1970."""
    engine = PolicyEngine.from_text("""
        package moments
        entity User
        entity Document { reviewed_at: datetime }
        action read by User on Document
        permit fresh: read when now - resource.reviewed_at < 365d
    """)
    seconds = 1_800_000_000
    user = engine.entity("User", "u")
    document = engine.entity("Document", "d", reviewed_at="2020-01-01")
    request = (user, "read", document, None)
    bound = engine.bind(user)
    store = engine.store([user, document])
    sourced = SourcedEngine(
        engine, SimpleNamespace(fetch=lambda keys: [store[key] for key in keys])
    )
    asked = [
        lambda: engine.decide(*request, now=seconds),
        lambda: engine.decide(Request(*request, now=seconds)),
        lambda: engine.explain(*request, now=seconds),
        lambda: bound.decide("read", document, now=seconds),
        lambda: DecisionCache(engine).decide(*request, now=seconds),
        lambda: sourced.decide(*request, now=seconds),
        lambda: engine.partial(action="read", subject=user, now=seconds),
        lambda: engine.actions(user, document, now=seconds),
        lambda: engine.resources(user, "read", "Document", entities=store, now=seconds),
        lambda: engine.timeline(*request, since=seconds),
    ]
    for _ in range(2):
        for ask in asked:
            with pytest.raises(InvalidRequest, match=r"now: expected a datetime .* got the int"):
                ask()
    holder = PolicyHolder(FILE, shadow=FILE)
    for many in (engine.decide_many, holder.decide_many, sourced.decide_many):
        for decision in many([request, Request(*request)], now=seconds):
            assert "now" in [problem.path for problem in decision.problems]
    for decision in bound.decide_many([("read", document, None)], now=seconds):
        assert [problem.path for problem in decision.problems] == ["now"]
    assert [one.allowed for one in engine.decide_many([request], now="2020-06-01")] == [True]
    assert [one.allowed for one in engine.decide_many([request])] == [False]


def test_all_that_is_said_to_somebody_knows_the_audiences():
    decision, explanation = ENGINE.decide(ANN, "read", PLAN), ENGINE.explain(ANN, "read", PLAN)
    for ask in (
        decision.reason_for,
        decision.valid_until_for,
        explanation.lines,
        explanation.to_json,
    ):
        for audience in ("admin", "User", None):
            with pytest.raises(ValueError, match="it is one of user, developer, auditor"):
                ask(audience)


def test_no_answer_is_taken_for_true():
    """`if engine.partial(…):` would let everybody in: what is left to decide may be that nothing is allowed."""
    decision = ENGINE.decide(ANN, "read", PLAN)
    answers = [
        decision, decision.outcome, ENGINE.explain(ANN, "read", PLAN), ENGINE.partial(action="read", subject=ANN),
        ENGINE.evaluations({"evaluations": [{}]}), ENGINE.with_store(ENGINE.store([])).actions(ANN, PLAN),
    ]  # fmt: skip
    for answer in answers:
        with pytest.raises(TypeError, match="neither true nor false"):
            bool(answer)
    for made in (Answer, Filter, Timeline):
        with pytest.raises(TypeError, match="neither true nor false"):
            made.__bool__(None)
