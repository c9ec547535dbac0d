"""Take a decision of the small world apart: what it takes to be called, to find the function, to answer.

Each stand-in does one thing more than the one before, on the same requests as the real ones after
them, so that the difference is what that thing takes. What is left between the last stand-in and a
real decision is what the rules themselves take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from bench.questions.small import small
from bench.timing import Measured, side_by_side
from bench.worlds import apps


class _Made(Struct):
    """Stands for a decision, which keeps the parts of the request."""

    allowed: bool
    answer: None
    subject: Any
    resource: Any
    context: Any
    now: None


class _Caller:
    """Stands for an engine of which every action has the same function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._functions = dict.fromkeys(apps.ACTIONS, function)

    def nothing(self, subject: Any, action: str, resource: Any, context: Any = None) -> Any:
        """Return at once."""

    def decide(self, subject: Any, action: str, resource: Any, context: Any = None) -> Any:
        """Find the function, and call it."""
        return self._functions[action](subject, resource, context)


def measure(requests: int, rounds: int) -> Mapping[str, Measured]:
    """Return what each part takes, beside a function written by hand."""
    world = small(requests)
    world.compare(lambda form: world.engine.decide(*form.built))
    built = [form.built for form in world.forms]
    bound = {subject.id: world.engine.bind(subject) for subject, *_ in built}
    asked = [(bound[subject.id], *rest) for subject, *rest in built]
    for subject, action, resource, context in asked:
        subject.decide(action, resource, context)
    subject, _, resource, context = built[0]
    first, second, third = type(subject), type(resource), type(context)

    def made(subject: Any, resource: Any, context: Any) -> Any:
        return _Made(True, None, subject, resource, context, None)

    def looked_at(subject: Any, resource: Any, context: Any) -> Any:
        if type(subject) is first and type(resource) is second and type(context) is third:
            return _Made(True, None, subject, resource, context, None)
        return None

    def over(decide: Callable[..., object]) -> Callable[[], None]:
        def run() -> None:
            for subject, action, resource, context in built:
                decide(subject, action, resource, context)

        return run

    def by_hand() -> None:
        for request in world.requests:
            apps.decide_by_hand(request)

    def of_bound() -> None:
        for subject, action, resource, context in asked:
            subject.decide(action, resource, context)

    contestants = {
        "written by hand": by_hand,
        "one call that does nothing": over(_Caller(made).nothing),
        "… and a function by action": over(_Caller(lambda *_: None).decide),
        "… that makes a decision": over(_Caller(made).decide),
        "… and looks at the parts first": over(_Caller(looked_at).decide),
        "PolicyEngine.decide": over(world.engine.decide),
        "BoundSubject.decide": of_bound,
    }
    return side_by_side(contestants, len(built), rounds)
