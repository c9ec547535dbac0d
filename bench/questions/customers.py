"""Ask what a decision costs where each customer has rules of their own, however many there are."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.growing import Grown


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide at each size, beside a dict by hand."""
    for size in scale.sizes:
        ratio = Grown.make("customers", size, scale.requests).over_by_hand(scale.rounds)
        question = f"a rule for each customer, {size:,} rules, over a dict by hand"
        yield Answer(question, ratio, 2, 1.2)
