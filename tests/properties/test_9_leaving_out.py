"""Law 9: leaving something out of a request, or mistyping it, never opens anything."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_leaving_out_opens_nothing(seed):
    laws.hold(laws.leaving_out_opens_nothing, seed, requests=5)
