"""Ask what a condition on the resource costs, for a subject that nobody asked about, beside typed decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from bench.worlds import apps, hospital, platform, workspace
from policyengine import PolicyEngine

_Parts: TypeAlias = tuple[Any, str, Any, Any, datetime | None]
_FEWER = 10
"""So many times fewer requests than elsewhere: a condition takes as long as many decisions."""


def ask(scale: Scale) -> Iterator[Answer]:
    """Leave the resource of each request unknown; the other parts were built before."""
    for name, engine, asked in _worlds(max(20, scale.requests // _FEWER)):
        _compare(engine, asked)
        contestants = {"decide": _all(engine.decide, asked), "partial": _left(engine, asked)}
        ratio = side_by_side(contestants, len(asked), scale.rounds)["partial"].ratio
        yield Answer(f"{name}, partial for a new subject over typed decisions", ratio, 100, 20)


def _worlds(count: int) -> Iterator[tuple[str, PolicyEngine, Sequence[_Parts]]]:
    engine = PolicyEngine.load(platform.POLICIES)
    yield "policies/x", engine, [(*a.built, a.now) for a in platform.requests(engine, count)]
    for world in (hospital, workspace):
        engine = PolicyEngine.load(world.POLICIES)
        asks: Sequence[hospital.Ask | workspace.Ask] = world.requests(engine, count)
        parts = [(*one.built, one.by_hand[-1]) for one in asks]
        yield f"policies/{world.POLICIES.name}", engine, parts
    engine = PolicyEngine.load(apps.POLICY)
    forms = apps.in_all_forms(engine, apps.make_requests(count))
    yield "27 rules", engine, [(*form.built, None) for form in forms]


def _compare(engine: PolicyEngine, asked: Sequence[_Parts]) -> None:
    """Raise `DisagreementError` if what is left contradicts a decision."""
    for subject, action, resource, context, now in asked:
        left = engine.partial(
            subject=subject, action=action, resource_type=resource.type, context=context, now=now
        )
        allowed = engine.decide(subject, action, resource, context, now=now).allowed
        if left.never if allowed else left.always:
            raise DisagreementError(f"{action} by {subject}: {left.text}, and it is {allowed}")


def _all(decide: Callable[..., Any], asked: Sequence[_Parts]) -> Callable[[], None]:
    def run() -> None:
        for subject, action, resource, context, now in asked:
            decide(subject, action, resource, context, now=now).allowed

    return run


def _left(engine: PolicyEngine, asked: Sequence[_Parts]) -> Callable[[], None]:
    partial = engine.partial

    def run() -> None:
        for subject, action, resource, context, now in asked:
            partial(
                subject=subject,
                action=action,
                resource_type=resource.type,
                context=context,
                now=now,
            )

    return run
