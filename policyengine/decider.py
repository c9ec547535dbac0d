"""Name what decides: a service that takes a `Decider` may be given an engine, a holder of one, or a cache in front of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.decide_each import Asked
    from policyengine.intake.store import EntityStore
    from policyengine.model.asked_request import Request
    from policyengine.model.decision import Decision
    from policyengine.model.entities import EntityLike


@runtime_checkable
class Decider(Protocol):
    """Decides requests: a `PolicyEngine`, a `PolicyHolder`, a `DecisionCache` or a `SourcedEngine`: each describes what it does."""

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

    def decide_many(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> list[Decision]:  # fmt: skip
        """Decide many requests at one moment."""

    def decide_each(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another."""
