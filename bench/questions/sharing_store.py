"""Ask what it costs that an engine has a store, beside one without, about entities of that store."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.sharing import shared
from bench.timing import side_by_side
from policyengine import PolicyEngine

_NAMES = "documents", "tasks"
"""Where no rule follows a reference of the resource, which only the engine with the store can."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide the same requests, of the store's own entities, by both."""
    for name in _NAMES:
        made = shared(name, scale.requests)
        asked = [
            (made.store["User", who], action, made.store[type_, id_])
            for who, action, type_, id_ in made.world.requests
        ]
        contestants = {
            "without": made.deciding(PolicyEngine.from_text(made.world.policy), asked),
            "with": made.deciding(made.engine, asked),
        }
        ratio = side_by_side(contestants, len(asked), scale.rounds)["with"].ratio
        question = f"shared {name}, an engine with a store over one without"
        yield Answer(question, ratio, 1.5, 1.1)
