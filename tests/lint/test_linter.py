"""Holds what surrounds the lint rules: ignores, configuration, reports, the command."""

import json
import re

import pytest
from pydantic import BaseModel
from sarif_pydantic import Sarif
from sarif_pydantic.sarif import Notification

from policyengine.analysis import search
from policyengine.analysis.budget import Budget
from policyengine.analysis.questions import Questions
from policyengine.cli.left_open import left_open
from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import ConfigurationError, read_configuration
from policyengine.lint.linter import ASKING, LINT_CODES, SLUGS, examine, lint
from policyengine.lint.rule import Subject
from policyengine.lint.rules import RULES
from policyengine.pipeline import check_sources
from tests.cli.conftest import *  # noqa: F403 - the fixtures of commands

WORDS = "package docs\nentity App { on: bool }\nentity Post\naction read by App on Post\n"
BARE = "permit p: any\npermit q: any when subject.on\n"


def linted(text):
    checked, _ = check_sources({"a.policy": Source("a.policy", WORDS + text)})
    return [LINT_CODES[d.code].slug for d in lint(checked).items]


def test_ignores_are_heeded_on_their_line_and_above_it():
    assert "bare-permit" in linted(BARE)
    assert "bare-permit" not in linted("# lint: ignore[bare-permit] all may\n" + BARE)
    assert "bare-permit" not in linted("# lint: ignore[bare-permit] all may\n# so be it\n\n" + BARE)
    beside = "permit p: any # lint: ignore[bare-permit, duplicate-rule] all may\npermit q: any\n"
    assert linted(beside).count("bare-permit") == 1
    assert "bare-permit" in linted(BARE + "# lint: ignore[bare-permit] at the end of the file")


def test_ignores_are_no_place_to_hide():
    assert "unused-ignore" in linted("# lint: ignore[shadowed-rule] why\n" + BARE)
    assert "unused-ignore" in linted(BARE + "# lint: ignore[bare-permit] nothing comes after")
    assert "ignore-without-reason" in linted("# lint: ignore[bare-permit]\n" + BARE)
    assert "ignore-without-reason" in linted("# lint: ignore all of it\n" + BARE)
    assert "unknown-lint-rule" in linted("# lint: ignore[bare-prmit] why\n" + BARE)
    text = 'permit r: any when subject.on because "# lint: ignore[bare-permit] text"\n'
    assert "unused-ignore" not in linted(text)


def configured(tmp_path, text):
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    return read_configuration(path, SLUGS)


