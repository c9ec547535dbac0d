"""Hold that what commands write fits the terminal, at all widths, in colour and without."""

from __future__ import annotations

import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from policyengine.cli.main import run as run_command
from policyengine.cli.output import say_parts
from policyengine.diagnostics.wrapping import cells, fitted, fitting_parts
from tests.whole import some

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ONE_WORD = re.compile(r'\s*(?:\S+|[-+ ]*"(?:[^"\\]|\\.)*")')
SETS = Path(__file__).resolve().parents[2] / "policies"

BROKEN = """\
package broken
entity User { name: string, clearance_of_the_person: int, suspended: bool, departments: set<string>, manager: User }
\taction read by User on User
permit own: read when subject.nmae == "a very long name of somebody who has several names, all of them long" and subject.clearance_of_the_person > 3
permit other: read when subject.suspended and subject.departments == 3 or "日本語日本語日本語日本語日本語日本語日本語日本語" == subject.nmae
permit own: read when subject.suspended because "{subject} is suspended"
"""

LONG_RULE = """\
permit of_the_same_department_and_not_suspended: any
    when subject.clearance >= internal and resource.owner == subject and not subject.suspended
    because "{subject} has the clearance that is needed, and it is their own document, which they may see"
"""

FAILING = """\
test "a title that is rather long and tells who may read what of whom, and why that is so" {
    let bob = User "bob" { clearance: public, suspended: true }
    let plan = Document "plan" { owner: User "ann", clearance: internal, shared_with: {bob} }
    expect allow read by bob on plan because shared reason "something that is long enough to be broken somewhere"
    expect deny read by User "eve" {} on plan
}
"""


ANN = {"type": "User", "id": "ann"}
ENTITIES = [
    {**ANN, "properties": {"clearance": "internal", "suspended": False}},
    *(
        {
            "type": "Document",
            "id": id_,
            "properties": {"owner": ANN, "clearance": "public", "shared_with": []},
        }
        for id_ in ("plan", "a document with a long name that is as long as names of documents are")
    ),
]


@pytest.fixture
def folder(shop: Path) -> Path:
    """The folder of `init`, beside a broken set, one that lint has findings of and an ugly one."""
    for name, text in [
        ("broken", BROKEN),
        ("ugly", (shop / "documents.policy").read_text().replace("    ", "  ") + LONG_RULE),
        ("failing", (shop / "documents.policy").read_text() + FAILING),
        ("untested", (shop / "documents.policy").read_text() + LONG_RULE),
    ]:
        Path(name).mkdir()
        Path(name, "documents.policy").write_text(text)
    Path("failing", "all.json").write_text(json.dumps(ENTITIES))
    return shop


COMMANDS = [
    "--help", "check shop", "check broken", "lint shop", "lint untested", "lint --rules", "fmt --check ugly",
    "fmt --diff ugly", "test shop", "test shop -v --coverage", "test failing", "test shop --mutate", "test untested --suggest",
    "decide shop --request shop/request.json", "explain shop --request shop/request.json",
    "explain shop --request shop/request.json --audience user", "explain PE309", "prove shop --never-allow read", "prove --help", "reads shop",
    "compile shop --stop-after simplify", "init made", "completion --help", "check --help", "lint --help",
    "fmt --help", "test --help", "decide --help", "explain --help", "reads --help", "compile --help",
    "who shop --entities failing/all.json --action read --resource Document:plan",
    "what shop --entities failing/all.json --subject User:ann --action read --limit 1",
    "init --help", "who --help", "what --help", "nonsense", "check missing-file", "fmt shop - other",
]  # fmt: skip
OF_A_SET = [
    "check {}", "explain {} --request {}/requests/{}", "decide {} --request {}/requests/{}", "reads {}",
]  # fmt: skip


def shown(
    command: str,
    columns: int,
    capsys: pytest.CaptureFixture[str],
    patch: pytest.MonkeyPatch,
    **more: str,
) -> list[str]:
    """Return the lines that a command shows on a terminal, with its colours."""
    for name, value in {"COLUMNS": str(columns), "TERM": "xterm-256color", **more}.items():
        patch.setenv(name, value)
    patch.setattr(sys.stdout, "isatty", lambda: True)
    capsys.readouterr()
    run_command(command.split())
    written = capsys.readouterr()
    return (written.out + written.err).splitlines()


