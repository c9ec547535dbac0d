"""Holds that each seeded fault in the shipped policy sets is found, and that what must be said is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from attrs import evolve

from policyengine.analysis.budget import Budget
from policyengine.diagnostics.codes import CODES
from policyengine.lint.linter import EVERYTHING, LINT_CODES, lint
from policyengine.model.limits import Limits
from policyengine.mutation.trial import Trial
from policyengine.pipeline import compile_set
from policyengine.semantics.checked import CheckedSet
from policyengine.testing.runner import run_tests
from tests.faults.harness import Change, Fault, Rotten, faults, planted
from tests.whole import WHOLE

NOW = 1_795_000_000_000_000  # in November 2026: of waivers and of tests without `at`

SECONDS = 600.0
"""The time for one fault, which none needs: what is found depends on no clock."""

FAULTS = faults()

SOME = {fault.finds: fault for fault in FAULTS if fault.set == "workspace"}.values()
"""Of the set that is checked soonest, one fault for each code, for tests and for mutation."""


@pytest.mark.parametrize("fault", FAULTS if WHOLE else SOME, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault):
    checked, diagnostics = planted(fault)
    expected = set(fault.says)
    if fault.finds in CODES:
        said = {f"{d.span.file}: {d.message}" for d in diagnostics if d.code == fault.finds}
        assert expected <= said
        return
    assert checked is not None, diagnostics
    assert diagnostics == []  # the checker alone would let it pass
    match fault.finds:
        case "tests":
            assert failing(checked, expected) == expected
        case "mutation":
            assert set(surviving(checked, fault.rule, expected)) == expected
        case code:
            assert set(linted(checked, code)) == expected


def linted(checked: CheckedSet, code: str) -> Iterator[str]:
    """Give what one lint rule finds; with it goes what the policies answer, or that would be idle."""
    slugs = [LINT_CODES[code].slug, "forbid-escaped-by-absence", "unused-attribute"]
    for finding in lint(
        checked, EVERYTHING.narrowed(slugs, ()), now=NOW, budget=Budget.lasting(SECONDS)
    ).items:
        if finding.code == code:
            yield f"{finding.span.file}: {finding.message}"


def failing(checked: CheckedSet, titles: set[str]) -> set[str]:
    """Return the titles of the tests that fail, of those with *titles*."""
    tests = tuple(test for test in checked.tests if test.title in titles)
    run = run_tests(evolve(checked, tests=tests), compile_set(checked), now=NOW)
    return {result.title for result in run.results if result.status == "failed"}


def surviving(checked: CheckedSet, of: str, changes: set[str]) -> Iterator[str]:
    """Give those of *changes* of a rule that no test notices; for each, a test that would, or why there is none, is given."""
    trial = Trial(checked, Limits(), NOW, Budget.lasting(SECONDS))
    numbers = [n for n, m in enumerate(trial.mutants) if m.of == of and m.what in changes]
    survived = [number for number in numbers if trial.tested(number).fate == "survived"]
    for block in trial.blocks(survived):
        for _, tried in trial.searched(block):
            assert tried.test or tried.why, tried.what
            yield tried.what


def test_there_are_enough_and_each_says_something():
    planted_in = Counter(fault.set for fault in FAULTS)
    assert min(planted_in[name] for name in ("x", "hospital", "workspace")) >= 60
    assert [fault.name for fault in FAULTS if not (fault.says and fault.slip.endswith("."))] == []


def test_each_lint_rule_finds_one():
    assert set(LINT_CODES) <= {fault.finds for fault in FAULTS}


@pytest.mark.parametrize(
    "change",
    [
        Change("enforcement.policy", "no such text", "x"),
        Change("enforcement.policy", "permit", "x"),
        Change("enforcement.policy", "", "x"),
        Change("tests/answers.policy", without="no such test"),
    ],
)
def test_a_fault_that_does_not_fit_any_more_is_noticed(change: Change):
    with pytest.raises(Rotten, match="must stand there once"):
        planted(Fault("rotten", "A slip.", "tests", ("something",), (change,)))


def test_what_is_no_fault_is_not_found():
    change = Change("billing.policy", "package billing\n", "package billing\n\n# harmless\n")
    checked, found = planted(Fault("harmless", "None.", "PE401", (), (change,), set="workspace"))
    assert checked is not None
    assert found == []
    assert list(linted(checked, "PE401")) == []
    title = "an organisation may be worked for from its own networks alone"
    assert failing(checked, {title}) == set()
    assert set(surviving(checked, "rights.not_in_trash", {"`forbid` becomes `permit`"})) == set()
