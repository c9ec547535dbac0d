"""Hold docs/testing.md to what the commands on it write."""

from __future__ import annotations

import re
from pathlib import Path

from policyengine.cli.main import run

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```console\n\$ policyengine (.*)\n((?:.*\n)*?)```", PAGE, re.MULTILINE)
COMMANDS = re.findall(r"^policyengine (.*)$", PAGE, re.MULTILINE)


def timeless(text: str) -> str:
    return re.sub(r"\d+\.\d\d s", "0.00 s", text)


def test_examples_are_what_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(["init", "shop"])
    assert len(EXAMPLES) >= 2
    for arguments, shown in EXAMPLES:
        capsys.readouterr()
        run(arguments.split())
        assert timeless(capsys.readouterr().out) == timeless(shown)


def test_commands_succeed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(["init", "shop"])
    assert COMMANDS
    assert [run(arguments.split()) for arguments in COMMANDS] == [0] * len(COMMANDS)
