"""Build entities and contexts once, for many requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from policyengine.intake.ancestors import Known
from policyengine.intake.decode import Reader
from policyengine.intake.store import EntityStore
from policyengine.intake.stored_entities import StoredEntities
from policyengine.model.entities import Closed, Entity, Key, Line
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import CONTEXT
from policyengine.model.limits import Limits
from policyengine.model.records import Record
from policyengine.model.request_messages import Path, Problems, inside
from policyengine.model.sealed import altered
from policyengine.model.types import ActionType, Schema
from policyengine.model.values import ABSENT


def build_entity(
    schema: Schema,
    limits: Limits,
    raw: object,
    path: Path = None,
    store: EntityStore | None = None,
    others: object = (),
    led_to: Iterable[object] = (),
    allowed: tuple[str, ...] | None = None,
) -> Entity:
    """Build an entity from `{"type", "id", "properties", "parents"}`.

    References may be given as entities: the new one then carries them, so that a request that it
    is part of knows them. *path*: where problems are. *store*: what else may be known of it. *others*:
    a list of entities that it refers to; *led_to*: those that were found at *path* beside it. *allowed*: the types
    that it may have, None for any.

    Raises `InvalidRequest` with every problem.
    """
    reader = Reader(schema, limits, Problems(limits.problems))
    if raw is ABSENT:
        reader.report("PE521", path, "it is missing")
    entity = None if raw is ABSENT else reader.entity(raw, path, allowed)
    known = Known(reader.problems, reader.flawed)
    each = reader.each(others, inside(None, "entities"), limits.entities) or []
    each += [(one, path) for one in led_to]
    beside = [(reader.entity(other, place), place) for other, place in each]
    for given, place in ((entity, path), *beside, *reader.carried):
        if given is not None:
            known.add(given, place)
    stored = StoredEntities() if store is None else store.by_key
    known.add_stored(stored)
    known.close_lines(stored, limits.ancestors, limits.ancestors_in_all)
    if reader.problems.items or entity is None:
        raise InvalidRequest(reader.problems.items)
    reader.undeclared.log()
    built = known.entities.pop(entity.key_)
    return carrying(built, known.entities) if known.entities else built


def carrying(entity: Entity, others: Mapping[Key, Entity]) -> Entity:
    """Return *entity* so that it carries *others* along; itself, if it carries just these.

    Parts that carry one entity along as two objects are not seen to agree at once.
    """
    before = entity.carried_
    if len(before) == len(others) and all(others.get(one.key_) is one for one in before):
        return entity
    above = None if entity.line is None else entity.line - {entity.key_}
    return altered(entity, carried_=_closed(others, above), plain_=False)


def _closed(others: Mapping[Key, Entity], above: Line | None) -> tuple[Entity, ...] | Closed:
    """Return what something that lies in *above* carries along; `Closed`, if their ancestors are among them."""
    carried = tuple(others.values())
    named = (other.parents_ if other.line is None else other.line for other in carried)
    if not all(others.keys() >= (line or _NOWHERE) for line in named):
        return carried
    is_whole = above is not None and others.keys() >= above
    return Closed.of(carried, is_whole and all(one.complete_ for one in carried))


_NOWHERE: Final[Line] = frozenset()


def build_context(schema: Schema, limits: Limits, action: str, given: object) -> Record:
    """Build the context of an action; raises `InvalidRequest` with every problem."""
    reader = Reader(schema, limits, Problems(limits.problems))
    found = reader.action(action, inside(None, "action"))
    if found is not None:
        context = reader.record(found.context, given, CONTEXT)
        known = Known(reader.problems, reader.flawed)
        for entity, path in reader.carried:
            known.add(entity, path)
        known.close_lines({}, limits.ancestors, limits.ancestors_in_all)
        if isinstance(context, Record) and not reader.problems.items:
            reader.undeclared.log()
            if not known.entities:
                return context
            return altered(context, carried_=_closed(known.entities, _NOWHERE), plain_=False)
    raise InvalidRequest(reader.problems.items)


def action_of(schema: Schema, limits: Limits, raw: object) -> ActionType:
    """Return an action by its name; raises `InvalidRequest` if there is none."""
    reader = Reader(schema, limits, Problems(limits.problems))
    action = reader.action(raw, inside(None, "action"))
    if reader.problems.items or action is None:
        raise InvalidRequest(reader.problems.items)
    return action


def with_references(properties: Mapping[str, object], carried: list[Entity]) -> dict[str, object]:
    """Return attributes with references where entities are, and note these in *carried*."""
    given: dict[str, object] = {}
    for name, value in properties.items():
        if isinstance(value, Entity):
            carried.append(value)
            given[name] = {"type": value.type, "id": value.id}
        else:
            given[name] = value
    return given
