"""Ask how long it takes to explain a deny, with all that would allow it, among random rules."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Final

from bench.questions.answer import Answer, Scale
from bench.questions.authoring import NOW, three_of_eight
from bench.worlds.authored import a_request
from policyengine.explain.explainer import explain
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedSet

_BARS: Final = {60: 50.0, 800: 300.0}
_DENIES = 25


def ask(scale: Scale) -> Iterator[Answer]:
    """Explain some denies of each set: those that only several changes would allow take long."""
    for size, bar in _BARS.items():
        made = three_of_eight(rules := min(size, scale.loaded))
        denied = list(islice(_denied(made), _DENIES))
        found = max(_milliseconds(made, one) for one in denied)
        question = f"explain, the slowest of {_DENIES} denies by {rules} random rules: milliseconds"
        yield Answer(question, found, bar, bar / 2, unit="ms")


def _milliseconds(checked: CheckedSet, denied: ValidRequest) -> float:
    start = time.process_time()
    explain(checked, denied)
    return (time.process_time() - start) * 1_000


def _denied(checked: CheckedSet) -> Iterator[ValidRequest]:
    """Give requests that are denied, without end."""
    validator = Validator(checked.schema, checked.needs, Limits())
    rng = Random(1)
    while True:
        request = validator.validate_parts(**a_request(rng), now=NOW)
        if not interpreter.decide(checked, request).allowed:
            yield request
