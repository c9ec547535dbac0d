"""Hold that a budget ends when its time or its steps are used up, and that parts spend the whole."""

import pytest

from policyengine.analysis import budget as budgets
from policyengine.analysis.budget import Budget, OutOfBudgetError


@pytest.fixture
def clock(monkeypatch):
    """Return the clock, which stands still: a list with the time."""
    now = [100.0]
    monkeypatch.setattr(budgets, "monotonic", lambda: now[0])
    return now


def test_without_a_bound_nothing_is_ever_spent():
    budget = Budget()
    budget.spend(10**12)
    assert (budget.is_spent, budget.seconds_left) == (False, None)


def test_steps_are_taken_off_the_part_and_the_whole():
    whole = Budget(steps=10)
    part = whole.part(steps=4)
    part.spend(4)
    assert not part.is_spent
    with pytest.raises(OutOfBudgetError):
        part.spend()
    assert (part.is_spent, whole.is_spent, whole.steps) == (True, False, 5)
    with pytest.raises(OutOfBudgetError):
        whole.part().spend(6)
    assert whole.is_spent
    assert whole.part().is_spent


def test_time_is_up_at_the_deadline_of_the_part_or_of_the_whole(clock):
    whole = Budget.lasting(8)
    part = whole.part(share=0.25)
    assert (whole.seconds_left, part.seconds_left, part.part().seconds_left) == (8, 2, 2)
    clock[0] += 2
    assert (part.is_spent, whole.is_spent, whole.seconds_left) == (True, False, 6)
    with pytest.raises(OutOfBudgetError):
        part.spend(0)
    late = whole.part(steps=10**9)
    clock[0] += 6
    with pytest.raises(OutOfBudgetError):
        late.spend()
    assert late.seconds_left == 0


def test_no_time_is_spent_at_once():
    assert Budget.lasting(0).is_spent
    assert not Budget.lasting(None).is_spent
