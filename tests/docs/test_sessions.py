"""Run every example of the pages that are each a policy set and a session in Python."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from policyengine.cli.main import run

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("authzen", "objects", "record", "reload", "stores")
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_happens(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocks = _BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert {tag for tag, *_ in blocks} <= {"policy", "pycon", "python", "sh", "console"}
    for tag, name, text in blocks:
        if tag == "policy":
            (tmp_path / name).write_text(text, encoding="utf-8")
            assert run(["check", "--strict", str(tmp_path / name)]) == 0
            assert run(["fmt", "--check", str(tmp_path / name)]) == 0
    monkeypatch.chdir(tmp_path)
    session = "\n".join(text for tag, _, text in blocks if tag == "pycon")
    test = doctest.DocTestParser().get_doctest(session, {}, page, page, 0)
    assert len(test.examples) > 5
    report: list[str] = []
    assert doctest.DocTestRunner().run(test, out=report.append).failed == 0, "".join(report)
