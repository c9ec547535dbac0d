"""Hold what would allow denied requests to all requests of small worlds of every kind of type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from policyengine.analysis.places import NOW, Place, changed, places_of
from policyengine.analysis.remedies import search
from policyengine.model.gaps import gives
from policyengine.model.records import Record
from policyengine.model.types import RecordType, Type
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import slot
from policyengine.reference import interpreter
from tests.analysis.small_world import some_condition
from tests.analysis.worlds import World

Spot = tuple[object, ...]


def spot(place: Place) -> Spot:
    """Return what names a place."""
    return place.kind, place.owner, place.names


def spots(one: ValidRequest, other: ValidRequest) -> frozenset[Spot]:
    """Return the places at which two requests differ."""
    found = set(_parts(None, one.context.record_type, one.context, other.context))
    for key, entity in one.entities.items():
        twin = other.entities[key]
        for part in entity.entity_type.attributes:
            values = getattr(entity, slot(part.name)), getattr(twin, slot(part.name))
            found |= set(_differing(key, (part.name,), part.type, *values))
        if entity.parents_ != twin.parents_:
            found.add(("parents", key, ()))
    found |= {("now", None, ())} if one.now != other.now else set()
    found |= {("fields", None, ())} if set(one.fields or ()) != set(other.fields or ()) else set()
    return frozenset(found)


def _differing(
    owner: Any, names: tuple[str, ...], type_: Type, one: Any, other: Any
) -> Iterator[Spot]:
    if isinstance(type_, RecordType) and isinstance(one, Record) and isinstance(other, Record):
        yield from _parts(owner, type_, one, other, names)
    elif one != other:
        yield "attribute", owner, names


def _parts(
    owner: Any, type_: RecordType, one: Any, other: Any, names: tuple[str, ...] = ()
) -> Iterator[Spot]:
    for part in type_.attributes:
        values = getattr(one, slot(part.name)), getattr(other, slot(part.name))
        yield from _differing(owner, (*names, part.name), part.type, *values)


def is_sound(request: ValidRequest) -> bool:
    """Whether each line is what the parents give, and parents are of the types that they may have."""

    def line(key: Any) -> frozenset[Any]:
        entity = request.entities.get(key)
        above = (entity.parents_ or ()) if entity else ()
        return frozenset({key}).union(*map(line, above))

    return all(
        (entity.line is None or entity.line == line(key))
        and all(parent[0] in entity.entity_type.parents for parent in entity.parents_ or ())
        for key, entity in request.entities.items()
    )


def some_rules(rng: Random, world: World) -> str:
    def condition(depth: int = 2) -> str:
        return some_condition(rng, depth, world.atoms)

    def permit(name: str, depth: int = 2) -> str:
        fields = rng.choice(world.fields) if world.fields else ""
        return f"permit {name}: any when {condition(depth)}{fields}\n"

    text = permit("p")
    if rng.random() < 0.5:
        text += permit("q")
    if rng.random() < 0.6:
        text += f'forbid f: any when {condition()} because "f"\n'
    if world.fields:
        text += permit("x", 1).replace("permit", "expose")
        return f"gate access {{ {text} }}\n"
    if rng.random() < 0.3:
        text = (
            f'gate g "?"\ngate h "?" for read\ngate g {{ {text} }}\ngate h {{ {permit("o", 1)} }}\n'
        )
    return text


def hold_near(world: World, seed: int, most: int = 8) -> Counter[str]:
    """Search near some denied requests: nothing that is offered is wrong, and nothing in the world is missed.

    Whatever is offered allows, on a request that is sound, and every part of it is needed. Every place at which
    some value allows is offered; where nothing alone is enough, every pair of places.
    """
    rng = Random(seed)
    text = some_rules(rng, world)
    checked = world.checked(text)
    if checked is None:  # too much for one request
        return Counter()
    allowed = [r for r in world.requests if interpreter.decide(checked, r).allowed]
    denied = [r for r in world.requests if not interpreter.decide(checked, r).allowed]
    seen: Counter[str] = Counter()
    for request in rng.sample(denied, min(most, len(denied))):
        found = search(checked, request, most=10_000)
        assert not found.gave_up, text
        for remedy in found.remedies:
            changes = tuple((c.place, c.after) for c in remedy.changes)
            after = changed(request, changes)
            assert interpreter.decide(checked, after).allowed, text
            assert gives(
                after, checked.needs(("read", request.subject.type, request.resource.type))
            )
            assert is_sound(after), (text, remedy)
            assert all(c.before != c.after for c in remedy.changes)
        offered = {
            frozenset(spot(change.place) for change in remedy.changes) for remedy in found.remedies
        }
        # Nobody goes back in time, nor asks for fields where none are asked for.
        near = [
            o
            for o in allowed
            if o.now >= request.now and (o.fields is None) == (request.fields is None)
        ]
        sets = {spots(request, other) for other in near}
        alone = {one for one in sets if len(one) == 1}
        # What nobody can change is offered alone, and not together with something else.
        fixed = {spot(p) for p in places_of(checked, request) if p.by == "nobody"} | {spot(NOW)}
        wanted = alone or {one for one in sets if len(one) == 2 and one.isdisjoint(fixed)}
        could = [r for r in found.remedies if "nobody" not in r.by and len(r.changes) == 1]
        missed = wanted - offered
        if could:
            missed = {one for one in missed if len(one) == 1}
        assert not missed, (world.name, text, request, missed, offered, found.not_tried)
        seen["one" if alone else "two" if wanted else "none"] += 1
        seen["changes"] += len(offered)
        seen["complete" if found.complete else "not complete"] += 1
    return seen
