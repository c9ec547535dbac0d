"""Run commands on every policy set in a folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import processes_of


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


def test_a_folder_that_cannot_be_read_is_no_folder_without_policies(run, sets: Path, monkeypatch):
    scandir = os.scandir

    def failing(path):
        if Path(path).name == "north":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    done = run("check", "--each", sets)
    assert (done.code, done.out.splitlines()[-1]) == (2, "1 of 2 sets fine; not sets/north")
    assert "sets/north` cannot be read: permission denied" in done.err


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it counts processes in /proc")
@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        ("SIGTERM", 143, "policyengine: terminated\n"),
        ("SIGHUP", 129, "policyengine: terminated\n"),
        ("SIGKILL", -9, ""),
    ],
)
def test_processes_end_with_the_first(sets: Path, tmp_path: Path, ending, code, said):
    script = tmp_path / "run.py"
    script.write_text(
        """
import signal
import time
import policyengine.cli.several_sets as several_sets
from policyengine.cli.main import main
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests in the background may have it ignored
several_sets._done = lambda act, folder: time.sleep(60)
several_sets.os.cpu_count = lambda: 2
main()
"""
    )
    process = subprocess.Popen(
        [sys.executable, str(script), "test", "--each", str(sets)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while len(processes_of(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(processes_of(process.pid)) == 3
    os.kill(process.pid, getattr(signal, ending))
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, said)
    while processes_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(process.pid) == []


def test_what_is_terminated_leaves_nothing_unfinished(shop: Path, tmp_path: Path):
    script = tmp_path / "run.py"
    script.write_text(
        """
import os
import signal
from pathlib import Path
from policyengine.cli.main import main
signal.signal(signal.SIGTERM, signal.SIG_DFL)
write = Path.write_bytes
def write_bytes(path, data):
    os.kill(os.getpid(), signal.SIGTERM)
    return write(path, data)
Path.write_bytes = write_bytes
main()
"""
    )
    beside = tmp_path / "beside"
    beside.mkdir()
    done = subprocess.run(
        [sys.executable, str(script), "report", str(shop), "--out", str(beside / "site")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (143, "policyengine: terminated\n")
    assert list(beside.iterdir()) == []
