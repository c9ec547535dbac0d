"""Change entities of a store, and check what the change concerns, so that it is as if all had been checked.

Only what is put, and what lies below something whose parents change, can come to be at odds with the
rest: the lines of these are worked out again, and what is removed must be nobody's parent any more.
"""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.intake.ancestors import Known, with_line
from policyengine.intake.decode import Reader
from policyengine.intake.foreign import plain
from policyengine.intake.store_index import StoreIndex
from policyengine.intake.stored_entities import Stored, changed
from policyengine.model.entities import Entity, Key
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request_messages import Path, Problems, entity_name, inside
from policyengine.model.sealed import altered
from policyengine.model.types import Schema

_PUT: Path = inside(None, "put")
_REMOVE: Path = inside(None, "remove")
_REMOVED = "a list of entities, or of (type, id)"


def alone(entity: Entity) -> Entity:
    """Return the entity without those that it carries along: the store has them, as they are there."""
    return with_line(altered(entity, carried_=()), entity.line) if entity.carried_ else entity


def changed_entities(
    schema: Schema, limits: Limits, stored: Stored, index: StoreIndex, put: object, remove: object
) -> Stored:
    """Return the entities *stored* after a change; raises `InvalidRequest` with every problem."""
    change = _Change(schema, limits, stored, index)
    change.read(put, remove)
    change.place()
    if change.problems.items:
        raise InvalidRequest(change.problems.items)
    change.reader.undeclared.log()
    put_ = {key: alone(entity) for key, entity in change.known.entities.items()}
    return changed(stored, {**dict.fromkeys(change.removed), **put_})


class _Change:
    """A change while it is read; *removed*: the keys of what is removed, with their places."""

    def __init__(self, schema: Schema, limits: Limits, stored: Stored, index: StoreIndex) -> None:
        self.problems = Problems(limits.problems)
        self.reader = Reader(schema, limits, self.problems)
        self.known = Known(self.problems, self.reader.flawed)
        self.removed: dict[Key, Path] = {}
        self._schema = schema
        self._limits = limits
        self._stored = stored
        self._index = index

    def read(self, put: object, remove: object) -> None:
        """Read what is put, and then what is removed."""
        reader, known, stored = self.reader, self.known, self._stored
        for raw, place in reader.each(put, _PUT) or ():
            entity = reader.entity(raw, place)
            if entity is not None:
                known.add(entity, place)
        for raw, place in reader.each(remove, _REMOVE, expected=_REMOVED) or ():
            key = self._key(raw, place)
            if key is not None:
                self._remove(key, place)
        beside = Known(self.problems, reader.flawed)
        for entity, path in reader.carried:
            if entity.key_ in known.entities or entity.key_ not in stored:
                known.add(entity, path)
            else:  # what is there is not changed by what refers to it, which may be older
                beside.add(entity, path)
        beside.add_stored(stored)

    def _key(self, raw: object, path: Path) -> Key | None:
        raw = plain(raw)
        if isinstance(raw, Entity):
            return raw.key_
        if isinstance(raw, tuple) and len(raw) == len(("type", "id")):
            raw = dict(zip(("type", "id"), raw, strict=True))
        parts = self.reader.mapping("an entity, or (type, id)", raw, path)
        if parts is None:
            return None
        type_ = self.reader.entity_type(parts, path, None)
        id_ = self.reader.entity_id(parts, path)
        return None if type_ is None or id_ is None else (type_.name, id_)

    def _remove(self, key: Key, path: Path) -> None:
        self.removed[key] = path
        if key in self.known.entities:
            self.problems.add("PE510", path, f"{entity_name(key)} is put as well")
        elif key not in self._stored:
            self.problems.add("PE529", path, f"{entity_name(key)} is not in the store")

    def place(self) -> None:
        """Work out all ancestors that may have changed, and report parents that are not there."""
        known, stored = self.known, self._stored
        for key, entity in known.entities.items():
            for parent in sorted(entity.parents_ or ()):
                if parent not in known.entities and (
                    parent in self.removed or parent not in stored
                ):
                    message = f"the parent {entity_name(parent)} is not in the store"
                    self.problems.add("PE525", inside(known.places[key], "parents"), message)
        for key, path in self.removed.items():
            left = [
                c for c in self._children(key) if c not in self.removed and c not in known.entities
            ]
            if left:
                name = entity_name(min(left))
                message = f"{entity_name(key)} is the parent of {name}: remove or put that as well"
                self.problems.add("PE525", path, message)
        if not self.problems.items:
            self._add_below()
            known.close_lines(stored, self._limits.ancestors)

    def _add_below(self) -> None:
        """Take in all whose ancestors may be others because those of something that is put are."""
        known, stored = self.known, self._stored
        waiting = [
            key
            for key, entity in known.entities.items()
            if (before := stored.get(key)) is not None and before.parents_ != entity.parents_
        ]
        seen = set(waiting)
        while waiting:
            above = waiting.pop()
            for key in self._children(above):
                if key in seen or key in self.removed:
                    continue
                seen.add(key)
                waiting.append(key)
                if key not in known.entities:
                    known.entities[key] = with_line(stored[key], None)
                    known.places[key] = known.places[above]

    def _children(self, key: Key) -> Iterator[Key]:
        """Give the keys of the entities that lay in another before the change."""
        for type_ in self._schema.entities.values():
            if key[0] in type_.parents:
                for id_ in self._index.by_parent(type_.name).get(key, ()):
                    yield type_.name, id_
