"""Reverse questions find what trying all finds, in sets of any rules and of rules that an index answers."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.strategies import laws, reverse, seeds

pytestmark = pytest.mark.no_cover


def test_searches_find_what_trying_finds():
    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(reverse.searches_find_what_trying_finds, seed, requests=2)

    check()


def test_searches_by_an_index_find_what_trying_finds():
    counts = []

    @given(seeds.SEEDS)
    def check(seed):
        counts.append(reverse.indexed_world(seed))

    check()
    assert all(map(sum, zip(*counts, strict=True)))
