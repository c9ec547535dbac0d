"""Law 4: the compiled program and the reference interpreter give one answer.

By `make whole`, at least 10,000 requests are compared (`make fuzz` goes on as long as asked).
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.strategies import laws, seeds
from tests.whole import share, some

SHARDS = 4  # so that the work can be spread over cores
ALL_SETS = 82  # a few of them may be refused as too costly
SETS = share(ALL_SETS, 10)
REQUESTS = 32


def test_at_least_ten_thousand_requests_are_compared():
    assert SHARDS * ALL_SETS * REQUESTS >= 1.04 * 10_000


@pytest.mark.parametrize("shard", some(range(SHARDS), 2))
def test_compiled_and_reference_agree(shard):
    tried = []

    @settings(max_examples=max(SETS, settings().max_examples))
    @given(seeds.SEEDS)
    def agree(seed):
        tried.append(laws.hold(laws.compiled_agrees, seed * SHARDS + shard, requests=REQUESTS))

    agree()
    assert sum(tried) >= SETS / ALL_SETS * 10_000 / SHARDS


@given(seeds.SEEDS)
def test_what_fails_fails_alike_and_opens_nothing(seed):
    laws.hold(laws.failures_agree_and_open_nothing, seed, requests=5)
