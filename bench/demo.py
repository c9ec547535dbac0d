"""Time decisions of policies/x for two of its operations, with and without the reason.

Four ways answer the same requests: a function written by hand for just these operations, the engine on
values that were built before, the engine on JSON, and the reference interpreter. They must agree on
every request, on the decision and on the reason word for word, before anything is timed.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.timing import ROUNDS, side_by_side
from bench.worlds import demo_by_hand as by_hand
from bench.worlds.demo import POLICIES, Ask, requests
from policyengine import PolicyEngine, __version__
from policyengine.intake.authzen import read_document
from policyengine.intake.validation import validate
from policyengine.model.limits import Limits
from policyengine.model.request import Request
from policyengine.pipeline import check_paths
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedSet


def main() -> int:
    """Check that all agree, then print how long each takes; 1 if they do not."""
    engine = PolicyEngine.load(POLICIES)
    asks = requests(engine)
    checked, _ = check_paths([POLICIES])
    assert checked is not None, "the engine has loaded it"
    references = [reference_request(checked, ask) for ask in asks]
    causes = agreement(engine, checked, asks, references)
    if causes is None:
        return 1
    count = sum(causes.values())
    told = ", ".join(f"{number} {cause}" for cause, number in causes.most_common())
    print(f"{count} requests on {POLICIES.parent.name}/{POLICIES.name}, all answered alike: {told}")
    print(_machine())
    for title, contestants in (
        ("the decision", deciding(engine, checked, asks, references)),
        ("the decision and its reason", reasoning(engine, checked, asks, references)),
    ):
        print(f"\n{title:<44}{'µs':>9}{'× by hand':>12}")
        for name, measured in side_by_side(contestants, count).items():
            print(f"  {name:<42}{measured.microseconds:>9.2f}{measured.ratio:>11.2f}×")
    return 0


def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"policyengine {__version__}, {python}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; medians of {ROUNDS} rounds"
    )


def reference_request(checked: CheckedSet, ask: Ask) -> Request:
    """Return the request as the interpreter takes it."""
    envelope = read_document(ask.wire, Limits(), accept_now=True)
    return validate(
        checked.schema,
        checked.needs,
        Limits(),
        subject=envelope.subject,
        action=envelope.action,
        resource=envelope.resource,
        context=envelope.context,
        now=envelope.now,
        entities=envelope.entities,
    )


def agreement(
    engine: PolicyEngine, checked: CheckedSet, asks: Sequence[Ask], references: Sequence[Request]
) -> Counter[str] | None:
    """Return how often each cause came, or None after saying who disagrees on what."""
    import json

    causes: Counter[str] = Counter()
    for ask, request in zip(asks, references, strict=True):
        decision = engine.decide(*ask.built, now=ask.now)
        answer = json.loads(engine.decide_json(ask.wire, accept_now=True))
        outcome = interpreter.decide(checked, request)
        said = {
            "by hand": (by_hand.allows(*ask.by_hand), by_hand.why(*ask.by_hand)),
            "engine": (decision.allowed, decision.reason),
            "engine, from JSON": (answer["decision"], answer["context"]["reason"]),
            "reference": (outcome.allowed, interpreter.reason(checked, request)),
        }
        if len(set(said.values())) > 1:
            print(f"they disagree on {ask.wire.decode()}", file=sys.stderr)
            for name, (allowed, reason) in said.items():
                verdict = "allow" if allowed else "deny"
                print(f"  {name}: {verdict}: {reason}", file=sys.stderr)
            return None
        causes[outcome.cause] += 1
    return causes


Contestants = Mapping[str, Callable[[], object]]


def deciding(
    engine: PolicyEngine, checked: CheckedSet, asks: Sequence[Ask], references: Sequence[Request]
) -> Contestants:
    """Return the ways to get the decision alone."""
    plain = [ask.by_hand for ask in asks]
    built = [(ask.built, ask.now) for ask in asks]

    def hand() -> None:
        for parts in plain:
            by_hand.allows(*parts)

    def compiled() -> None:
        for parts, now in built:
            engine.decide(*parts, now=now).allowed

    def interpreted() -> None:
        for request in references:
            interpreter.decide(checked, request).allowed

    return {
        "written by hand": hand,
        "policyengine, values built before": compiled,
        "reference interpreter": interpreted,
    }


def reasoning(
    engine: PolicyEngine, checked: CheckedSet, asks: Sequence[Ask], references: Sequence[Request]
) -> Contestants:
    """Return the ways to get the decision and its reason; from JSON with everything else, too."""
    plain = [ask.by_hand for ask in asks]
    built = [(ask.built, ask.now) for ask in asks]
    wires = [ask.wire for ask in asks]

    def hand() -> None:
        for parts in plain:
            by_hand.allows(*parts)
            by_hand.why(*parts)

    def compiled() -> None:
        for parts, now in built:
            decision: Any = engine.decide(*parts, now=now)
            decision.reason

    def from_json() -> None:
        for wire in wires:
            engine.decide_json(wire, accept_now=True)

    def interpreted() -> None:
        for request in references:
            interpreter.decide(checked, request)
            interpreter.reason(checked, request)

    return {
        "written by hand": hand,
        "policyengine, values built before": compiled,
        "policyengine, from JSON to JSON": from_json,
        "reference interpreter": interpreted,
    }
