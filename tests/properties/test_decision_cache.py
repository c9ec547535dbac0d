"""A decision that is remembered is the one that would be made."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import laws, remembering, seeds
from tests.whole import share


def test_remembered_is_as_decided():
    remembered = []

    @settings(max_examples=max(share(20, 5), settings().max_examples // 5))
    @given(seeds.SEEDS)
    def check(seed):
        caches = {}
        laws.hold(
            lambda case: remembered.append(remembering.remembered_is_as_decided(case, caches)),
            seed,
            requests=3,
        )

    check()
    assert sum(remembered) > len(remembered) / 2
