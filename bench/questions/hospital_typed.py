"""Ask what a decision about policies/hospital costs whose parts were built before, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from bench.questions.answer import Answer, Scale
from bench.questions.built_before import built_before
from bench.worlds import hospital_by_hand as by_hand
from bench.worlds.hospital import POLICIES, requests


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about entries, patients and invoices, on wards, in offices and in the portal."""
    yield built_before(POLICIES, requests, by_hand.allows, attrgetter("allowed"), scale)
