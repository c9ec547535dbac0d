"""Every way to ask gives one answer: JSON, built entities, plain dicts, a store."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_every_door_agrees(seed):
    laws.hold(laws.every_door_agrees, seed, requests=5)
