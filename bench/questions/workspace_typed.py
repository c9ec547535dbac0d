"""Ask what a decision about policies/workspace costs whose parts were built before, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.built_before import built_before
from bench.worlds import workspace_by_hand as by_hand
from bench.worlds.workspace import POLICIES, requests
from policyengine import Decision


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about documents, folders, links and organisations; both say what an allow shows and owes."""
    yield built_before(POLICIES, requests, by_hand.answer, decided, scale)


def decided(decision: Decision) -> by_hand.Answer:
    """Return a decision as the hand-written function gives it."""
    if not decision.allowed:
        return by_hand.Answer(False)
    owed = [(one.name, tuple([str(v) for *_, v in one.arguments])) for one in decision.obligations]
    return by_hand.Answer(True, decision.exposed or frozenset(), dict(decision.masks), tuple(owed))
