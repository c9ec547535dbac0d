"""Holds of decisions that are given to `logging` and to OpenTelemetry what they say, and that they stop nothing."""

from __future__ import annotations

import json
import logging

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policyengine import Request
from policyengine.record.structured_logging import LoggedDecisions
from policyengine.record.telemetry import DecisionTelemetry
from tests.test_deciders import ANN, ASKED, ENGINE, RECORD, UNFIT

STAFF, STRANGER = ASKED["staff"], ASKED["stranger"]


def test_decisions_are_logged_with_their_records(caplog):
    engine = ENGINE.with_record(LoggedDecisions())
    with caplog.at_level("INFO", "policyengine.decisions"):
        given = [engine.decide(STAFF), engine.decide(STRANGER)]
        engine.decide_many([Request(ANN, "re\nad", RECORD), (ANN, 3, None, None)])
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", 'allow: Person "ann" read Record "r" (permitted)'),
        ("WARNING", 'deny: Person "bob" read Record "r" (not_permitted)'),
        ("WARNING", 'deny: Person "ann" re\\nad Record "r" (invalid_request)'),
        ("WARNING", 'deny: Person "ann" ? ? (invalid_request)'),
    ]
    records = [vars(one)["decision"] for one in caplog.records]
    assert [one["id"] for one in records[:2]] == [one.id for one in given]
    assert json.loads(json.dumps(records)) == records


def test_no_record_is_made_where_nobody_reads_it(caplog):
    made = []
    logger = logging.getLogger("tests.quiet")
    hook = LoggedDecisions(logger, allowed=logging.DEBUG, to_log=lambda d: made.append(d) or {})
    with caplog.at_level("INFO", "tests.quiet"):
        ENGINE.with_record(hook).decide(STAFF)
    assert made == []
    with caplog.at_level("DEBUG", "tests.quiet"):
        ENGINE.with_record(hook).decide(STAFF)
    assert len(made) == 1


@pytest.fixture
def seen():
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader])
    yield spans, reader, DecisionTelemetry(tracers, meters)
    tracers.shutdown()
    meters.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, list]:
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return {one.name: [*one.data.data_points] for one in scope.metrics}


def test_decisions_are_spans_and_metrics(seen):
    spans, reader, hook = seen
    engine = ENGINE.with_record(hook)
    given = [engine.decide(STAFF), engine.decide(STRANGER), engine.decide(STAFF)]
    first, second, _ = spans.get_finished_spans()
    assert first.name == "policyengine.decide"
    assert first.attributes["policyengine.decision.id"] == given[0].id
    assert first.attributes["policyengine.rules"] == ("access.staff", "shown.every_one")
    assert (first.attributes["policyengine.allowed"], second.attributes["policyengine.allowed"]) == (
        True, False,
    )  # fmt: skip
    assert 0 < first.end_time - first.start_time < 10**10
    assert not {"ann", "bob", "SECRETphone"} & {str(v) for v in first.attributes.values()}
    found = points(reader)
    counts = {
        p.attributes["policyengine.allowed"]: p.value for p in found["policyengine.decisions"]
    }
    assert counts == {True: 2, False: 1}
    assert sum(p.count for p in found["policyengine.decision.duration"]) == 3


def test_strangers_make_no_metrics_of_their_own(seen):
    _, reader, hook = seen
    engine = ENGINE.with_record(hook)
    engine.decide_many([Request(ANN, f"do{n}", RECORD) for n in range(50)])
    engine.decide_many([*UNFIT, (1, 2)])
    (point,) = points(reader)["policyengine.decisions"]
    assert point.value == 51 + len(UNFIT)
    assert point.attributes["policyengine.cause"] == "invalid_request"


def test_telemetry_that_fails_stops_no_decision(seen, monkeypatch, caplog):
    *_, hook = seen
    monkeypatch.setattr(hook, "_tracer", None)
    assert ENGINE.with_record(hook).decide(STAFF).allowed
    assert "no telemetry" in caplog.text
    logger = logging.getLogger("policyengine.record")
    monkeypatch.setattr(logger, "filters", [lambda _: 1 / 0])
    assert ENGINE.with_record(hook).decide(STAFF).allowed
