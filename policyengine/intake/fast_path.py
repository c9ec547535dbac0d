"""Decide and read requests quickly that are valid without further checks.

For each target there is a generated reader (`readers.py`), once a valid request for it has come in. Where two
accounts of one entity differ, or anything else may be wrong, full validation takes the request. It accepts
all that is accepted here, and returns the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from types import FunctionType
from typing import Any, Final

from policyengine.intake.gathering import LISTS, NeedsFullValidation, Read
from policyengine.intake.objects import ByClasses
from policyengine.intake.raw import RawRequest
from policyengine.intake.readers import Readers
from policyengine.intake.store import EntityStore, problem_of
from policyengine.intake.stored_entities import STORED
from policyengine.model.entities import Entity, Key
from policyengine.model.limits import Limits
from policyengine.model.masks import ID, field_and_mask, field_type, masks_of
from policyengine.model.records import Record
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import Apart, Entities, ValidRequest, together
from policyengine.model.values import EPOCH, from_datetime, parse_datetime
from policyengine.runtime import clock
from policyengine.runtime.bounded_cache import BoundedCache
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.program import Program

_MOST_CLASSES: Final = 256
"""Pairs of classes of subject and resource that are kept for an action: classes may be made at run time."""

_MOST_BOUND: Final = 4_096
"""Functions for bound subjects that are kept, for other subjects for which the same is left."""


class FastPaths:
    """The fast paths of one engine, which has *program*, *limits* and *store*.

    *by_action* is the engine's, and filled here: the functions that decide about requests in any form that
    give subject, resource and context, and perhaps the time; it returns None, or fails, where a request must
    be validated in full. *times*: by action, what makes of a caller's time what such a function takes.
    *readers*: those that there are of the same program and limits.
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
        self.by_action = by_action
        self.times = times
        self.readers = readers or Readers(program, limits)
        self._program = program
        self._limits = limits
        self._store = store
        self._open_readers: dict[TargetKey, Function] = {}
        self._bound = BoundedCache[tuple[Function, Function, bool], Function](_MOST_BOUND)
        if self._serves():
            self._add(tuple(self.readers.by_target))

    def _serves(self) -> bool:
        return self._store is None or problem_of(self._store, self._program.schema) is None

    def read(self, raw: RawRequest) -> ValidRequest | None:
        """Return the request if it is valid without further checks, else None."""
        try:
            action = raw.action
            if type(action) is not str:
                action = name_of(action)
            reader = self.readers.by_target[action, type_of(raw.subject), type_of(raw.resource)]
            store = self._store if raw.store is None else raw.store
            if store is not None and not store.fits(self._program.schema):
                return None
            now = None if raw.now is None else time_of(raw.now)
            request: ValidRequest = reader(
                raw.subject, raw.resource, raw.context, 0, raw.entities,
                None if store is None else store.by_key, partial(self._request, raw, action, now),
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - full validation says what is wrong, if anything is
            return None
        return request

    def _request(
        self,
        raw: RawRequest,
        action: str,
        given: int | None,
        subject: Entity,
        resource: Entity,
        context: Record,
        now: int,
        known: Mapping[Key, Entity] | Apart,
    ) -> ValidRequest:
        known = together(known, subject, resource)
        if not known or isinstance(known, STORED):  # the reader collected none
            both = {(subject.type, subject.id): subject, (resource.type, resource.id): resource}
            known = Entities(both, known) if known else both
        fields = None
        if raw.fields is not None:
            fields = self._fields(raw.fields, (action, subject.type, resource.type))
        moment = (now or clock.now()) if given is None else given
        return ValidRequest(subject, action, resource, context, moment, fields, known)

    def _fields(self, raw: Any, target: TargetKey) -> tuple[str, ...]:
        schema = self._program.schema
        resource = schema.entities[target[2]]
        if type(raw) not in LISTS or len(raw) > self._limits.set_size:
            raise NeedsFullValidation
        if not self._program.schema.gates_of(target).fields:
            raise NeedsFullValidation
        names: set[str] = set()
        for asked in raw:
            if type(asked) is not str:
                raise NeedsFullValidation
            name = asked
            if name != ID and name not in resource.by_name:
                name, mask = field_and_mask(asked)
                type_ = field_type(resource, name)
                if type_ is None or mask not in masks_of(type_):
                    raise NeedsFullValidation
            names.add(name)
        if len(names) != len(raw):
            raise NeedsFullValidation
        return tuple(raw)

    def is_open(self, target: TargetKey) -> bool:
        """Whether requests for *target* have a fast path."""
        return target in self._open_readers

    def open(self, target: TargetKey) -> None:
        """Make the fast path for *target*, of which a valid request has come in."""
        if target not in self._open_readers and self._serves() and self.readers.open(target):
            self._add([target])

    def _add(self, targets: Iterable[TargetKey]) -> None:
        """Have requests for *targets*, which have readers, decided without further checks."""
        for target in targets:
            self._open_readers[target] = self._reader(target, self._program.compiled(target).decide)
        actions: dict[str, dict[tuple[str, str], Function]] = {action: {} for action, *_ in targets}
        for target in list(self._open_readers):
            if target[0] in actions:
                compiled = self._program.compiled(target)
                direct = not compiled.follows  # else it gives them to the reader in any case
                actions[target[0]][target[1:]] = self.from_any_form(
                    target, compiled.decide, direct=direct
                )
        for action, deciders in actions.items():
            only = next(iter(deciders.values()))
            decide = only if len(deciders) == 1 else _by_types(deciders)
            timed = any(self._program.compiled((action, *types)).timed for types in deciders)
            self.times[action] = time_of_caller if timed else time_without_effect
            self.by_action[action] = self.from_objects(action, decide)

    def register(self, class_: Any, type_: str, *sources: Any) -> None:
        """Take objects of *class_* for entities of *type_* (`Objects.register`)."""
        self.readers.objects.register(class_, type_, *sources)
        self._add(tuple(self._open_readers))

    def from_objects(self, action: str, decide: Function) -> Function:
        """Return *decide*, which decides requests for *action*, for objects of registered classes as well."""
        if not self.readers.objects:
            return decide
        readers = _ByClasses(self, action)

        def decide_objects(subject: Any, resource: Any, context: Any, now: int = 0) -> Any:
            read_subject, read_resource = readers[type(subject), type(resource)]
            return decide(read_subject(subject), read_resource(resource), context, now)

        return decide_objects

    def readers_of(self, action: str, classes: tuple[type, type]) -> tuple[Read, Read]:
        """Return what builds entities of a subject and a resource of two classes; other parts stay as they are.

        It raises `NeedsFullValidation` for objects from which rules follow to others.
        """
        objects, allowed = self.readers.objects, self._program.schema.actions[action]
        mapped = [objects.find(class_) for class_ in classes]
        if mapped == [None, None]:
            return _same, _same
        types = [
            one.type.name
            if one
            else only[0]
            if class_ is dict and len(only) == 1
            else type_of(class_)
            for one, class_, only in zip(
                mapped, classes, (allowed.subjects, allowed.resources), strict=True
            )
        ]
        target = action, types[0], types[1]
        lined, needs = self._program.compiled(target).lined, self._program.needs(target)
        found = [
            objects.row_reader(class_, part, lined=lined) or _never if one else _same
            for one, class_, part in zip(mapped, classes, needs.parts[:2], strict=True)
        ]
        return found[0], found[1]

    def type_of(self, part: Any) -> str:
        """Return the name of the type of a part, which may be an object."""
        mapped = self.readers.objects.find(type(part))
        return type_of(part) if mapped is None else mapped.type.name

    def from_any_form(
        self, target: TargetKey, decide: Function, *, direct: bool = True
    ) -> Function:
        """Return *decide*, a generated function for *target* that is open, for requests in any form.

        It is the same code: its parameter `take` gets the reader, which ends in *decide*. *direct*:
        whether built parts may be decided about without the reader.
        """
        take = self._reader(target, decide)
        # What is built must be compared with what a store says.
        return _with_defaults(decide, 0, None, take) if direct and self._store is None else take

    def of_bound(self, target: TargetKey, decide: Function, subject: Entity) -> Function:
        """Return *decide*, what is left of *target* for a *subject* that was bound, for requests in any form.

        Subjects for which the same is left share one function: what thousands of them call is near the processor.
        """
        reader, store = self.readers.by_target[target], self._store
        if store is None:
            line_known = subject.line is not None or not self._program.needs(target).subject.line
            quick = subject.plain_ and line_known
        else:
            quick = store.by_key.get(subject.key_) is subject
        key = reader, decide, quick
        found = self._bound.get(key)
        if found is None:
            found = self.from_any_form(target, decide, direct=quick)
            if store is not None and quick:
                of_stored = self.readers.of_stored(target)
                found = _with_defaults(of_stored, 0, store.by_key, decide, found)
            self._bound[key] = found
        return found

    def _reader(self, target: TargetKey, decide: Function) -> Function:
        """Return the reader of *target*, which ends in *decide*."""
        store = None if self._store is None else self._store.by_key
        return _with_defaults(self.readers.by_target[target], 0, None, store, decide)

    def reader(self, action: str, subject: Any, resource: Any) -> Function:
        """Return the reader that decides requests with others; raises where there is none.

        It takes subject, resource, context, time and the others; it returns None, or fails, where a
        request must be validated in full.
        """
        # As `type_of`, without two calls for each request that gives others.
        subject_type = subject["type"] if type(subject) is dict else subject.type
        resource_type = resource["type"] if type(resource) is dict else resource.type
        return self._open_readers[action, subject_type, resource_type]


class _ByClasses(ByClasses):
    """What reads the subject and the resource, by their classes, in requests for one action."""

    def __init__(self, paths: FastPaths, action: str) -> None:
        super().__init__()
        self._paths = paths
        self._action = action
        self._objects = paths.readers.objects
        self._objects.kept.add(self)

    def __missing__(self, classes: tuple[type, type]) -> tuple[Read, Read]:
        registered = self._objects.registered
        try:
            made = self._paths.readers_of(self._action, classes)
        except Exception:  # noqa: BLE001 - no request that fits, which is reported elsewhere
            made = _never, _never
        if len(self) < _MOST_CLASSES and registered == self._objects.registered:
            self[classes] = made
        return made


def _same(part: Any) -> Any:
    return part


def _never(_: Any) -> Any:
    raise NeedsFullValidation


def _with_defaults(function: Function, *defaults: object) -> Function:
    """Return the same function with other defaults for its last parameters."""
    assert isinstance(function, FunctionType)
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, defaults, function.__closure__
    )


