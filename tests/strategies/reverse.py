"""State the law of reverse questions: they find what trying all finds, in pages of any size.

A store has the entities of a request and others, whose values are mixed from theirs; some of them lack
something, and some refer to what is not there. What the store lacks, the request may give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any
from unittest import mock

from policyengine import EntityStore, InvalidRequest, Page, PolicyEngine
from policyengine.intake.fast_path import type_of
from policyengine.intake.store import UnknownEntities
from policyengine.model.limits import Limits
from policyengine.model.values import moment_text
from tests.strategies import store_changes
from tests.strategies.laws import Case
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.requests import microseconds

Json = Any
_MOST = "policyengine.reverse.store_search.MOST_LOOKED_AT"


def searches_find_what_trying_finds(case: Case) -> tuple[int, int]:
    """Ask all reverse questions of a store; return how many entities were allowed, and how many not looked at."""
    rng, asked = Random(case.seed), case.given
    store, others = make_store(case.loaded.engine, asked["entities"], rng)
    engine, more = case.loaded.engine, store
    if rng.random() < 0.5:
        engine = PolicyEngine(case.loaded.program, engine._checked, limits=Limits(), store=store)
        more = others if rng.random() < 0.5 else None
    parts = {who: _part(engine, asked[who], store, rng) for who in ("subject", "resource")}
    question = {
        "context": asked["context"],
        "now": moment_text(asked["now"]),
        "fields": asked.get("fields"),
        "entities": more,
    }
    allowed = spared = 0
    for who in ("resource", "subject"):
        found, skipped = _search(engine, store, asked, parts, who, question, rng)
        allowed, spared = allowed + found, spared + skipped
    if engine is case.loaded.engine or len(engine.schema.actions) < 10:  # of each, a reader is made
        _actions(engine, parts, question)
    return allowed, spared


def make_store(
    engine: PolicyEngine, entities: Sequence[Json], rng: Random, more: int = 30
) -> tuple[EntityStore, list[Json]]:
    """Return a store of some *entities* and *more* like them, and what it lacks of these *entities*."""
    parents = {(p["type"], p["id"]) for one in entities for p in one["parents"]}
    rest = [one for one in entities if (one["type"], one["id"]) not in parents]
    left_out = [one for one in rest if rng.random() < 0.2]
    stored = [one for one in entities if one not in left_out]
    alone = [one for one in stored if rng.random() < 0.15]  # of which the request says the parents
    made = [
        {k: v for k, v in one.items() if k != "parents"} if one in alone else one for one in stored
    ]
    by_type: dict[str, list[Json]] = {}
    for one in entities:
        by_type.setdefault(one["type"], []).append(one)
    made += [
        _mixed(rng.choice(list(by_type.values())), f"more {number}", rng, stored)
        for number in range(more)
    ]
    unknown = rng.choice(("refuse", "bare"))
    make = store_changes.by_changes if rng.random() < 0.3 else _at_once
    return make(engine, made, rng, unknown), [*left_out, *alone]


def _at_once(
    engine: PolicyEngine, made: Sequence[Json], _: Random, unknown: UnknownEntities
) -> EntityStore:
    return engine.store(made, unknown)


def _mixed(like: Sequence[Json], id_: str, rng: Random, stored: Sequence[Json]) -> Json:
    """Return another entity with values of those that it is *like*, some of which it may lack."""
    names = {name for one in like for name in one["properties"]}
    properties = {}
    for name in sorted(names):
        one = rng.choice(like)["properties"]
        if name in one and rng.random() < 0.97:
            properties[name] = one[name]
    keys = {(one["type"], one["id"]) for one in stored}
    parents = [p for p in rng.choice(like)["parents"] if (p["type"], p["id"]) in keys]
    made = {"type": like[0]["type"], "id": id_, "properties": properties}
    return made if rng.random() < 0.03 else {**made, "parents": parents}


def _part(engine: PolicyEngine, given: Json, store: EntityStore, rng: Random) -> Json:
    """Return a subject or a resource: one of the store, or the one that is given, perhaps built."""
    of_type = [key for key in store if key[0] == given["type"]]
    if of_type and rng.random() < 0.6:
        type_, id_ = rng.choice(of_type)
        return {"type": type_, "id": id_} if rng.random() < 0.7 else store[type_, id_]
    if rng.random() < 0.5:
        return given
    return engine.entity(given["type"], given["id"], given["properties"], parents=given["parents"])


def _is_of(store: EntityStore, part: Json) -> bool:
    """Whether the request says no more of a part than the store."""
    if isinstance(part, dict):
        return part.keys() == {"type", "id"} and (part["type"], part["id"]) in store
    return part is store.get(part.key_)


def _search(
    engine: PolicyEngine,
    store: EntityStore,
    asked: Mapping[str, Json],
    parts: Mapping[str, Json],
    who: str,
    question: Mapping[str, Json],
    rng: Random,
) -> tuple[int, int]:
    type_, action = asked[who]["type"], asked["action"]
    of_type = [key for key in store if key[0] == type_]
    allowed, refused = set(), set()
    for key in of_type:
        both = {**parts, who: {"type": type_, "id": key[1]}}
        try:
            if engine.decide(both["subject"], action, both["resource"], **question).allowed:
                allowed.add(key)
        except InvalidRequest:
            refused.add(key)

    def ask(**page: Any) -> Page[Any]:
        if who == "resource":
            return engine.resources(parts["subject"], action, type_, **question, **page)
        return engine.subjects(action, parts["resource"], type_, **question, **page)

    try:
        pages = list(_pages(ask, rng))
    except InvalidRequest:
        # Where the request says more of entities of the store, one that is given may be known better.
        [other] = (part for role, part in parts.items() if role != who)
        if question["entities"] in (None, store) and _is_of(store, other):
            assert refused == set(of_type)
        return 0, 0
    found = [entity.key_ for page in pages for entity in page.items]
    unfit = [entity.key_ for page in pages for entity in page.unfit]
    assert len(found) == len(set(found)), found
    assert set(found) == allowed, (set(found) - allowed, allowed - set(found))
    assert set(unfit) <= refused, set(unfit) - refused
    assert len(unfit) == len(set(unfit))
    return len(found), len(refused) - len(unfit)


def _pages(ask: Callable[..., Page[Any]], rng: Random) -> Iterator[Page[Any]]:
    """Give all pages that answer a question, of a size that is chosen for each."""
    token, most = None, rng.choice((2, 5, 1_000))
    with mock.patch(_MOST, most):
        for _ in range(200):
            limit = rng.choice((1, 3, 10, 1_000))
            page = ask(limit=limit, token=token)
            assert len(page.items) <= limit
            assert len(page.items) + len(page.unfit) <= most
            yield page
            token = page.token
            if token is None:
                return
    raise AssertionError("there is no last page")


def _actions(engine: PolicyEngine, parts: Mapping[str, Json], question: Mapping[str, Json]) -> None:
    allowed, refused = [], []
    subject, resource = parts["subject"], parts["resource"]
    types = type_of(subject), type_of(resource)
    for name, action in engine.schema.actions.items():
        if types[0] in action.subjects and types[1] in action.resources:
            try:
                if engine.decide(subject, name, resource, **question).allowed:
                    allowed.append(name)
            except InvalidRequest:
                refused.append(name)
    try:
        page = engine.actions(subject, resource, **question)
    except InvalidRequest:
        assert refused
        assert not allowed
    else:
        assert (page.items, page.unfit, page.token) == (tuple(allowed), tuple(refused), None)


# ---- worlds in which conditions can be looked up -----------------------------------------

_VOCABULARY = """
package office
enum Status = draft | open | closed
levels Plan = free < pro < top
entity Team in Team { lead: User, plan: Plan }
entity User in Team { team: Team, teams: set<Team>, plan: Plan, buddy?: User, banned?: bool }
entity Folder in Folder { owner: User, watchers: set<User> }
entity Document in Folder {
    owner: User, folder: Folder, editors: set<User>, shares: set<{ who: User, plan: Plan, until?: datetime }>,
    tags: set<string>, status: Status, plan: Plan, n: int, secret: bool, until?: datetime, pin: private string,
    meta?: { by: User, tags: set<string> }
}
action read by User on Document with { mfa: bool, friend?: User }
define friends(one: User, other: User) = one.team == other.team and (some t in one.teams: t in other.teams)
"""

_CONDITIONS = (
    "resource.owner == subject",
    "resource.owner != subject",
    "subject in resource.editors",
    "resource.owner.team == subject.team",
    "resource.owner.team.lead == subject",
    "resource.owner has buddy and resource.owner.buddy == subject",
    "subject has buddy and resource.owner == subject.buddy",
    "some s in resource.shares: s.who == subject and s.plan >= pro",
    "some s in resource.shares: s has until and now < s.until and s.who.team == subject.team",
    "some e in resource.editors: e.team == subject.team",
    "some e in resource.editors: e has buddy and e.buddy == subject",
    "some e in resource.editors: e.teams overlaps subject.teams",
    "every e in resource.editors: e.team == subject.team",
    "some t in subject.teams: t == resource.owner.team",
    "resource.owner.teams overlaps subject.teams",
    "resource.owner.teams subset subject.teams",
    "subject.teams within resource.owner.team",
    'resource within Folder "x1"',
    'resource within {Folder "x2", Folder "x3"}',
    'resource.folder within Folder "x2"',
    'subject within Team "x1"',
    "subject within resource.owner.team",
    "subject.team within resource.owner.team",
    "resource.owner within subject.team",
    "resource.owner within subject.teams",
    "some f in ancestors(resource, Folder): subject in f.watchers",
    "some f in ancestors(resource, Folder): f.owner.team == subject.team",
    "some f in ancestors(resource.folder, Folder): f.owner == subject",
    'Folder "x3" in ancestors(resource, Folder)',
    "resource.status == open",
    "resource.status in {draft, closed}",
    "resource.status != draft",
    "resource.plan <= subject.plan",
    "resource.secret",
    "not resource.secret",
    "resource.secret == (subject.team.plan > free)",
    '"a" in resource.tags',
    'resource.tags overlaps {"a", "b"}',
    'resource.tags subset {"a", "b"}',
    "resource.n > 5",
    "resource.n in {1, 2, 3}",
    "resource has meta and resource.meta.by == subject",
    'resource has meta and "a" in resource.meta.tags',
    "resource has until and now < resource.until",
    "not subject has banned or not subject.banned",
    "context has friend and resource.owner == context.friend",
    "context has friend and context.friend.team == resource.owner.team",
    "context.mfa",
    'resource.pin == "1"',
    "friends(subject, resource.owner)",
    "if resource.secret then resource.owner == subject else subject in resource.editors",
    "if subject in resource.editors then resource.status == open else resource.owner == subject",
)


def indexed_world(seed: int) -> tuple[int, int]:
    """Hold the law on rules of conditions that an index may answer; return what the law does."""
    rng = Random(seed)
    rules = [
        f"{effect} r{n}: read when {_condition(rng)}" for n, effect in enumerate(_effects(rng))
    ]
    try:
        loaded = load({"office.policy": "\n".join((_VOCABULARY, *rules))})
    except TooCostlyError:
        return 0, 0
    totals = [0, 0]
    for number in range(3):  # what is left of the first question may be kept for the next
        entities = [_entity(rng, type_, f"x{n}") for type_ in _LIKE for n in range(4)]
        scene = {(one["type"], one["id"]): one for one in entities}
        context = {"mfa": rng.random() < 0.5}
        if rng.random() < 0.5:
            context["friend"] = _some(rng, "User")
        given = {
            "subject": scene["User", f"x{rng.randrange(4)}"], "action": "read",
            "resource": scene["Document", "x1"], "context": context, "now": microseconds("2026-06-01"),
            "entities": entities,
        }  # fmt: skip
        case = Case(None, loaded, given, loaded.request(**given), seed + number)
        totals = [*map(sum, zip(totals, searches_find_what_trying_finds(case), strict=True))]
    return totals[0], totals[1]


def _effects(rng: Random) -> list[str]:
    return ["permit"] * rng.randint(1, 3) + ["forbid"] * rng.choice((0, 0, 1))


def _condition(rng: Random) -> str:
    chosen = [f"({one})" for one in rng.sample(_CONDITIONS, rng.choice((1, 2, 2, 3)))]
    return f" {rng.choice(('and', 'and', 'or'))} ".join(chosen)


def _some(rng: Random, type_: str) -> Json:
    return {"type": type_, "id": f"x{rng.randrange(4)}"}


def _several(rng: Random, make: Callable[[], Json]) -> list[Json]:
    made = [make() for _ in range(rng.choice((0, 1, 1, 2)))]
    return [one for n, one in enumerate(made) if one not in made[:n]]


def _plan(rng: Random) -> str:
    return rng.choice(("free", "pro", "top"))


def _perhaps(rng: Random, **properties: Json) -> dict[str, Json]:
    return properties if rng.random() < 0.5 else {}


def _moment(rng: Random) -> str:
    return rng.choice(("2026-01-01", "2026-12-01"))


def _tags(rng: Random) -> list[Json]:
    return _several(rng, lambda: rng.choice("abc"))


def _share(rng: Random) -> Json:
    return {"who": _some(rng, "User"), "plan": _plan(rng), **_perhaps(rng, until=_moment(rng))}


_LIKE: Mapping[str, Callable[[Random], Json]] = {
    "Team": lambda rng: {"lead": _some(rng, "User"), "plan": _plan(rng)},
    "User": lambda rng: {
        "team": _some(rng, "Team"), "teams": _several(rng, lambda: _some(rng, "Team")), "plan": _plan(rng),
        **_perhaps(rng, buddy=_some(rng, "User")), **_perhaps(rng, banned=rng.random() < 0.5),
    },
    "Folder": lambda rng: {"owner": _some(rng, "User"), "watchers": _several(rng, lambda: _some(rng, "User"))},
    "Document": lambda rng: {
        "owner": _some(rng, "User"), "folder": _some(rng, "Folder"),
        "editors": _several(rng, lambda: _some(rng, "User")), "shares": _several(rng, lambda: _share(rng)),
        "tags": _tags(rng), "status": rng.choice(("draft", "open", "closed")), "plan": _plan(rng),
        "n": rng.randrange(10), "secret": rng.random() < 0.5, "pin": rng.choice("12"),
        **_perhaps(rng, until=_moment(rng)), **_perhaps(rng, meta={"by": _some(rng, "User"), "tags": _tags(rng)}),
    },
}  # fmt: skip


def _entity(rng: Random, type_: str, id_: str) -> Json:
    above = {"Team": "Team", "User": "Team", "Folder": "Folder", "Document": "Folder"}[type_]
    most = int(id_[1:]) if above == type_ else 4
    parents = (
        [{"type": above, "id": f"x{rng.randrange(most)}"}] if most and rng.random() < 0.7 else []
    )
    return {"type": type_, "id": id_, "properties": _LIKE[type_](rng), "parents": parents}
