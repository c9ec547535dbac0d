"""Policies run by pytest: what is collected, how it fails, coverage, and the fixtures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policyengine.cli.main import run as run_command
from policyengine.engine import PolicyEngine
from policyengine.testing import assertions, pytest_coverage, pytest_items  # noqa: F401

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[2]

RULES = """\
package docs

levels Plan = free < pro

entity User { plan: Plan, blocked: bool }
entity Page { secret: bool }

action read by User on Page

permit open: read
    when not resource.secret
    otherwise "{resource} is secret"

permit paid: read
    when subject.plan >= pro

forbid blocked: any
    when subject.blocked
    because "{subject} is blocked"
"""

TESTS = """\
package docs

test "secrets need Pro" {
    let ann = User "ann" { plan: free, blocked: false }
    let plans = Page "plans" { secret: true }
    expect deny read by ann on plans because access.open
    expect allow read by ann { plan: pro } on plans
}

test "a block: holds" {
    expect deny read by User "bob" { plan: pro, blocked: true } on Page "p" { secret: false }
        because access.blocked
}
"""

FAILING = """\
package docs

test "fails" {
    expect allow read by User "bob" { plan: free, blocked: true } on Page "p" { secret: false }
}

test "errors" {
    expect allow read by User "bob" { blocked: true } on Page "p" { secret: false }
}
"""

PYTHON = """\
import pytest

pytestmark = pytest.mark.policy_set("docs")


@pytest.fixture
def people(policy_engine):
    def person(plan, blocked=False):
        return policy_engine.entity("User", "ann", plan=plan, blocked=blocked)
    return person

@pytest.fixture
def page(policy_engine):
    return policy_engine.entity("Page", "p1", secret=True)
