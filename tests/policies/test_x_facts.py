"""Holds the map of facts to the rules of policies/x: each fact has rules, or a reason why none."""

from __future__ import annotations

import re
from pathlib import Path

from tests.strategies.real_sets import loaded

X = Path(__file__).parents[2] / "policies" / "x"
ROWS = [
    tuple(cell.strip() for cell in line.strip("|\n").split(" | "))
    for line in (X / "facts.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| fact |")
]


def test_each_fact_has_rules_that_are_there_or_a_reason_why_none():
    checked = loaded("x").checked
    rules = {rule.id for rule in checked.rules}
    assert len(ROWS) >= 90
    for fact, where in ROWS:
        if where.startswith("not here: "):
            assert len(where) > len("not here: the same") - 1, fact
            continue
        named = re.findall(r"`([^`]+)`", where)
        assert named, fact
        assert set(named) <= rules, fact
        assert re.sub(r"`[^`]+`", "", where).strip(", ") == "", fact
