"""Ask how much memory it takes to decide any number of requests one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.worker import memory
from bench.worlds import apps
from policyengine import PolicyEngine

_BATCHES = 5
"""So many times as many requests as in a batch."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide distinct requests of the small world, as dicts, of which none is kept."""
    engine = PolicyEngine.load(apps.POLICY)
    forms = [form.dicts for form in apps.in_all_forms(engine, apps.make_requests(2_000))]
    count = _BATCHES * scale.batch

    def distinct(many: int) -> Iterator[Any]:
        for number in range(many):
            subject, action, resource, context = forms[number % len(forms)]
            yield {**subject, "id": f"s{number}"}, action, {**resource, "id": f"r{number}"}, context

    list(engine.decide_each(distinct(2_000)))  # which makes the readers
    before, decided = memory("VmRSS"), 0
    most = before
    for decision in engine.decide_each(distinct(count)):
        decided += decision.cause != "invalid_request"
        if not decided % 10_000:
            most = max(most, memory("VmRSS"))
    if decided != count:
        raise DisagreementError(f"{count - decided} requests do not fit")
    question = f"decide_each, {count:,} distinct requests as dicts, memory that it takes"
    yield Answer(question, most - before, 200, 20, unit="MB")
