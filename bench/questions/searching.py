"""Ask what it costs to find the documents that a person may read, beside deciding about all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from bench.worlds.searched import Searched, make
from policyengine.reverse.store_search import MOST_LOOKED_AT

_ASKING: Final = 5
_FEWER: Final = 10
"""So many times fewer documents than a batch has."""

_WORLDS: Final = {"references": (0.1, 0.02), "tenants": (0.3, 0.15), "numbers": (1.5, 1.1)}
"""The bar and the aim of each world."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Ask for all documents that each of some people may read; all parts were built before."""
    documents = min(MOST_LOOKED_AT, max(200, scale.batch // _FEWER))
    for name, (bar, aim) in _WORLDS.items():
        world = make(name, documents, _ASKING)
        contestants = {"all": _trying(world), "search": _searching(world)}
        ratio = side_by_side(contestants, _ASKING, scale.rounds)["search"].ratio
        yield Answer(f"{name}, a search over deciding about all documents", ratio, bar, aim)


def _trying(world: Searched) -> Callable[[], None]:
    decide, documents = world.engine.decide, world.documents

    def run() -> None:
        for person in world.people:
            for document in documents:
                decide(person, "read", document).allowed

    return run


def _searching(world: Searched) -> Callable[[], None]:
    """Return what searches; raises `DisagreementError` if that finds others than deciding about all."""
    search, most = world.engine.resources, MOST_LOOKED_AT
    for person in world.people:
        page = search(person, "read", "Document", limit=most)
        allowed = {d.id for d in world.documents if world.engine.decide(person, "read", d).allowed}
        if not page.complete or {found.id for found in page.items} != allowed:
            raise DisagreementError(f"{person} may read {len(allowed)}, and a search finds others")

    def run() -> None:
        for person in world.people:
            search(person, "read", "Document", limit=most)

    return run
