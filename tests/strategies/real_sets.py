"""Make cases of the laws from the shipped policy sets, and say what beside holds for them.

The requests are those of a set's own tests and of its folder `requests`, as they are and with other
values in one place or two, among them the time: values that the set's rules may tell from the present
ones. Another language than that of the generators is spoken there: rules that belong together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest import mock

from msgspec.structs import replace

from policyengine import DecisionCache
from policyengine.analysis.places import NOW, Place, changed
from policyengine.analysis.what_if import Neighbourhood
from policyengine.intake.validation import Validator
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.types import STRING, EntityRefType, SetType, Type
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, from_datetime, moment_text, slot, to_json
from policyengine.pipeline import read_sources
from policyengine.reference import interpreter
from policyengine.testing.requests_of_tests import requests_of
from tests.strategies.laws import Case, Json
from tests.strategies.loading import Loaded, load
from tests.strategies.privacy import texts

Change: TypeAlias = tuple[Place, object]
POLICIES = Path(__file__).parents[2] / "policies"
SETS = tuple(
    folder.name
    for folder in sorted(
        (one for one in POLICIES.iterdir() if one.is_dir()),
        key=lambda folder: sum(file.stat().st_size for file in folder.rglob("*.policy")),
    )
)
"""The shipped sets, the smallest first: of those, `make test` tries one where `make whole` tries all."""
MOST_REQUESTS = 150  # whose values are tried
MOST_VALUES = 8  # of one attribute
NOW_OF_TESTS = 1_795_000_000_000_000  # in November 2026: of tests without `at`

LAST = 253_402_300_799_999_999
"""The last moment of the year 9999."""


@cache
def loaded(name: str) -> Loaded:
    """Return a shipped set, compiled once in a process."""
    sources, found = read_sources([POLICIES / name])
    assert found == []
    return load({name: source.text for name, source in sources.items()})


@cache
def requests(name: str) -> tuple[ValidRequest, ...]:
    """Return the requests of a set's tests and files that fit it, in a fixed order."""
    made = loaded(name)
    of_tests = [one.request for one in requests_of(made.checked, now=NOW_OF_TESTS)]
    return (*of_tests, *_of_files(name, made))


def _of_files(name: str, made: Loaded) -> Iterator[ValidRequest]:
    for file in sorted(POLICIES.glob(f"{name}/requests/*.json")):
        asked = json.loads(file.read_bytes())
        try:
            yield made.request(**{**asked, "action": asked["action"]["name"]})
        except InvalidRequest:
            assert "does-not-fit" in file.stem


@cache
def changes(name: str) -> tuple[tuple[ValidRequest, Change], ...]:
    """Return every change of a value that matters to a set, each with a request where it can be made.

    Two changes are the same if they put one value into one attribute, of whichever entity and request.
    """
    rng, made = Random(name), loaded(name)
    found: dict[object, tuple[ValidRequest, Change]] = {}
    tried: Counter[object] = Counter()
    for request in rng.sample(requests(name), min(len(requests(name)), MOST_REQUESTS)):
        near = Neighbourhood(made.checked, request)
        for place in (*near.places, NOW):
            where = place.read_key, place.names
            if tried[where] == MOST_VALUES:  # and options take long to find
                continue
            for option in near.options(place):
                value = sorted(map(str, option)) if isinstance(option, frozenset) else option
                same = where, str(value)
                known = same in found or tried[where] == MOST_VALUES
                if not known and near.fits(((place, option),)):
                    tried[where] += 1
                    found[same] = request, (place, option)
    shuffled = list(found.values())
    rng.shuffle(shuffled)
    return tuple(shuffled)


def cases(name: str, count: int) -> Iterator[Case]:
    """Give *count* cases of a set: requests with one change, every fifth as it stands or with two."""
    rng, made = Random(count), loaded(name)
    for number, (request, first) in zip(range(count), cycle(changes(name)), strict=False):
        made_of = (first,)
        if number % 5 == 3:
            made_of = ()
        elif number % 5 == 4:
            near = Neighbourhood(made.checked, request)
            places = [
                p for p in (*near.places, NOW) if not p.overlaps(first[0]) and near.options(p)
            ]
            other = rng.choice(places)
            both = (first, (other, rng.choice(near.options(other))))
            made_of = both if near.fits(both) else ()
        document = document_of(made, changed(request, made_of))
        yield Case(None, made, document, made.request(**document), rng.randrange(2**32))