def too_wide(lines: list[str], columns: int) -> list[str]:
    """Return the lines that do not fit, but for those of one word or one string, which may be copied."""
    plain = [COLOUR.sub("", line) for line in lines]
    return [line for line in plain if cells(line) > columns and not ONE_WORD.fullmatch(line)]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("columns", "colour"), some([(60, True), (80, True), (120, False), (60, False)], 2)
)
def test_no_line_is_longer_than_the_terminal(folder, command, columns, colour, capsys, monkeypatch):
    more = {} if colour else {"NO_COLOR": "1"}
    lines = shown(command, columns, capsys, monkeypatch, **more)
    assert lines
    assert too_wide(lines, columns) == []
    assert colour or not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("name", some(["workspace", "hospital", "x"], 3))
@pytest.mark.parametrize("command", OF_A_SET)
def test_no_line_of_the_shipped_sets_is_longer(name, command, capsys, monkeypatch):
    monkeypatch.chdir(SETS)
    request = min((SETS / name / "requests").glob("*.json")).name
    lines = shown(command.format(name, name, request), 60, capsys, monkeypatch)
    assert len(lines) >= 1
    assert too_wide(lines, 60) == []


def test_lines_that_go_elsewhere_are_left_whole(folder, run, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = run("lint", "--rules").out
    assert max(map(len, whole.splitlines())) > 80
    monkeypatch.setenv("COLUMNS", "60")
    words = run("lint", "--rules").out
    assert words.split() == whole.split()
    assert not too_wide(words.splitlines(), 60)


@pytest.mark.parametrize("command", ["fmt --diff ugly", "compile shop", "test untested --suggest"])
def test_text_of_a_language_is_broken_on_terminals_alone(folder, run, monkeypatch, command):
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = run(*command.split()).out
    monkeypatch.setenv("COLUMNS", "40")
    assert run(*command.split()).out == whole


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_carets_are_below_what_they_mean(folder, columns, capsys, monkeypatch):
    lines = shown("check broken", columns, capsys, monkeypatch, NO_COLOR="1")
    pointed = []
    for line, below in pairwise(lines):
        if found := re.match(r" +\| +(\^+)", below):
            start = cells(below[: found.start(1)])
            at = next(n for n in range(len(line) + 1) if cells(line[:n]) >= start)
            pointed.append(line[at : at + len(found[1])])
    assert pointed[0] == "nmae"
    assert "own" in pointed
    assert len(pointed) >= 4


def test_a_terminal_that_does_not_say_how_wide_it_is(folder, capsys, monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda _=0: os.terminal_size((0, 0)))
    lines = shown("explain PE309", 0, capsys, monkeypatch)
    assert max(map(cells, lines[:8])) in range(60, 81)


@pytest.mark.parametrize(
    ("line", "width", "expected"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two\n    three"),
        ("    one two three", 12, "    one two\n      three"),
        ("  reason      one two three", 22, "  reason      one two\n      three"),
        ("  reason      one two three", 45, "  reason      one two three"),
        ("  a     one two three four", 24, "  a     one two three\n        four"),
        ("unbreakable-word-that-is-long", 12, "unbreakable-word-that-is-long"),
        ("a unbreakable-word-that-is-long b", 12, "a\n    unbreakable-word-that-is-long\n    b"),
        ("日本 日本 日本", 10, "日本 日本\n    日本"),
        ("", 10, ""),
        ("one two \n\nthree", 7, "one two\n\nthree"),
        ('owner = User "bob" (now User "ann")', 31, 'owner = User "bob" (now\n    User "ann")'),
        ("left is that `a.b in r.c` is out", 24, "left is that\n    `a.b in r.c` is out"),
        ("one two three in(a, b).x = 1", 20, "one two three\n    in(a, b).x = 1"),
        ("`a b c d e f g h`", 12, "`a b c d e f\n    g h`"),
        ("one ` two three ( four", 12, "one ` two\n    three (\n    four"),
    ],
)
def test_lines_are_broken_between_words(line, width, expected):
    assert fitted(line, width) == expected


def test_parts_may_have_several_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    say_parts(("  = ", "dim"), ("one\n\ntwo three four five six seven eight nine ten", None))
    assert (
        capsys.readouterr().out == "  = one\n\ntwo three four five six seven eight nine\n    ten\n"
    )


def test_strings_and_comments_of_code_stay_whole():
    line = '    permit a: read because "some words that stay" when b  # and a comment'
    parts, indent = fitting_parts(line, 30, code=True)
    assert [line[slice(*part)] for part in parts] == [
        "    permit a: read because", '"some words that stay"', "when b", "# and a comment",
    ]  # fmt: skip
    assert indent == 8
