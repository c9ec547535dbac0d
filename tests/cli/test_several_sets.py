"""Run commands on every policy set in a folder."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def sets(shop: Path) -> Path:
    """A folder of two sets whose names collide, and of other things."""
    folder = Path("sets")
    folder.mkdir()
    shutil.copytree(shop, folder / "north")
    shop.rename(folder / "south")
    for other in (folder / "notes", folder / ".hidden"):
        other.mkdir()
    (folder / ".hidden" / "a.policy").write_text("package a", encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", ["test", "check", "lint"])
def test_each_set_has_its_turn(run, sets: Path, command):
    together = run(command, sets)
    assert together.code in {1, 2}
    done = run(command, "--each", sets)
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if line.startswith("sets/")] == [
        "sets/north",
        "sets/south",
    ]
    assert done.out.endswith("\n2 of 2 sets fine\n")
    alone = run(command, sets / "south").out
    assert alone.split(" (")[0] in done.out


def test_a_set_that_fails_is_named_and_keeps_no_other_from_its_turn(run, sets: Path):
    for file in (sets / "north").rglob("*.policy"):
        file.write_text("package nothing !", encoding="utf-8")
    done = run("test", "--each", sets)
    assert done.code == 2
    assert "the policy set has" in done.err
    assert done.out.endswith("\n1 of 2 sets fine; not sets/north\n")
    assert "passed" in done.out
    (sets / "west").mkdir()
    (sets / "west" / "a.policy").write_text(
        "package a entity A entity B action read by A on B permit p: read\n"
        'test "t" { expect deny read by A "a" on B "b" }',
        encoding="utf-8",
    )
    shutil.rmtree(sets / "north")
    done = run("test", "--each", sets)
    assert (done.code, done.out.splitlines()[-1]) == (1, "1 of 2 sets fine; not sets/west")


def test_sets_that_are_tested_at_once_are_shown_one_after_another(run, sets: Path, monkeypatch):
    (sets / "north" / "broken.policy").write_text("package nothing !", encoding="utf-8")
    at_once = run("test", "--each", sets)
    monkeypatch.delattr("os.fork")
    after = run("test", "--each", sets)
    assert (at_once.code, at_once.err) == (after.code, after.err)
    assert "the policy set has" in at_once.err
    (sets / "north" / "broken.policy").unlink()
    (sets / "north" / "broken.policy").symlink_to("nowhere")
    assert run("test", "--each", sets).out.endswith("\n1 of 2 sets fine; not sets/north\n")
    assert _without_times(at_once.out) == _without_times(after.out)


def test_a_process_that_ends_too_soon_fails_the_sets(run, sets: Path, monkeypatch):
    monkeypatch.setattr("policyengine.cli.test._test", lambda *_, **__: os._exit(9))
    done = run("test", "--each", sets)
    assert (done.code, done.out.splitlines()[-1][:16]) == (2, "0 of 2 sets fine")
    assert "a process ended before it was done" in done.err


def _without_times(text: str) -> str:
    return re.sub(r"[0-9.]+ s\)", "", text)


def test_what_is_no_folder_of_sets_is_refused(run, fails, sets: Path):
    assert "is a policy set itself, with `" in fails("test", "--each", sets / "south")
    assert "no policy set in a folder of" in fails("test", "--each", sets / "notes")
    assert "is no folder" in fails("check", "--each", "nowhere")
    for more in (["--format", "json"], ["--junit", "junit.xml"]):
        done = run("test", "--each", sets, *more)
        assert done.code == 2
        assert "writes nothing but text" in done.err
