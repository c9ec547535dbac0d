"""Ask what it costs that an engine has a store, beside one without, about entities of that store.

They are given as the store's own, and in the small world as dicts that say once more all that the store says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.questions.answer import Answer, Scale
from bench.questions.sharing import shared
from bench.questions.small import Small, small
from bench.timing import side_by_side
from policyengine import PolicyEngine

_NAMES = "documents", "tasks"
"""Where no rule follows a reference of the resource, which only the engine with the store can."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide the same requests by both."""
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
    question = "dicts of entities of a store, an engine with it over one without"
    yield Answer(question, _given_in_full(small(scale.requests), scale.rounds), 1.5, 1.1)


def _given_in_full(world: Small, rounds: int) -> float:
    parts = [one for form in world.forms for one in (form.dicts[0], form.dicts[2])]
    store = world.engine.store({(one["type"], one["id"]): one for one in parts}.values())

    def deciding(engine: PolicyEngine) -> Callable[[], None]:
        world.compare(lambda form: engine.decide(*form.dicts))

        def run() -> None:
            for form in world.forms:
                engine.decide(*form.dicts).allowed

        return run

    contestants = {
        "without": deciding(world.engine),
        "with": deciding(world.engine.with_store(store)),
    }
    return side_by_side(contestants, len(world.forms), rounds)["with"].ratio
