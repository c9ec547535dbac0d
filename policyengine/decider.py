"""Name what decides, and hold what all of it does in the same way.

A service that takes a `Decider` may be given an engine, a holder of one, or a cache in front of it. Each of these is a
subclass; another class with these methods is a `Decider` as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.decide_each import Asked
    from policyengine.intake.store import EntityStore
    from policyengine.model.decision import Decision
    from policyengine.model.entities import EntityLike
    from policyengine.model.request import Request


@runtime_checkable
class Decider(Protocol):
    """Decides requests: a `PolicyEngine`, a `PolicyHolder`, a `DecisionCache` or a `SourcedEngine`: each describes what it does."""

    __slots__ = ()

    @property
    def digest(self) -> str:
        """The name of the policy set's content."""

    @overload
    def decide(self, request: Request, /) -> Decision: ...

    @overload
    def decide(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision: ...  # fmt: skip

    @overload
    def require(self, request: Request, /) -> Decision: ...

    @overload
    def require(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision: ...  # fmt: skip

    def require(self, *parts: Any, **options: Any) -> Decision:
        """Decide as `decide`, and return the decision if it is an allow.

        Raises `Denied`, which has the decision, if it is a deny; `InvalidRequest` as `decide`.
        """
        return self.decide(*parts, **options).or_raise()

    def decide_many(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> list[Decision]:  # fmt: skip
        """Decide many requests at one moment: a `Request`, or (subject, action, resource, context), each.

        A request that does not fit stops nothing: its decision is a deny with the cause `invalid_request`, and
        `problems`. *now*, *fields*, *entities*: of requests that have none of their own.
        """
        from policyengine.decide_each import given_together

        return given_together(self.decide_each(requests, now=now, fields=fields, entities=entities))

    def decide_each(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another."""
