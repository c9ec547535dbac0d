"""Law 6: a forbid more never allows, a permit or expose more never denies, advice changes nothing."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_a_rule_more_only_adds(seed):
    laws.hold(laws.a_rule_more_only_adds, seed, requests=3)
