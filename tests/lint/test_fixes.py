"""Holds that `--fix` mends what it can, that what it leaves checks, and that it is careful with files."""

from pathlib import Path

import pytest

from policyengine.cli import lint as lint_command
from policyengine.diagnostics.diagnostic import Edit, Fix, warning
from policyengine.diagnostics.source import Source, Span
from policyengine.lint.fixing import BrokenFixError, apply_fixes
from policyengine.lint.linter import LINT_CODES, lint
from policyengine.pipeline import check_sources
from policyengine.syntax.formatter import format_source
from tests.cli.conftest import *  # noqa: F403 - the fixtures of commands

NOW = 1_795_000_000_000_000

WORDS = """\
package docs
entity App { on: bool, off: bool }
entity Post
action read, write by App on Post

"""


def checked_of(text):
    return check_sources({"a.policy": Source("a.policy", text)})[0]


def applied(text):
    return apply_fixes(
        checked_of(text), lambda c: lint(c, now=NOW), lambda sources: check_sources(sources)[0]
    )


def codes(text):
    return sorted(d.code for d in lint(checked_of(text), now=NOW).items)


WAIVER = 'waiver w of {} for App "a" until {}-01-01 ticket "T" approved_by "us"\n'
LOST = 'test "old" { at 2019-06-01\n    expect allow read by App "a" { on: false, off: true } on Post "p" }\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # definitions, one after the other; blank lines stay single
        (
            "const inner: int = 3\n\ndefine outer() = inner > 2\n\npermit p: read when subject.on\n",
            "permit p: read when subject.on\n",
        ),
        (
            "permit p: read when subject.on\n\nconst inner: int = 3\n",
            "permit p: read when subject.on\n",
        ),
        # two in one round
        ("const one: int = 3\ndefine two() = 4 > 3\n\npermit p: read when subject.on\n",
         "permit p: read when subject.on\n"),
        # what a comment may be about is left to the author
        ("# the limit\nconst inner: int = 3\n", None),
        ("const inner: int = 3  # the limit\n", None),
        ("const many: set<int> = {\n    1,  # the first\n    2,\n}\n", None),
        ("# about the file\n\nconst inner: int = 3\n", "# about the file\n"),
        ("const one: int = 3 const two: int = 4\n", None),
        # a rule written twice
        ("permit p: read when subject.on\npermit q: read when subject.on\n",
         "permit p: read when subject.on\n"),
        ('gate g "?"\ngate g {\n    permit p: read when subject.on\n    permit q: read when subject.on\n}\n',
         'gate g "?"\ngate g {\n    permit p: read when subject.on\n}\n'),
        ("permit p: read when subject.on\npermit q: read when not (not subject.on)\n", None),
        ("permit p: read when subject.on\npermit q: read when subject.on waivable\n" + WAIVER.format("q", 2027), None),
        # a waiver that has run out, unless a test asks for its time
        ("permit p: read when subject.on waivable\n\n" + WAIVER.format("p", 2020),
         "permit p: read when subject.on waivable\n"),
        ("permit p: read when subject.on waivable\n" + WAIVER.format("p", 2020) + LOST, None),
        # ignores: all of one, a part of one, one beside a rule
        ("# lint: ignore[bare-permit] why\npermit p: read when subject.on\n",
         "permit p: read when subject.on\n"),
        ("# lint: ignore[bare-permit, version-gap] why\npermit p: any\n",
         "# lint: ignore[bare-permit] why\npermit p: any\n"),
        ("permit p: read when subject.on  # lint: ignore[bare-permit] why\n",
         "permit p: read when subject.on\n"),
        ("# lint: ignore[bare-permit, bare-permt] why\npermit p: read when subject.on\n",
         "# lint: ignore[bare-permt] why\npermit p: read when subject.on\n"),
    ],
)  # fmt: skip
def test_what_can_be_fixed_is_and_nothing_else(before, after):
    result = applied(WORDS + before)

    text = result.sources["a.policy"].text
    assert text == WORDS + (before if after is None else after)
    assert (result.count > 0) is (after is not None)
    fixed = set(codes(WORDS + before)) - set(codes(text))
    assert bool(fixed) is (after is not None)
    assert applied(text).count == 0
    assert not any(d.fix for d in result.left.items)


