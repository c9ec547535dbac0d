"""Build entities and contexts once, for many requests."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.intake.ancestors import Known
from policyengine.intake.decode import Reader
from policyengine.intake.store import EntityStore, StoredEntities
from policyengine.model.entities import Closed, Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import CONTEXT
from policyengine.model.limits import Limits
from policyengine.model.records import Record
from policyengine.model.request_messages import Path, Problems, inside
from policyengine.model.sealed import altered
from policyengine.model.types import Schema
from policyengine.model.values import ABSENT


def build_entity(
    schema: Schema,
    limits: Limits,
    raw: object,
    path: Path = None,
    store: EntityStore | None = None,
) -> Entity:
    """Build an entity from `{"type", "id", "properties", "parents"}`.

    References may be given as entities: the new one then carries them, so that a request that it
    is part of knows them. *path*: where problems are. *store*: what else may be known of it.

    Raises `InvalidRequest` with every problem.
    """
    reader = Reader(schema, limits, Problems(limits.problems))
    if raw is ABSENT:
        reader.report("PE521", path, "it is missing")
    entity = None if raw is ABSENT else reader.entity(raw, path)
    known = Known(reader.problems, reader.flawed)
    for given, place in ((entity, path), *reader.carried):
        if given is not None:
            known.add(given, place)
    stored = StoredEntities() if store is None else store.by_key
    known.add_stored(stored)
    known.close_lines(stored, limits.ancestors)
    if reader.problems.items or entity is None:
        raise InvalidRequest(reader.problems.items)
    built = known.entities.pop(entity.key_)
    return carrying(built, known.entities) if known.entities else built


def carrying(entity: Entity, others: Mapping[tuple[str, str], Entity]) -> Entity:
    """Return *entity* so that it carries *others* along."""
    carried = tuple(others.values())
    named = (other.parents_ if other.line is None else other.line for other in carried)
    if all(others.keys() >= (above or frozenset()) for above in named):
        carried = Closed(carried)
    return altered(entity, carried_=carried, plain_=False)


def build_context(schema: Schema, limits: Limits, action: str, given: object) -> Record:
    """Build the context of an action; raises `InvalidRequest` with every problem."""
    reader = Reader(schema, limits, Problems(limits.problems))
    found = reader.action(action, inside(None, "action"))
    if found is not None:
        context = reader.record(found.context, given, CONTEXT)
        known = Known(reader.problems, reader.flawed)
        for entity, path in reader.carried:
            known.add(entity, path)
        if isinstance(context, Record) and not reader.problems.items:
            carried = tuple(known.entities.values())
            return altered(context, carried_=carried, plain_=False) if carried else context
    raise InvalidRequest(reader.problems.items)


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
