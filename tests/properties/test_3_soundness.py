"""Law 3: a checked rule on a valid request raises nothing, waived or not."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_no_checked_rule_fails_on_a_request_that_fits(seed):
    laws.hold(laws.reference_is_sound, seed, requests=10)
