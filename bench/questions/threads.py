"""Ask whether four threads that decide at once get as much done as one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from bench.questions.answer import Answer, Scale
from bench.questions.small import small
from bench.timing import side_by_side

_THREADS = 4
_TIMES = 25


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world: requests a second of all threads, over those of one."""
    world = small(scale.requests)
    decide = world.engine.decide
    world.compare(lambda form: decide(*form.built))
    built = [form.built for form in world.forms]

    def work(_: int) -> None:
        for _ in range(_TIMES):
            for subject, action, resource, context in built:
                decide(subject, action, resource, context)

    def one_after_another() -> None:
        for number in range(_THREADS):
            work(number)

    def together() -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, range(_THREADS)))

    rounds = max(1, scale.rounds // 3)
    found = side_by_side(
        {"one": one_after_another, "all": together}, _THREADS, rounds, perf_counter
    )
    ratio = 1 / found["all"].ratio
    yield Answer(f"{_THREADS} threads at once, over one", ratio, 0.9, 1.0, least=True)
