"""Build entities once, for many requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policyengine.intake.ancestors import Known
from policyengine.intake.decode import Reader
from policyengine.model.entities import Closed, Entity, Key, Line, entity_class
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request_messages import Problems
from policyengine.model.sealed import altered
from policyengine.model.types import Schema

__all__ = ["Entity", "Key", "Line", "build_entity", "entity_class"]


def build_entity(
    schema: Schema,
    limits: Limits,
    type_: str,
    id_: str,
    properties: Mapping[str, object],
    parents: Iterable[object] | None = None,
) -> Entity:
    """Build an entity; raises `InvalidRequest` with every problem.

    References may be given as entities: the new one then carries them, so that a request that it
    is part of knows them. *parents*: entities or references; None where they are not told.
    """
    reader = Reader(schema, limits, Problems(limits.problems))
    raw: dict[str, object] = {"type": type_, "id": id_, "properties": properties}
    if parents is not None:
        raw["parents"] = parents
    entity = reader.entity(raw, None)
    known = Known(reader.problems, reader.flawed)
    for told, path in ((entity, None), *reader.carried):
        if told is not None:
            known.add(told, path)
    known.close_lines(lambda _: None, limits.ancestors)
    if reader.problems.items or entity is None:
        raise InvalidRequest(reader.problems.items)
    built = known.entities.pop(entity.key_)
    carried = tuple(known.entities.values())
    if carried:
        if all(known.entities.keys() >= _named_above(entity) for entity in carried):
            carried = Closed(carried)
        built = altered(built, carried_=carried, plain_=False)
    return built


def _named_above(entity: Entity) -> Line:
    """Return the keys of all who are known to be ancestors, and perhaps its own."""
    return entity.parents_ or frozenset() if entity.line is None else entity.line