def test_a_configuration_says_what_counts(tmp_path):
    configuration = configured(
        tmp_path,
        '[tool.policyengine.lint]\nselect = ["bare-permit", "untested-rule"]\n'
        'ignore = ["untested-rule"]\n[tool.policyengine.lint.per-file-ignores]\n'
        '"old/*.policy" = ["bare-permit"]\n',
    )

    assert configuration.counts("bare-permit", "new/a.policy")
    assert not configuration.counts("bare-permit", "here/old/a.policy")
    assert not configuration.counts("untested-rule", "new/a.policy")
    assert not configuration.counts("shadowed-rule", "new/a.policy")
    assert configured(tmp_path, "").counts("shadowed-rule", "a.policy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'select = ["bare-prmit"]',
            "there is no lint rule `bare-prmit`; did you mean `bare-permit`?",
        ),
        ('selct = ["bare-permit"]', "has no `selct`; did you mean `select`?"),
        ('select = "bare-permit"', "as a list of their names"),
        ("select = [1]", "as a list of their names"),
        ("select = []", "`select` names no rule"),
        ("per-file-ignores = []", "no table of patterns"),
        ('per-file-ignores = { "*" = ["bare"] }', "there is no lint rule `bare`"),
        ("select = [", "is no TOML"),
        (f"select = {'[' * 50_000}", "nested too deeply"),
    ],
)
def test_a_wrong_configuration_is_an_error(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as problem:
        configured(tmp_path, f"[tool.policyengine.lint]\n{text}\n")
    assert said in str(problem.value)


def test_a_lint_table_must_be_one(tmp_path):
    with pytest.raises(ConfigurationError):
        configured(tmp_path, "[tool.policyengine]\nlint = 3\n")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.policy").write_text(WORDS + BARE)
    return tmp_path


def test_the_command_finds_and_says_so(run, folder):
    found = run("lint", str(folder))

    assert found.code == 1
    assert "warning[PE424]: `access.p` permits every action" in found.out
    assert "1 file: 2 findings" in found.out


def test_the_command_selects_and_ignores(run, folder):
    assert "PE424" not in run("lint", str(folder), "--ignore", "bare-permit").out
    assert "PE404" not in run("lint", str(folder), "--select", "bare-permit").out
    clean = run("lint", str(folder), "--select", "version-gap")
    assert (clean.code, clean.out) == (0, "1 file: no findings\n")
    wrong = run("lint", str(folder), "--select", "version-gaps")
    assert wrong.code == 2
    assert "there is no lint rule `version-gaps`; did you mean `version-gap`?" in wrong.err


def test_the_nearest_configuration_counts(run, folder):
    (folder / "pyproject.toml").write_text('[tool.policyengine.lint]\nignore = ["bare-permit"]\n')

    assert "PE424" not in run("lint", str(folder)).out
    (folder / "pyproject.toml").write_text('[tool.policyengine.lint]\nignore = ["bare"]\n')
    assert run("lint", str(folder)).code == 2


def test_a_set_with_errors_gets_no_findings(run, folder):
    (folder / "b.policy").write_text("package docs\npermit r: raed\n")
    found = run("lint", str(folder))

    assert found.code == 1
    assert "PE424" not in found.out
    assert "PE2" in found.out


def test_json_names_the_rules(run, folder):
    document = json.loads(run("lint", str(folder), "--format", "json").out)

    assert [d["slug"] for d in document["diagnostics"]] == ["bare-permit", "superfluous-permit"]


MANY = WORDS.replace("on: bool", "on: bool, of: bool") + (
    "const unused: int = 3\n" + BARE + 'permit r: any when subject.on because "{subject.of}"\n'
)


def unknown_names(part, where="log"):
    """Give what the format's model has no name for; it would take anything."""
    match part:
        case BaseModel():
            yield from (f"{where}.{name}" for name in part.model_extra or ())
            for name in type(part).model_fields:
                yield from unknown_names(getattr(part, name), f"{where}.{name}")
        case list():
            for one in part:
                yield from unknown_names(one, where)


@pytest.mark.parametrize("text", [WORDS + BARE, MANY, WORDS + "permit r: raed\n", "package p {"])
def test_sarif_is_what_sarif_says(run, folder, text):
    (folder / "a.policy").write_text(text)
    found = run("lint", str(folder), "--format", "sarif")
    log = Sarif.model_validate_json(found.out)

    assert (found.code, log.version) == (1, "2.1.0")
    (ran,) = log.runs
    # The model lacks these two names of the standard (3.14.17, 3.20.21).
    assert set(unknown_names(log)) == {
        "log.runs.columnKind", "log.runs.invocations.toolExecutionNotifications",
    }  # fmt: skip
    assert ran.model_extra["columnKind"] == "unicodeCodePoints"
    for note in ran.invocations[0].model_extra["toolExecutionNotifications"]:
        Notification.model_validate(note)
    for result in ran.results:
        known = ran.tool.driver.rules
        assert result.rule_index is None or known[result.rule_index].id == result.rule_id
        (place,) = (location.physical_location for location in result.locations)
        assert re.fullmatch(r"[A-Za-z0-9/._~%-]+", place.artifact_location.uri)
        region = place.region
        assert 1 <= region.start_line <= region.end_line
        assert region.start_column >= 1 <= region.end_column


def test_sarif_has_related_places_and_fixes(run, folder):
    (folder / "a.policy").write_text(MANY)
    log = Sarif.model_validate_json(run("lint", str(folder), "--format", "sarif").out)
    by_rule = {result.rule_id: result for result in log.runs[0].results}

    assert by_rule["PE405"].related_locations[0].message.text == "this one"
    (change,) = by_rule["PE410"].fixes[0].artifact_changes
    (replacement,) = change.replacements
    assert (replacement.deleted_region.start_line, replacement.deleted_region.end_line) == (5, 6)


def test_of_what_no_time_settles_it_is_not_said_that_time_would(run, folder, monkeypatch):
    (folder / "a.policy").write_text(MANY)
    monkeypatch.setattr(search, "_MOST_CHOICES", 0)
    note = "questions not settled: there are too many cases to try ("

    out = run("lint", str(folder)).out
    assert note in out
    assert "--budget" not in out
    assert left_open(3, 60, 10, 1) == (
        "3 of 60 questions not settled: 2 in 10 s (`--budget` gives more time), 1 with too many cases to try"
    )


def test_what_is_left_open_is_said_in_every_form(run, folder):
    (folder / "a.policy").write_text(MANY)
    said = "not settled in 0 s: `--budget` gives more time (unsatisfiable-rule 3, "

    assert said in run("lint", str(folder), "--budget", "0").out
    found = run("lint", str(folder), "--budget", "0", "--format", "json").json
    assert found["gave_up"] is True
    assert found["not_settled"]["unsatisfiable-rule"] == 3
    assert said in run("lint", str(folder), "--budget", "0", "--format", "github").out
    log = run("lint", str(folder), "--budget", "0", "--format", "sarif").out
    (note,) = (
        Sarif.model_validate_json(log)
        .runs[0]
        .invocations[0]
        .model_extra["toolExecutionNotifications"]
    )
    assert said in Notification.model_validate(note).message.text
    assert "not settled" not in run("lint", str(folder)).out
    assert run("lint", str(folder), "--format", "json").json["not_settled"] == {}


def test_an_ignore_of_what_is_left_open_is_not_idle(run, folder):
    text = "permit p: any when subject.tier == pro and subject.tier == free  # lint: ignore[unsatisfiable-rule] why\n"
    (folder / "a.policy").write_text(WORDS + text)

    assert "PE428" not in run("lint", str(folder), "--budget", "0").out


def test_rules_that_ask_about_all_requests_are_known():
    """A rule that is not listed would ask before those that are more telling."""
    asking = set()
    for code in LINT_CODES.values():
        for text in (code.example, code.instead):
            checked, _ = check_sources({"a.policy": Source("a.policy", text)})
            asking |= examine(checked, budget=Budget.lasting(0)).not_settled.keys()
    assert asking == set(ASKING)


def test_annotations_escape_what_would_end_them(run, tmp_path):
    (tmp_path / "a,b.policy").write_text(WORDS + BARE)
    found = run("lint", str(tmp_path), "--format", "github").out

    assert found.startswith("::warning file=")
    assert "a%2Cb.policy,line=5,col=8,title=PE424::`access.p` permits every action" in found


def test_each_rule_is_explained(run):
    found = run("explain", "PE403")

    assert found.code == 0
    assert "shadowed-rule" in found.out
    assert run("explain", "shadowed-rule").out == found.out


def test_rules_are_listed(run):
    found = run("lint", "--rules")

    assert found.code == 0
    assert [line.split()[1] for line in found.out.splitlines()] == [
        code.slug for code in LINT_CODES.values()
    ]
    assert found.out.startswith("PE401  unsatisfiable-rule")


def test_what_is_hidden_is_no_policy(run, fails, folder):
    hidden = folder / ".venv" / "policies"
    hidden.mkdir(parents=True)
    (hidden / "b.policy").write_text("package q\nentity {")

    assert run("lint", folder, "--select", "version-gap").code == 0
    assert run("check", hidden.parent).code == 1
    (folder / "a.policy").unlink()
    assert "there is no policy file" in fails("lint", folder)


def test_rules_for_many_customers_are_told_apart_before_they_are_tried():
    """Linting a rule costs the same whether there are fifty like it or two hundred."""
    from bench.worlds.customers import make

    def spent(count):
        (text,) = make(count, 1).policies
        checked, _ = check_sources({"a.policy": Source("a.policy", text)})
        budget = Budget(steps=10**9)
        subject = Subject(checked, checked.files, 0, Questions(checked, budget))
        assert [d for rule in RULES for d in rule.find(subject) if d.code < "PE406"] == []
        return 10**9 - budget.steps

    assert spent(200) < 4 * spent(50) * 1.1
