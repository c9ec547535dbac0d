"""Ask how long it takes to try every mutant of random rules, in one process."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from bench.questions.answer import Answer, Scale
from bench.questions.authoring import NOW, seconds, three_of_eight
from policyengine.mutation.score import mutate

_BARS: Final = {50: 8.0, 200: 60.0}


def ask(scale: Scale) -> Iterator[Answer]:
    """Mutate each set once, to the end; nothing is remembered."""
    for size, bar in _BARS.items():
        made = three_of_eight(rules := min(size, scale.loaded))
        found = seconds(partial(mutate, made, now=NOW, seconds=None))
        yield Answer(f"mutants of {rules} random rules: seconds", found, bar, bar / 2, unit="s")
