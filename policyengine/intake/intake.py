"""Take the requests of one engine: build their parts, read them, decide them.

There is one order of trying, for every form in which a request comes in: the fast path of its target,
if a valid request for it was seen before, else full validation, which alone says what is wrong. The
engine loads this with the first request, or the first part that is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, ClassVar, Final, TypeVar

from policyengine.intake.authzen import RequestDecoder, read_document
from policyengine.intake.batches import Evaluations, decide_batch, read_batch
from policyengine.intake.build import action_of, build_context, build_entity
from policyengine.intake.fast_path import FastPaths, name_of, time_of_caller
from policyengine.intake.foreign import as_list, first_of, plain
from policyengine.intake.raw import RawRequest, asked_request, given_request
from policyengine.intake.readers import Readers
from policyengine.intake.store import EntityStore, UnknownEntities, problem_of
from policyengine.intake.validation import Validator
from policyengine.model.decision import Decision, refused
from policyengine.model.entities import Entity, EntityLike
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.gaps import SUBJECT
from policyengine.model.limits import Limits
from policyengine.model.records import Record
from policyengine.model.request_messages import suggesting_as_one
from policyengine.model.settings import check_truth
from policyengine.model.types import ActionType
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import to_datetime
from policyengine.runtime import clock
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.program import Program

T = TypeVar("T")

_MANY: Final = 10
"""Requests of which a batch may report as many problems as there may be; of those after them, it reports one each."""


class Intake:
    """Takes the requests of one engine, which has *program*, *limits* and *store*.

    *readers*: those of an engine that has the same program and limits.
    """

    def __init__(
        self,
        program: Program,
        limits: Limits,
        store: EntityStore | None,
        by_action: dict[str, Function],
        times: dict[str, Callable[[object], int]],
        readers: Readers | None = None,
    ) -> None:
        self.fast = FastPaths(program, limits, store, by_action, times, readers)
        self._objects = self.fast.readers.objects
        self.validator = Validator(program.schema, program.needs, limits, self._objects)
        self._program = program
        self._limits = limits
        self._store = store
        self._decoder = RequestDecoder(program.schema, limits)

    # ---- building -----------------------------------------------------------------------

    def entity(
        self,
        type_: str,
        id_: str,
        properties: Mapping[str, Any] | None,
        attributes: Mapping[str, Any],
        parents: Iterable[EntityLike] | None,
    ) -> Entity:
        """Build an entity; raises `InvalidRequest`."""
        given = _together(properties, attributes)
        raw: dict[str, object] = {"type": type_, "id": id_}
        if given is not None:
            raw["properties"] = given
        if parents is not None:
            most = self._limits.ancestors
            raw["parents"] = (
                first_of(parents, most + 1) if isinstance(parents, Iterator) else parents
            )
        built = self.fast.readers.entity(raw)
        return build_entity(self._program.schema, self._limits, raw) if built is None else built

    def subject(self, raw: EntityLike, action: ActionType | None, entities: Any) -> Entity:
        """Return the subject of requests to come, as it is known now; raises `InvalidRequest`.

        *action*: the one that it is to do; None if it may be any. *entities*: as for a decision.
        """
        schema, most = self._program.schema, self._limits.entities
        types = (one.subjects for one in ([action] if action else schema.actions.values()))
        allowed = tuple(dict.fromkeys(chain.from_iterable(types))) or None
        given, others = _store_and_others(entities, most)
        store = self._store if given is None else given
        wrong = None if store is None else problem_of(store, schema)
        if wrong is not None and given is not None:
            raise InvalidRequest([Problem("PE528", "store", wrong)])
        subject, led_to = self._objects.subject(raw)
        if isinstance(others, list):  # what is none is reported
            others = [self._objects.whole(one) for one in others]
        store = None if wrong else store  # every request is refused for that
        return build_entity(schema, self._limits, subject, SUBJECT, store, others, led_to, allowed)

    def entity_of(self, given: object) -> Entity:
        """Build the entity that an object says; raises `InvalidRequest`."""
        if self._objects.find(type(given)) is None:
            raise TypeError(f"{type(given)!r} is not registered: `engine.register` its class")
        return build_entity(self._program.schema, self._limits, self._objects.whole(given))

    def action(self, raw: object) -> ActionType:
        """Return an action by its name; raises `InvalidRequest` if there is none."""
        return action_of(self._program.schema, self._limits, raw)

    def context(
        self, action: str, values: Mapping[str, Any] | None, attributes: Mapping[str, Any]
    ) -> Record:
        """Build the context of *action*; raises `InvalidRequest`."""
        given = _together(values, attributes)
        raw = {} if given is None else given
        built = self.fast.readers.context(action, raw)
        if built is None:
            return build_context(self._program.schema, self._limits, action, raw)
        return built

    def store(
        self, entities: Iterable[EntityLike] | str | bytes, unknown: UnknownEntities
    ) -> EntityStore:
        """Build a store; raises `InvalidRequest`."""
        given: Any = plain(entities)
        if isinstance(given, str | bytes):
            return EntityStore.from_json(self._program.schema, given, self._limits, unknown)
        if self._objects and isinstance(given, Iterable) and not isinstance(given, dict):
            given = map(self._objects.whole, given)
        return EntityStore(self._program.schema, given, self._limits, unknown)

    # ---- deciding -----------------------------------------------------------------------

    def request(self, raw: RawRequest) -> ValidRequest:
        """Return a request in canonical values; raises `InvalidRequest` with every problem."""
        read = self._objects.request(raw)
        request = self.fast.read(read)
        if request is None:
            request = self._validated(read)
            raw.ignored = read.ignored
        return request

    def decide_parts(
        self, subject: Any, action: Any, resource: Any, context: Any, now: Any, fields: Any, entities: Any
    ) -> Decision:  # fmt: skip
        """Decide the request of these parts, in the order of `raw_request`."""
        if type(entities) is list and not self._objects.by_class:  # they may be read again
            decision = self._decide_quickly(
                subject, action, resource, context, now, fields, entities
            )
            if decision is not None:
                return decision
        return self.decide(given_request(subject, action, resource, context, now, fields, entities))

    def decide(self, raw: RawRequest) -> Decision:
        """Decide a request; raises `InvalidRequest` with every problem."""
        raw = self._objects.request(raw)
        decision = self._decide_quickly(
            raw.subject, raw.action, raw.resource, raw.context, raw.now, raw.fields, raw.entities, raw.store
        )  # fmt: skip
        if decision is None:
            decision = self._program.decide(self._validated(raw))
        return decision.ignoring(raw.ignored)

    def decide_whole(self, raw: RawRequest) -> Decision:
        """Decide a request, and record the decision if decisions are; raises as `decide`."""
        return self.recorded(lambda: self.decide(raw), raw)

    def _decide_quickly(
        self, subject: Any, action: Any, resource: Any, context: Any, now: Any, fields: Any, entities: Any,
        store: EntityStore | None = None,
    ) -> Decision | None:  # fmt: skip
        """Decide a request that is valid without further checks; None if it must be validated.

        It takes the parts of a `RawRequest`, which takes as long to make as some of the decision.
        """
        if fields is None and store is None:
            try:
                if type(action) is not str:
                    action = name_of(action)
                moment = 0 if now is None else time_of_caller(now)
                found: Decision | None
                if entities is None:
                    found = self.fast.by_action[action](subject, resource, context, moment)
                else:
                    read = self.fast.reader(action, subject, resource)
                    found = read(subject, resource, context, moment, entities)
            except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
                return None
            return found
        raw = RawRequest(subject, action, resource, context, now, fields, entities, store)
        request = self.fast.read(raw)
        return None if request is None else self._program.decide(request)

    def _validated(self, raw: RawRequest) -> ValidRequest:
        request = self.validator.validate(raw, self._store)
        self.fast.open((request.action, request.subject.type, request.resource.type))
        return request

    def decide_request(
        self,
        data: Any,
        accept_now: bool,  # noqa: FBT001 - as it was given
        entities: Any,
    ) -> Decision:
        """Decide a request in JSON, or one that was parsed; never raises for what it says."""
        check_truth("accept_now", accept_now)
        store, others = _store_and_others(entities, self._limits.entities)
        is_plain = isinstance(others, list) and not others
        parts = None if not is_plain else self._decoder.decode_plainly(data, accept_now)
        if parts is not None:
            decision = self._decide_quickly(*parts, store=store)
            if decision is not None:
                return decision
        try:
            raw = read_document(data, self._limits, accept_now=accept_now)
        except InvalidRequest as refusal:
            return refused(refusal, self._program.digest)
        return self._decided(raw, store, others)

    def _decided(
        self, raw: RawRequest, store: EntityStore | None, others: Any, most: int | None = None
    ) -> Decision:
        """Decide a request with what the service knows; if it does not fit, it is denied with *most* problems."""
        _give(raw, store, others)
        try:
            return self.decide(raw)
        except InvalidRequest as refusal:
            asked, first = asked_request(raw), InvalidRequest(refusal.problems[:most])
            return refused(first, self._program.digest, asked).ignoring(raw.ignored)

    def evaluations(
        self,
        data: Any,
        accept_now: bool,  # noqa: FBT001 - as it was given
        entities: Any,
    ) -> Evaluations:
        """Decide a batch in JSON, or one that was parsed; never raises for what it says."""
        check_truth("accept_now", accept_now)
        store, others = _store_and_others(entities, self._limits.entities)
        moment, reported, most = to_datetime(clock.now()), 0, _MANY * self._limits.problems

        def decide(read: RawRequest | InvalidRequest) -> Decision:
            nonlocal reported
            if isinstance(read, InvalidRequest):
                return refused(read, self._program.digest)
            read.now = moment if read.now is None else read.now
            decision = self._decided(read, store, others, 1 if reported > most else None)
            reported += len(decision.problems)
            return decision

        try:
            batch = read_batch(data, self._limits, accept_now=accept_now)
        except InvalidRequest as refusal:
            unfit = refusal  # which Python forgets when this ends
            single = self._recorded(lambda: decide(unfit))
            return Evaluations((single,), problems=unfit.problems)
        with suggesting_as_one():
            return decide_batch(batch, lambda read: self._recorded(lambda: decide(read)))

    # ---- recording ----------------------------------------------------------------------

    is_recorded: ClassVar[bool] = False
    """Whether each decision is recorded, as `RecordedIntake` does."""

    waits: bool = False
    """Whether a decision is given when its record was written, so that an event loop asks in a thread."""

    def recorded(
        self,
        decide: Callable[[], Decision],
        raw: RawRequest,  # noqa: ARG002 - for `RecordedIntake`
    ) -> Decision:
        """Return what *decide* gives, or raise the `InvalidRequest` that it raises for *raw*."""
        return decide()

    def each_recorded(
        self, requests: Iterable[T], decide: Callable[[Iterable[T]], Iterator[Decision]]
    ) -> Iterator[Decision]:
        """Give what *decide* gives of *requests*."""
        return decide(requests)

    def record_refusal(self, refusal: InvalidRequest, raw: RawRequest) -> None:
        """Record that *raw* was refused before it came here."""

    def _recorded(self, decide: Callable[[], Decision]) -> Decision:
        """Return what *decide* gives, of a request that is denied if it does not fit."""
        return decide()


def _store_and_others(entities: Any, most: int) -> tuple[EntityStore | None, Any]:
    """Return the store that takes the place of the engine's, or at most *most* entities, and the first too many.

    What is neither is returned in place of the entities, to be reported.
    """
    if entities is None:
        return None, []
    if issubclass(type(entities), EntityStore):  # what it says it is may be another thing
        return entities, []
    return None, as_list(entities, most)


def _give(raw: RawRequest, store: EntityStore | None, others: Any) -> None:
    """Give a request what the service knows."""
    raw.store = store
    own = () if raw.entities is None else plain(raw.entities)
    if not isinstance(others, list):  # what is none is reported
        raw.entities = others
    elif others and isinstance(own, list | tuple):
        raw.entities = [*own, *others]


def _together(values: Any, attributes: Mapping[str, Any]) -> Any:
    """Return attributes that were given as an object, as keywords, or as both."""
    if not attributes:
        return values
    values = {} if values is None else plain(values)
    return {**values, **attributes} if isinstance(values, dict) else values
