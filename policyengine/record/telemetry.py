"""Give decisions to OpenTelemetry: a span each, and metrics of all. It needs the extra `[otel]`."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError:
    raise ImportError("this needs OpenTelemetry: install `policyengine-dsl[otel]`") from None

from policyengine.version import __version__

if TYPE_CHECKING:
    from policyengine.model.decision import Decision

_NAME: Final = "policyengine"


class DecisionTelemetry:
    """A hook for `PolicyEngine.with_record`: a span `policyengine.decide`, a counter, and a histogram of seconds.

    They have the action, the types, whether it is allowed and why; the span the id of the decision, the rules
    and the policy set as well, but no ids of persons and no values. What fails here stops no decision.
    *tracer_provider*, *meter_provider*: others than the global ones.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._count = meter.create_counter(
            "policyengine.decisions", unit="{decision}", description="Decisions that were given."
        )
        self._seconds = meter.create_histogram(
            "policyengine.decision.duration", unit="s", description="The time that deciding took."
        )

    def __call__(self, decision: Decision) -> None:
        """Record a decision."""
        try:
            self._record(decision)
        except Exception as problem:  # noqa: BLE001 - what watches is in nobody's way
            with suppress(Exception):  # of a handler
                logging.getLogger("policyengine.record").warning("no telemetry: %r", problem)

    def _record(self, decision: Decision) -> None:
        answered = decision._answered()  # noqa: SLF001 - a record is of its decision
        common = _common(decision)
        self._count.add(1, common)
        if answered.latency is not None:
            self._seconds.record(answered.latency / 1e9, common)
        end = answered.time * 1000
        span = self._tracer.start_span(
            "policyengine.decide", start_time=end - (answered.latency or 0), attributes=common
        )
        if span.is_recording():
            rules, more = decision.listed()
            span.set_attributes(
                {
                    "policyengine.decision.id": decision.id,
                    "policyengine.rules": rules,
                    "policyengine.more_rules": more,
                    "policyengine.policy": decision.policy_digest,
                    "policyengine.problems": [problem.code for problem in decision.problems],
                }
            )
            if decision.cause == "error":
                span.set_status(trace.StatusCode.ERROR)
        span.end(end_time=end)


def _common(decision: Decision) -> dict[str, Any]:
    """Return the attributes of which there are few values: of what was refused, nothing that the request says."""
    found: dict[str, Any] = {
        "policyengine.allowed": decision.allowed,
        "policyengine.cause": decision.cause,
    }
    request = decision.request
    if request is not None and decision.cause != "invalid_request":
        found |= {
            "policyengine.action": request.action,
            "policyengine.subject.type": request.subject.type,
            "policyengine.resource.type": request.resource.type,
        }
    return found