def document_of(made: Loaded, request: ValidRequest) -> dict[str, Json]:
    """Return a request as a service sends it, as arguments of `validate`."""
    entities = {key: _entity(entity) for key, entity in request.entities.items()}
    for key in sorted({key for one in request.entities.values() for key in one.line or ()}):
        alone = {"type": key[0], "id": key[1], "properties": {}, "parents": []}
        entities.setdefault(key, alone)  # something was moved below what rules only name
    context = made.checked.schema.actions[request.action].context
    document = {
        "subject": entities[request.subject.key_],
        "action": request.action,
        "resource": entities[request.resource.key_],
        "context": to_json(context, request.context),
        "now": request.now,
        "entities": list(entities.values()),
    }
    return document if request.fields is None else document | {"fields": list(request.fields)}


def _entity(entity: Entity) -> dict[str, Json]:
    given = ((a, getattr(entity, slot(a.name))) for a in entity.entity_type.attributes)
    return {
        "type": entity.type,
        "id": entity.id,
        "properties": {a.name: to_json(a.type, value) for a, value in given if value is not ABSENT},
        "parents": [{"type": type_, "id": id_} for type_, id_ in sorted(entity.parents_ or ())],
    }


# ---- laws -------------------------------------------------------------------------------


def every_way_says_the_same(case: Case) -> bool:
    """Dicts and built parts, bound, remembered, of many: all say what the validated request is told.

    Returns whether the parts could be decided about alone, with all that they refer to.
    """
    engine, given = case.loaded.engine, case.given
    expected = _said(case.loaded.program.decide(case.request))
    action, now, fields = given["action"], moment_text(given["now"]), given.get("fields")
    parts = given["subject"], action, given["resource"], given["context"]
    more = {"now": now, "fields": fields, "entities": given["entities"]}
    subject, resource, context = _carrying(case)
    cache = DecisionCache(engine)
    ways = {
        "dicts": lambda: engine.decide(*parts, **more),
        "bound dicts": lambda: engine.bind(parts[0]).decide(*parts[1:], **more),
        "remembered": lambda: cache.decide(*parts, **more),
    }
    carried = True
    clock = SimpleNamespace(time_ns=lambda: given["now"] * 1000)
    with mock.patch("policyengine.runtime.clock.time", clock):
        if fields is None:
            try:
                engine.decide(subject, action, resource, context)
                bound, one = engine.bind(subject), engine.bind(subject, action)
            except InvalidRequest:  # it refers to something in a circle
                carried = False
            else:
                ways |= {
                    "built": lambda: engine.decide(subject, action, resource, context),
                    "many": lambda: engine.decide_many([(subject, action, resource, context)])[0],
                    "bound": lambda: bound.decide(action, resource, context),
                    "bound for one action": lambda: one.decide(resource, context),
                    "built, remembered": lambda: cache.decide(subject, action, resource, context),
                }
        for name, ask in ways.items():
            for _ in range(2):  # the first makes what the second is decided with
                found = _said(ask())
                assert found == expected, f"{name}: {found} is not {expected}"
    return carried


def _said(decision: Decision) -> tuple[object, ...]:
    return decision.outcome, decision.reason, decision.valid_until


def _carrying(case: Case) -> tuple[Entity, Entity, object]:
    """Return subject, resource and context built, with the entities that they refer to in them."""
    engine, given = case.loaded.engine, case.given
    described = {(one["type"], one["id"]): one for one in given["entities"]}

    def built(key: tuple[str, str], above: frozenset[tuple[str, str]]) -> Entity:
        one = described[key]
        properties = carrying(one["properties"], above | {key})
        parents = carrying(one["parents"], above | {key})
        return engine.entity(*key, properties, parents=parents)

    def carrying(value: Any, above: frozenset[tuple[str, str]]) -> Any:
        match value:
            case {"type": type_, "id": id_, **rest} if not rest and (type_, id_) in described:
                return value if (type_, id_) in above else built((type_, id_), above)
            case dict():
                return {name: carrying(part, above) for name, part in value.items()}
            case list():
                return [carrying(item, above) for item in value]
        return value

    parts = [built((given[who]["type"], given[who]["id"]), frozenset()) for who in _PARTS]
    context = engine.context(given["action"], carrying(given["context"], frozenset()))
    return parts[0], parts[1], context


_PARTS = ("subject", "resource")


def what_is_explained_is_decided(case: Case) -> None:
    """An explanation, for whomever, says what is decided."""
    given = case.given
    expected = case.loaded.program.decide(case.request)
    explanation = case.loaded.engine.explain(
        given["subject"], given["action"], given["resource"], given["context"],
        now=moment_text(given["now"]), fields=given.get("fields"), entities=given["entities"],
    )  # fmt: skip
    outcome = expected.outcome
    assert explanation.outcome == outcome, (explanation.outcome, outcome)
    for audience in ("user", "developer", "auditor"):
        told = json.loads(json.dumps(explanation.to_json(audience)))
        assert told["decision"] == expected.allowed
        assert list(explanation.lines(audience))


