"""Hold policies/hospital to what a privacy officer relies on, beyond its own tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policyengine.engine import PolicyEngine
from tests.strategies.real_sets import loaded

HOSPITAL = Path(__file__).parents[2] / "policies" / "hospital"

NAMING = {"name", "address", "phone", "insurance_number", "person", "kin", "access_log"}
"""What names a patient, or leads to them."""


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return loaded("hospital").engine


@pytest.fixture(scope="module")
def checked():
    return loaded("hospital").checked


def decided(engine: PolicyEngine, name: str) -> dict:
    """Return the answer to one of the requests, with its reasons."""
    (file,) = HOSPITAL.glob(f"requests/{name}-*.json")
    answer = json.loads(engine.decide_json(file.read_bytes(), accept_now=True))
    return {"decision": answer["decision"], **answer["context"]}


def test_it_is_of_a_size_to_be_read(checked):
    assert 40 <= len(checked.rules) <= 60


def test_no_rule_shows_research_what_names_a_patient(checked):
    for rule in checked.rules:
        if any(action in {"extract_entry", "extract_patient"} for action, _, _ in rule.typings):
            for resource in ("Entry", "Patient"):
                assert NAMING.isdisjoint((rule.fields or {}).get(resource, ()))


def test_only_what_is_destroyed_or_opened_again_is_not_sealed_to_staff(checked):
    (sealed,) = (rule for rule in checked.rules if rule.id == "ground.sealed")
    on_entries = {
        name for name, action in checked.schema.actions.items()
        if any(target[1:] == ("Staff", "Entry") for target in action.targets)
    }  # fmt: skip

    assert on_entries - {action for action, _, _ in sealed.typings} == {
        "destroy_entry",
        "unseal_entry",
    }


def test_breaking_the_glass_is_reviewed_and_told(engine):
    answer = decided(engine, "2")

    assert "ground.break_glass" in answer["rules"]
    assert {owed["name"] for owed in answer["obligations"]} == {"review_access", "notify_patient"}


@pytest.mark.parametrize(
    ("request_", "rule", "owed"),
    [
        ("3", "ground.sealed", "report_attempt"),
        ("4", "ground.watched", "report_attempt"),
        ("5", "standing.weak_sign_in", "step_up"),
    ],
)
def test_a_deny_owes_something(engine, request_, rule, owed):
    answer = decided(engine, request_)

    assert answer["rules"] == [rule]
    assert [one["name"] for one in answer["obligations"]] == [owed]


def test_a_guardian_learns_nothing_from_the_reason(engine):
    answer = decided(engine, "6")

    assert answer["reason"] == "this part of the record is shown to the patient alone"


def test_a_study_sees_people_in_part(engine):
    answer = decided(engine, "8")

    assert answer["exposed"] == ["sex"]
    assert answer["masks"] == {"born": "year", "id": "pseudonym"}


def test_an_office_that_is_closed_says_when_it_opens(engine):
    assert decided(engine, "10")["valid_until"] == "2026-11-30T06:00:00Z"


def test_needed_facts_are_few(checked):
    """A service need not send what an entry says, only what rules read."""
    needs = checked.needs(("view_entry", "Staff", "Entry"))

    assert "text" not in needs.resource.attributes
    assert "title" not in needs.resource.attributes
