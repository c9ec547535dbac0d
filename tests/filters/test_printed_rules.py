"""The rules of the shipped sets are asked of every database, and nearly all under row-level security."""

from __future__ import annotations

import pytest

from tests.filters.printed_rules import SECURITY, not_pushed
from tests.strategies.real_sets import SETS, loaded
from tests.whole import some


@pytest.mark.parametrize("name", some(SETS, 3))
def test_the_rules_of_the_shipped_sets_are_printed(name: str):
    found = not_pushed(name, 15)
    secured = found.pop(SECURITY)
    assert not any(found.values()), found
    assert len(secured) <= 0.1 * len(loaded(name).checked.rules)
