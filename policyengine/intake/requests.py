"""Take the requests of one engine: build their parts, validate them, decide them.

What is asked often goes by a *way*, a function that the engine finds by the action and calls itself.
Ways are opened here, by requests that came in without one. The engine loads this with the first
request, or the first part that is built: loading a set needs none of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from policyengine.intake.build import Entity, build_entity
from policyengine.intake.fast_path import Door, make_door, way_of_dicts, way_of_entities
from policyengine.intake.fast_reader import MakeReaders, time_of, type_of
from policyengine.intake.store import EntityStore
from policyengine.intake.validation import Validator, build_context
from policyengine.model.decision import Decision, refused
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.needs import Needs
from policyengine.model.records import Record
from policyengine.model.request import Request
from policyengine.model.types import EntityType, RecordType
from policyengine.runtime import clock
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.program import Program, TargetKey

if TYPE_CHECKING:
    from policyengine.model.entities import EntityLike

_MOST_DOORS: Final = 4_096


class Requests:
    """Takes the requests of one engine, which has *program*, *limits* and *store*.

    *ways*: by action, what decides about plain parts; *readings*: the same where there are dicts.
    Both are the engine's, and filled here.
    """

    def __init__(
        self,
        program: Program,
        limits: Limits,
        store: EntityStore | None,
        ways: dict[str, Function],
        readings: dict[str, Function],
    ) -> None:
        readers = MakeReaders(_entity_reader, _context_reader)
        self.validator = Validator(program.schema, program.needs, limits, readers)
        self.doors: dict[TargetKey, Door | None] = {}  # None: there can be none
        self._program = program
        self._limits = limits
        self._store = store
        self._ways = ways
        self._readings = readings

    # ---- building -----------------------------------------------------------------------

    def entity(
        self,
        type_: str,
        id_: str,
        properties: Mapping[str, Any],
        parents: Iterable[EntityLike] | None,
    ) -> Entity:
        """Build an entity; raises `InvalidRequest`."""
        return build_entity(self._program.schema, self._limits, type_, id_, properties, parents)

    def built(self, entity: EntityLike) -> Entity:
        """Return an entity that may be a dict as it is built; raises `InvalidRequest`."""
        if isinstance(entity, Entity):
            return entity
        parts = entity["type"], entity["id"], entity.get("properties") or {}, entity.get("parents")
        return self.entity(*parts)

    def context(self, action: str, values: Mapping[str, Any]) -> Record:
        """Build the context of *action*; raises `InvalidRequest`."""
        return build_context(self._program.schema, self._limits, action, values)

    def store(self, entities: Iterable[EntityLike] | str | bytes) -> EntityStore:
        """Build a store; raises `InvalidRequest`."""
        if isinstance(entities, str | bytes):
            return EntityStore.from_json(self._program.schema, entities, self._limits)
        return EntityStore(self._program.schema, entities, self._limits)

    # ---- deciding -----------------------------------------------------------------------

    def decide(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any,
        now: datetime | str | int | None,
        fields: Collection[str] | None,
        entities: EntityStore | Iterable[EntityLike] | None,
    ) -> Decision:
        """Decide a request after validating it, and open a way for others like it."""
        request = self.validate(subject, action, resource, context, now, fields, entities)
        self.open_door(request, subject, resource, context)
        return self._program.decide(request)

    def decide_at(
        self, subject: Any, action: Any, resource: Any, context: Any, now: Any
    ) -> Decision | None:
        """Decide a plain request at the time *now*, None for now; None if it is not plain."""
        try:
            moment = 0 if now is None else time_of(now)
            if moment == 0 and now is not None:  # the beginning of 1970 means another time there
                return None
            found: Decision | None = None
            if type(subject) is not dict:
                found = self._ways[action](subject, resource, context, moment)
            if found is None:
                found = self._readings[action](subject, resource, context, moment)
        except Exception:  # noqa: BLE001 - what is amiss is found out, carefully, by the caller
            return None
        return found

    def decide_one(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any, moment: int
    ) -> Decision:
        """Decide one request of many."""
        if type(subject) is not dict:  # other parts may be
            found = self.decide_at(subject, action, resource, context, moment)
            if found is not None:
                return found
        try:
            return self.decide(subject, action, resource, context, moment, None, None)
        except InvalidRequest as refusal:
            return refused(refusal, self._program.digest)

    def validate(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any,
        now: datetime | str | int | None,
        fields: Collection[str] | None,
        entities: EntityStore | Iterable[EntityLike] | None,
    ) -> Request:
        """Return the request in canonical values; raises `InvalidRequest` with every problem."""
        return self.validator.validate(
            subject=subject,
            action=action,
            resource=resource,
            context=context,
            now=clock.now() if now is None else now,
            fields=fields,
            entities=entities,
            store=self._store,
        )

    # ---- doors --------------------------------------------------------------------------

    def door(self, action: str, subject: Any, resource: Any) -> Door | None:
        """Return the door for requests like this one, if one is open."""
        try:
            return self.doors.get((action, type_of(subject), type_of(resource)))
        except Exception:  # noqa: BLE001 - it is no request that fits
            return None

    def open_door(self, request: Request, *given: Any) -> None:
        """Let requests like this one, which is valid, in by a door, if there can be one.

        *given*: its parts as they came; dicts are read at the door from now on.
        """
        target = request.action, request.subject.type, request.resource.type
        if self._store is not None:
            return
        if target not in self.doors:
            if len(self.doors) >= _MOST_DOORS:
                return
            compiled, plan = self._program.compiled(target), self.validator.plan(target)
            self.doors[target] = make_door(compiled, plan)
            if self.doors[target] is not None:
                self._ways[request.action] = way_of_entities(self._doors_for(request.action))
        door = self.doors[target]
        if (
            door is not None
            and door.read is None
            and any(part is None or type(part) is dict for part in given)
        ):
            from policyengine.compiler.reader_codegen import decider  # most have built their parts

            door.read = decider(
                self._program.schema, target, door.needs, self._limits, door.decide,
                lines=door.compiled.looks_up,
            )  # fmt: skip
            self._readings[request.action] = way_of_dicts(self._doors_for(request.action))

    def _doors_for(self, action: str) -> list[Door]:
        doors = list(self.doors.items())  # another thread may open one
        return [door for target, door in doors if door is not None and target[0] == action]


def _entity_reader(type_: EntityType, needs: Needs, limits: Limits) -> Any:
    from policyengine.compiler.reader_codegen import entity_reader  # when the first dict comes

    return entity_reader(type_, needs, limits)


def _context_reader(type_: RecordType, needs: Needs, limits: Limits) -> Any:
    from policyengine.compiler.reader_codegen import context_reader

    return context_reader(type_, needs, limits)
