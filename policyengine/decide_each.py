"""Decide many requests at one moment, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from policyengine.intake.fast_path import time_of_caller
from policyengine.intake.foreign import first_of
from policyengine.intake.raw import RawRequest, asked_request, raw_request
from policyengine.model.decision import Decision, refused
from policyengine.model.entities import EntityLike
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.request import Request
from policyengine.model.values import to_datetime
from policyengine.runtime import clock

if TYPE_CHECKING:
    from policyengine.runtime.compiled_rule import Function

Asked: TypeAlias = Request | tuple[EntityLike, str, EntityLike, Any]
"""One request of many: with options of its own, or (subject, action, resource, context)."""


class Common:
    """The options of requests that have none of their own, and the one moment that *now* is, else the clock's.

    *most*: the entities that a request may bring along.
    """

    __slots__ = ("entities", "fields", "moment", "now")

    def __init__(self, now: Any, fields: Any, entities: Any, *, most: int) -> None:
        if isinstance(entities, Iterator):  # which is read but once, and may never end
            entities = first_of(entities, most + 1)
        self.fields, self.entities = fields, entities
        self.now = now
        self.moment: int | None = None
        if now is None:
            self.moment = clock.now()
            self.now = to_datetime(self.moment)
        else:
            with suppress(Exception):  # the intake reports what is wrong, of each request
                self.moment = time_of_caller(now)
                # A time zone may say another moment when it is asked again.
                if type(now) is not str:
                    self.now = to_datetime(self.moment)

    @property
    def is_plain(self) -> bool:
        """Whether requests without options of their own need no others than the moment."""
        return self.fields is None and self.entities is None and self.moment is not None

    def given_to(self, parts: Iterable[Any]) -> tuple[Any, ...]:
        """Return the parts of a request, as `raw_request` takes them, with these where it has none."""
        subject, action, resource, context, now, fields, entities = parts
        return (
            subject, action, resource, context,
            self.now if now is None else now,
            self.fields if fields is None else fields,
            self.entities if entities is None else entities,
        )  # fmt: skip


def decide_each(
    requests: Iterable[Asked],
    by_action: Mapping[str, Function],
    decide: Callable[[RawRequest], Decision],
    digest: str,
    common: Common,
) -> Iterator[Decision]:
    """Give the decision on each request; one that does not fit is denied.

    *by_action*: the functions of the fast path; *decide* decides all other requests. *digest*: that of the set.
    """
    moment, is_plain = common.moment, common.is_plain
    for request in requests:
        if type(request) is Request:
            parts = common.given_to(request.parts)
        else:
            try:
                subject, action, resource, context = request  # type: ignore[misc] # no tuple may be given
            except Exception:  # noqa: BLE001 - a request that does not fit stops nothing
                yield without_parts("(subject, action, resource, context)", digest)
                continue
            if is_plain:
                try:
                    if type(action) is not str:  # it may lie about what it equals
                        action = str.__str__(action)
                    found: Decision | None = by_action[action](subject, resource, context, moment)
                except Exception:  # noqa: BLE001 - the intake reports what is wrong, below
                    found = None
                if found is not None:
                    yield found
                    continue
            parts = common.given_to((subject, action, resource, context, None, None, None))
        yield decide_one(parts, decide, digest)


def parts_of(request: Asked, common: Common) -> tuple[Any, ...] | None:
    """Return the parts of one request of many, with options in common; None if it does not have them."""
    if type(request) is Request:
        return common.given_to(request.parts)
    try:
        subject, action, resource, context = request  # type: ignore[misc] # no tuple may be given
    except Exception:  # noqa: BLE001 - a request that does not fit stops nothing
        return None
    return common.given_to((subject, action, resource, context, None, None, None))


def given_together(decisions: Iterator[Decision]) -> list[Decision]:
    """Return decisions that are given at once; if they are recorded, they are together as well."""
    together: Callable[[], list[Decision]] | None = getattr(decisions, "together", None)
    return list(decisions) if together is None else together()


def decide_one(
    parts: Iterable[Any], decide: Callable[[RawRequest], Decision], digest: str
) -> Decision:
    """Return the decision on one request of many: a deny with every problem if it does not fit."""
    raw = raw_request(*parts)
    try:
        return decide(raw)
    except InvalidRequest as refusal:
        return refused(refusal, digest, asked_request(raw))


def without_parts(expected: str, digest: str) -> Decision:
    """Return the decision on one request of many that does not have the parts that are *expected*."""
    return refused(InvalidRequest([Problem("PE505", "", f"expected {expected}")]), digest)
