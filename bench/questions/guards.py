"""Ask what a guard adds to a request in worlds that differ in kind, beside the same service without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing

from bench.guarded_worlds import NAMES, services_of
from bench.questions.answer import Answer, DisagreementError, Scale
from bench.questions.kinds_of_worlds import AskedWorld, kinds_of_worlds
from bench.services import Ask
from bench.timing import side_by_side

_BAR = 60


def ask(scale: Scale) -> Iterator[Answer]:
    """Ask the services of two frameworks, one of them asynchronous, about requests that are allowed or denied."""
    with closing(asyncio.new_event_loop()) as loop:
        for world in kinds_of_worlds(scale):
            for name in NAMES:
                yield from _added(world, name, scale, loop)


def _added(
    world: AskedWorld, name: str, scale: Scale, loop: asyncio.AbstractEventLoop
) -> Iterator[Answer]:
    engine, most = world.engine, max(1, scale.requests // 10)
    services = services_of(name, engine, world.asked, loop)
    for what, status in {"allowed": 200, "denied": 403}.items():
        numbers = [
            number
            for number, parts in enumerate(world.asked)
            if engine.decide(*parts).allowed is (status == 200)
        ][:most]
        if not numbers:
            continue  # of few requests
        asked = [(str(number), *services(number)) for number in numbers]
        for number, bare, guarded in asked:
            if (bare(number), guarded(number)) != (status, status):
                raise DisagreementError(f"{world.name}, {number}: {name} does not answer {status}")
        contestants = {
            "bare": _asking([(number, bare) for number, bare, _ in asked]),
            "guarded": _asking([(number, guarded) for number, _, guarded in asked]),
        }
        found = side_by_side(contestants, len(asked), scale.rounds)
        added = max(0.0, found["guarded"].more)
        question = f"{world.name}, {name}, {what}: a guard adds"
        yield Answer(question, added, _BAR, _BAR / 2, unit="µs")


def _asking(asked: list[tuple[str, Ask]]) -> Callable[[], None]:
    def run() -> None:
        for number, ask in asked:
            ask(number)

    return run
