"""Holds the map of facts to the rules of policies/x: each fact has rules, or a reason why none."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from tests.strategies.real_sets import loaded

X = Path(__file__).parents[2] / "policies" / "x"
ROWS = [
    tuple(cell.strip() for cell in line.strip("|\n").split(" | "))
    for line in (X / "facts.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| fact |")
]
# The rows of the fact sheet's sections 1 to 5, those that are no matter of a rule among them, and the facts
# that say them.
with (Path(__file__).parent / "fact_rows.csv").open(encoding="utf-8", newline="") as stream:
    SHEET = list(csv.DictReader(stream))


def test_every_row_of_the_fact_sheet_is_among_the_facts_and_no_fact_is_made_up():
    assert len(SHEET) == 190
    named = {fact for row in SHEET for fact in row["facts"].split(" + ")}
    assert named == {fact for fact, _ in ROWS}
    assert len({fact for fact, _ in ROWS}) == len(ROWS)


def test_every_rule_is_there_for_a_fact():
    said = {rule for _, where in ROWS for rule in re.findall(r"`([^`]+)`", where)}
    assert {rule.id for rule in loaded("x").checked.rules} <= said


def test_reasons_why_a_fact_has_no_rule_differ():
    reasons = [where for _, where in ROWS if where.startswith("not here: ")]
    assert len(set(reasons)) == len(reasons) <= 24


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
