"""Hold every shipped set to what a set that is copied must be: tested, cited, formatted, and without findings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policyengine import InvalidRequest
from policyengine.cli.main import run
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from tests.strategies.real_sets import loaded, requests
from tests.whole import some

POLICIES = Path(__file__).parents[2] / "policies"
SETS = sorted(folder for folder in POLICIES.iterdir() if folder.is_dir())

ALLOWED = {
    "x": {"1-research-search-is-allowed.json", "6-messages-with-authorization.json"},
    "hospital": {
        "1-the-team-reads.json",
        "2-breaking-the-glass.json",
        "7-a-copy-for-a-patient-of-15.json",
        "8-a-study-sees-the-year-of-birth.json",
    },
    "workspace": {"1-a-writer-edits.json", "5-support-sees-pseudonyms.json"},
}
"""The requests of each set that are allowed; all others are denied."""


@pytest.fixture(scope="module", params=SETS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.mark.parametrize("folder", some(SETS, 3), ids=lambda folder: folder.name)
def test_nothing_is_wrong(folder: Path):
    """`make check` does the same with each, and lints it as well."""
    assert run(["check", "--strict", str(folder)]) == 0
    assert run(["fmt", "--check", str(folder)]) == 0


@pytest.mark.parametrize("folder", some(SETS, 3), ids=lambda folder: folder.name)
def test_every_rule_is_cited_and_tried_both_ways(folder: Path):
    """Each rule is satisfied by one request of the tests, and not by another that it covers; pytest runs the tests."""
    checked = loaded(folder.name).checked
    seen: dict[str, set[bool]] = {rule.id: set() for rule in checked.rules}
    for request in requests(folder.name):
        for verdict in interpreter.judge_all(checked, Env(request, checked.schema)).verdicts:
            seen[verdict.rule.id].add(verdict.satisfied)

    assert [rule.id for rule in checked.rules if not rule.cites] == []
    unconditional = {rule.id for rule in checked.rules if not rule.conjuncts}
    assert {rule for rule, outcomes in seen.items() if len(outcomes) < 2} == unconditional
    assert all(seen[rule] == {True} for rule in unconditional)


def test_its_requests_are_answered_as_they_are_called(folder: Path):
    engine = loaded(folder.name).engine
    answers = {}
    for file in folder.glob("requests/*.json"):
        answer = engine.decide_json(file.read_bytes(), accept_now=True)
        answers[file.name] = b'"decision":true' in answer.replace(b" ", b"")

    assert len(answers) >= 8
    assert {name for name, allowed in answers.items() if allowed} == ALLOWED[folder.name]


def test_both_evaluators_agree_on_its_requests(folder: Path):
    made = loaded(folder.name)
    agreed = 0
    for file in sorted(folder.glob("requests/*.json")):
        asked = json.loads(file.read_bytes())
        asked["action"] = asked["action"]["name"]
        try:
            request = made.request(**asked)
        except InvalidRequest:
            continue
        outcome, decision = (
            interpreter.decide(made.checked, request),
            made.program.decide(request),
        )
        assert decision.allowed == outcome.allowed
        assert decision.cause == outcome.cause
        assert decision.rules == outcome.rules
        assert decision.exposed == outcome.exposed
        agreed += 1
    assert agreed >= 7
