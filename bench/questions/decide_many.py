"""Ask what many distinct requests cost that are decided at once."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from bench.worlds import apps
from policyengine import PolicyEngine


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide a batch of the small world, beside a loop over the function by hand."""
    engine = PolicyEngine.load(apps.POLICY)
    requests = apps.make_requests(scale.batch)
    built = [form.built for form in apps.in_all_forms(engine, requests)]
    expected = [apps.decide_by_hand(request)[0] for request in requests]
    for _ in range(2):  # the first makes the readers
        if [decision.allowed for decision in engine.decide_many(built)] != expected:
            raise DisagreementError("a batch is decided otherwise than by hand")

    def by_hand() -> None:
        [apps.decide_by_hand(request) for request in requests]

    def ours() -> None:
        engine.decide_many(built)

    rounds = max(1, scale.rounds // 3)
    found = side_by_side({"by hand": by_hand, "ours": ours}, scale.batch, rounds)
    question = f"decide_many, {scale.batch:,} distinct requests, over the loop by hand"
    yield Answer(question, found["ours"].ratio, 1.5, 0.8)
