"""Ask what a decision about policies/workspace costs whose parts were built before, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.built_before import built_before
from bench.worlds import workspace_by_hand as by_hand
from bench.worlds.workspace import POLICIES, requests


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about documents, folders, links and organisations."""
    yield built_before(POLICIES, requests, by_hand.allows, scale)
