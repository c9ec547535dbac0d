"""`valid_until` beside a list of all moments at which a decision may turn.

`make turns` holds it on 100,000 requests.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from policyengine.runtime import calendar_operations, operations
from tests import turns
from tests.strategies import seeds, turning
from tests.whole import share


@settings(max_examples=share(40, 2))
@given(seeds.SEEDS)
def test_a_decision_holds_until_it_says_and_no_longer(seed):
    turning.decisions_hold_until_they_say(seed, 5)


def test_sets_of_every_sort_are_made():
    made = [turning.make_set(Random(seed)) for seed in range(80)]
    assert {one.exact for one in made} == {True, False}
    for word in (
        " within schedule",
        "within_it(",
        "later(",
        " from ",
        " until ",
        "forbid",
        "private",
    ):
        assert any(word in one.text for one in made), word


def test_turns_are_counted(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["turns", "--requests", "60", "--seed", "3"])
    assert turns.main() == 0
    assert capsys.readouterr().out.startswith("60 requests: ")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("next_turn", lambda moment, _schedule: moment + calendar_operations.FIVE_WEEKS),
        ("next_turn", lambda moment, _schedule: moment + 1),
    ],
)
def test_the_law_bites(monkeypatch, capsys, name, broken):
    monkeypatch.setattr(calendar_operations, name, broken)
    monkeypatch.setattr("sys.argv", ["turns", "--requests", "1000"])
    assert turns.main() == 1
    assert "valid until" in capsys.readouterr().out
    assert operations.watch_schedule is calendar_operations.watch_schedule
