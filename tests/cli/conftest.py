"""Give the tests of the commands a folder that works, and a way to run commands in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from policyengine.cli.main import run as run_command


@frozen
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every command in an empty folder: what lies where the tests are started is nothing to them."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shop(elsewhere: None) -> Path:
    """The folder that `init` makes, in the current directory; as a path relative to it."""
    assert run_command(["init", "shop"]) == 0
    return Path("shop")


@pytest.fixture
def fails(run: Callable[..., Done]) -> Callable[..., str]:
    """Run a command that must fail as misuse does, and return the one line that it says."""

    def fails(*arguments: object) -> str:
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("policyengine: ")
        assert done.err.count("\n") == 1
        return done.err.removeprefix("policyengine: ").strip()

    return fails


def processes_of(leader: int) -> list[int]:
    """Return the processes of a group that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found
