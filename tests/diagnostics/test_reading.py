"""Hold that what is no regular file is refused at once wherever files are read, and so is what is too large."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from policyengine import InvalidPolicy, Limits, PolicyEngine
from policyengine.cache.folder import Cache
from policyengine.cli import loading
from policyengine.cli.main import run as run_command
from policyengine.cli.writing import replace_files
from policyengine.diagnostics.reading import open_regular, read_regular
from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import read_configuration

GOOD = "package t\nentity U\naction r by U on U\npermit p: r\n"

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listener(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets must be short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def folder(path: Path) -> None:
    path.mkdir()


def nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("missing"))


def linked_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("a pipe"))
    path.symlink_to(path.with_name("a pipe"))


ODD = [pipe, device, listener, folder, nowhere, linked_pipe]


@pytest.fixture(params=ODD, ids=lambda make: make.__name__)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Make something that is no regular file, under a name."""

    def make(name: str) -> Path:
        request.param(tmp_path / name)
        return tmp_path / name

    def give_up(*_: object) -> None:
        raise AssertionError("somebody waits for a file that never ends")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield make
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_it_is_not_opened(odd: Callable[[str], Path]):
    path = odd("x")
    for read in (open_regular, read_regular):
        with pytest.raises(OSError, match="x") as refusal:
            read(path)
        assert refusal.value.filename == str(path)


def test_a_link_to_a_regular_file_is_followed_where_that_may_be(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"text"
    with pytest.raises(OSError, match="link"):
        open_regular(tmp_path / "link", links=False)


def test_a_name_that_no_file_has_is_refused():
    with pytest.raises(OSError, match="not the name of a file"):
        open_regular("a\0b")
    with pytest.raises(InvalidPolicy, match="not the name of a file"):
        PolicyEngine.load("a\0b.policy")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    large = tmp_path / "large.policy"
    with large.open("wb") as file:
        file.truncate(1 << 40)  # as long as all that, without taking the room
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_regular(large, 10)
    with pytest.raises(InvalidPolicy, match="more than 8,000,000 characters"):
        PolicyEngine.load(large)


def test_policies(odd: Callable[[str], Path]):
    path = odd("x.policy")
    with pytest.raises(InvalidPolicy) as refusal:
        PolicyEngine.load(path)
    assert [problem.code for problem in refusal.value.diagnostics.items] in (["PE130"], ["PE131"])
    with pytest.raises(InvalidPolicy):
        PolicyEngine.load(path.parent)


@pytest.mark.parametrize("command", ["check", "fmt", "lint", "test", "compile", "reads"])
def test_commands(command: str, odd: Callable[[str], Path]):
    assert run_command([command, str(odd("x.policy"))]) == 2


@pytest.mark.parametrize("command", ["decide", "explain"])
@pytest.mark.parametrize("option", ["--request", "--entities"])
def test_requests_and_entities(
    command: str, option: str, odd: Callable[[str], Path], tmp_path: Path
):
    (tmp_path / "good.policy").write_text(GOOD)
    path = odd("x.json")
    (tmp_path / "request.json").write_text('{"subject": {"type": "U", "id": "1"}}')
    given = {"--request": str(tmp_path / "request.json"), option: str(path)}
    arguments = [part for pair in given.items() for part in pair]
    assert run_command([command, str(tmp_path / "good.policy"), *arguments]) == 2


def test_a_configuration(odd: Callable[[str], Path]):
    with pytest.raises(OSError, match=r"pyproject\.toml"):
        read_configuration(odd("pyproject.toml"), ())


def test_what_is_replaced(odd: Callable[[str], Path]):
    with pytest.raises(OSError, match=r"x\.policy"):
        replace_files([(Source(str(odd("x.policy")), GOOD), GOOD)])


def test_entries_of_a_cache(odd: Callable[[str], Path], caplog: pytest.LogCaptureFixture):
    name = "0" * 64 + ".x"
    path = odd(name)
    assert Cache(str(path.parent), b"k" * 32).find(name) is None


def test_what_init_would_write_is_looked_at_first(odd: Callable[[str], Path], tmp_path: Path):
    path = odd("tests.policy")
    there = set(tmp_path.iterdir())
    assert run_command(["init", str(path.parent)]) == 2
    assert set(tmp_path.iterdir()) == there


def test_limits_are_of_characters_and_not_of_bytes(tmp_path: Path):
    (tmp_path / "x.policy").write_text(GOOD + "# " + "é" * 100, encoding="utf-8")
    size = len(GOOD) + 102
    assert PolicyEngine.load(tmp_path, limits=Limits(source_size=size)).rules
    with pytest.raises(InvalidPolicy, match="PE106"):
        PolicyEngine.load(tmp_path, limits=Limits(source_size=size - 1))


class Endless(io.RawIOBase):
    """A standard input that does not end; reading much more of it than a set may have fails."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"\n" * len(buffer)
        self.taken += len(buffer)
        assert self.taken < 5 * Limits().source_size, "it is read on and on"
        return len(buffer)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "-"],
        ["lint", "-"],
        ["fmt", "-"],
        ["fmt", "--check", "-"],
        ["decide", "good.policy", "--request", "-"],
        ["decide", "good.policy", "--request", "request.json", "--entities", "-"],
        ["decide", "good.policy", "--table", "t", "--out", "o", "--entities", "-"],
        ["what", "good.policy", "--subject", "U:1", "--action", "r", "--entities", "-"],
    ],
    ids=" ".join,
)
def test_standard_input_is_read_up_to_a_limit(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("good.policy").write_text(GOOD)
    Path("request.json").write_text('{"subject": {"type": "U", "id": "1"}}')
    monkeypatch.setattr(loading, "MOST_OF_ENTITIES", 1_000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    assert run_command(arguments) in (1, 2)


def test_entities_in_a_file_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("good.policy").write_text(GOOD)
    Path("request.json").write_text('{"subject": {"type": "U", "id": "1"}}')
    Path("entities.json").write_text("[" + " " * 1_000 + "]")
    monkeypatch.setattr(loading, "MOST_OF_ENTITIES", 1_000)
    given = ["--request", "request.json", "--entities", "entities.json"]
    assert run_command(["decide", "good.policy", *given]) == 2
    assert "`entities.json`: the file has more than 1,000 bytes" in capsys.readouterr().err


def test_nothing_is_shown_of_a_text_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """To find a place in a text takes time in proportion to it."""
    monkeypatch.setattr(Source, "position", None)
    small = Limits(source_size=400)
    for text in (GOOD + "\n" * 500, GOOD + "#" * 500):
        (tmp_path / "x.policy").write_text(text)
        with pytest.raises(InvalidPolicy, match="PE106"):
            PolicyEngine.load(tmp_path, limits=small)
        with pytest.raises(InvalidPolicy, match="PE106"):
            PolicyEngine.from_text(text, limits=small)
    (tmp_path / "x.policy").write_text("#" * (Limits().source_size + 1))
    for command in ("check", "lint", "fmt"):
        assert run_command([command, str(tmp_path / "x.policy")]) == 1
