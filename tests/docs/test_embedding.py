"""Run every example of docs/embedding.md, and hold that it lists every limit."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from policyengine.cli.main import run
from policyengine.model.limits import Limits

PAGE = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: \S+)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for tag, text in BLOCKS if tag == language]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the page's policy set in it."""
    (policy,) = blocks("policy")
    (tmp_path / "documents.policy").write_text(policy, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_is_of_a_kind_that_is_run():
    assert {tag for tag, _ in BLOCKS} == {"policy", "pycon", "python"}


def test_the_policy_is_right(folder: Path):
    assert run(["check", "--strict", str(folder)]) == 0
    assert run(["fmt", "--check", str(folder)]) == 0


@pytest.mark.usefixtures("folder")
def test_the_sessions_say_what_they_show():
    """All blocks are one session, as somebody reads them."""
    session = "\n".join(blocks("pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, "embedding.md", "embedding.md", 0)
    assert len(test.examples) > 20
    report: list[str] = []
    assert doctest.DocTestRunner().run(test, out=report.append).failed == 0, "".join(report)


@pytest.mark.usefixtures("folder")
def test_the_generated_code_is_what_compile_prints(capsys: pytest.CaptureFixture[str]):
    (code,) = blocks("python")
    assert run(["compile", "documents.policy", "--action", "read"]) == 0
    assert capsys.readouterr().out.startswith(f"# read by User on Document\n\n{code}\n")


def test_every_limit_is_listed_with_its_default():
    listed = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", PAGE, re.MULTILINE))
    limits = Limits()
    numbers = [f.name for f in fields(Limits) if f.name != "undeclared"]  # an option of `load`
    assert listed == {name: f"{getattr(limits, name):,}" for name in numbers}
