"""Measure tests by the mutants that they notice: change rules slightly and see whether a test fails.

The reference interpreter decides. The verdicts on rules that a mutant does not change are known from
the unchanged set, so only the changed rule is judged again, for the requests that it covers. For each mutant that
no test notices, a test is then searched that does, or a proof that there is none (`distinguishing.py`), until
the budget is spent. No file is written meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from policyengine.analysis.budget import Budget
from policyengine.model.limits import Limits
from policyengine.mutation.fate_keys import FateKeys
from policyengine.mutation.fates import MutationRun, Tried
from policyengine.mutation.mutants import Mutant
from policyengine.mutation.processes import workers
from policyengine.mutation.shared_tests import fewest
from policyengine.mutation.trial import Trial
from policyengine.semantics.checked import CheckedSet

BUDGET = 60.0
"""The seconds that a run takes at most, if no other number is given."""

Progress: TypeAlias = Callable[[int, int], None]
"""A callback that takes how many mutants are done, of how many."""


def mutate(
    checked: CheckedSet,
    *,
    limits: Limits | None = None,
    now: int,
    jobs: int = 1,
    remembered: Mapping[str, Tried] | None = None,
    seconds: float | None = BUDGET,
    progress: Progress = lambda _done, _all: None,
) -> tuple[MutationRun, dict[str, Tried]]:
    """Try every mutant of a set whose tests pass; return their fates, and what to remember.

    *now* (microseconds): the time of expectations before the first `at`. *remembered*: what an
    earlier run returned; a mutant is tried again only if something that its fate may depend on has
    changed since. *jobs*: the number of processes that share the work. *seconds*: the budget, None for no bound.
    """
    limits, remembered = limits or Limits(), remembered or {}
    trial = Trial(checked, limits, now, Budget.lasting(seconds))
    keys = FateKeys(checked, now)
    marks = [keys.of(mutant) for mutant in trial.mutants]
    fates = {
        i: _of(trial.mutants[i], remembered[mark])
        for i, mark in enumerate(marks)
        if mark in remembered
    }

    def take(found: Iterable[tuple[int, Tried]]) -> None:
        fates.update(found)
        done = sum(not _is_open(one) for one in fates.values())
        progress(done, len(marks))

    open_ = [i for i in range(len(marks)) if i not in fates]
    with workers(trial, jobs, len(open_)) as trying:
        for i, tried in zip(open_, trying.tested(open_), strict=True):
            take([(i, tried)])
        for found in trying.searched(trial.blocks([i for i in open_ if _is_open(fates[i])])):
            take(found)
    fates = fewest(trial, fates)
    kept = {mark: fates[i] for i, mark in enumerate(marks) if not fates[i].late}
    return MutationRun(tuple(fates[i] for i in range(len(marks))), checked.sources, seconds), kept


def _of(mutant: Mutant, tried: Tried) -> Tried:
    """Return a remembered fate, for a mutant whose place in the text may have changed."""
    return Tried(
        mutant.of,
        mutant.kind,
        mutant.what,
        mutant.span,
        tried.fate,
        tried.by,
        tried.test,
        tried.why,
    )


def _is_open(tried: Tried) -> bool:
    return tried.fate == "survived" and not tried.test and not tried.why