def test_fixes_keep_line_ends():
    text = "const one: int = 3\ndefine two() = 4 > 3\n\nconst inner: int = 3\n\npermit p: read when subject.on\n"
    fixed, windows = (applied(t).sources["a.policy"].text
                      for t in (WORDS + text, (WORDS + text).replace("\n", "\r\n")))  # fmt: skip
    assert fixed == WORDS + "permit p: read when subject.on\n"
    assert windows == fixed.replace("\n", "\r\n")


@pytest.mark.parametrize("code", LINT_CODES.values(), ids=lambda code: code.slug)
def test_what_a_fix_leaves_is_formatted_and_has_one_finding_less(code):
    before = format_source(Source("a.policy", code.example))
    result = applied(before)

    text = result.sources["a.policy"].text
    assert format_source(Source("a.policy", text)) == text
    assert len(codes(text)) <= len(codes(before)) - (result.count > 0)
    assert [rule.id for rule in checked_of(text).rules] or not result.count


def test_a_fix_that_would_break_the_policies_is_not_made():
    checked = checked_of(WORDS + "permit p: read when subject.on\n")
    place = Span("a.policy", 0, 12)
    wrong = warning("PE410", place, "x", fix=Fix("break it", (Edit(place, "pack"),)))

    def find(checked):
        found = lint(checked, now=NOW)
        return type(found)((wrong,), found.sources)

    with pytest.raises(BrokenFixError):
        apply_fixes(checked, find, lambda sources: check_sources(sources)[0])


UNUSED = (
    WORDS + "const inner: int = 3\n\npermit p: read, write when subject.on and not subject.off\n"
)
CLEAN = UNUSED.replace("const inner: int = 3\n\n", "")


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "a.policy").write_text(UNUSED)
    return tmp_path / "a.policy"


def test_the_command_mends_in_place_once(run, file):
    done = run("lint", file, "--fix")

    assert (done.code, done.out) == (0, "1 file: 1 finding fixed, no findings\n")
    assert file.read_text() == CLEAN
    assert run("lint", file, "--fix").out == "1 file: no findings\n"


def test_a_fix_is_offered_and_shown_without_being_made(run, file):
    assert run("lint", file).out.endswith("1 file: 1 finding, of which `--fix` can fix 1\n")
    shown = run("lint", file, "--diff")

    assert shown.code == 1
    assert "-const inner: int = 3" in shown.out.splitlines()
    assert shown.out.endswith("1 file: 1 finding would be fixed, no findings\n")
    assert file.read_text() == UNUSED
    assert run("lint", file, "--diff", "--ignore", "unused-definition").code == 0


def test_what_cannot_be_fixed_is_still_reported(run, file):
    file.write_text(UNUSED + "permit q: any\n")
    done = run("lint", file, "--fix", "--format", "json")

    assert (done.code, done.json["fixed"]) == (1, 1)
    assert [d["slug"] for d in done.json["diagnostics"]] == ["superfluous-permit", "bare-permit"]


def test_programs_are_told_what_a_fix_does(run, file):
    (found,) = run("lint", file, "--format", "json").json["diagnostics"]

    assert found["fix"]["what"] == "leave it out"
    (edit,) = found["fix"]["edits"]
    assert UNUSED[: edit["start"]] + edit["text"] + UNUSED[edit["end"] :] == CLEAN


def test_a_file_that_changed_meanwhile_is_left_alone(fails, file, monkeypatch):
    real = lint_command._lint

    def slow(*given, **more):
        linted = real(*given, **more)
        file.write_text(UNUSED + "# a colleague\n")
        return linted

    monkeypatch.setattr(lint_command, "_lint", slow)
    assert fails("lint", file, "--fix") == (
        f"`{file}` has changed meanwhile, so nothing was written"
    )
    assert file.read_text() == UNUSED + "# a colleague\n"


def test_a_bug_of_ours_is_not_written(fails, file, monkeypatch):
    def broken(*_):
        raise BrokenFixError

    monkeypatch.setattr("policyengine.lint.fixing.apply_fixes", broken)
    assert "nothing was written" in fails("lint", file, "--fix")
    assert file.read_text() == UNUSED


def test_a_set_with_errors_is_not_fixed(run, file):
    file.write_text(UNUSED + "permit q: raed\n")
    done = run("lint", file, "--fix")

    assert done.code == 1
    assert "PE2" in done.out
    assert file.read_text() == UNUSED + "permit q: raed\n"


def test_a_difference_is_text(fails, file):
    assert "--diff` writes nothing but text" in fails("lint", file, "--diff", "--format", "json")
    assert "--diff` writes nothing but text" in fails("lint", file, "--diff", "--fix")
