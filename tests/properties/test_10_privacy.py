"""Law 10: requests that differ in private values alone are told alike."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds
from tests.strategies.privacy import private_values_show_in_no_text


@given(seeds.SEEDS)
def test_private_values_show_in_no_text(seed):
    laws.hold(private_values_show_in_no_text, seed, requests=2)