def it_holds_until_it_says(case: Case) -> bool:
    """`valid_until` is what the reference says, and nothing turns before: not a microsecond before.

    Returns whether the decision turns at that very moment.
    """
    program, request = case.loaded.program, case.request
    decision = program.decide(request)
    until = None if decision.valid_until is None else from_datetime(decision.valid_until)
    said = interpreter.valid_until(case.loaded.checked, request)
    assert until == (said if said is None else min(said, LAST)), (until, said)
    near = Neighbourhood(case.loaded.checked, request)
    moments = {option + more for option in near.options(NOW) for more in (-1, 0, 1)}
    if until is not None:
        moments |= {until - 1, (request.now + until) // 2}
    outcome = decision.outcome
    for moment in sorted(moments):
        if request.now < moment <= LAST and (until is None or moment < until):
            after = program.decide(replace(request, now=moment)).outcome
            assert replace(after, advisories=outcome.advisories) == outcome, (moment, until)
    return until is not None and program.decide(replace(request, now=until)).outcome != outcome


_MARK = "qzx7"


def no_private_value_is_told(case: Case) -> bool:
    """What a private attribute says is in no text that is not for the auditor.

    Returns whether the request has one.
    """
    schema, marked = case.loaded.checked.schema, []
    document = json.loads(json.dumps(case.given))
    entities = [document["subject"], document["resource"], *document["entities"]]
    holders = [(schema.entities[e["type"]].attributes, e["properties"]) for e in entities]
    holders.append((schema.actions[case.given["action"]].context.attributes, document["context"]))
    for attributes, values in holders:
        for attribute in attributes:
            if attribute.private and (attribute.name in values or attribute.type == STRING):
                values[attribute.name] = _marked(attribute.type, values.get(attribute.name))
                marked.append(attribute.name)
    request = case.loaded.request(**document)
    for what, text in texts(case, request, document):
        assert _MARK not in json.dumps(text, default=str), what
    return bool(marked)


def _marked(type_: Type, value: Any) -> Any:
    match type_, value:
        case SetType(element), list():
            return [_marked(element, one) for one in value]
        case EntityRefType(), {"type": name, "id": id_}:
            return {"type": name, "id": f"{_MARK}{id_}"}
        case _ if type_ == STRING:
            return f"{_MARK}{value or ''}"
    return value


def every_form_has_a_fast_path(case: Case) -> None:
    """A request that fits is validated in full once, in whatever form and with whatever store it comes."""
    engine, given = case.loaded.engine, case.given
    entities, fields = given["entities"], given.get("fields")
    now = moment_text(given["now"])
    alone = {
        part: {name: given[part][name] for name in ("type", "id")}
        for part in ("subject", "resource")
    }
    document = {**given, "now": now, "action": {"name": given["action"]}}
    named = {**{name: part for name, part in document.items() if name != "entities"}, **alone}
    stored = engine.with_store(engine.store(entities))
    bound, of_store = (
        engine.bind(given["subject"], entities=entities),
        stored.bind(alone["subject"]),
    )
    forms: dict[str, Callable[[], object]] = {
        "dicts": lambda: engine.decide(
            given["subject"], given["action"], given["resource"], given["context"], now=now,
            fields=fields, entities=entities,
        ),
        "JSON": lambda: engine.decide_json(json.dumps(document), accept_now=True),
        "parsed": lambda: engine.decide_request(document, accept_now=True),
        "with a name more": lambda: engine.decide_request(
            json.dumps({**document, "trace": "1"}), accept_now=True
        ),
        "batch": lambda: engine.evaluations({"evaluations": [document]}, accept_now=True),
        "bound": lambda: bound.decide(
            given["action"], given["resource"], given["context"], now=now, fields=fields,
            entities=entities,
        ),
        "bound, of a store": lambda: of_store.decide(
            given["action"], alone["resource"], given["context"], now=now, fields=fields
        ),
        "names of a store": lambda: stored.decide_request(named, accept_now=True),
        "a store that says the same": lambda: stored.decide_request(document, accept_now=True),
        "another store": lambda: engine.decide_request(
            named, accept_now=True, entities=stored._store
        ),
    }  # fmt: skip
    for form, decide in forms.items():
        decide()
        with mock.patch.object(Validator, "validate", side_effect=AssertionError(form)):
            decide()
