"""Whatever comes in, in whatever form, every entry point reads it alike."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import entry_points, laws, seeds


def test_every_entry_point_reads_alike():
    refused = []

    def alike(case):
        refused.append(entry_points.every_entry_point_reads_alike(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(alike, seed, requests=2)

    check()
    assert sum(refused) > len(refused)
