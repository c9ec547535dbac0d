"""Search a store for the subjects or resources of requests that are allowed.

What is left to decide, with that part unknown, says which entities may be allowed: the index of the store
finds them, or else all of its type are looked at. Each of them is then decided about as in any request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from reprlib import repr as repr_of_any
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final, Literal

from policyengine.intake.intake import Intake
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore
from policyengine.model.entities import Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.types import TargetKey
from policyengine.model.values import to_datetime
from policyengine.reverse.candidates import Candidates
from policyengine.reverse.page import Page, place_of, question_digest, token_of

if TYPE_CHECKING:
    from policyengine.intake.store_index import Ordered
    from policyengine.intake.validation import GivenParts
    from policyengine.model.decision import Decision
    from policyengine.partial.residual import Residual

MOST_ITEMS: Final = 10_000
"""The entities that one page may have."""

MOST_LOOKED_AT: Final = 10_000
"""The entities that are decided about for one page; a page that ends there is not complete."""

LONGEST: Final = 2.0
"""The seconds after which no more are decided about for one page: of processing, and not of waiting for it."""

_FEW_OTHERS: Final = 10
"""The others that a request may bring along for so many to be decided about: all of them are read each time."""


def search(
    unknown: Literal["subject", "resource"],
    raw: RawRequest,
    type_: str | None,
    *,
    digest: str,
    intake: Intake,
    store: EntityStore | None,
    left_of: Callable[[RawRequest, tuple[str, str]], Residual],
    limit: int,
    token: str | None,
) -> Page[Entity]:
    """Return a page of the entities that may be the *unknown* part of *raw*, which lacks it.

    *type_*: theirs, if it is not clear. *digest*: of the policy set. *store*: that of the engine, unless *raw*
    has one. *left_of*: what is left to decide of a request with these types. Raises as `PolicyEngine.resources` does.
    """
    if type(limit) is not int or not 1 <= limit <= MOST_ITEMS:
        raise ValueError(f"`limit` is a number from 1 to {MOST_ITEMS:,}, not {repr_of_any(limit)}")
    searched = store if raw.store is None else raw.store
    if searched is None:
        raise ValueError(f"a {unknown} is searched for in a store: make one with `engine.store`")
    intake.validator.keep_others(raw)
    target, given = intake.validator.target_and_parts(raw, store, unknown, type_)
    raw.action, raw.now = target[0], to_datetime(given.now)  # one moment for all that is asked
    raw.context = {} if raw.context is None else raw.context
    searched_type = target[1 if unknown == "subject" else 2]
    ordered = searched.index.ordered(searched_type)
    question = _question(digest, unknown, target, given)
    start = 0 if token is None else ordered.after(place_of(question, token))
    candidates = Candidates(searched.index, unknown, searched_type, _others(given, searched))
    found = candidates.of(left_of(raw, target[1:]).condition)
    numbers: Iterator[int] = iter(range(start, len(ordered.entities)))
    if found is not None:
        placed = (ordered.numbers.get(id_, -1) for id_ in found)
        numbers = iter(sorted(number for number in placed if number >= start))
    most = max(1, MOST_LOOKED_AT // max(1, len(raw.entities or ()) // _FEW_OTHERS))
    return _page(_decider(intake, raw, unknown, given.now), ordered, numbers, most, question, limit)


def _question(digest: str, unknown: str, target: TargetKey, given: GivenParts) -> bytes:
    known = given.resource if given.subject is None else given.subject
    assert known is not None
    return question_digest(digest, unknown, *target, known.id, *(given.fields or ()))


def _others(given: GivenParts, store: EntityStore) -> dict[str, list[str]]:
    """Return the ids, by type, of entities of which a request says something that the store does not."""
    others: dict[str, list[str]] = {}
    for key, entity in given.entities.items():
        if store.get(key) is not entity:
            others.setdefault(key[0], []).append(key[1])
    return others


def _decider(
    intake: Intake, raw: RawRequest, unknown: str, now: int
) -> Callable[[Entity], Decision]:
    """Return what decides about an entity as the *unknown* part of *raw*, *now*."""

    def in_full(entity: Entity) -> Decision:
        setattr(raw, unknown, entity)
        return intake.decide(raw)

    if not (raw.fields is raw.entities is raw.store is None and now):  # 0 would be the present
        return in_full

    def decide(entity: Entity) -> Decision:
        subject, resource = (
            (entity, raw.resource) if unknown == "subject" else (raw.subject, entity)
        )
        try:
            decide_quickly = intake.fast.by_action[raw.action]
            found: Decision | None = decide_quickly(subject, resource, raw.context, now)
        except Exception:  # noqa: BLE001 - the intake says what is wrong, below
            found = None
        return in_full(entity) if found is None else found

    return decide


def _page(
    decide: Callable[[Entity], Decision],
    ordered: Ordered,
    numbers: Iterator[int],
    most: int,
    question: bytes,
    limit: int,
) -> Page[Entity]:
    """Decide about entities one after another, *most* at most, until the page is full or takes too long."""
    begun, deadline = thread_time(), monotonic() + LONGEST
    items: list[Entity] = []
    unfit: list[Entity] = []
    last = -1
    for last in islice(numbers, most):
        entity = ordered.entities[last]
        try:
            if decide(entity).allowed:
                items.append(entity)
                if len(items) == limit:
                    break
        except InvalidRequest:
            unfit.append(entity)
        # The time of a processor is asked for when it may be up, since that takes longer.
        if monotonic() >= deadline and thread_time() - begun >= LONGEST:
            break
    more = next(numbers, None) is not None
    token = token_of(question, ordered.places[last]) if more else None
    return Page(tuple(items), tuple(unfit), token)