"""


@pytest.fixture(scope="module", autouse=True)
def _imported():
    """Import all that runs need: what a run within a run imports first is gone after it."""
    engine = PolicyEngine.from_text(RULES + TESTS.removeprefix("package docs"))
    engine.explain({"type": "User", "id": "a", "properties": {"plan": "free", "blocked": True}},
                   "read", {"type": "Page", "id": "p", "properties": {"secret": True}})  # fmt: skip


@pytest.fixture
def docs(pytester: pytest.Pytester):
    """Write a policy set, with its tests in a folder below."""
    pytester.mkdir("docs")
    pytester.mkdir("docs/tests")
    write(pytester, "docs/rules.policy", RULES)
    write(pytester, "docs/tests/plans.policy", TESTS)
    return pytester


def write(pytester: pytest.Pytester, name: str, text: str) -> None:
    (pytester.path / name).write_text(text, encoding="utf-8")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:cov", *arguments)


def test_tests_are_items_that_run_against_their_whole_set(docs):
    found = run(docs, "--collect-only", "-q")
    found.stdout.fnmatch_lines(
        ["docs/tests/plans.policy::secrets need Pro", "docs/tests/plans.policy::a block: holds"]
    )
    result = run(docs, "-v", "docs/tests/plans.policy::secrets need Pro")
    result.assert_outcomes(passed=1)
    run(docs, "-k", "block and not Pro").assert_outcomes(passed=1, deselected=1)


def test_a_failure_shows_the_policy_and_an_error_is_no_failure(docs):
    write(docs, "docs/tests/more.policy", FAILING)
    result = run(docs, "-rfE")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "error[[]test]: the request does not fit the policy set",
            " --> docs/tests/more.policy:8:5",
            "*= problem: subject.plan: *",
            "error[[]test]: expected allow, got deny (forbidden)",
            " --> docs/tests/more.policy:4:5",
            "*expect allow read by User*",
            "*^^^^^^^^^*",
            '   = reason: User "bob" is blocked',
            "   = rules: access.blocked",
            "FAILED docs/tests/more.policy::fails - *expected allow, *",
            "ERROR docs/tests/more.policy::errors - *the request does *",
        ]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_set_that_does_not_check_is_one_error(docs):
    write(docs, "docs/rules.policy", RULES.replace("subject.plan", "subject.plam"))
    write(docs, "docs/tests/more.policy", TESTS.replace("docs/", ""))
    result = run(docs)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["error[[]PE301]: *", "*help: did you mean `plan`?*", "1 error"])


def test_a_policy_that_does_not_parse_is_an_error(docs):
    write(docs, "docs/tests/plans.policy", 'package docs\n\ntest "t" { expect nothing }\n')
    result = run(docs, "docs/tests/plans.policy")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([" --> docs/tests/plans.policy:3:*"])


def test_names_of_items_can_be_asked_for(docs):
    titles = ["a::b", "same", "same", "größer — 更大", "", "[1] of [2]"]
    body = '{ expect deny read by User "b" { plan: pro, blocked: true } on Page "p" { secret: false } }'
    tests = [f'test "{title}" {body}\n' for title in titles]
    write(docs, "docs/tests/names.policy", "package docs\n\n" + "".join(tests))
    file = "docs/tests/names.policy"
    names = ["a: :b", "same", "same (2)", "größer — 更大", "(no title)", "[1] of [2]"]
    found = run(docs, "--collect-only", "-q", file)
    assert found.outlines[: len(names)] == [f"{file}::{name}" for name in names]
    run(docs, *(f"{file}::{name}" for name in names)).assert_outcomes(passed=len(names))


def test_only_the_named_sets_are_collected_and_what_is_asked_for(docs):
    docs.makeini("[pytest]\npolicyengine_sets = docs/tests\n    docs")
    docs.mkdir("other")
    write(docs, "other/stray.policy", "package stray\npermit nothing")
    # the inner set is its own, so its tests lack the rules
    run(docs).stdout.fnmatch_lines(["error[[]PE2*"])
    docs.makeini("[pytest]\npolicyengine_sets = docs")
    run(docs).assert_outcomes(passed=2)
    run(docs, "other/stray.policy").assert_outcomes(errors=1)


def test_a_named_set_that_is_not_there(docs):
    docs.makeini("[pytest]\npolicyengine_sets = dox")
    result = run(docs)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: policyengine_sets: there is no `dox`"])


def test_files_without_tests_are_left_alone(docs):
    docs.mkdir("java")
    write(docs, "java/grants.policy", "grant { permission java.security.AllPermission; };\n")
    run(docs).assert_outcomes(passed=2)


def test_what_failed_last_is_run_again(docs):
    write(docs, "docs/tests/more.policy", FAILING)
    docs.runpytest_inprocess("-p", "no:cov").assert_outcomes(passed=2, failed=1, errors=1)
    docs.runpytest_inprocess("-p", "no:cov", "--lf").assert_outcomes(failed=1, errors=1)


def test_without_the_plugin_nothing_is_collected(docs):
    assert run(docs, "-p", "no:policyengine").ret == pytest.ExitCode.NO_TESTS_COLLECTED


# ---- coverage ---------------------------------------------------------------------------


def test_coverage_is_that_of_the_tests_that_ran(docs):
    result = run(docs, "--policy-coverage", "-k", "secrets")
    result.stdout.fnmatch_lines(
        [
            "docs: rules 1/3 (33.3 %), conditions 1/3 (33.3 %), MC/DC 1/3 (33.3 %)",
            "  docs/rules.policy:10: `access.open` was never satisfied",
            "  docs/rules.policy:11: `resource.secret` was never false",
            "  docs/rules.policy:17: `access.blocked` was never satisfied",
            "  docs/rules.policy:18: `subject.blocked` was never true",
        ]
    )
    assert result.ret == pytest.ExitCode.OK


def test_coverage_below_a_threshold_fails_the_run(docs):
    under = "--policy-coverage-fail-under"
    result = run(docs, f"{under}=rules=33", f"{under}=mcdc=90", "-k", "secrets")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["  MC/DC 33.3 % is less than 90 %"])
    result.stdout.no_fnmatch_line("*rules*less*")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert run(docs, f"{under}=rules=10", "-k", "nothing").ret != pytest.ExitCode.OK
    for wrong in ("lines=10", "rules", "rules=much"):
        assert run(docs, f"{under}={wrong}").ret == pytest.ExitCode.USAGE_ERROR


def test_coverage_as_pages(docs):
    run(docs, "--policy-coverage-html=pages").assert_outcomes(passed=2)
    assert "secrets need Pro" in (docs.path / "pages" / "docs.html").read_text(encoding="utf-8")


def test_pages_need_the_extra(docs, monkeypatch):
    monkeypatch.setattr(pytest_coverage, "find_spec", lambda name: None)
    result = run(docs, "--policy-coverage-html=pages")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*install `policyengine-dsl[[]report]`*"])


def test_processes_of_xdist_share_the_tests_and_one_reports_coverage(docs):
    result = run(docs, "-n1", "--policy-coverage")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["docs: rules 3/3 *"])


# ---- fixtures ---------------------------------------------------------------------------


def test_assertions_explain_themselves(docs):
    docs.makepyfile(
        PYTHON
        + """
