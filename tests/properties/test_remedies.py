"""What an explanation offers allows, on any policy set."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import laws, seeds


@settings(max_examples=settings().max_examples * 3 // 5)  # `make fuzz` tries more
@given(seeds.SEEDS)
def test_what_is_offered_allows(seed):
    laws.hold(laws.what_is_offered_allows, seed, requests=5)
