"""Share the mutants of a set between processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from attrs import evolve

from policyengine.analysis.budget import Budget
from policyengine.concurrency import deaf, end_with
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.mutation.fates import Tried
from policyengine.mutation.trial import Block, Trial
from policyengine.pipeline import check_sources

MANY = 100
"""The number of mutants from which on several processes are faster."""

Of = TypeVar("Of")
Made = TypeVar("Made")


@contextmanager
def workers(trial: Trial, jobs: int, mutants: int) -> Iterator[Workers]:
    """Give what tries mutants: *jobs* processes, or this one if there are not many *mutants*."""
    if jobs < 2 or mutants < MANY:  # noqa: PLR2004 - more than one
        yield Workers(trial, None)
        return
    texts = {name: source.text for name, source in trial.checked.sources.items()}
    titles = frozenset(test.node.span for test in trial.checked.tests)
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    given = texts, titles, trial.limits, trial.now, _deadline(trial), theirs
    pool = ProcessPoolExecutor(jobs, context, _begin, given)
    try:
        yield Workers(trial, pool)
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()


class Workers:
    """Tries mutants, in *pool* or in this process."""

    def __init__(self, trial: Trial, pool: ProcessPoolExecutor | None) -> None:
        self._trial, self._pool = trial, pool

    def tested(self, numbers: Sequence[int]) -> Iterator[Tried]:
        """Give the fates of mutants by the tests alone."""
        yield from self._each(Trial.tested, numbers, _tested, chunk=8)

    def searched(self, blocks: Sequence[Block]) -> Iterator[list[tuple[int, Tried]]]:
        """Give the fates of survivors, block by block."""
        yield from self._each(Trial.searched, blocks, _searched, chunk=1)

    def _each(
        self, here: Callable[[Trial, Of], Made], all_: Sequence[Of], there: Callable[[Of], Made],
        chunk: int,
    ) -> Iterator[Made]:  # fmt: skip
        if self._pool is None:
            yield from (here(self._trial, one) for one in all_)
        elif all_:
            # An interrupt from a terminal goes to all processes of a run, and these end with the first.
            with deaf(signal.SIGINT):
                found = self._pool.map(there, all_, chunksize=chunk)
            yield from found


_process: list[Trial] = []
"""The trial of a worker process, made by `_begin`."""


def _begin(
    texts: Mapping[str, str], tests: frozenset[Span], limits: Limits, now: int, deadline: float | None,
    parent: Connection,
) -> None:  # fmt: skip
    end_with(parent)
    sources = {name: Source(name, text) for name, text in texts.items()}
    checked, _ = check_sources(sources, limits)
    assert checked is not None
    left = None if deadline is None else deadline - time.time()
    asked = tuple(test for test in checked.tests if test.node.span in tests)
    _process[:] = [Trial(evolve(checked, tests=asked), limits, now, Budget.lasting(left))]


def _deadline(trial: Trial) -> float | None:
    """Return the moment at which the time is up, by the clock that all processes have."""
    left = trial.budget.seconds_left
    return None if left is None else time.time() + left


def _tested(number: int) -> Tried:
    (trial,) = _process
    return trial.tested(number)


def _searched(block: Block) -> list[tuple[int, Tried]]:
    (trial,) = _process
    return trial.searched(block)
