"""Decide about one subject, after what depends on it alone was evaluated once.

A service that asks much about one app binds it: `bound = engine.bind(app)`. The residual, what is left to
decide, is a function that all subjects share for which the tests in the rules have the same results.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from msgspec import Struct

from policyengine.decide_each import Common, decide_one, given_together, without_parts
from policyengine.intake.fast_path import type_of
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.errors import StaleSubject
from policyengine.model.immutable import Immutable
from policyengine.model.shown import shown_entity
from policyengine.model.values import to_datetime
from policyengine.runtime import clock
from policyengine.runtime.compiled_rule import Function

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.explain import Explanation
    from policyengine.intake.intake import Intake
    from policyengine.intake.store import EntityStore
    from policyengine.model.entities import EntityLike
    from policyengine.partial.residual import Residual
    from policyengine.reverse.page import Page


_NOT_PICKLED: Final = (
    "a bound subject is not pickled, since it is of an engine: pickle the engine and the subject,"
    " and bind it again"
)


class BoundSubject(Immutable):
    """A subject under a policy set, as both were when it was bound. Make one with `PolicyEngine.bind`.

    It is a snapshot: a subject that changes must be bound again, and so must one that is to be
    decided about under another set. Threads may share one.
    """

    __slots__ = ("_by_action", "_engine", "_from", "_subject", "_until", "_valid")

    def __init__(
        self, engine: PolicyEngine, subject: Entity, max_age: timedelta | None = None
    ) -> None:
        self._engine = engine
        self._subject = subject
        self._by_action: dict[str, Function] = {}  # what is left to decide
        self._valid: dict[
            str, dict[str, _ValidResidual]
        ] = {}  # the same by action and resource type
        self._from, self._until = _NEVER, _FOREVER
        if not (max_age is None or isinstance(max_age, timedelta)):
            raise TypeError(f"`max_age` is a `timedelta`, and not {type(max_age).__name__}")
        if max_age is not None and max_age <= timedelta(0):
            raise ValueError(f"`max_age` is a time above 0, not {max_age!r}")
        if max_age is not None:  # before that moment, a clock that was set back tells no age
            self._from = clock.now()
            self._until = self._from + max_age // timedelta(microseconds=1)

    def __reduce__(self) -> NoReturn:
        raise TypeError(_NOT_PICKLED)

    def __repr__(self) -> str:
        return f"<{shown_entity(*self._subject.key_)} bound to {self.digest[:12]}>"

    @property
    def subject(self) -> Entity:
        """The subject as it was bound."""
        return self._subject

    def unbound(self) -> Entity:
        """Return the subject, for another engine to decide about.

        Raises `StaleSubject` if it was bound longer ago than it may be.
        """
        self._check_age(clock.now())
        return self._subject

    @property
    def digest(self) -> str:
        """The name of the policy set that decides, also if another was loaded since."""
        return self._engine.digest

    @property
    def valid_until(self) -> datetime | None:
        """The moment from which the subject must be bound again, None for never."""
        return None if self._until == _FOREVER else to_datetime(self._until)

    def partial(
        self,
        action: str,
        context: Any = None,
        *,
        resource_type: str | None = None,
        unknowns: Iterable[str] = (),
        now: datetime | str | None = None,
        fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Residual:
        """Say what is left to decide about resources; like `PolicyEngine.partial`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        self._check_age(clock.now())
        return self._engine.partial(
            action=action,
            subject=self._subject,
            context=context,
            resource_type=resource_type,
            unknowns=unknowns,
            now=now,
            fields=fields,
            entities=entities,
        )

    def decide(
        self, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:  # fmt: skip
        """Decide whether the subject may do *action* on *resource*; like `PolicyEngine.decide`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        if now is None and fields is None and entities is None:
            try:
                if type(action) is not str:  # it may lie about what it equals
                    action = str.__str__(action)
                found: Decision | None = self._by_action[action](self._subject, resource, context)
            except Exception:  # noqa: BLE001 - the engine reports what is wrong, below
                found = None
            if found is not None:
                return found
        self._check_age(clock.now())
        decision = self._engine.decide(
            self._subject, action, resource, context, now=now, fields=fields, entities=entities
        )
        self._open(action, resource)
        return decision

    def require(
        self, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:  # fmt: skip
        """Decide as `decide`, and return the decision if it is an allow; raises `Denied` if it is a deny."""
        return self.decide(
            action, resource, context, now=now, fields=fields, entities=entities
        ).or_raise()

    def decide_many(
        self, requests: Iterable[tuple[str, EntityLike, Any]], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> list[Decision]:  # fmt: skip
        """Decide many requests, (action, resource, context) each; like `PolicyEngine.decide_many`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        return given_together(self.decide_each(requests, now=now, fields=fields, entities=entities))

    def decide_each(
        self, requests: Iterable[tuple[str, EntityLike, Any]], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another: it keeps none of them, nor any decision."""
        self._check_age(clock.now())
        most = self._engine._limits.entities  # noqa: SLF001 - part of the engine
        return self._decide_each(requests, Common(now, fields, entities, most=most))

    def _decide_each(
        self, requests: Iterable[Any], common: Common, known: str | None = None
    ) -> Iterator[Decision]:
        """Decide many requests, whose action is *known* if it is none of their parts."""
        intake = self._engine._intake  # noqa: SLF001 - part of the engine
        return intake.each_recorded(
            requests, lambda some: self._decide_some(some, common, known, intake)
        )

    def _decide_some(
        self, requests: Iterable[Any], common: Common, known: str | None, intake: Intake
    ) -> Iterator[Decision]:
        subject, by_action, moment = self._subject, self._by_action, common.moment
        for request in requests:
            try:
                action, resource, context = request if known is None else (known, *request)
            except Exception:  # noqa: BLE001 - a request that does not fit stops nothing
                parts = "(action, resource, context)" if known is None else "(resource, context)"
                yield without_parts(parts, self.digest)
                continue
            try:
                if type(action) is not str:  # it may lie about what it equals
                    action = str.__str__(action)
                found: Decision | None = (
                    by_action[action](subject, resource, context, moment)
                    if common.is_plain
                    else None
                )
            except Exception:  # noqa: BLE001 - the intake reports what is wrong, below
                found = None
            if found is None:
                asked = common.given_to((subject, action, resource, context, None, None, None))
                found = decide_one(asked, intake.decide, self.digest)
                self._open(action, resource)
            yield found

    def actions(
        self, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Page[str]:  # fmt: skip
        """Say which actions the subject may do on *resource*; like `PolicyEngine.actions`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        self._check_age(clock.now())
        return self._engine.actions(
            self._subject, resource, context, now=now, fields=fields, entities=entities
        )

    def explain(
        self, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None, seconds: float | None = 10.0,
    ) -> Explanation:  # fmt: skip
        """Say why a request is decided as it is; like `PolicyEngine.explain`.

        Raises `StaleSubject` if the subject was bound longer ago than it may be.
        """
        self._check_age(clock.now())
        return self._engine.explain(
            self._subject, action, resource, context,
            now=now, fields=fields, entities=entities, seconds=seconds,
        )  # fmt: skip

    def _check_age(self, moment: int) -> None:
        if not self._from <= moment < self._until:
            raise StaleSubject(self._subject.type, self._subject.id)

    def _open(self, action: str, resource: Any) -> None:
        """Find the residual for the next request with this action and type of resource."""
        subject, intake, program = self._subject, self._engine._intake, self._engine._program  # noqa: SLF001 - a bound subject is part of its engine
        try:
            action = str.__str__(action)
            target = action, subject.type, intake.fast.type_of(resource)
            if intake.is_recorded or not intake.fast.is_open(target):  # the engine records
                return
        except Exception:  # noqa: BLE001 - no request that fits, which is reported elsewhere
            return
        now, valid = clock.now(), self._valid.setdefault(action, {})
        made = valid.get(target[2])
        if made is not None and made.since <= now < made.until:  # it was not made for this request
            return
        compiled = program.compiled(target)
        decide, since, until = compiled.decide, _NEVER, _FOREVER
        if compiled.specializer is not None:
            residual, since, until = compiled.specializer.for_subject(subject, now)
            decide = residual.decide
        decide = intake.fast.of_bound(target, decide, subject)
        since, until = max(since, self._from), min(until, self._until)
        valid[target[2]] = _ValidResidual(since, until, decide)
        residuals = _by_type(dict(valid))
        self._by_action[action] = intake.fast.from_objects(action, residuals)


_NEVER: Final = -(1 << 62)
_FOREVER: Final = 1 << 62


class _ValidResidual(Struct, frozen=True, eq=False):
    """The residual of a subject, valid from the moment *since* and before *until*."""

    since: int
    until: int
    decide: Function

    @property
    def is_bounded(self) -> bool:
        """Whether it is valid at some moments only."""
        return self.since != _NEVER or self.until != _FOREVER


def _by_type(residuals: Mapping[str, _ValidResidual]) -> Function:
    """Return a decision function that picks one of *residuals* by the type of the resource.

    It returns None at a moment at which the residual is not valid.
    """
    only = next(iter(residuals.values()))
    if len(residuals) == 1 and not only.is_bounded:
        return only.decide

    def decide(subject: Entity, resource: Any, context: Any, moment: int = 0) -> Decision | None:
        residual = residuals[type_of(resource)]
        moment = moment or clock.now()
        if not residual.since <= moment < residual.until:
            return None
        found: Decision | None = residual.decide(subject, resource, context, moment)
        return found

    return decide


class BoundAction(Immutable):
    """One action of one subject. Make one with `PolicyEngine.bind(subject, action)`."""

    __slots__ = ("_action", "_bound", "_by_action", "_subject")

    def __init__(self, bound: BoundSubject, action: str) -> None:
        self._bound = bound
        self._action = action
        self._subject = bound.subject
        self._by_action = bound._by_action  # noqa: SLF001 - two views of one thing

    def __reduce__(self) -> NoReturn:
        raise TypeError(_NOT_PICKLED)

    def __repr__(self) -> str:
        return f"{repr(self._bound)[:-1]}: {self._action}>"

    @property
    def subject(self) -> Entity:
        """The subject as it was bound."""
        return self._subject

    @property
    def digest(self) -> str:
        """The name of the policy set that decides."""
        return self._bound.digest

    def decide(
        self, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:  # fmt: skip
        """Decide whether the subject may do the action on *resource*; like `BoundSubject.decide`."""
        if now is None and fields is None and entities is None:
            try:
                residual = self._by_action[self._action]
                found: Decision | None = residual(self._subject, resource, context)
            except Exception:  # noqa: BLE001 - the engine reports what is wrong, below
                found = None
            if found is not None:
                return found
        return self._bound.decide(
            self._action, resource, context, now=now, fields=fields, entities=entities
        )

    def require(
        self, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:  # fmt: skip
        """Decide as `decide`, and return the decision if it is an allow; raises `Denied` if it is a deny."""
        return self.decide(resource, context, now=now, fields=fields, entities=entities).or_raise()

    def decide_many(
        self, requests: Iterable[tuple[EntityLike, Any]], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> list[Decision]:  # fmt: skip
        """Decide many requests, (resource, context) each; like `PolicyEngine.decide_many`."""
        return given_together(self.decide_each(requests, now=now, fields=fields, entities=entities))

    def decide_each(
        self, requests: Iterable[tuple[EntityLike, Any]], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another: it keeps none of them, nor any decision."""
        bound = self._bound
        bound._check_age(clock.now())  # noqa: SLF001 - two views of one thing
        most = bound._engine._limits.entities  # noqa: SLF001 - as above
        common = Common(now, fields, entities, most=most)
        return bound._decide_each(requests, common, self._action)  # noqa: SLF001 - two views of one thing
