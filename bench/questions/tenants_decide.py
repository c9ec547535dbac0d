"""Ask how much more a decision costs with ten times as many tenants."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.tenants import few, many
from bench.timing import side_by_side


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide among the rules of many tenants, beside those of few."""
    less, more = few(scale), many(scale)
    contestants = {"few": less.decide_all, "many": more.decide_all}
    ratio = side_by_side(contestants, scale.requests, scale.rounds)["many"].ratio
    question = f"tenants with 25 rules each, {more.rules:,} rules over {less.rules:,}"
    yield Answer(question, ratio, 1.5, 1.1)
