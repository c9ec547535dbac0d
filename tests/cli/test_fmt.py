"""Format files, standard input, and what must be left alone."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

UGLY = "package   p  # a package\nentity   User\nentity Doc\naction read by User on Doc\n"
BROKEN = "package p\nentity {\n"


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    file = tmp_path / "ugly.policy"
    file.write_text(UGLY)
    return file


def test_what_is_formatted_is_left_alone(run, shop: Path):
    before = (shop / "documents.policy").stat().st_mtime_ns
    done = run("fmt", shop)
    assert (done.code, done.out) == (0, "2 files unchanged\n")
    assert (shop / "documents.policy").stat().st_mtime_ns == before


def test_a_file_is_rewritten_in_place(run, ugly: Path):
    ugly.chmod(0o640)
    done = run("fmt", ugly.parent)
    assert (done.code, done.out) == (0, f"formatted {ugly}\n1 file formatted\n")
    assert ugly.read_text().startswith("package p  # a package\n")
    assert ugly.stat().st_mode & 0o777 == 0o640
    assert list(ugly.parent.iterdir()) == [ugly]
    assert run("fmt", "--check", ugly).code == 0


def test_a_link_stays_a_link(run, ugly: Path):
    link = ugly.with_name("link.policy")
    link.symlink_to(ugly.name)
    assert run("fmt", link).code == 0
    assert link.is_symlink()
    assert ugly.read_text() != UGLY


def test_check_writes_nothing(run, ugly: Path):
    done = run("fmt", "--check", ugly)
    assert (done.code, done.out) == (1, f"would format {ugly}\n1 file would change\n")
    assert ugly.read_text() == UGLY


def test_diff_shows_what_would_change(run, ugly: Path):
    done = run("fmt", "--diff", ugly)
    assert done.code == 1
    assert {"-package   p  # a package", "+package p  # a package"} <= set(done.out.splitlines())
    assert ugly.read_text() == UGLY


def test_a_file_that_does_not_parse_is_left_alone_and_others_are_not(run, ugly: Path):
    broken = ugly.with_name("broken.policy")
    broken.write_text(BROKEN)
    done = run("fmt", ugly.parent)
    assert done.code == 1
    assert f"{broken}:2:" in done.out
    assert done.out.endswith("1 file formatted, 1 file not parsed\n")
    assert (broken.read_text(), ugly.read_text()) != (BROKEN, UGLY)
    assert broken.read_text() == BROKEN


def test_a_file_that_is_no_text_is_left_alone(run, ugly: Path):
    ugly.write_bytes(b"\xff\xfe")
    done = run("fmt", ugly)
    assert (done.code, ugly.read_bytes()) == (1, b"\xff\xfe")
    assert done.out.endswith("1 file not parsed\n")


def test_states_as_json(run, ugly: Path):
    done = run("fmt", "--check", "--format", "json", ugly)
    assert done.code == 1
    assert done.json == {"written": False, "files": [{"file": str(ugly), "state": "changed"}]}
    assert run("fmt", "--format", "json", ugly).json["written"] is True


def standard_input(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input_goes_to_standard_output(run, monkeypatch):
    standard_input(monkeypatch, UGLY.encode())
    done = run("fmt", "-")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("package p  # a package\n")


def test_line_ends_stay(run, ugly: Path, monkeypatch):
    windows = UGLY.replace("\n", "\r\n").encode()
    ugly.write_bytes(b"\xef\xbb\xbf" + windows)
    run("fmt", ugly)
    formatted = ugly.read_bytes()
    assert formatted.startswith(b"\xef\xbb\xbfpackage p  # a package\r\n")
    assert formatted.count(b"\n") == formatted.count(b"\r\n") > 3
    assert run("fmt", "--check", ugly).code == 0
    standard_input(monkeypatch, windows)
    assert run("fmt", "-").out.encode() == formatted.removeprefix(b"\xef\xbb\xbf")


def test_standard_input_that_does_not_parse_gives_no_output(run, monkeypatch):
    standard_input(monkeypatch, BROKEN.encode())
    done = run("fmt", "-")
    assert (done.code, done.out) == (1, "")
    assert "standard input:2:" in done.err


def test_standard_input_that_is_no_text(fails, monkeypatch):
    standard_input(monkeypatch, b"\xff\xfe")
    assert fails("fmt", "-")


def test_standard_input_can_be_checked(run, monkeypatch):
    standard_input(monkeypatch, UGLY.encode())
    done = run("fmt", "--check", "-")
    assert (done.code, done.out) == (1, "would format standard input\n1 file would change\n")


def test_standard_input_stands_alone(fails, ugly: Path):
    assert (
        fails("fmt", "-", ugly)
        == "`-` cannot be given with other paths (see `policyengine fmt --help`)"
    )


def test_a_write_that_fails_leaves_the_file_as_it_was(fails, ugly: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(ugly))

    monkeypatch.setattr("policyengine.cli.writing.shutil.copymode", full)
    assert fails("fmt", ugly) == f"`{ugly}`: no space left on device"
    assert ugly.read_text() == UGLY
    assert list(ugly.parent.iterdir()) == [ugly]


def test_a_write_that_is_interrupted_leaves_the_file_as_it_was(run, ugly: Path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("policyengine.cli.writing.shutil.copymode", interrupted)
    assert run("fmt", ugly).code == 130
    assert ugly.read_text() == UGLY
    assert list(ugly.parent.iterdir()) == [ugly]
