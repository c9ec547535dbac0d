"""Run every code block of README.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policyengine.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(language: str) -> str:
    (text,) = [text for tag, text in BLOCKS if tag == language]
    return text


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the policy and the request of the README, and it alone."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "documents.policy").write_text(block("policy"), encoding="utf-8")
    (folder / "request.json").write_text(block("json"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


def test_every_block_is_of_a_kind_that_is_run():
    assert {tag for tag, _ in BLOCKS} == {"console", "json", "policy", "python", "sh"}


def test_the_policy_is_right_and_its_test_passes(shop: Path):
    assert run(["check", "--strict", str(shop)]) == 0
    assert run(["fmt", "--check", str(shop)]) == 0
    assert run(["test", str(shop)]) == 0


@pytest.mark.parametrize("console", [text for tag, text in BLOCKS if tag == "console"])
def test_commands_print_what_is_shown(console: str, shop: Path, capsys: pytest.CaptureFixture[str]):
    command, _, printed = console.partition("\n")
    assert run(command.removeprefix("$ policyengine ").split()) == 0
    assert capsys.readouterr().out == printed


def test_init_makes_what_is_shown(tmp_path: Path):
    assert run(["init", str(tmp_path)]) == 0
    shown = block("policy")
    rules = shown[: shown.index("test ")].strip()
    made = (tmp_path / "documents.policy").read_text(encoding="utf-8")
    assert made[made.index("package") :].strip() == rules
    assert json.loads((tmp_path / "request.json").read_bytes()) == json.loads(block("json"))


def test_the_lines_of_python_print_what_they_say(shop: Path):
    code = block("python")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shop.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == code.rpartition("# ")[2].strip()
    assert len([line for line in code.splitlines() if line]) == 5


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in block("sh").splitlines():
        command = line.partition("#")[0].split()
        assert command[0] == "make"
        assert re.search(rf"^{command[1]}:", makefile, re.MULTILINE)
    continuous = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make \w+$", continuous, re.MULTILINE)[:2] == ["make demo", "make test"]


def test_every_link_to_a_file_leads_somewhere():
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
