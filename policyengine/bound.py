"""Decide about one subject, after what hangs on it alone was decided once.

A service that asks much about one app binds it: `bound = engine.bind(app)`. What is left to decide
is a function that all subjects share that are alike in what the rules ask of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from policyengine.model.decision import Decision
from policyengine.model.entity_classes import Entity
from policyengine.model.errors import StaleSubject
from policyengine.runtime import clock

if TYPE_CHECKING:
    from policyengine.engine import EntityLike, PolicyEngine
    from policyengine.model.store import EntityStore

_FOREVER = 1 << 62


_Passage: TypeAlias = tuple[type[Any], type[Any], Callable[..., Decision]]
"""The classes of resource and context, and what is left to decide for the subject."""


class BoundSubject:
    """A subject under a policy set, as both were when it was bound. Make one with `PolicyEngine.bind`.

    It is a snapshot: a subject that changes must be bound anew, and so must one that is to be
    decided about under another set. Threads may share one.
    """

    __slots__ = ("_deadline", "_engine", "_passages", "_subject", "_timed")

    def __init__(
        self, engine: PolicyEngine, subject: Entity, max_age: timedelta | None = None
    ) -> None:
        self._engine = engine
        self._subject = subject
        self._passages: dict[str, _Passage] = {}
        self._timed: dict[str, tuple[int, _Passage]] = {}  # until when, where time plays a part
        self._deadline = _FOREVER
        if max_age is not None:
            self._deadline = clock.now() + max_age // timedelta(microseconds=1)

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
        *,
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:
        """Decide whether the subject may do *action* on *resource*; like `PolicyEngine.decide`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        if now is None and fields is None and entities is None:
            try:
                resource_class, context_class, decide = self._passages[action]
                if (
                    type(resource) is resource_class
                    and type(context) is context_class
                    and resource.plain_  # type: ignore[union-attr]  # of that class
                    and context.plain_
                ):
                    return decide(self._subject, resource, context)
            except Exception:  # noqa: BLE001, S110 - what is amiss is found out, carefully, below
                pass
            found = self._decide_in_time(action, resource, context)
            if found is not None:
                return found
        self._check_age()
        decision = self._engine.decide(
            self._subject, action, resource, context, now=now, fields=fields, entities=entities
        )
        self._open(action, resource)
        return decision

    def _decide_in_time(self, action: str, resource: Any, context: Any) -> Decision | None:
        """Decide where time plays a part, if what was answered of the subject still holds."""
        try:
            until, (resource_class, context_class, decide) = self._timed[action]
            moment = clock.now()
            fits = type(resource) is resource_class and type(context) is context_class
            if moment < until and fits and resource.plain_ and context.plain_:
                return decide(self._subject, resource, context, moment)
        except Exception:  # noqa: BLE001, S110 - what is amiss is found out, carefully
            pass
        return None

    def decide_many(
        self,
        requests: Iterable[tuple[str, EntityLike, Any]],
    ) -> list[Decision]:
        """Decide many requests, (action, resource, context) each; like `PolicyEngine.decide_many`."""
        self._check_age()
        return self._engine.decide_many((self._subject, *request) for request in requests)

    def _check_age(self) -> None:
        if self._deadline < _FOREVER and clock.now() >= self._deadline:
            raise StaleSubject(self._subject.type, self._subject.id)

    def _open(self, action: str, resource: Any) -> None:
        """Let the next request for this target pass at once, if it may."""
        door = self._engine._door(action, self._subject, resource)  # noqa: SLF001 - of one house
        if door is None or not self._subject.plain_:
            return
        splitting = door.compiled.splitting
        decide, until = door.decide, None
        if splitting is not None:
            left, until = splitting.for_subject(self._subject, clock.now())
            decide = left.decide
        until = self._deadline if until is None else min(until, self._deadline)
        passage = door.resource, door.context, decide
        if door.timed or until < _FOREVER:
            self._timed[action] = until, passage
        else:
            self._passages[action] = passage


class BoundAction:
    """One action of one subject. Make one with `PolicyEngine.bind(subject, action)`."""

    __slots__ = ("_action", "_bound")

    def __init__(self, bound: BoundSubject, action: str) -> None:
        self._bound = bound
        self._action = action

    @property
    def subject(self) -> Entity:
        """The subject as it was bound."""
        return self._bound.subject

    @property
    def digest(self) -> str:
        """The name of the policy set that decides."""
        return self._bound.digest

    def decide(self, resource: EntityLike, context: Any = None, **more: Any) -> Decision:
        """Decide whether the subject may do the action on *resource*; like `BoundSubject.decide`."""
        return self._bound.decide(self._action, resource, context, **more)

    def decide_many(self, requests: Iterable[tuple[EntityLike, Any]]) -> list[Decision]:
        """Decide many requests, (resource, context) each; like `PolicyEngine.decide_many`."""
        return self._bound.decide_many((self._action, *request) for request in requests)
