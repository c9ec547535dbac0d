"""Ask how much more a decision costs with more rules that have an equality beside what no table answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from bench.worlds import beside
from policyengine import PolicyEngine

_FEW, _MANY = 20, 2_000


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide among many rules, beside few, for each that may stand beside an equality."""
    many = min(_MANY, max(scale.sizes))
    for name in beside.NAMES:
        contestants = {
            "few": _deciding(name, _FEW, scale.requests),
            "many": _deciding(name, many, scale.requests),
        }
        ratio = side_by_side(contestants, scale.requests, scale.rounds)["many"].ratio
        what = f"`{name}` alone" if name in beside.ALONE else f"an equality beside `{name}`"
        yield Answer(f"{what}, {many:,} rules over {_FEW}", ratio, 2, 1.2)


def _deciding(name: str, size: int, requests: int) -> Callable[[], None]:
    world = beside.make(name, size, requests)
    engine = PolicyEngine.from_text(world.policy)
    decide, built = engine.decide, [beside.build(engine, request) for request in world.requests]
    for request, parts in zip(world.requests, built, strict=True):
        for decision in (decide(*parts), decide(*parts)):
            if decision.allowed != world.by_hand(request):
                raise DisagreementError(f"{request} is decided otherwise by hand")

    def run() -> None:
        for subject, action, resource, context in built:
            decide(subject, action, resource, context).allowed

    return run
