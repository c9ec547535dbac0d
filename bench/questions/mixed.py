"""Ask how much a decision costs more where there are a thousand times as many rules of many shapes."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.growing import Grown
from bench.timing import side_by_side

_FEW, _MANY = 10, 10_000


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the mixed world of many rules, beside the one of few."""
    many = min(_MANY, max(scale.sizes))
    few, more = (Grown.make("mixed", size, scale.requests) for size in (_FEW, many))
    contestants = {"few": few.decide_all, "many": more.decide_all}
    ratio = side_by_side(contestants, scale.requests, scale.rounds)["many"].ratio
    yield Answer(f"rules of mixed shapes, {many:,} over {_FEW}", ratio, 4, 2)
