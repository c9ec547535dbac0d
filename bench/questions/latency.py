"""Ask how much slower the slowest of a hundred decisions is than the median."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median, quantiles

from bench.questions.answer import Answer, Scale
from bench.questions.small import small

_TIMES = 10


def ask(scale: Scale) -> Iterator[Answer]:
    """Time single calls in the small world, in one thread."""
    world = small(scale.requests)
    decide, clock = world.engine.decide, time.perf_counter_ns
    world.compare(lambda form: decide(*form.built))
    built = [form.built for form in world.forms]
    times: list[int] = []
    for _ in range(_TIMES):
        for subject, action, resource, context in built:
            start = clock()
            decide(subject, action, resource, context)
            times.append(clock() - start)
    slow = quantiles(times, n=100)[98]
    yield Answer("p99 over median of single calls", slow / median(times), 3, 2)
