"""Give integrators one class: load a policy set, build entities, decide, explain.

Deciding never changes the engine, so threads may share one. A changed policy is a new engine: load
it, and put it in the place of the old one; if it does not load, the old one stays in force.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, overload

from policyengine.concurrency import cached_property, load_before_fork
from policyengine.decider import Decider
from policyengine.model.immutable import Immutable
from policyengine.model.limits import Limits, Undeclared
from policyengine.model.settings import (
    check_class,
    check_hook,
    check_seconds,
    check_truth,
)
from policyengine.prepared_set import PreparedSet

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from policyengine.bound import BoundAction, BoundSubject
    from policyengine.decide_each import Asked
    from policyengine.explain import Explanation
    from policyengine.explain.periods import Timeline
    from policyengine.intake.batches import Evaluations
    from policyengine.intake.intake import Intake
    from policyengine.intake.mapped_classes import AttributeSource
    from policyengine.intake.recorded_intake import OnDecision
    from policyengine.intake.store import EntityStore, UnknownEntities
    from policyengine.loaded_set import Loaded, Origin
    from policyengine.model.decision import Decision
    from policyengine.model.entities import Entity, EntityLike
    from policyengine.model.fulfilment import Handler
    from policyengine.model.records import Record
    from policyengine.model.request import Request
    from policyengine.model.types import Schema
    from policyengine.partial.residual import Residual
    from policyengine.reverse.page import Page
    from policyengine.runtime.compiled_rule import Function
    from policyengine.runtime.program import Program
    from policyengine.semantics.checked import CheckedSet
    from policyengine.tables.ibis_tables import DecidedTable

load_before_fork(
    "policyengine.bound", "policyengine.decide_each", "policyengine.decision_cache", "policyengine.pipeline", "policyengine.analysis",
    "policyengine.cache", "policyengine.compiler", "policyengine.diagnostics", "policyengine.explain",
    "policyengine.intake", "policyengine.loaded_set", "policyengine.model", "policyengine.reference", "policyengine.reverse",
    "policyengine.runtime", "policyengine.semantics",
)  # fmt: skip


class PolicyEngine(Decider, Immutable):
    """A policy set in force. Make one with `load` or `from_text`."""

    # Every decision reads the last two, and a slot is read faster.
    __slots__ = ("__dict__", "__weakref__", "_fast", "_times")

    def __init__(
        self, program: Program, checked: Callable[[], CheckedSet], *, limits: Limits,
        store: EntityStore | None = None, handlers: Mapping[str, Handler] | None = None,
        origin: Origin | None = None, prepared: PreparedSet | None = None,
        on_decision: OnDecision | None = None,
    ) -> None:  # fmt: skip
        self._program = program
        self._checked = checked
        self._limits = limits
        self._store = store
        self._fast: dict[str, Function] = {}  # by action: `FastPaths.by_action`
        self._times: dict[str, Callable[[object], int]] = {}  # `FastPaths.times`
        self._handlers = handlers or {}
        self._origin = origin
        self._on_decision = on_decision
        self._prepared = prepared or PreparedSet(program, checked, limits)

    @cached_property
    def _intake(self) -> Intake:
        """The intake of requests that no fast path takes; loaded with the first of them."""
        from policyengine.intake.intake import Intake

        parts, readers = (self._program, self._limits, self._store), self._prepared.readers
        if self._on_decision is None:
            return Intake(*parts, self._fast, self._times, readers)
        from policyengine.intake.recorded_intake import RecordedIntake

        return RecordedIntake(self._on_decision, *parts, readers)  # `decide` finds no fast path

    # ---- loading ------------------------------------------------------------------------

    @classmethod
    def load(
        cls,
        *paths: str | os.PathLike[str],
        store: EntityStore | None = None,
        obligations: Mapping[str, Handler] | Collection[str] | None = None,
        limits: Limits | None = None,
        cache: bool | str | os.PathLike[str] = False,
        undeclared: Undeclared = "refuse",
    ) -> PolicyEngine:
        """Load the policy files in *paths*; of a folder, every `*.policy` file below it.

        *store*: entities that requests may refer to by type and id. *obligations*: what you will
        fulfil, as names or with a handler each; None if you do not want that to be checked.
        *cache*: whether to keep what is compiled in the user's cache, or the folder to keep it in:
        loading the same files again then takes a fraction of the time, and decides the same.
        *undeclared*: whether requests with members that the set does not declare are refused, or decided
        without these (`"drop"`; `docs/authzen.md` says when).

        Raises `InvalidPolicy` with every diagnostic if anything is wrong with the set, and
        `UnhandledObligation` if a rule may owe what *obligations* does not list.
        """
        from policyengine.loaded_set import load_files

        limits = _limits(limits, undeclared)
        return cls._of(load_files(paths, obligations, limits, cache), store, limits)

    @classmethod
    def from_text(
        cls,
        *texts: str,
        store: EntityStore | None = None,
        obligations: Mapping[str, Handler] | Collection[str] | None = None,
        limits: Limits | None = None,
        undeclared: Undeclared = "refuse",
    ) -> PolicyEngine:
        """Load policy files from their texts; otherwise like `load`."""
        from policyengine.loaded_set import load_texts

        limits = _limits(limits, undeclared)
        return cls._of(load_texts(texts, obligations, limits), store, limits)

    @classmethod
    def _of(cls, loaded: Loaded, store: EntityStore | None, limits: Limits) -> PolicyEngine:
        return cls(
            loaded.program, loaded.checked, limits=limits,
            store=_store(store, loaded.program.schema), handlers=loaded.handlers, origin=loaded.origin,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Callable[..., PolicyEngine], tuple[object, ...]]:
        if self._handlers:
            raise TypeError(
                "an engine is pickled without code, and this one has functions that fulfil obligations:"
                " load one with their names alone, and call the functions where decisions are enforced"
            )
        if self._on_decision is not None:
            raise TypeError("an engine is pickled without its hook: `engine.with_record(None)`")
        origin = self._origin
        sources = self._checked().sources if origin is None else origin.sources
        texts = tuple((source.name, source.text) for source in sources.values())
        obligations = None if origin is None else origin.obligations
        return _loaded_again, (type(self), texts, self._store, obligations, self._limits)

    def warm(self, *actions: str, reasons: bool = False) -> None:
        """Compile the decision functions of *actions* ahead, of all actions if none is named.

        Without that, the first request for an action and types compiles their rules, and waits for it.
        A thread may warm a new engine before it takes the place of the old one. *reasons*: also the
        functions that make reasons. Raises `ValueError` for an action that there is not.
        """
        from policyengine.model.request_messages import check_names

        schema = self._program.schema
        check_truth("reasons", reasons)
        check_names("action", actions, schema.actions)
        for name in actions or schema.actions:
            action = schema.actions[name]
            for target in product((name,), action.subjects, action.resources):
                compiled = self._program.compiled(target)
                if reasons:
                    compiled.warm_reasons()

    def with_store(self, store: EntityStore | None) -> PolicyEngine:
        """Return an engine of this policy set with another store, or none, which is as warm as this one."""
        return self._with(_store(store, self.schema), self._on_decision)

    def with_record(self, on_decision: OnDecision | None) -> PolicyEngine:
        """Return an engine of this policy set that calls *on_decision* with each decision before it is given.

        So do the subjects that it binds, and what is made with it. If *on_decision* raises, the decision is not
        given: `NotRecorded` is raised. (`docs/record.md`)
        """
        check_hook("on_decision", on_decision)
        return self._with(self._store, on_decision)

    def _with(self, store: EntityStore | None, on_decision: OnDecision | None) -> PolicyEngine:
        return type(self)(
            self._program, self._checked, limits=self._limits, store=store, handlers=self._handlers,
            origin=self._origin, prepared=self._prepared, on_decision=on_decision,
        )  # fmt: skip

    def __repr__(self) -> str:
        count = len(self.rules)
        return f"<policy engine {self.digest[:12]}: {count} rule{'s' * (count != 1)}>"

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
        self, type: str, id: str, properties: Mapping[str, Any] | None = None, /, *,
        parents: Iterable[EntityLike] | None = None, **attributes: Any,
    ) -> Entity:  # fmt: skip
        """Build an entity, validated once and reusable for many decisions.

        Attributes are keywords or, where a keyword cannot name them, in *properties*. *parents*
        are needed where a rule asks `within`; an empty list says that there are none.

        Raises `InvalidRequest` with every problem.
        """
        return self._intake.entity(type, id, properties, attributes, parents)

    def context(
        self, action: str, values: Mapping[str, Any] | None = None, /, **attributes: Any
    ) -> Record:
        """Build the context of *action*, validated once and reusable for many decisions.

        Raises `InvalidRequest` with every problem.
        """
        return self._intake.context(action, values, attributes)

    def store(
        self, entities: Iterable[EntityLike] | str | bytes, unknown: UnknownEntities = "refuse"
    ) -> EntityStore:
        """Build an `EntityStore` for this engine's schema, from entities or a JSON array of them.

        *unknown*: how to treat a request that names an entity which is not in the store, and does not
        describe it: refuse it, or (`"bare"`) take the entity as one without attributes.

        Raises `InvalidRequest` with every problem.
        """
        return self._intake.store(entities, unknown)

    def register(
        self, class_: type, type: str, /, *,
        id: AttributeSource = "id", parents: AttributeSource = None, **attributes: AttributeSource,
    ) -> None:  # fmt: skip
        """Take objects of *class_* for entities of *type*, wherever an entity is taken: rows, models, dataclasses.

        *id*, *parents* and the attributes are read from an attribute of the object, by a `Ref` to an entity by its
        id, or by a function of the object; those that are not named by the same name, and those that are None never.
        Raises `TypeError` or `ValueError` for what is no class, type or attribute. (`docs/objects.md`)
        """
        self._intake.fast.register(class_, type, id, parents, attributes)

    def entity_of(self, given: object) -> Entity:
        """Build the entity that an object of a registered class says, with all its attributes, for a store."""
        return self._intake.entity_of(given)

    # ---- deciding -----------------------------------------------------------------------

    @overload
    def decide(self, request: Request, /) -> Decision: ...

    @overload
    def decide(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision: ...  # fmt: skip

    def decide(
        self, subject: Any, action: Any = None, resource: Any = None, context: Any = None, *,
        now: Any = None, fields: Any = None, entities: Any = None,
    ) -> Decision:  # fmt: skip
        """Decide whether *subject* may do *action* on *resource*, now or at *now*; or decide a `Request`.

        *context*: from `context` or a dict. *fields*: names of the resource's fields that are
        asked for. *entities*: others that the request refers to, or a store instead of the engine's.

        Raises `InvalidRequest` with every problem of a request that does not fit the schema.
        """
        if fields is None and entities is None:
            try:
                if type(action) is not str:  # it may lie about what it equals
                    action = str.__str__(action)
                found: Decision | None = (
                    self._fast[action](subject, resource, context)
                    if now is None
                    else self._fast[action](subject, resource, context, self._times[action](now))
                )
                if found is not None:
                    return found
            except Exception:  # noqa: BLE001, S110 - the intake reports what is wrong, below
                pass
        return self._intake.decide_parts(subject, action, resource, context, now, fields, entities)

    def decide_each(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another: it keeps none of them, nor any decision."""
        from policyengine.decide_each import Common, decide_each

        intake, common = self._intake, Common(now, fields, entities, most=self._limits.entities)
        rest = self._fast, intake.decide, self.digest, common
        return intake.each_recorded(requests, lambda some: decide_each(some, *rest))

    def decide_table(
        self, table: Any, mapping: Mapping[str, str] | None = None, *, now: str | None = None
    ) -> DecidedTable:
        """Decide each row of an Ibis table of requests, which is in DuckDB, in Polars, or in Spark, where it stays.

        The table in what is returned has these rows and the columns `allowed`, `cause`, `rules`, `exposed`,
        `masks`, `valid_until`, and `problem`: why a row is no request, which is then denied. *mapping*: the
        column of each part of a request (`"subject.id": "login"`), others are kept; without it, each column is a part.
        *now*: the moment of all requests, whatever they say.

        Raises `ValueError` (`UnfitTable`) if these are not the columns of requests.
        """
        from policyengine.tables import with_ibis

        each = self._store is not None or self._on_decision is not None  # to be decided here
        parts = table, mapping, now, None if each else (self._checked(), self._limits)
        decided: DecidedTable = with_ibis().decide_table(self, *parts)
        return decided

    def redact_table(
        self, table: Any, mapping: Mapping[str, str] | None = None, *, now: str | None = None,
        keep: Collection[str] = (), key: bytes | None = None,
    ) -> DecidedTable:  # fmt: skip
        """Decide as `decide_table`, and leave of each row what its decision shows, as `Decision.redact` does.

        Columns of the resource are NULL where they are hidden. For each mask by which rules show a field, there
        is a column of its own (`resource.born as year`). *keep*: columns that are no parts of requests, and
        are left as they are; without it, they are left out, as is the column `entities`. *key*: of pseudonyms.

        Raises `ValueError` (`UnfitTable`) as `decide_table`, `TypeError` if *key* is needed.
        """
        fields = [rule.fields.values() for rule in self._checked().rules if rule.fields]
        spellings = {spelling for of_types in fields for shown in of_types for spelling in shown}
        from policyengine.tables import with_ibis

        parts = table, mapping, now, keep, spellings, key
        left: DecidedTable = with_ibis().redact_table(self, *parts)
        return left

    @overload
    def bind(
        self, subject: EntityLike, action: None = None, *, max_age: timedelta | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> BoundSubject: ...  # fmt: skip

    @overload
    def bind(
        self, subject: EntityLike, action: str, *, max_age: timedelta | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> BoundAction: ...  # fmt: skip

    def bind(
        self, subject: EntityLike, action: str | None = None, *, max_age: timedelta | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> BoundSubject | BoundAction:  # fmt: skip
        """Bind *subject*, to ask much about it: what depends on it alone is evaluated once.

        Returns a `BoundSubject`, whose `decide` takes the rest: action, resource and context;
        with *action* a `BoundAction`, whose `decide` takes resource and context. *max_age*: for how
        long it may be used, for it does not see that the subject changes. *entities*: others that the subject
        refers to, which come along with it, or a store instead of the engine's, by which its requests are decided, too.

        Raises `InvalidRequest` if the subject does not fit the schema, or no such subject does *action*, or anything.
        """
        from policyengine.bound import BoundAction, BoundSubject
        from policyengine.intake.store import EntityStore

        done = None if action is None else self._intake.action(action)
        built = self._intake.subject(subject, done, entities)
        # What the requests name is looked up there as well: what is in no store is not one without attributes.
        engine = self.with_store(entities) if isinstance(entities, EntityStore) else self
        bound = BoundSubject(engine, built, max_age)
        return bound if done is None else BoundAction(bound, done.name)

    def partial(
        self,
        *,
        action: str,
        subject: EntityLike | None = None,
        resource: EntityLike | None = None,
        context: Any = None,
        subject_type: str | None = None,
        resource_type: str | None = None,
        unknowns: Iterable[str] = (),
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Residual:
        """Decide a request as far as it is known, and say what is left to decide.

        A part that is not given is unknown: the subject, the resource, or the context (`{}` for one
        without anything). So is what is not given of a part and must be, and each path in *unknowns*:
        `context.purposes`. *subject_type*, *resource_type*: of an unknown part, if it may have several.

        Raises `InvalidRequest` with every problem of what does not fit the schema; `ValueError` for an
        action, a type or a path that there is not, `TypeError` for *unknowns* that are no strings.
        """
        from policyengine.intake.raw import raw_request

        raw = raw_request(subject, action, resource, context, now, fields, entities)
        return self._left_of(raw, (subject_type, resource_type), unknowns)

    @cached_property
    def _left_of(self) -> Callable[..., Residual]:
        """What `partial` asks."""
        from policyengine.partial.decide_partially import PartialDecider

        intake = self._intake
        parts = self._prepared.partial_rules, intake.validator, self._store
        decide = intake.decide_whole
        return PartialDecider(self.schema, *parts, decide).left_of

    # ---- reverse questions --------------------------------------------------------------

    def actions(
        self, subject: EntityLike, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Page[str]:  # fmt: skip
        """Say which actions *subject* may do on *resource*: those for which `decide` allows the request.

        The page is complete. An action whose context must have what *context* has not, or has not what it
        has, is among its `unfit`.

        Raises `InvalidRequest` if the request fits for no action, with the problems that it has for the first.
        """
        from policyengine.intake.raw import raw_request
        from policyengine.reverse.allowed_actions import allowed_actions

        raw = raw_request(subject, None, resource, context, now, fields, entities)
        return allowed_actions(raw, schema=self.schema, intake=self._intake, store=self._store)

    def resources(
        self, subject: EntityLike, action: str, type: str | None = None, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None, limit: int = 1_000,
        token: str | None = None,
    ) -> Page[Entity]:  # fmt: skip
        """Say on which entities of a store *subject* may do *action*: those for which `decide` allows the request.

        *type*: that of the resources, if the action takes several. The store is the engine's, or *entities*.
        A page has at most *limit* items; if its `token` is not None there is more, for a caller who asks the same
        with that *token*. What follows from the policies is found by an index, not by trying all.

        Raises `InvalidRequest` with every problem of a request that does not fit, or of a token of another
        question; `ValueError` if there is no store, or *limit* is not from 1 to 10,000.
        """
        parts = subject, action, None, context, now, fields, entities
        return self._search("resource", parts, type, limit, token)

    def subjects(
        self, action: str, resource: EntityLike, type: str | None = None, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None, limit: int = 1_000,
        token: str | None = None,
    ) -> Page[Entity]:  # fmt: skip
        """Say which entities of a store may do *action* on *resource*; like `resources`."""
        parts = None, action, resource, context, now, fields, entities
        return self._search("subject", parts, type, limit, token)

    def _search(
        self, unknown: Literal["subject", "resource"], parts: Any, type_: Any, limit: int, token: Any,
    ) -> Page[Entity]:  # fmt: skip
        from policyengine.intake.raw import raw_request
        from policyengine.reverse.store_search import search

        return search(
            unknown, raw_request(*parts), type_, digest=self.digest, intake=self._intake,
            store=self._store, left_of=self._left_of, limit=limit, token=token,
        )  # fmt: skip

    def explain(
        self, subject: EntityLike | Request, action: str | None = None,
        resource: EntityLike | None = None, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None, seconds: float | None = 10.0,
    ) -> Explanation:  # fmt: skip
        """Say why a request is decided as it is: gate by gate, with the values that decided.

        Takes what `decide` takes, or `decision.request`. *seconds*: how long at most to search for what would allow
        it, None for as many steps as a search may take. Raises `TimeoutError`, but with None, if the rest looks at
        more than 1,500,000 elements of sets.
        """
        from policyengine.explain import MOST_EXPLAINED, explain, limited_unless_set
        from policyengine.intake.raw import given_request

        if seconds is not None:
            check_seconds("seconds", seconds, least=0)
        parts = subject, action, resource, context, now, fields, entities
        request = self._intake.request(given_request(*parts))
        with limited_unless_set(None if seconds is None else MOST_EXPLAINED):
            return explain(self._checked(), request, seconds=seconds)

    def timeline(
        self,
        subject: EntityLike,
        action: str,
        resource: EntityLike,
        context: Any = None,
        *,
        since: datetime | str = "2018-01-01",
        until: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Timeline:
        """Say when the answer to a request changes, and why; `ValueError` where that cannot be said."""
        from policyengine.explain.answers_over_time import timeline_of
        from policyengine.intake.raw import raw_request

        raw = raw_request(subject, action, resource, context, since, fields, entities)
        return timeline_of(self._checked(), self._intake.request(raw), until)

    def decide_request(
        self, data: bytes | str | Mapping[str, Any], *, accept_now: bool = False,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:  # fmt: skip
        """Decide a request in AuthZEN's JSON, or one that was parsed; never raises for what it says.

        A request that does not fit is denied, with the cause `invalid_request` and its `problems`. A `now` in
        the request is refused unless *accept_now*: it could revive what has run out. *entities*: beside those of
        the request, or a store that takes the place of the engine's.
        """
        return self._intake.decide_request(data, accept_now, entities)

    def decide_json(
        self, data: bytes | str | Mapping[str, Any], *, accept_now: bool = False,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> bytes:  # fmt: skip
        """Decide as `decide_request`, and answer in JSON."""
        return self._intake.decide_request(data, accept_now, entities).to_bytes()

    def evaluations(
        self, data: bytes | str | Mapping[str, Any], *, accept_now: bool = False,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Evaluations:  # fmt: skip
        """Decide a batch in AuthZEN's JSON, at one moment; never raises for what it says (`docs/authzen.md`)."""
        return self._intake.evaluations(data, accept_now, entities)

    def fulfil(self, decision: Decision) -> None:
        """Call the handler of each obligation of *decision*, in order; of a deny as of an allow.

        A handler with a parameter `deny`, which no obligation has, gets whether it is a deny.

        Raises `UnhandledObligation` after that, if obligations have no handler: `load` gives them by name.
        """
        from policyengine.model.fulfilment import fulfil

        fulfil(decision, self._handlers)


def _limits(given: Limits | None, undeclared: Undeclared) -> Limits:
    check_class("limits", given, Limits)
    return (given or Limits()).taking(undeclared)


def _store(given: EntityStore | None, schema: Schema) -> EntityStore | None:
    if given is not None:
        from policyengine.intake.store import EntityStore

        check_class("store", given, EntityStore, "make one with `engine.store`")
        if not given.fits(schema):
            raise ValueError("`store` is of other entity types: make it again for this engine")
    return given


def _loaded_again(
    class_: type[PolicyEngine],
    texts: Iterable[tuple[str, str]],
    store: EntityStore | None,
    obligations: Collection[str] | None,
    limits: Limits,
) -> PolicyEngine:
    """Load an engine that was pickled, from the texts that it was loaded from."""
    from policyengine.diagnostics.source import Source
    from policyengine.loaded_set import load_sources

    sources = {name: Source(name, text) for name, text in texts}
    loaded = load_sources(sources, (), obligations, limits)
    return class_._of(loaded, store, limits)  # noqa: SLF001 - its own
