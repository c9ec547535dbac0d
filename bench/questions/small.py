"""Prepare the small world (27 rules over 12 actions) for the questions about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from attrs import frozen

from bench.questions.answer import DisagreementError
from bench.rules import Plain
from bench.timing import side_by_side
from bench.worlds import apps
from policyengine import Decision, PolicyEngine


@frozen
class Small:
    """The engine, the requests as a program would hold them, and in every form it takes."""

    engine: PolicyEngine
    requests: Sequence[Plain]
    forms: Sequence[apps.Forms]

    def compare(self, decide: Callable[[apps.Forms], Decision]) -> None:
        """Raise `DisagreementError` if *decide* answers a request otherwise than by hand.

        Each is decided twice: the first may open the quick way for the second.
        """
        for request, form in zip(self.requests, self.forms, strict=True):
            answer = apps.decide_by_hand(request)
            for decision in (decide(form), decide(form)):
                if not apps.agrees(decision, answer):
                    raise DisagreementError(f"{request} is {answer} by hand, and {decision!r}")

    def over_by_hand(self, run: Callable[[], object], rounds: int) -> float:
        """Return how many times as long as by hand *run* takes for all requests."""
        requests = self.requests

        def by_hand() -> None:
            for request in requests:
                apps.decide_by_hand(request)[0]

        contestants = {"by hand": by_hand, "ours": run}
        return side_by_side(contestants, len(requests), rounds)["ours"].ratio


@lru_cache(maxsize=2)
def small(requests: int) -> Small:
    """Return the small world with so many requests."""
    engine = PolicyEngine.load(apps.POLICY)
    plain = apps.make_requests(requests)
    return Small(engine, plain, apps.in_all_forms(engine, plain))