def test_fine(assert_allowed, assert_denied, people, page):
    assert assert_allowed(people("pro"), "read", page).allowed
    assert_denied(people("free"), "read", page, because=["access.open", "access.paid"])
    assert_denied(people("free"), "read", page)

def test_not_allowed(assert_allowed, people, page):
    assert_allowed(people("free"), "read", page)

def test_not_denied(assert_denied, people, page):
    assert_denied(people("pro"), "read", page)

def test_otherwise_denied(assert_denied, people, page):
    assert_denied(people("free"), "read", page, because="access.blocked")

def test_no_such_rule(assert_denied, people, page):
    assert_denied(people("free"), "read", page, because="access.opem")
"""
    )
    result = run(docs, "--tb=short", "-k", "test_")
    result.assert_outcomes(passed=1, failed=4, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: expected allow, got:",
            '*deny (not_permitted): Page "p1" is secret; *',
            "*any of these would allow it:",
            "*→ the platform: subject.plan = pro (now free)*",
            "*permit access.open (docs/rules.policy:10): not satisfied*",
            "*AssertionError: expected deny, got:",
            "*allow (permitted)*",
            "*AssertionError: expected deny because of access.blocked, got:",
            "*ValueError: there is no rule `access.opem`; did you mean `access.open`?",
        ]
    )
    result.stdout.no_fnmatch_line("*assertions.py*")


def test_the_documentation_shows_what_is_shown(pytester):
    page = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    python = re.search(r"```python test_shop.py\n(.*?)```", page, re.DOTALL)[1]
    shown = re.search(r"\$ pytest --tb=short test_shop.py\n…\n(.*?)…\n```", page, re.DOTALL)[1]
    assert run_command(["init", "shop"]) == 0
    pytester.makepyfile(test_shop=python)
    result = run(pytester, "--tb=short")
    result.assert_outcomes(passed=2, failed=1)
    assert shown in re.sub(r" +$", "", result.stdout.str(), flags=re.MULTILINE)


def test_assertions_ask_the_engine_of_the_project(docs):
    docs.makeconftest(
        """
import pytest
from policyengine import PolicyEngine

@pytest.fixture
def policy_engine():
    return PolicyEngine.from_text(
        "package p entity A entity B action go by A on B permit p: go"
    )
"""
    )
    docs.makepyfile(
        """
def test_mine(assert_allowed):
    assert_allowed({"type": "A", "id": "a"}, "go", {"type": "B", "id": "b"})
"""
    )
    run(docs, "-k", "test_mine").assert_outcomes(passed=1, deselected=2)


def test_the_only_named_set_is_the_one_of_the_fixture_and_else_it_must_be_said(docs):
    docs.makepyfile("def test_engine(policy_engine):\n    assert policy_engine.rules\n")
    python = "test_the_only_named_set_is_the_one_of_the_fixture_and_else_it_must_be_said.py"
    result = run(docs, python)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*which policy set?*policy_set(path)*"])
    docs.makeini("[pytest]\npolicyengine_sets = docs")
    run(docs, python).assert_outcomes(passed=1)


def test_a_fixture_of_a_set_with_a_mistake_or_that_is_not_there(docs):
    write(docs, "docs/rules.policy", RULES.replace("subject.plan", "subject.plam"))
    docs.makepyfile(
        """
import pytest

@pytest.mark.policy_set("docs")
def test_mistake(policy_engine): pass

@pytest.mark.policy_set("dox")
def test_missing(policy_engine): pass
"""
    )
    result = run(docs, "-k", "test_mistake or test_missing", "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_mistake*",
            "error[[]PE301]: `User` has no attribute `plam`",
            "*ERROR at setup of test_missing*",
            "error[[]PE130]: `dox` cannot be read: *",
        ]
    )
