"""Hold that colour and progress are for terminals only, and that text cannot steer them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from policyengine.cli.main import run
from policyengine.cli.output import visible
from tests.whole import some

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What colours; on a slow machine the word of patience moves the cursor besides."""

MAIN = "from policyengine.cli.main import main; main()"


def on_a_terminal(code: str, *arguments: str, columns: int = 0, **environment: str) -> str:
    """Run Python *code* with a terminal for standard output and error; return what it shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65_536):
            shown += data
    except OSError:  # what Linux says when the other side is closed
        pass
    process.wait()
    os.close(ours)
    return shown.decode()


def test_colour_is_for_terminals(run, shop: Path):
    assert "\x1b[" in on_a_terminal(MAIN, "check", str(shop))
    assert "\x1b[" not in run("check", shop).out


def test_diagnostics_are_dressed_on_terminals(tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text("package {\n")
    assert "\x1b[1;31merror[" in on_a_terminal(MAIN, "check", str(file))
    assert not COLOUR.search(on_a_terminal(MAIN, "check", str(file), NO_COLOR="1"))


def test_the_terminal_says_how_wide_it_is(tmp_path: Path):
    for columns in (60, 120):
        shown = on_a_terminal(MAIN, "explain", "PE309", columns=columns, NO_COLOR="1")
        lines = [line.rstrip("\r") for line in shown.split("\n")]
        assert max(map(len, lines)) in range(columns - 20, columns + 1)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_there_is_no_colour_where_none_is_wanted(shop: Path, environment: dict[str, str]):
    shown = on_a_terminal(MAIN, "check", str(shop), **environment)
    assert "no mistakes" in shown
    assert not COLOUR.search(shown)


def test_long_work_is_told_on_a_terminal():
    code = """
import time
from policyengine.cli import output
output._PATIENCE = 0.01
with output.working("counting sheep"):
    time.sleep(0.3)
print("done")
"""
    shown = on_a_terminal(code)
    assert "counting sheep" in shown
    assert shown.rstrip().endswith("done")


def test_how_far_it_is_is_told():
    code = """
import time
from policyengine.cli import output
output._PATIENCE = 0.01
with output.working("counting sheep") as progress:
    progress(3, 7)
    time.sleep(0.3)
"""
    assert "counting sheep: 3 of 7" in on_a_terminal(code)


def test_short_work_is_not_told():
    code = """
from policyengine.cli import output
with output.working("counting sheep"):
    pass
print("done")
"""
    assert on_a_terminal(code).strip() == "done"


def test_work_is_not_told_to_files(capsys: pytest.CaptureFixture[str]):
    from policyengine.cli.output import working

    with working("counting sheep") as progress:
        progress(1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 日本 🙂\n\ttext", "plain ü 日本 🙂\n\ttext"),
        ("\x1b[2J", "�[2J"),
        ("a\rb\x7f\x9b", "a�b��"),
        ("\u202eevil\u2066", "�evil�"),
        ("\ud800\u2028", "��"),
    ],
)
def test_characters_that_steer_a_terminal_are_replaced(text: str, shown: str):
    assert visible(text) == shown


LONG = """\
package p
entity User { role: string, words: set<string> }
entity Doc { text: string }
action read by User on Doc
obligation log(who: User, text: string)
define is_doctor_of_this_house(somebody: User) = somebody.role == "doctor" and size(somebody.words) > 12
permit doctors_of_this_house: read
    when is_doctor_of_this_house(subject) and resource.text == "a text that is longer than the others"
    otherwise "{subject} is no doctor of this house, or the document is not the one that they may read"
permit others: read when subject.role == "other" oblige log(subject, "a text that is longer than the terminal is wide")
"""


@pytest.mark.parametrize(
    ("columns", "command", "role"),
    some(
        [
            (columns, command, role)
            for columns in (40, 120)
            for command, role in (("decide", "other"), ("explain", "nurse"))
        ],
        3,  # each width and each command
    ),
)
def test_lines_are_broken_between_words_at_the_width_of_the_terminal(
    columns: int, command: str, role: str
):
    colour = {"NO_COLOR": "1"} if columns > 60 else {}
    Path("p.policy").write_text(LONG)
    user = {"role": role, "words": [f"word number {n}" for n in range(9)]}
    request = {
        "subject": {"type": "User", "id": "ann", "properties": user},
        "action": {"name": "read"},
        "resource": {"type": "Doc", "id": "d", "properties": {"text": "x" * 30}},
    }
    Path("r.json").write_text(json.dumps(request))
    arguments = command, "p.policy", "-r", "r.json"
    shown = on_a_terminal(MAIN, *arguments, COLUMNS=str(columns), **colour)
    lines = COLOUR.sub("", shown).replace("\r", "").splitlines()
    # Patience moves the cursor on a slow machine.
    lines = [line for line in lines if "\x1b" not in line and "⠋" not in line]
    assert max(map(len, lines)) <= columns
    words = set(" ".join(lines).split())
    assert words >= ({'"doctor"', "✗"} if command == "explain" else {"obligations", "log(who:"})


def test_one_problem_is_said_in_a_line_and_several_in_a_list(capsys):
    Path("p.policy").write_text(LONG)
    wrong = {"type": "User", "id": "ann", "properties": {"rule": "nurse"}}
    asked = ["who", "p.policy", "--entities", "e.json", "--action", "read", "--resource", "Doc:d"]
    Path("e.json").write_text(json.dumps([wrong]))
    assert run(asked) == 2
    said = "properties.rule: `User` has no attribute `rule`; did you mean `role`? [PE504]"
    assert capsys.readouterr().err == f"policyengine: `e.json`: [0].{said}\n"
    Path("e.json").write_text(json.dumps([wrong, {**wrong, "id": "bob"}]))
    assert run(asked) == 2
    assert capsys.readouterr().err == f"policyengine: `e.json`:\n  [0].{said}\n  [1].{said}\n"
