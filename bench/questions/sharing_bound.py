"""Ask what a decision about a bound subject costs where people share, beside one that is not bound."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.sharing import Shared, shared
from bench.timing import side_by_side
from bench.worlds.sharing import NAMES


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide by type and id, about subjects that are bound already."""
    for name in NAMES:
        ratio = _bound_over_not_bound(shared(name, scale.requests), scale.rounds)
        question = f"shared {name} in a store, bound over not bound"
        yield Answer(question, ratio, 0.7, 0.4)


def _bound_over_not_bound(made: Shared, rounds: int) -> float:
    bound = {subject["id"]: made.engine.bind(subject) for subject, *_ in made.asked}
    asked = [(bound[subject["id"]], action, resource) for subject, action, resource in made.asked]
    made.compare(lambda subject, *rest: bool(subject.decide(*rest).allowed), asked)

    def ours() -> None:
        for subject, action, resource in asked:
            subject.decide(action, resource).allowed

    contestants = {"not bound": made.decide_all(), "bound": ours}
    return side_by_side(contestants, len(asked), rounds)["bound"].ratio
