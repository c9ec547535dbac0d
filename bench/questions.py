"""Measure what the engine promises: each question a ratio within one run, beside what was to be reached.

In the small world (27 rules over 12 actions) a hand-written function decides the same requests; it
validates nothing. In the world of customers a dict by hand does. All answers are compared before
anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from typing import Any

from attrs import frozen

from bench.timing import side_by_side
from bench.worlds import apps, customers
from policyengine import PolicyEngine

REQUESTS = 2_000
BATCH = 100_000
SIZES = (10, 100, 1_000, 10_000)


@frozen
class Answer:
    """A ratio, what it must not pass, and what it is to come to; *least*: it must reach them."""

    question: str
    ratio: float
    bar: float
    aim: float
    least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the bar is reached."""
        return self.ratio >= self.bar if self.least else self.ratio <= self.bar


class DisagreementError(Exception):
    """Two contestants answered a request differently, so that timing them means nothing."""


def answers(sizes: Sequence[int] = SIZES, batch: int = BATCH) -> Iterator[Answer]:
    """Give the answer to each question as it is found."""
    yield from small_world()
    yield in_batches(batch)
    yield from customers_at(sizes)
    yield latency()
    yield threads()


def small_world() -> Iterator[Answer]:
    """Ask in every form, beside the hand-written function."""
    engine = PolicyEngine.load(apps.POLICY)
    requests = apps.make_requests(REQUESTS)
    forms = apps.in_all_forms(engine, requests)
    bound = {f.built[0].id: engine.bind(f.built[0]) for f in forms}
    bounds = [(bound[f.built[0].id], *f.built[1:]) for f in forms]
    _compare_forms(engine, requests, forms, bounds)
    built, dicts = [f.built for f in forms], [f.dicts for f in forms]
    wires = [f.wire for f in forms]
    decide, decide_json = engine.decide, engine.decide_json

    def by_hand() -> None:
        for request in requests:
            apps.decide_by_hand(request)[0]

    def of_built() -> None:
        for subject, action, resource, context in built:
            decide(subject, action, resource, context).allowed  # noqa: B018

    def of_bound() -> None:
        for subject, action, resource, context in bounds:
            subject.decide(action, resource, context).allowed  # noqa: B018

    def of_dicts() -> None:
        for subject, action, resource, context in dicts:
            decide(subject, action, resource, context).allowed  # noqa: B018

    def json_by_hand() -> None:
        for wire in wires:
            apps.answer_wire_by_hand(wire)

    def of_json() -> None:
        for wire in wires:
            decide_json(wire)

    found = _ratios(by_hand, {"built": of_built, "bound": of_bound, "dicts": of_dicts})
    yield Answer("decide, parts built before, over by hand", found["built"], 1.5, 1.0)
    yield Answer("decide of a bound subject, over by hand", found["bound"], 0.7, 0.4)
    yield Answer("decide from dicts, validated, over by hand", found["dicts"], 4, 2.5)
    found = _ratios(json_by_hand, {"json": of_json})
    yield Answer("JSON to JSON, over json.loads, by hand, json.dumps", found["json"], 1.5, 0.8)


def _ratios(by_hand: Callable[[], None], others: dict[str, Callable[[], None]]) -> dict[str, float]:
    found = side_by_side({"by hand": by_hand, **others}, REQUESTS)
    return {name: found[name].ratio for name in others}


def _compare_forms(
    engine: PolicyEngine,
    requests: Sequence[apps.Plain],
    forms: Sequence[apps.Forms],
    bounds: Sequence[Any],
) -> None:
    for request, form, (bound, *rest) in zip(requests, forms, bounds, strict=True):
        answer = apps.decide_by_hand(request)
        decisions = engine.decide(*form.built), engine.decide(*form.dicts), bound.decide(*rest)
        if not all(apps.agrees(decision, answer) for decision in decisions):
            raise DisagreementError(f"{request} is {answer} by hand, and {decisions[0]!r}")
        told = b'"decision":true' in engine.decide_json(form.wire)
        if told != answer[0]:
            raise DisagreementError(f"{request} is {answer} by hand, and otherwise as JSON")


def in_batches(count: int) -> Answer:
    """Ask many distinct requests at once, beside a loop over the hand-written function."""
    engine = PolicyEngine.load(apps.POLICY)
    requests = apps.make_requests(count)
    built = [form.built for form in apps.in_all_forms(engine, requests)]
    expected = [apps.decide_by_hand(request)[0] for request in requests]
    for _ in range(2):  # the first opens the doors
        if [decision.allowed for decision in engine.decide_many(built)] != expected:
            raise DisagreementError("a batch is decided otherwise than by hand")

    def by_hand() -> None:
        [apps.decide_by_hand(request) for request in requests]

    def at_once() -> None:
        engine.decide_many(built)

    ratio = side_by_side({"by hand": by_hand, "at once": at_once}, count, rounds=5)["at once"].ratio
    return Answer(
        f"decide_many, {count:,} distinct requests, over the loop by hand", ratio, 1.5, 0.8
    )


def customers_at(sizes: Sequence[int]) -> Iterator[Answer]:
    """Ask about one customer of more and more, beside a dict by hand."""
    for size in sizes:
        rows = customers.make_rows(size)
        engine = PolicyEngine.from_text(customers.policy(rows))
        by_hand = customers.ByHand(rows)
        requests = customers.make_requests(rows, REQUESTS)
        built = customers.built(engine, requests)
        for request, parts in zip(requests, built, strict=True):
            if engine.decide(*parts).allowed != by_hand.decide(request):
                raise DisagreementError(f"{request} is decided otherwise by hand")
        ratio = _customers_ratio(engine, by_hand, requests, built)
        yield Answer(
            f"a rule for each customer, {size:,} rules, over a dict by hand", ratio, 2, 1.2
        )


def _customers_ratio(
    engine: PolicyEngine, by_hand: customers.ByHand, requests: Sequence[Any], built: Sequence[Any]
) -> float:
    decide, look = engine.decide, by_hand.decide

    def hand() -> None:
        for request in requests:
            look(request)

    def ours() -> None:
        for subject, action, resource, context in built:
            decide(subject, action, resource, context).allowed  # noqa: B018

    return side_by_side({"by hand": hand, "ours": ours}, REQUESTS)["ours"].ratio


def latency() -> Answer:
    """Time single calls: the slowest of a hundred, over the median."""
    engine = PolicyEngine.load(apps.POLICY)
    built = [f.built for f in apps.in_all_forms(engine, apps.make_requests(REQUESTS))]
    times: list[int] = []
    clock = time.perf_counter_ns
    for _ in range(10):
        for subject, action, resource, context in built:
            start = clock()
            engine.decide(subject, action, resource, context)
            times.append(clock() - start)
    times = times[REQUESTS:]  # the first round opens the doors
    return Answer(
        "p99 over median of single calls", quantiles(times, n=100)[98] / median(times), 3, 2
    )


def threads(count: int = 4) -> Answer:
    """Decide from several threads at once: requests a second, over those of one."""
    engine = PolicyEngine.load(apps.POLICY)
    built = [f.built for f in apps.in_all_forms(engine, apps.make_requests(REQUESTS))]

    def work(_: int) -> None:
        for _ in range(25):
            for subject, action, resource, context in built:
                engine.decide(subject, action, resource, context)

    def one_after_another() -> None:
        for number in range(count):
            work(number)

    def together() -> None:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, range(count)))

    found = side_by_side({"one": one_after_another, "several": together}, count, rounds=5)
    ratio = 1 / found["several"].ratio
    return Answer(f"{count} threads at once, over one", ratio, 0.9, 1.0, least=True)
