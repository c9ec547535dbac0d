"""Runs every example of docs/language.md: whole sets pass their tests, parts add to the tour, and a
block marked with a code is refused with that code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources, compile_set
from policyengine.testing.runner import run_tests

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```policy ?(\S*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TOUR = next(text for mark, text in BLOCKS if mark == "tour")


def _sources(*texts: str) -> dict[str, Source]:
    return {f"{n}.policy": Source(f"{n}.policy", text) for n, text in enumerate(texts)}


def _whole(mark: str, text: str) -> dict[str, Source]:
    return _sources(text) if mark in ("", "tour") else _sources(TOUR, f"package x\n{text}")


@pytest.mark.parametrize(
    ("mark", "text"), [b for b in BLOCKS if not b[0].startswith("PE")], ids=lambda v: v[:20]
)
def test_examples_check_clean_and_pass(mark: str, text: str) -> None:
    checked, diagnostics = check_sources(_whole(mark, text))

    assert diagnostics.items == ()
    assert checked is not None
    run = run_tests(checked, compile_set(checked))
    assert [result for result in run.results if result.status != "passed"] == []


@pytest.mark.parametrize(
    ("code", "text"), [b for b in BLOCKS if b[0].startswith("PE")], ids=lambda v: v[:20]
)
def test_refused_examples_give_their_code(code: str, text: str) -> None:
    _, diagnostics = check_sources(_sources(TOUR, f"package x\n{text}"))

    assert {d.code for d in diagnostics.errors} == {code}


def test_the_page_has_examples_of_each_sort() -> None:
    marks = {mark for mark, _ in BLOCKS}

    assert {"tour", "", "part"} <= marks
    assert len([m for m in marks if m.startswith("PE")]) >= 4
