"""Make requests that fit a vocabulary, as plain dicts: what JSON would have.

A `Scene` holds a few entities of each type, each with everything or nearly everything filled in,
lying in one another without circles; a request takes two of them and brings the others along. Its
time is drawn from around the moments that policies and values mention.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from tests.strategies.policies import World, all_targets, some_fields
from tests.strategies.vocabulary import (
    DECIMALS,
    DURATIONS,
    IDS,
    IPS,
    MOMENTS,
    MONTHS_WRITTEN,
    PATHS,
    STRINGS,
    Vocabulary,
)

Json = Any
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(text: str) -> int:
    """Return a moment of the pool as microseconds since 1970."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


_SPANS = (0, 1, -1, 3_600_000_000, -3_600_000_000, 86_400_000_000, 365 * 86_400_000_000)


def some_now(rng: Random) -> int:
    """Return a time at or near a moment on which something may depend."""
    return microseconds(rng.choice(MOMENTS)) + rng.choice(_SPANS) + rng.choice((0, 0, 1, -1))


def some_value(rng: Random, type_: Type) -> Json:
    """Return a value of *type_* as JSON has it."""
    match type_:
        case Primitive(name):
            return _primitive(rng, name)
        case EnumType() | LevelsType() | TaxonomyType():
            return rng.choice(type_.members)
        case EntityRefType(name):
            return {"type": name, "id": rng.choice(IDS)}
        case SetType(element):
            made = [some_value(rng, element) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
            return _distinct(made)
        case RecordType(attributes):
            return some_attributes(rng, attributes)


def some_attributes(rng: Random, attributes: tuple[Attribute, ...]) -> dict[str, Json]:
    """Return values for attributes, without some of the optional ones."""
    return {
        a.name: some_value(rng, a.type) for a in attributes if not a.optional or rng.random() < 0.6
    }


def _distinct(values: list[Json]) -> list[Json]:
    kept: list[Json] = []
    for value in values:
        if not any(value == other and type(value) is type(other) for other in kept):
            kept.append(value)
    return kept


def _primitive(rng: Random, name: str) -> Json:
    match name:
        case "bool":
            return rng.random() < 0.5
        case "int":
            return rng.choice((-3, 0, 1, 2, 3, 100, 999999999999999999))
        case "decimal":
            return rng.choice(("", "", "-")) + rng.choice(DECIMALS[1:])
        case "string":
            return rng.choice(STRINGS)
        case "datetime":
            return rng.choice(MOMENTS)
        case "duration":
            return rng.choice(("", "", "", "-")) + rng.choice(DURATIONS[1:])
        case "months":
            return rng.choice(("", "", "", "-")) + rng.choice(MONTHS_WRITTEN[1:])
        case "path":
            return rng.choice(PATHS)
        case _:
            return rng.choice(IPS)


def make_scene(rng: Random, made: Vocabulary) -> dict[tuple[str, str], Json]:
    """Return entities by type and id, as they stand in `entities`; parents go before."""
    scene: dict[tuple[str, str], Json] = {}
    keys = [(name, id_) for name in made.entities for id_ in IDS]
    rng.shuffle(keys)
    for name, id_ in keys:
        type_ = made.entities[name]
        above = [key for key in scene if key[0] in type_.parents]
        parents = rng.sample(above, min(len(above), rng.choice((0, 1, 1, 2))))
        scene[name, id_] = {
            "type": name,
            "id": id_,
            "properties": some_attributes(rng, type_.attributes),
            "parents": [{"type": t, "id": i} for t, i in parents],
        }
    return scene


def make_request(
    rng: Random, world: World, scene: dict[tuple[str, str], Json] | None = None
) -> dict[str, Json]:
    """Return a request that fits, as arguments of `validate`."""
    made = world.made
    scene = make_scene(rng, made) if scene is None else scene
    action, subject, resource = rng.choice(all_targets(world))
    request: dict[str, Json] = {
        "subject": scene[subject, rng.choice(IDS)],
        "action": action,
        "resource": scene[resource, rng.choice(IDS)],
        "context": some_attributes(rng, tuple(made.context(action).values())),
        "now": some_now(rng),
        "entities": list(scene.values()),
    }
    if world.asks_fields((action, subject, resource)) and rng.random() < 0.4:
        names = ["id", *(a.name for a in made.entities[resource].attributes)]
        names = rng.sample(names, rng.randint(0, min(2, len(names))))
        target = (action, subject, resource)
        request["fields"] = [some_fields(rng, world, [target], [name]) for name in names]
    return request
