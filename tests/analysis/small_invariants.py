"""Compare what is said of invariants with each request of a small vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from policyengine.analysis.budget import Budget
from policyengine.analysis.invariant_search import examine
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedSet
from tests.analysis.small_world import ACTIONS, ATOMS, ROUGH, checked_of, some_condition
from tests.analysis.worlds import World

SECONDS = 60.0
"""More than any answer takes; what is not settled here is not settled for another reason."""


def some_invariant(rng: Random, atoms: Sequence[str]) -> str:
    """Return an invariant, likely to be near what the rules say."""
    target = rng.choice(("any", "any", "read", "write"))
    clauses = [
        f"{rng.choice(('when', 'unless'))} {some_condition(rng, rng.choice((0, 1, 1, 2)), atoms)}"
        for _ in range(rng.choice((1, 1, 2)))
    ]
    return f"invariant i: never allow {target} {' '.join(clauses)}\n"


def rules_about(rng: Random, atoms: Sequence[str]) -> str:
    """Return rules of which some repeat one another's conditions, in one gate or two."""
    shared = [some_condition(rng, 1, atoms) for _ in range(2)]

    def some() -> str:
        return rng.choice((*shared, some_condition(rng, 2, atoms)))

    text = f"permit p: any when {some()}\n"
    if rng.random() < 0.4:
        text += f"permit q: any when {some()} and {some()}\n"
    for name in "fg"[: rng.choice((0, 1, 1, 2))]:
        text += f'forbid {name}: {rng.choice(("any", "read"))} when {some()} because "{name}"\n'
    if rng.random() < 0.3:
        other = f"permit o: any when {some()}"
        text = f'gate g "?"\ngate h "?" for read\ngate g {{ {text} }}\ngate h {{ {other} }}\n'
    invariant = some_invariant(rng, atoms)
    if rng.random() < 0.6:
        invariant = f"invariant i: never allow any {rng.choice(('when', 'unless'))} {some()}\n"
    return text + invariant


def hold_invariants(
    requests: dict[str, Sequence[ValidRequest]], seed: int, *, rough: bool = False
) -> Counter[str]:
    """Hold what is said of an invariant to what every request says of it.

    *rough*: whether the rules may do of which not all is known; then an invariant need not be settled.
    """
    text = rules_about(Random(seed), ATOMS + ROUGH * rough)
    every = [request for action in ACTIONS for request in requests[action]]
    answer, breaks = _compared(checked_of(text), every, text)
    assert rough or answer == ("broken" if breaks else "proved"), text
    return Counter([answer])


def hold_in_world(world: World, seed: int) -> Counter[str]:
    """Hold what is said of an invariant to what every request of a small world says of it.

    There are more requests than those, so what none of them breaks may be broken by another.
    """
    text = rules_about(Random(seed), world.atoms)
    checked = world.checked(text)
    if checked is None:  # too much for one request
        return Counter()
    answer, _ = _compared(checked, world.requests, text)
    return Counter([answer])


def _compared(checked: CheckedSet, requests: Sequence[ValidRequest], text: str) -> tuple[str, bool]:
    """Return what is said of the one invariant, and whether some request breaks it; then it is not proved."""
    (found,) = examine(checked, checked.invariants, Budget.lasting(SECONDS), now=0)
    if found.request is not None:
        outcome = interpreter.decide(checked, found.request)
        assert outcome.allowed, text
        assert interpreter.broken_invariants(checked, found.request, outcome), text
    breaking = (
        request
        for request in requests
        if interpreter.broken_invariants(checked, request, interpreter.decide(checked, request))
    )
    first = next(breaking, None)
    assert first is None or found.answer != "proved", (text, first)
    return found.answer, first is not None
