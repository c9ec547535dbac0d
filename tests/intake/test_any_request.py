"""Whatever is put wherever in a request: it is valid, or refused with a path; nothing else."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import fits
from policyengine.model.types import RecordType
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from tests.intake import test_documents
from tests.model import world
from tests.model.world import APP, AUTHOR, POST, changed

FULL: dict[str, Any] = {
    "subject": {**changed(APP, count=5, contact="x"), "parents": [{"type": "Team", "id": "t"}]},
    "action": {"name": "search"},
    "resource": changed(
        POST,
        readers=[{"type": "User", "id": "u1"}],
        geo={"lat": "1.5"},
        price="2",
        wait="24h",
        address="10.0.0.1",
        secret={"code": "hush"},
    ),
    "context": {"purposes": ["ads"], "places": [{"lat": "1"}]},
    "fields": ["id"],
    "now": "2026-01-01",
    "entities": [AUTHOR, {"type": "Team", "id": "t", "parents": []}],
}

KEYS = st.sampled_from(["type", "id", "properties", "tier", "parents", "x", "", "\ud800", "lat"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**18, -(10**18), 10**400, 1.5, float("nan"), float("inf")]),
    st.sampled_from(
        ["", "pro", "User", "u1", "2026-01-01", "1.5", "24h", "10.0.0.0/8", "\ud800", "x" * 99]
    ),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=6
)  # fmt: skip
PYTHON = st.one_of(
    JSON,
    st.sampled_from(
        [
            Decimal(1), Decimal("NaN"), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC),  # noqa: DTZ001
            timedelta(1), timedelta.max, b"x", object(), {"pro"}, frozenset({1}), ("a",), int, {1: 2},
            ABSENT, ..., world.ask(),
        ]
    ),
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Draw the full request with something else in one place, or something left out or added."""
    request = copy.deepcopy(FULL)
    part: Any = request
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not keys:
            return request
        key = draw(st.sampled_from(keys))
        if not isinstance(part[key], dict | list) or draw(st.integers(0, 2)) == 0:
            break
        part = part[key]
    match draw(st.integers(0, 3)):
        case 0:
            del part[key]
        case 1 if isinstance(part, dict):
            part[draw(KEYS)] = draw(values)
        case _:
            part[key] = draw(values)
    return request


def is_sound(request: ValidRequest) -> bool:
    """Whether every value is canonical, and what rules read is there."""
    assert isinstance(request.now, int)
    for entity in (request.subject, request.resource, *request.entities.values()):
        assert request.entities[entity.type, entity.id] == entity
        for a in entity.entity_type.attributes:
            value = getattr(entity, slot(a.name))
            assert value is ABSENT or fits(a.type, value)
    assert isinstance(request.context.record_type, RecordType)
    assert request.subject.v_tier is not ABSENT
    assert request.entities["User", request.resource.v_author].v_protected in (True, False)
    return fits(request.context.record_type, request.context)


def refused_or_sound(judge: Any) -> None:
    try:
        request = judge()
    except InvalidRequest as refusal:
        text = str(refusal)
        assert refusal.problems  # noqa: PT017 - both outcomes are fine
        assert "hush" not in text
        assert text.encode()
    else:
        assert is_sound(request)


def test_the_full_request_fits():
    assert is_sound(test_documents.ask(json.dumps(FULL), accept_now=True))


@given(spoilt(JSON))
def test_any_json_is_refused_or_sound(request_):
    data = json.dumps(request_)
    refused_or_sound(lambda: test_documents.ask(data, accept_now=True))


@given(spoilt(PYTHON))
def test_any_python_is_refused_or_sound(request_):
    refused_or_sound(
        lambda: world.ask(
            **{"fields": None, "entities": None, "context": None, "now": 0}
            | {"subject": None, "action": None, "resource": None}
            | {k: v for k, v in request_.items() if k in FULL}
        )
    )


@given(st.binary(max_size=40) | st.text(max_size=20))
def test_any_bytes_are_refused(data):
    refused_or_sound(lambda: test_documents.ask(data))
