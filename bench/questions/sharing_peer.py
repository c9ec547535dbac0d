"""Ask how much longer Cedar takes where people share, and all entities lie in a store."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from bench.contestants import CONTESTANTS
from bench.questions.answer import Answer, Scale
from bench.questions.sharing import shared
from bench.timing import each, side_by_side
from bench.worlds.sharing import NAMES


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide by type and id; no answer if Cedar is not installed."""
    if not CONTESTANTS["Cedar"].is_here:
        return
    load = import_module("bench.peers.cedar").load_shared
    for name in NAMES:
        made = shared(name, scale.requests)
        prepare, decide = load(made.world)
        prepared = [prepare(asked) for asked in made.world.requests]
        made.compare(decide, [(request,) for request in prepared])
        contestants = {"ours": made.decide_all(), "Cedar": each(decide, prepared)}
        ratio = side_by_side(contestants, len(prepared), scale.rounds)["Cedar"].ratio
        question = f"shared {name} in a store, Cedar over decide"
        yield Answer(question, ratio, 40, 100, least=True)
