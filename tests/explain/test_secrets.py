"""Plants secrets in generated requests, and holds that only the auditor is told any of them."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings

from policyengine import PolicyEngine
from policyengine.explain import explain
from policyengine.model.types import (
    Attribute,
    Primitive,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.values import text_of
from tests.strategies import seeds
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import make_world
from tests.strategies.requests import make_request, make_scene
from tests.whole import share


class Planting:
    """Puts values that are seen at once wherever only an auditor may look."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.told: set[str] = set()
        """What nobody else may read: the secrets in words, and what lies next to them."""

    def value(self, type_: Type, given: object) -> object:
        """Return a secret of that type; what has too few values to be one stays as it is."""
        if self.rng.random() < 0.2:
            return given
        match type_:
            case Primitive("string"):
                secret = f"SECRET{self.rng.randrange(10**9)}"
                self.told.add(secret)
                return secret
            case Primitive("int" | "decimal" | "datetime" | "duration" as name):
                return self._number(type_, name)
            case Primitive("path"):
                secret = f"SECRET{self.rng.randrange(10**9)}"
                self.told.add(secret)
                return f"/a/{secret}"
            case Primitive("ip"):
                secret = f"172.{self.rng.randrange(16, 32)}.{self.rng.randrange(99, 256)}.77"
                self.told.add(secret)
                return secret
            case SetType(element):
                return [self.value(element, one) for one in given][:1]
            case RecordType(attributes):
                return self.attributes(attributes, given)
        return given

    def _number(self, type_: Primitive, name: str) -> object:
        most = {"int": 10**17, "decimal": 10**16, "datetime": 2 * 10**15, "duration": 10**15}
        secret = self.rng.randrange(most[name] // 2, most[name])
        texts = [text_of(type_, secret + step) for step in (-1, 0, 1)]
        self.told.update(texts)
        return secret if name == "int" else texts[1]

    def attributes(self, attributes: tuple[Attribute, ...], given: dict) -> dict:
        """Return parts of an entity or a record, secrets all through."""
        types = {a.name: a.type for a in attributes}
        return {name: self.value(types[name], value) for name, value in given.items()}

    def private(self, attributes: tuple[Attribute, ...], given: dict) -> dict:
        """Return parts of what anybody may see, but for the private ones."""
        made = dict(given)
        for part in attributes:
            if part.name not in given:
                continue
            if part.private:
                made[part.name] = self.value(part.type, given[part.name])
            elif isinstance(part.type, RecordType):
                made[part.name] = self.private(part.type.attributes, given[part.name])
        return made


def references(value: object) -> set[tuple[str, str]]:
    """Return the entities that a JSON value names."""
    match value:
        case {"type": str() as name, "id": str() as id_}:
            return {(name, id_)}
        case dict():
            return set().union(*map(references, value.values()))
        case list():
            return set().union(*map(references, value))
    return set()


def renamed(value: object, names: dict[tuple[str, str], str]) -> object:
    """Return a JSON value that names entities otherwise."""
    match value:
        case {"type": str() as name, "id": str() as id_}:
            rest = {key: renamed(part, names) for key, part in value.items()}
            return {**rest, "type": name, "id": names.get((name, id_), id_)}
        case dict():
            return {key: renamed(part, names) for key, part in value.items()}
        case list():
            return [renamed(part, names) for part in value]
    return value


def planted(rng: Random, world, given: dict) -> tuple[dict, set[str]]:
    """Return a request with secrets, and what of it only an auditor may read."""
    planting, made = Planting(rng), world.made
    subject, resource = given["subject"], given["resource"]
    context = tuple(made.context(given["action"]).values())
    own = made.entities[subject["type"]].attributes
    seen = {a.name: a for a in own if not a.private}
    known = {(e["type"], e["id"]) for e in (subject, resource)} | references(given["context"])
    known |= references({n: v for n, v in subject["properties"].items() if n in seen})
    known |= references(subject["parents"])
    names = {}
    for entity in given["entities"]:
        if (entity["type"], entity["id"]) not in known and rng.random() < 0.5:
            secret = f"SECRETid{rng.randrange(10**9)}"
            names[entity["type"], entity["id"]] = secret
            planting.told.add(secret)
    entities = []
    for entity in given["entities"]:
        attributes = made.entities[entity["type"]].attributes
        is_subject = (entity["type"], entity["id"]) == (subject["type"], subject["id"])
        plant = planting.private if is_subject else planting.attributes
        entities.append({**entity, "properties": plant(attributes, entity["properties"])})
    by_key = {(e["type"], e["id"]): e for e in entities}
    request = {
        **given,
        "subject": by_key[subject["type"], subject["id"]],
        "resource": by_key[resource["type"], resource["id"]],
        "context": planting.private(context, given["context"]),
        "entities": entities,
    }
    return renamed(request, names), planting.told


def told_too_much(seed: int, requests: int) -> Counter[str]:
    """Explain some requests with secrets; return how often they were told to whom they may be."""
    rng = Random(seed)
    world, seen = make_world(rng, rng.choice((1, 2))), Counter()
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return seen
    for number in range(requests):
        if number % 3 == 0:
            scene = make_scene(rng, world.made)
        given, secrets = planted(rng, world, make_request(rng, world, scene))
        explanation = explain(loaded.checked, loaded.request(**given))
        for audience in ("user", "developer", "auditor"):
            told = json.dumps(explanation.to_json(audience), ensure_ascii=False)
            told += "\n".join(explanation.lines(audience))
            leaked = sorted(secret for secret in secrets if secret in told)
            if audience == "auditor":
                seen["secrets that the auditor reads"] += len(leaked)
            else:
                assert not leaked, (seed, audience, leaked, told, world.text())
        seen["requests"] += 1
    return seen


def test_secrets_are_told_to_the_auditor_alone():
    seen: Counter[str] = Counter()

    @settings(max_examples=share(30, 3))
    @given(seeds.SEEDS)
    def check(seed):
        seen.update(told_too_much(seed, 4))

    check()
    assert seen["secrets that the auditor reads"] > 0  # it bites: an auditor's view would fail


def test_ids_of_others_are_no_texts_to_try():
    loaded = load(
        {
            "t.policy": """
        package t
        entity User
        entity Case { author: User, readers: set<User> }
        action read by User on Case with { note?: string }
        permit each: read
        forbid unnamed: read when context not has note or context.note == resource.author.id
    """
        }
    )
    request = {
        "subject": {"type": "User", "id": "ann"}, "action": "read",
        "resource": {
            "type": "Case", "id": "c1",
            "properties": {"author": {"type": "User", "id": "bob"}, "readers": [{"type": "User", "id": "SECRET"}]},
        },
        "context": {}, "now": 0, "entities": [{"type": "User", "id": "SECRET"}, {"type": "User", "id": "bob"}],
    }  # fmt: skip
    explanation = explain(loaded.checked, loaded.request(**request))
    for audience in ("user", "developer"):
        told = json.dumps(explanation.to_json(audience))
        assert "context.note" in told
        assert "SECRET" not in told, told


STATES = """
package states
entity App {}
entity User { class: string, owner: private duration (by nobody), size: int }
action act by App on User
field gate use "whether it may be used"
gate use {
    permit hidden: any when resource.owner == 1w2d
    permit open: any
    permit waived: any waivable when resource.owner == 1w2d
}
waiver w of use.waived
    for App "a" until 2099-06-01 ticket "T-1" approved_by "A"
"""


@pytest.mark.parametrize("fields", [["class"], None])
def test_whether_a_permit_with_hidden_conditions_holds_shows_only_where_the_decision_shows_it(
    fields,
):
    engine = PolicyEngine.from_text(STATES)
    listed = []
    for owner in ("1w2d", "1d"):
        properties = {"class": "x", "owner": owner, "size": 1}
        asked = (
            {"type": "App", "id": "a"},
            "act",
            {"type": "User", "id": "u", "properties": properties},
        )
        explanation = engine.explain(*asked, fields=fields, now="2026-01-01")
        assert explanation.to_json("user")["decision"] is (fields is None)
        [gate] = explanation.to_json("developer")["gates"]
        shown = {rule["rule"]: rule["state"] for rule in gate["rules"]}
        if fields:  # which of the others are satisfied, the decision does not show
            assert shown == {"use.open": "satisfied"}
        else:
            assert shown["use.waived"] == "satisfied"
        assert not [line for line in explanation.lines("developer") if line.endswith(": waived")]
        [gate] = explanation.to_json("auditor")["gates"]
        listed.append({rule["rule"]: rule["state"] for rule in gate["rules"]})
    assert listed == [
        {"use.hidden": "satisfied", "use.open": "satisfied", "use.waived": "satisfied"},
        {"use.hidden": "not satisfied", "use.open": "satisfied", "use.waived": "waived"},
    ]
