"""Search a store for the subjects or resources of requests that are allowed.

What is left to decide, with that part unknown, says which entities may be allowed: the index of the store
finds them, or else all of its type are looked at. Each of them is then decided about as in any request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from reprlib import repr as repr_of_any
from typing import TYPE_CHECKING, Any, Final, Literal

from policyengine.intake.intake import Intake
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore, problem_of
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.types import Schema
from policyengine.reverse.candidates import Candidates
from policyengine.reverse.page import Page, place_of, question_digest, token_of

if TYPE_CHECKING:
    from policyengine.intake.store_index import Ordered
    from policyengine.partial.residual import Residual

MOST_ITEMS: Final = 10_000
"""The entities that one page may have."""

MOST_LOOKED_AT: Final = 10_000
"""The entities that are decided about for one page; a page that ends there is not complete."""


def search(
    unknown: Literal["subject", "resource"],
    raw: RawRequest,
    type_: str | None,
    *,
    schema: Schema,
    digest: str,
    intake: Intake,
    store: EntityStore | None,
    partial: Callable[..., Residual],
    limit: int,
    token: str | None,
) -> Page:
    """Return a page of the entities that may be the *unknown* part of *raw*, which lacks it.

    *type_*: theirs, if it is not clear. *store*: that of the engine, unless *raw* has one. *digest*: of the
    policy set. Raises as `PolicyEngine.resources` does.
    """
    if type(limit) is not int or not 1 <= limit <= MOST_ITEMS:
        raise ValueError(f"`limit` is a number from 1 to {MOST_ITEMS:,}, not {repr_of_any(limit)}")
    searched = store if raw.store is None else raw.store
    if searched is None:
        raise ValueError(f"{unknown}s are searched in a store: make one with `engine.store`")
    problem = problem_of(searched, schema)
    if problem is not None:
        raise InvalidRequest([Problem("PE528", "store", problem)])
    left = partial(
        action=raw.action, subject=raw.subject, resource=raw.resource, context=raw.context,
        now=raw.now, fields=raw.fields, entities=raw.store, **{f"{unknown}_type": type_},
    )  # fmt: skip
    given = intake.validator.given(raw, left.target, store, whole=True)
    raw.now = given.now  # one moment for all
    known = given.resource if unknown == "subject" else given.subject
    assert known is not None
    question = question_digest(digest, unknown, *left.target, known.id)
    ordered = searched.index.ordered(left.target[1 if unknown == "subject" else 2])
    start = 0 if token is None else ordered.after(place_of(question, token))
    others: dict[str, list[str]] = {}
    for other, id_ in given.entities:
        if (other, id_) not in searched:
            others.setdefault(other, []).append(id_)
    type_ = left.target[1 if unknown == "subject" else 2]
    found = Candidates(searched.index, unknown, type_, others).of(left.condition)
    if found is None:
        numbers: Iterator[int] = iter(range(start, len(ordered.entities)))
    else:
        placed = (ordered.numbers.get(id_, -1) for id_ in found)
        numbers = iter(sorted(number for number in placed if number >= start))
    return _page(intake, raw, unknown, ordered, numbers, question, limit)


def _page(
    intake: Intake,
    raw: RawRequest,
    unknown: str,
    ordered: Ordered,
    numbers: Iterator[int],
    question: bytes,
    limit: int,
) -> Page:
    """Decide about entities one after another until the page is full."""
    items: list[Any] = []
    unfit, last = 0, -1
    for last in islice(numbers, MOST_LOOKED_AT):
        entity = ordered.entities[last]
        setattr(raw, unknown, entity)
        try:
            if intake.decide(raw).allowed:
                items.append(entity)
        except InvalidRequest:
            unfit += 1
        if len(items) == limit:
            break
    more = next(numbers, None) is not None
    token = token_of(question, ordered.places[last]) if more else None
    return Page(tuple(items), token, unfit)
