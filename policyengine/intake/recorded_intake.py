"""Take the requests of an engine that has each decision recorded.

Each way of asking gives its decisions through here, and each decision goes to the hook once before it is given.
If the hook fails, nothing is decided: a deny would be an answer without a record as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any, TypeAlias, TypeVar

from policyengine.intake.batches import Evaluations
from policyengine.intake.intake import Intake
from policyengine.intake.raw import RawRequest, asked_request, given_request
from policyengine.intake.readers import Readers
from policyengine.intake.store import EntityStore
from policyengine.model.decision import Decision, refused
from policyengine.model.errors import InvalidRequest, NotRecorded
from policyengine.model.limits import Limits
from policyengine.model.log_record import Answered
from policyengine.model.settings import check_done
from policyengine.runtime import clock
from policyengine.runtime.program import Program

OnDecision: TypeAlias = Callable[[Decision], object]
"""Is called with each decision before it is given; if it raises, the decision is not.

If it has a method `together`, that is called instead with several decisions that are given at once. If its attribute
`waits` is true, it is called in a thread where an event loop asks.
"""

T = TypeVar("T")


class RecordedIntake(Intake):
    """Takes requests as `Intake`, and calls *on_decision*."""

    is_recorded = True

    def __init__(
        self, on_decision: OnDecision, program: Program, limits: Limits, store: EntityStore | None,
        readers: Readers,
    ) -> None:  # fmt: skip
        super().__init__(program, limits, store, {}, {}, readers)
        self._on_decision = on_decision
        self.waits = bool(getattr(on_decision, "waits", False))

    def decide_parts(self, *parts: Any) -> Decision:
        """Decide the request of these parts."""
        decide = super().decide_parts
        return self.recorded(lambda: decide(*parts), given_request(*parts))

    def decide_request(self, *given: Any) -> Decision:
        """Decide a request in JSON, or one that was parsed."""
        began = perf_counter_ns()
        return self._record(super().decide_request(*given), began)

    def recorded(self, decide: Callable[[], Decision], raw: RawRequest) -> Decision:
        """Return what *decide* gives, or raise the `InvalidRequest` that it raises for *raw*."""
        began = perf_counter_ns()
        try:
            decision = decide()
        except InvalidRequest as refusal:
            self._refuse(refusal, raw, began)
            raise
        return self._record(decision, began)

    def each_recorded(
        self, requests: Iterable[T], decide: Callable[[Iterable[T]], Iterator[Decision]]
    ) -> RecordedDecisions:
        """Give what *decide* gives of each of *requests*."""

        def made() -> Iterator[Decision]:
            for request in requests:
                began = perf_counter_ns()
                for decision in decide((request,)):
                    yield _given(decision, began)

        return RecordedDecisions(made(), self._record_all)

    def record_refusal(self, refusal: InvalidRequest, raw: RawRequest) -> None:
        """Record that *raw* was refused before it came here."""
        self._refuse(refusal, raw, perf_counter_ns())

    def evaluations(self, *given: Any) -> Evaluations:
        """Decide a batch in JSON, or one that was parsed; it is answered as one, and recorded so."""
        found = super().evaluations(*given)
        self._record_all(found.decisions)
        return found

    def _recorded(self, decide: Callable[[], Decision]) -> Decision:
        began = perf_counter_ns()
        return _given(decide(), began)

    def _refuse(self, refusal: InvalidRequest, raw: RawRequest, began: int) -> None:
        """Record that a request was refused, which is a deny."""
        self._record(refused(refusal, self._program.digest, asked_request(raw)), began)

    def _record(self, decision: Decision, began: int) -> Decision:
        """Return *decision* once it was recorded."""
        self._record_all([_given(decision, began)])
        return decision

    def _record_all(self, decisions: Sequence[Decision]) -> None:
        """Have decisions recorded that are given together."""
        together = getattr(self._on_decision, "together", None)
        try:
            if together is not None and len(decisions) != 1:
                check_done("on_decision.together", together(decisions))
            else:
                for decision in decisions:
                    check_done("on_decision", self._on_decision(decision))
        except NotRecorded:
            raise
        except Exception as problem:
            raise NotRecorded(f"the decision was not recorded: {problem}") from problem


def _given(decision: Decision, began: int) -> Decision:
    """Return *decision*, that is given now."""
    decision.given(Answered(clock.now(), perf_counter_ns() - began))
    return decision


class RecordedDecisions(Iterator[Decision]):
    """Decisions that were *made*, each recorded before it is given."""

    def __init__(
        self, made: Iterator[Decision], record: Callable[[Sequence[Decision]], None]
    ) -> None:
        self._made, self._record = made, record

    def __next__(self) -> Decision:
        decision = next(self._made)
        self._record((decision,))
        return decision

    def together(self) -> list[Decision]:
        """Return all, recorded together."""
        found = list(self._made)
        self._record(found)
        return found
