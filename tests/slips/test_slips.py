"""Holds the messages of slips to what is written, and their advice to being right; `make golden` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from tests.slips.harness import read, rewritten
from tests.whole import some

FILES = sorted(Path(__file__).parent.glob("*.slips"))

if os.environ.get("UPDATE_GOLDEN"):
    for path in FILES:
        path.write_text(rewritten(path), encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_policy_before_the_slips_is_right(path: Path):
    policy, _ = read(path)

    assert check_sources({"p.policy": Source("p.policy", policy)})[1].errors == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_slips_are_said_in_these_words(path: Path):
    slips = {f"{slip.file}:{slip.line}": slip for slip in some(read(path)[1], 3)}
    found = {place: slip.as_found() for place, slip in slips.items()}
    assert found == {place: list(slip.lines) for place, slip in slips.items()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_advised_is_right(path: Path):
    problems = {
        f"{slip.file}:{slip.line}": slip.problems_when_right() for slip in some(read(path)[1], 3)
    }
    assert {place: wrong for place, wrong in problems.items() if wrong} == {}
