"""Law 7: the order of files, declarations and rules changes nothing."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_order_changes_nothing(seed):
    laws.hold(laws.order_changes_nothing, seed, requests=3)
