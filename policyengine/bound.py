"""Decide about one subject, after what hangs on it alone was decided once.

A service that asks much about one app binds it: `bound = engine.bind(app)`. What is left to decide
is a function that all subjects share that are alike in what the rules ask of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from policyengine.intake.fast_path import at_door
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.errors import StaleSubject
from policyengine.model.immutable import Immutable
from policyengine.runtime import clock
from policyengine.runtime.compiled_rule import Function

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.intake.store import EntityStore
    from policyengine.model.entities import EntityLike


_NOT_PICKLED: Final = (
    "a bound subject is not pickled, since it is of an engine: pickle the engine and the subject,"
    " and bind it again"
)


class BoundSubject(Immutable):
    """A subject under a policy set, as both were when it was bound. Make one with `PolicyEngine.bind`.

    It is a snapshot: a subject that changes must be bound anew, and so must one that is to be
    decided about under another set. Threads may share one.
    """

    __slots__ = ("_deadline", "_engine", "_opened", "_passages", "_subject")

    def __init__(
        self, engine: PolicyEngine, subject: Entity, max_age: timedelta | None = None
    ) -> None:
        self._engine = engine
        self._subject = subject
        self._passages: dict[str, Function] = {}  # by action: what is left to decide
        self._opened: dict[str, _Opened] = {}
        self._deadline: int | None = None
        if max_age is not None:
            self._deadline = clock.now() + max_age // timedelta(microseconds=1)

    def __reduce__(self) -> NoReturn:
        raise TypeError(_NOT_PICKLED)

    @property
    def subject(self) -> Entity:
        """The subject as it was bound."""
        return self._subject

    @property
    def digest(self) -> str:
        """The name of the policy set that decides, which another that was loaded since leaves."""
        return self._engine.digest

    def decide(
        self,
        action: str,
        resource: EntityLike,
        context: Any = None,
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:
        """Decide whether the subject may do *action* on *resource*; like `PolicyEngine.decide`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        if now is None and fields is None and entities is None:
            try:
                found: Decision | None = self._passages[action](self._subject, resource, context)
            except Exception:  # noqa: BLE001 - what is amiss is found out, carefully, below
                found = None
            if found is not None:
                return found
        self._check_age(clock.now())
        decision = self._engine.decide(
            self._subject, action, resource, context, now=now, fields=fields, entities=entities
        )
        self._open(action, resource)
        return decision

    def decide_many(
        self,
        requests: Iterable[tuple[str, EntityLike, Any]],
    ) -> list[Decision]:
        """Decide many requests, (action, resource, context) each; like `PolicyEngine.decide_many`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        moment = clock.now()
        self._check_age(moment)
        taking = self._engine._requests  # noqa: SLF001 - of one house
        subject, passages, decisions = self._subject, self._passages, list[Decision]()
        add = decisions.append
        for action, resource, context in requests:
            try:
                found = passages[action](subject, resource, context, moment)
            except Exception:  # noqa: BLE001 - what is amiss is found out, carefully, below
                found = None
            if found is None:
                found = taking.decide_one(subject, action, resource, context, moment)
                self._open(action, resource)
            add(found)
        return decisions

    def _check_age(self, moment: int) -> None:
        if self._deadline is not None and moment >= self._deadline:
            raise StaleSubject(self._subject.type, self._subject.id)

    def _open(self, action: str, resource: Any) -> None:
        """Let the next request for this target pass at once, if it may."""
        door = self._engine._requests.door(action, self._subject, resource)  # noqa: SLF001 - of one house
        if door is None or not self._subject.plain_:
            return
        moment, opened = clock.now(), self._opened.setdefault(action, {})
        until, _ = opened.get(door.resource, (0, None))
        if until is None or moment < until:  # it is open, and was not made for this request
            return
        splitting = door.compiled.splitting
        decide, until = door.decide, self._deadline
        if splitting is not None:
            left, turns = splitting.for_subject(self._subject, moment)
            decide = at_door(left, door.needs)
            if turns is not None:
                until = turns if until is None else min(turns, until)
        passage = decide if until is None else _before(until, decide)
        opened[door.resource] = until, passage
        self._passages[action] = passage if len(opened) == 1 else _by_resource(opened)


_Opened: TypeAlias = dict[type[Entity], tuple[int | None, Function]]
"""By the class of the resource: until when a passage is open, None if for ever, and itself."""


def _by_resource(opened: _Opened) -> Function:
    """Return what decides about resources of several types."""

    def passage(
        subject: Entity, resource: Entity, context: Any, moment: int = 0
    ) -> Decision | None:
        _, decide = opened[type(resource)]
        found: Decision | None = decide(subject, resource, context, moment)
        return found

    return passage


def _before(until: int, decide: Function) -> Function:
    """Return what decides before the moment *until*, and then leaves it to others."""

    def passage(
        subject: Entity, resource: Entity, context: Any, moment: int = 0
    ) -> Decision | None:
        moment = moment or clock.now()
        return decide(subject, resource, context, moment) if moment < until else None

    return passage


class BoundAction(Immutable):
    """One action of one subject. Make one with `PolicyEngine.bind(subject, action)`."""

    __slots__ = ("_action", "_bound", "_passages", "_subject")

    def __init__(self, bound: BoundSubject, action: str) -> None:
        self._bound = bound
        self._action = action
        self._subject = bound.subject
        self._passages = bound._passages  # noqa: SLF001 - two views of one thing

    def __reduce__(self) -> NoReturn:
        raise TypeError(_NOT_PICKLED)

    @property
    def subject(self) -> Entity:
        """The subject as it was bound."""
        return self._subject

    @property
    def digest(self) -> str:
        """The name of the policy set that decides."""
        return self._bound.digest

    def decide(
        self,
        resource: EntityLike,
        context: Any = None,
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:
        """Decide whether the subject may do the action on *resource*; like `BoundSubject.decide`."""
        if now is None and fields is None and entities is None:
            try:
                passage = self._passages[self._action]
                found: Decision | None = passage(self._subject, resource, context)
            except Exception:  # noqa: BLE001 - what is amiss is found out, carefully, below
                found = None
            if found is not None:
                return found
        return self._bound.decide(self._action, resource, context, now, fields, entities)

    def decide_many(self, requests: Iterable[tuple[EntityLike, Any]]) -> list[Decision]:
        """Decide many requests, (resource, context) each; like `PolicyEngine.decide_many`."""
        return self._bound.decide_many((self._action, *request) for request in requests)
