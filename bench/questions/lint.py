"""Ask how long lint takes for random rules, and whether it ends in its budget where a set asks too much."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from bench.questions.answer import Answer, Scale
from bench.questions.authoring import NOW, checked, seconds, three_of_eight
from bench.worlds import authored
from policyengine.analysis.budget import Budget
from policyengine.lint.linter import examine

_BARS: Final = {50: 0.5, 200: 2.0, 800: 10.0}
_HARD: Final[Mapping[str, Callable[[], str]]] = {
    "a constant of 300 numbers": authored.large_constant,
    "200 rules over 60 switches": authored.many_switches,
    "3,000 rules over a table of 20,000 names": authored.long_table,
}
_BUDGET = 10.0
_PATIENCE = 30.0
_LATE = 1.0
"""The seconds that lint may take beside its budget."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Lint each set once; then the hard ones, by the clock, since a budget is kept by the clock."""
    for size, bar in _BARS.items():
        made = three_of_eight(rules := min(size, scale.loaded))
        found = seconds(partial(examine, made, now=NOW, budget=Budget.lasting(_PATIENCE)))
        yield Answer(f"lint of {rules} random rules: seconds", found, bar, bar / 2, unit="s")
    if scale.loaded < Scale().loaded:
        return
    for name, text in _HARD.items():
        hard = checked(text())
        start = time.perf_counter()
        examine(hard, now=NOW, budget=Budget.lasting(_BUDGET))
        found = time.perf_counter() - start
        yield Answer(f"lint of {name}: seconds", found, _BUDGET + _LATE, _BUDGET / 10, unit="s")
