"""State the law of timelines: between two moments that they list the answer is the same, at each it differs."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from policyengine.explain.answers_over_time import timeline_of
from policyengine.explain.periods import Answer
from policyengine.model.outcome import Outcome
from policyengine.model.values import from_datetime, to_datetime
from tests.strategies.loading import load
from tests.strategies.turning import FIRST, LAST, make_request, make_set


def timelines_say_what_is_decided(seed: int, requests: int) -> tuple[int, int]:
    """Hold the law for requests to one policy set; return the number of periods and of schedules' cases."""
    rng = Random(seed)
    made = make_set(rng)
    loaded = load({"p.policy": made.text})
    periods = cases = 0
    for _ in range(requests):
        given = make_request(rng)
        request = loaded.request(**given)
        found = timeline_of(loaded.checked, request)
        shown = "\n".join((f"seed {seed}", made.text, str(given), *found.lines()))
        begins = [from_datetime(period.begin) for period in found.periods]
        sampled = [
            *made.candidates(request)[:200],
            *(rng.randrange(FIRST, LAST) for _ in range(20)),
        ]
        for moment in {near for at in (*begins, *sampled) for near in (at - 1, at, at + 1)}:
            if not request.now <= moment <= LAST:
                continue
            decided = loaded.program.decide(replace(request, now=moment)).outcome
            assert agrees(found.at(to_datetime(moment)), decided), (
                f"{shown}\nat {to_datetime(moment)}"
            )
        for one, next_ in zip(found.periods, found.periods[1:], strict=False):
            assert [(c.conditions, c.answer) for c in one.cases] != [
                (c.conditions, c.answer) for c in next_.cases
            ], shown
            assert next_.changes, shown
        periods += len(begins)
        cases += sum(len(period.cases) > 1 for period in found.periods)
    return periods, cases


def agrees(answer: Answer, outcome: Outcome) -> bool:
    """Whether an answer of a timeline is that of a decision."""
    shut = tuple(gate for gate, opened in outcome.gates if not opened)
    by_gate = outcome.cause == "not_permitted"
    return (
        answer.allowed is outcome.allowed
        and answer.cause == outcome.cause
        and answer.rules == (() if by_gate else outcome.rules)
        and answer.shut == (shut if by_gate else ())
        and answer.exposed == (None if outcome.exposed is None else tuple(sorted(outcome.exposed)))
        and answer.masks == outcome.masks
        and answer.obligations == outcome.obligations
    )
