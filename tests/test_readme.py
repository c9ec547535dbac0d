"""Hold README.md to what it shows; `tests/docs/test_documents.py` runs its command lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

from policyengine.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(language: str, path: str = "") -> str:
    (text,) = [text for tag, where, text in BLOCKS if (tag, where) == (language, path)]
    return text


def test_every_block_is_of_a_kind_that_is_run():
    assert {tag for tag, _, _ in BLOCKS} == {"console", "json", "policy", "python", "sh"}


def test_the_policies_are_right_and_their_tests_pass(tmp_path: Path):
    (tmp_path / "documents.policy").write_text(block("policy"), encoding="utf-8")
    (tmp_path / "public.policy").write_text(block("policy", "shop/public.policy"), encoding="utf-8")
    assert run(["check", "--strict", str(tmp_path)]) == 0
    assert run(["lint", str(tmp_path), "--ignore", "untested-rule"]) == 0
    assert run(["fmt", "--check", str(tmp_path)]) == 0
    assert run(["test", str(tmp_path)]) == 0


def test_init_makes_what_is_shown(tmp_path: Path):
    assert run(["init", str(tmp_path)]) == 0
    shown = block("policy")
    rules = shown[: shown.index("test ")].strip()
    made = (tmp_path / "documents.policy").read_text(encoding="utf-8")
    assert made[made.index("package") :].strip() == rules
    assert json.loads((tmp_path / "request.json").read_bytes()) == json.loads(block("json"))


def test_what_the_reader_is_to_change_is_there_once():
    resource = json.loads(block("json"))["resource"]["properties"]
    assert resource["clearance"] == "internal"
    assert block("json").count('"clearance": "internal"') == 1


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [line.split()[:2] for line in block("sh").splitlines() if line.startswith("make ")]
    assert commands == [["make", "demo"], ["make", "test"]]
    for _, target in commands:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    continuous = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make \w+$", continuous, re.MULTILINE)[:2] == ["make demo", "make test"]


def test_every_link_to_a_file_leads_somewhere():
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
