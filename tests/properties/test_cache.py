"""What is read from a cache decides as what it was kept of."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import laws, seeds


@settings(max_examples=settings().max_examples // 2)  # each set is written, read and compiled again
@given(seeds.SEEDS)
def test_what_was_kept_agrees(seed):
    laws.hold(laws.what_was_kept_agrees, seed, requests=10)
