"""Every entry point reads a request the same way, in whatever form it comes in."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import entry_points, laws, seeds


def test_every_entry_point_reads_the_same():
    refused = []

    def read(case):
        refused.append(entry_points.every_entry_point_reads_the_same(case))

    @settings(max_examples=settings().max_examples // 2)  # each asks some hundred requests
    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(read, seed, requests=2)

    check()
    assert sum(refused) > len(refused)
