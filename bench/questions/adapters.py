"""Ask what a guard adds to a request of a service, beside the same service without one: of one operation, and of many."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.services import IN_GROUP, Ask, services
from bench.timing import side_by_side

_BAR = 60
_EXPECTED = {"allowed": ("ann", 200), "denied": ("bob", 403)}


def ask(scale: Scale) -> Iterator[Answer]:
    """Ask the services of all frameworks, as one who may and as one who may not."""
    for groups in 0, 20:
        beside = f" with {groups * IN_GROUP} other operations" if groups else ""
        for name, bare, guarded in services(groups):
            yield from _added(f"{name}{beside}", bare, guarded, scale)


def _added(name: str, bare: Ask, guarded: Ask, scale: Scale) -> Iterator[Answer]:
    times = max(1, scale.requests // 20)
    for what, (user, status) in _EXPECTED.items():
        if (bare(user), guarded(user)) != (status, status):
            raise DisagreementError(f"{name} does not answer {user} with {status}")
        contestants = {
            "bare": _asking(bare, user, times),
            "guarded": _asking(guarded, user, times),
        }
        found = side_by_side(contestants, times, scale.rounds)
        question = f"{name}, {what}: a guard adds"
        yield Answer(question, max(0.0, found["guarded"].more), _BAR, _BAR / 2, unit="µs")


def _asking(ask: Ask, user: str, times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            ask(user)

    return run
