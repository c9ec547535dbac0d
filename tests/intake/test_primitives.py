"""Every primitive type is read, described and shown: each of the tables of a type has a row for it."""

from __future__ import annotations

import re

import pytest

from policyengine import InvalidRequest, PolicyEngine
from policyengine.model.gaps import fits
from policyengine.model.request_messages import described
from policyengine.model.types import PRIMITIVES, SCHEDULE
from policyengine.model.values import text_of, to_json, to_python

GIVEN = {
    "bool": True, "int": 1, "decimal": "1.5", "string": "a", "datetime": "2026-09-01",
    "duration": "24h", "months": "6mo", "ip": "10.0.0.1", "path": "/a",
}  # fmt: skip


def test_a_request_may_have_values_of_every_primitive_type_but_schedules():
    assert set(GIVEN) == set(PRIMITIVES) - {SCHEDULE.name}


@pytest.mark.parametrize("name", GIVEN)
def test_a_primitive_type_is_read_and_shown_everywhere(name: str):
    engine = PolicyEngine.from_text(
        f"package some_types\nentity User\nentity Thing {{ value: {name} }}\naction see by User on Thing\n"
        'field gate view "?"\n'
        "gate view { permit p: see when resource.value == resource.value fields value as present }\n"
    )

    def decided(value: object):
        thing = {"type": "Thing", "id": "t", "properties": {"value": value}}
        return engine.decide({"type": "User", "id": "u"}, "see", thing)

    fully, quickly = decided(GIVEN[name]), decided(GIVEN[name])
    assert fully.allowed
    assert quickly.allowed
    assert quickly.redact({"value": GIVEN[name]}) == {"value": True}
    assert quickly.redact({"value": [GIVEN[name]]}) == {}
    with pytest.raises(InvalidRequest, match=re.escape(described(PRIMITIVES[name]))):
        decided({})

    thing = engine.entity("Thing", "t", {"value": GIVEN[name]})
    value = thing.v_value
    assert fits(PRIMITIVES[name], value)
    assert decided(to_python(PRIMITIVES[name], value)).allowed
    assert to_json(PRIMITIVES[name], value) == GIVEN[name]
    assert text_of(PRIMITIVES[name], value)