def _by_types(deciders: Mapping[tuple[str, str], Function]) -> Function:
    """Return a function that decides about an action on entities of several types."""

    def decide(subject: Any, resource: Any, context: Any, now: int = 0) -> Any:
        return deciders[type_of(subject), type_of(resource)](subject, resource, context, now)

    return decide


def name_of(action: Any) -> str:
    """Return the name of an action that says no more; raises if it has none, and asks it nothing: it may lie."""
    if type(action) is dict and len(action) == 1:
        action = action["name"]
    return str.__str__(action)


def type_of(entity: Any) -> str:
    """Return the name of the type that an entity has or, as a dict, says it has."""
    name: str = entity["type"] if type(entity) is dict else entity.type
    return name


def time_of(now: object) -> int:
    """Return a time in microseconds since 1970; raises `ValueError` or `TypeError`."""
    if type(now) is str:
        return parse_datetime(now)
    if isinstance(now, datetime):
        return from_datetime(now)
    raise TypeError(now)


def time_but_zero(now: object) -> int:
    """Return a time as `time_of` does, but for the moment 0, which decision functions take for now."""
    moment = from_datetime(now) if type(now) is datetime else time_of(now)
    if not moment:
        raise NeedsFullValidation
    return moment


def time_of_caller(now: object) -> int:
    """Return a time as `time_but_zero` does, and most with fewer calls."""
    if type(now) is datetime and now.tzinfo is UTC:  # as most are: `from_datetime`, without a call
        since = now - EPOCH
        moment = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        if moment:
            return moment
    return time_but_zero(now)


def time_without_effect(now: object) -> int:
    """Return the time of a caller where no rule asks for it: 0, if it is seen at once that it is one."""
    return 0 if type(now) is datetime and now.tzinfo is UTC else time_of_caller(now)
