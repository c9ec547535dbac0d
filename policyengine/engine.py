"""Face the integrator: load a policy set, build entities, decide, explain.

Deciding never changes the engine, so threads may share one. A changed policy is a new engine: load
it, and put it in the place of the old one; if it does not load, the old one stays in force.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

from policyengine.model.decision import Decision, refused
from policyengine.model.documents import (
    answer_document,
    read_document,
    read_plain,
    refusal_document,
)
from policyengine.model.entities import Entity, build_entity
from policyengine.model.errors import InvalidPolicy, InvalidRequest, UnhandledObligation
from policyengine.model.limits import Limits
from policyengine.model.needs import Needs
from policyengine.model.plain import MakeReaders, time_of, type_of
from policyengine.model.plans import depth
from policyengine.model.request import Request, Validator, build_context
from policyengine.model.store import EntityStore
from policyengine.model.types import EntityType, RecordType, Schema
from policyengine.runtime import clock
from policyengine.runtime.doors import Door, make_door, way_of_dicts, way_of_entities
from policyengine.runtime.program import Program, TargetKey
from policyengine.runtime.rules import Function

if TYPE_CHECKING:
    from policyengine.bound import BoundAction, BoundSubject
    from policyengine.cache.folder import Cache
    from policyengine.explain import Explanation
    from policyengine.semantics.checked import CheckedSet

EntityLike: TypeAlias = Entity | Mapping[str, Any]
"""An entity from `PolicyEngine.entity`, or `{"type", "id", "properties", "parents"}` as a dict."""

Handler: TypeAlias = Callable[..., object]
"""Fulfils an obligation; called with its parameters by name."""

_MOST_DOORS: Final = 4_096


class PolicyEngine:
    """A policy set in force. Make one with `load` or `from_text`."""

    def __init__(
        self,
        program: Program,
        checked: Callable[[], CheckedSet],
        *,
        limits: Limits,
        store: EntityStore | None = None,
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        self._program = program
        self._checked = checked
        self._limits = limits
        self._store = store
        readers = MakeReaders(_entity_reader, _context_reader)
        self._validator = Validator(program.schema, program.needs, limits, readers)
        self._is_shallow = depth(program.schema) <= limits.document_depth
        self._doors: dict[TargetKey, Door | None] = {}  # None: there can be none
        self._ways: dict[str, Function] = {}  # by action: what decides about plain parts
        self._readings: dict[str, Function] = {}  # the same for dicts
        self._handlers = handlers or {}

    # ---- loading ------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        *paths: str | os.PathLike[str],
        store: EntityStore | None = None,
        obligations: Mapping[str, Handler] | Collection[str] | None = None,
        limits: Limits | None = None,
        cache: bool | str | os.PathLike[str] = False,
    ) -> PolicyEngine:
        """Load the policy files in *paths*; of a folder, every `*.policy` file below it.

        *store*: entities that requests may refer to by type and id. *obligations*: what you will
        fulfil, as names or with a handler each; None if you do not want that to be checked.
        *cache*: whether to keep what is compiled in the user's cache, or the folder to keep it in:
        loading the same files again then takes a fraction of the time, and decides alike.

        Raises `InvalidPolicy` with every diagnostic if anything is wrong with the set, and
        `UnhandledObligation` if a rule may owe what *obligations* does not list.
        """
        from policyengine.pipeline import read_sources  # loading from text is what needs Lark

        limits = limits or Limits()
        sources, found = read_sources(paths, limits)
        folder = None if isinstance(cache, bool) else cache
        opened = None
        if cache is not False:
            from policyengine.cache.key import open_cache

            opened = open_cache(folder)
        return cls._from_sources(sources, found, store, obligations, limits, opened)

    @classmethod
    def from_text(
        cls,
        *texts: str,
        store: EntityStore | None = None,
        obligations: Mapping[str, Handler] | Collection[str] | None = None,
        limits: Limits | None = None,
    ) -> PolicyEngine:
        """Load policy files from their texts; otherwise like `load`."""
        from policyengine.diagnostics.source import Source

        names = (f"text {number}" for number in range(1, len(texts) + 1))
        sources = {name: Source(name, text) for name, text in zip(names, texts, strict=True)}
        return cls._from_sources(sources, (), store, obligations, limits or Limits())

    @classmethod
    def _from_sources(
        cls,
        sources: Mapping[str, Any],
        found: Iterable[Any],
        store: EntityStore | None,
        obligations: Mapping[str, Handler] | Collection[str] | None,
        limits: Limits,
        cache: Cache | None = None,
    ) -> PolicyEngine:
        from policyengine.pipeline import LoadedSet, load_set

        loaded = load_set(sources, limits, tuple(found), cache)
        if not isinstance(loaded, LoadedSet):
            from policyengine.diagnostics.render import render_all

            raise InvalidPolicy(loaded, render_all(loaded))
        if obligations is not None:
            unhandled = sorted(loaded.owed - set(obligations))
            if unhandled:
                raise UnhandledObligation(tuple(unhandled))
        handlers = obligations if isinstance(obligations, Mapping) else None
        return cls(loaded.program, loaded.checked, limits=limits, store=store, handlers=handlers)

    # ---- what is in force ---------------------------------------------------------------

    @property
    def digest(self) -> str:
        """The name of the policy set's content, as every decision carries it."""
        return self._program.digest

    @property
    def schema(self) -> Schema:
        """The declared vocabulary."""
        return self._program.schema

    @property
    def rules(self) -> frozenset[str]:
        """The ids of the rules (`gate.rule`), as decisions name them."""
        return frozenset(rule.id for rule in self._checked().rules)

    # ---- building -----------------------------------------------------------------------

    def entity(
        self,
        type: str,
        id: str,
        properties: Mapping[str, Any] | None = None,
        /,
        *,
        parents: Iterable[EntityLike] | None = None,
        **attributes: Any,
    ) -> Entity:
        """Build an entity, validated once and reusable for many decisions.

        Attributes are keywords or, where a keyword cannot name them, in *properties*. *parents*
        are needed where a rule asks `within`; an empty list says that there are none.

        Raises `InvalidRequest` with every problem.
        """
        given = {**(properties or {}), **attributes}
        return build_entity(self.schema, self._limits, type, id, given, parents=parents)

    def context(
        self, action: str, values: Mapping[str, Any] | None = None, /, **attributes: Any
    ) -> Any:
        """Build the context of *action*, validated once and reusable for many decisions.

        Raises `InvalidRequest` with every problem.
        """
        given = {**(values or {}), **attributes}
        return build_context(self.schema, self._limits, action, given)

    def store(self, entities: Iterable[EntityLike] | str | bytes) -> EntityStore:
        """Build an `EntityStore` for this engine's schema, from entities or a JSON array of them."""
        if isinstance(entities, str | bytes):
            return EntityStore.from_json(self.schema, entities, self._limits)
        return EntityStore(self.schema, entities, self._limits)

    # ---- deciding -----------------------------------------------------------------------

    def decide(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any = None,
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:
        """Decide whether *subject* may do *action* on *resource*, now or at *now*.

        *context*: from `context` or a dict. *fields*: names of the resource's fields that are
        asked for. *entities*: others that the request refers to.

        Raises `InvalidRequest` with every problem of a request that does not fit the schema.
        """
        if now is None and fields is None and entities is None:
            found: Decision | None = None
            try:
                if type(subject) is not dict:
                    found = self._ways[action](subject, resource, context)
                if found is None:
                    found = self._readings[action](subject, resource, context)
            except Exception:  # noqa: BLE001, S110 - what is amiss is found out, carefully, below
                pass
            if found is not None:
                return found
        elif fields is None and entities is None:
            found = self._decide_at(subject, action, resource, context, now)
            if found is not None:
                return found
        request = self._validate(subject, action, resource, context, now, fields, entities)
        self._open_door(request, subject, resource, context)
        return self._program.decide(request)

    def _decide_at(
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

    def decide_many(
        self,
        requests: Iterable[tuple[EntityLike, str, EntityLike, Any]],
    ) -> list[Decision]:
        """Decide many requests at one moment: (subject, action, resource, context) each.

        Like `decide` in a loop, but a request that does not fit the schema stops nothing: its
        decision is a deny with the cause `invalid_request`, and the reason names every problem.
        """
        moment = clock.now()
        ways, readings, decisions = self._ways, self._readings, list[Decision]()
        add = decisions.append
        for subject, action, resource, context in requests:
            try:
                way = readings[action] if type(subject) is dict else ways[action]
                found = way(subject, resource, context, moment)
            except Exception:  # noqa: BLE001 - what is amiss is found out, carefully, below
                found = None
            if found is None:
                found = self._decide_one(subject, action, resource, context, moment)
            add(found)
        return decisions

    def _decide_one(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any, moment: int
    ) -> Decision:
        """Decide one request of many."""
        if type(subject) is not dict:  # other parts may be
            found = self._decide_at(subject, action, resource, context, moment)
            if found is not None:
                return found
        try:
            request = self._validate(subject, action, resource, context, moment, None, None)
        except InvalidRequest as refusal:
            return refused(refusal, self.digest)
        self._open_door(request, subject, resource, context)
        return self._program.decide(request)

    @overload
    def bind(
        self, subject: EntityLike, action: None = None, *, max_age: timedelta | None = None
    ) -> BoundSubject: ...

    @overload
    def bind(
        self, subject: EntityLike, action: str, *, max_age: timedelta | None = None
    ) -> BoundAction: ...

    def bind(
        self,
        subject: EntityLike,
        action: str | None = None,
        *,
        max_age: timedelta | None = None,
    ) -> BoundSubject | BoundAction:
        """Bind *subject*, to ask much about it: what hangs on it alone is decided once.

        Returns a `BoundSubject`, whose `decide` takes what is left: action, resource and context;
        with *action* a `BoundAction`, whose `decide` takes resource and context. *max_age*: for how
        long it may be used, for it does not see that the subject changes.

        Raises `InvalidRequest` if the subject does not fit the schema.
        """
        from policyengine.bound import BoundAction, BoundSubject

        if not isinstance(subject, Entity):
            subject = self.entity(
                subject["type"], subject["id"], subject.get("properties"),
                parents=subject.get("parents"),
            )  # fmt: skip
        bound = BoundSubject(self, subject, max_age)
        return bound if action is None else BoundAction(bound, action)

    def _door(self, action: str, subject: Any, resource: Any) -> Door | None:
        """Return the door for requests like this one, if one is open."""
        try:
            return self._doors.get((action, type_of(subject), type_of(resource)))
        except Exception:  # noqa: BLE001 - it is no request that fits
            return None

    def _open_door(self, request: Request, *given: Any) -> None:
        """Let requests like this one, which is valid, in by a door, if there can be one.

        *given*: its parts as they came; dicts are read at the door from now on.
        """
        target = request.action, request.subject.type, request.resource.type
        if self._store is not None:
            return
        if target not in self._doors:
            if len(self._doors) >= _MOST_DOORS:
                return
            compiled, plan = self._program.compiled(target), self._validator.plan(target)
            self._doors[target] = make_door(self.schema, compiled, plan)
            if self._doors[target] is not None:
                self._ways[request.action] = way_of_entities(self._doors_for(request.action))
        door = self._doors[target]
        if (
            door is not None
            and door.read is None
            and any(part is None or type(part) is dict for part in given)
        ):
            from policyengine.compiler.reading import decider  # most have built their parts

            needs = self._validator.plan(target).needs
            door.read = decider(self.schema, target, needs, self._limits, door.decide)
            self._readings[request.action] = way_of_dicts(self._doors_for(request.action))

    def _doors_for(self, action: str) -> list[Door]:
        doors = list(self._doors.items())  # another thread may open one
        return [door for target, door in doors if door is not None and target[0] == action]

    def _validate(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any,
        now: datetime | str | int | None,
        fields: Collection[str] | None,
        entities: EntityStore | Iterable[EntityLike] | None,
    ) -> Request:
        return self._validator.validate(
            subject=subject,
            action=action,
            resource=resource,
            context=context,
            now=clock.now() if now is None else now,
            fields=fields,
            entities=entities,
            store=self._store,
        )

    def explain(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any = None,
        *,
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Explanation:
        """Say why a request is decided as it is: gate by gate, with the values that decided.

        Takes what `decide` takes, and as long as a debugger may.
        """
        from policyengine.explain import explain

        request = self._validate(subject, action, resource, context, now, fields, entities)
        return explain(self._checked(), request)

    def decide_json(
        self,
        data: bytes | str,
        *,
        accept_now: bool = False,
        entities: EntityStore | None = None,
    ) -> bytes:
        """Decide a request in AuthZEN's JSON, and answer in the same; never raises for what it says.

        A request that does not fit is answered with `"decision": false`, the cause
        `invalid_request` and every problem. A `now` in the request is refused unless
        *accept_now*: it could revive what has run out. *entities*: a store that takes the place of
        the engine's, beside the `entities` of the request.
        """
        store = self._store if entities is None else entities
        decision = self._decide_plain(data, accept_now, store) if self._is_shallow else None
        if decision is not None:
            return answer_document(decision)
        try:
            envelope = read_document(data, self._limits, accept_now=accept_now)
        except InvalidRequest as refusal:
            return refusal_document(refusal, self.digest)
        try:
            request = self._validator.validate(
                subject=envelope.subject,
                action=envelope.action,
                resource=envelope.resource,
                context=envelope.context,
                now=clock.now() if envelope.now is None else envelope.now,
                fields=envelope.fields,
                entities=envelope.entities,
                store=store,
            )
        except InvalidRequest as refusal:
            return refusal_document(refusal, self.digest, envelope.ignored)
        if entities is None:
            self._open_door(request, envelope.subject)
        return answer_document(self._program.decide(request), envelope.ignored)

    def _decide_plain(
        self,
        data: bytes | str,
        accept_now: bool,  # noqa: FBT001 - as it was given
        store: EntityStore | None,
    ) -> Decision | None:
        """Decide a request in JSON that is plainly valid; None if it must be looked at closely."""
        parts = read_plain(data, self._limits, accept_now=accept_now)
        if parts is None:
            return None
        subject, action, resource, context, now, fields, others = parts
        if store is None and fields is None and others is None:
            decision = self._decide_at(subject, action, resource, context, now)
            if decision is not None:
                return decision
        moment = clock.now() if now is None else now
        request = self._validator.plain(
            subject, action, resource, context, moment, fields, others, store
        )
        return None if request is None else self._program.decide(request)

    def fulfil(self, decision: Decision) -> None:
        """Call the handler of each obligation of *decision*, in order."""
        for obligation in decision.obligations:
            self._handlers[obligation.name](**obligation.parameters)


def _entity_reader(type_: EntityType, needs: Needs, limits: Limits) -> Any:
    from policyengine.compiler.reading import entity_reader  # when the first dict comes

    return entity_reader(type_, needs, limits)


def _context_reader(type_: RecordType, needs: Needs, limits: Limits) -> Any:
    from policyengine.compiler.reading import context_reader

    return context_reader(type_, needs, limits)
