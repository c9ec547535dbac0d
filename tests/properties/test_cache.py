"""What is read from a cache decides as what it was kept of."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_what_was_kept_agrees(seed):
    laws.hold(laws.what_was_kept_agrees, seed, requests=10)
