"""Run the tests of policy sets from the command line."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest


@pytest.fixture
def failing(shop: Path) -> Path:
    with (shop / "tests.policy").open("a") as file:
        file.write(
            'test "wrong" {\n'
            '    let ann = User "ann" { clearance: secret, suspended: false }\n'
            '    expect deny edit by ann on Document "d" '
            "{ owner: ann, clearance: public, shared_with: {} }\n"
            "}\n"
            'test "unfit" { expect deny edit by User "u" on Document "d" }\n'
        )
    return shop


def test_tests_that_pass(run, shop: Path):
    done = run("test", shop)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("2 passed, 0 failed (5 expectations, ")


def test_passed_tests_are_listed_if_asked(run, shop: Path):
    listed = run("test", shop, "--verbose").out.splitlines()[:2]
    assert listed == [
        f"passed {shop / 'tests.policy'}:3  owners do what they like, unless suspended",
        f"passed {shop / 'tests.policy'}:10  sharing is for reading",
    ]


def test_a_failure_says_what_came_and_why(run, failing: Path):
    done = run("test", failing)
    assert done.code == 1
    assert "expected deny, got allow (permitted)" in done.out
    assert '   = reason: Document "d" is their own\n' in done.out
    assert "   = rules: access.own\n" in done.out
    assert "    expect deny edit by ann on Document" in done.out
    assert "failed" in done.out
    assert "the request does not fit the policy set" in done.out
    assert "2 passed, 1 failed, 1 error (7 expectations, " in done.out


def test_only_some(run, fails, failing: Path):
    assert run("test", failing, "-k", "SHARING").code == 0
    assert run("test", failing, "-k", "wrong").code == 1
    assert fails("test", failing, "-k", "nothing like it") == (
        "no test has `nothing like it` in its title"
    )


def test_a_set_without_tests_passes_nothing(fails, shop: Path):
    assert fails("test", shop / "documents.policy") == "the policy set has no tests"


def test_a_set_with_mistakes_runs_no_test(run, shop: Path):
    (shop / "more.policy").write_text("package documents\npermit x: raed\n")
    done = run("test", shop)
    assert (done.code, done.out) == (2, "")


def test_results_as_json(run, failing: Path):
    done = run("test", failing, "--format", "json")
    assert done.code == 1
    assert [done.json[key] for key in ("passed", "failed", "errors")] == [2, 1, 1]
    wrong = done.json["tests"][2]
    assert (wrong["title"], wrong["status"], wrong["expectations"]) == ("wrong", "failed", 1)
    (problem,) = wrong["problems"]
    assert problem["message"] == "expected deny, got allow (permitted)"
    assert (problem["line"], problem["column"]) == (wrong["line"] + 2, 5)
    assert problem["notes"][0] == {"label": "reason", "text": 'Document "d" is their own'}


def test_junit_is_written_beside_the_report(run, failing: Path):
    done = run("test", failing, "--junit", "report.xml")
    assert (done.code, "1 failed" in done.out) == (1, True)
    root = ET.parse("report.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")


@pytest.mark.parametrize("option", ["--junit", "--coverage-html"])
def test_a_policy_is_not_overwritten(fails, shop: Path, option: str):
    (policy, *_) = sorted(shop.glob("*.policy"))
    before = policy.read_text()
    Path("linked").symlink_to(policy)
    Path("hard").hardlink_to(policy)
    for read, written in [(policy, policy), (shop, policy), (shop, "linked"), (policy, "hard")]:
        said = fails("test", read, option, written)
        assert said == f"`{option}` and PATH are one file: `{written}`"
    assert policy.read_text() == before


def test_two_results_are_two_files(fails, shop: Path):
    said = fails("test", shop, "--junit", "new", "--coverage-html", "./new")
    assert said == "`--coverage-html` and `--junit` are one file: `./new`"
    assert not Path("new").exists()
