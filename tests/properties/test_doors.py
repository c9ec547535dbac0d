"""Every way to ask gives one answer: JSON, built entities, plain dicts, a store."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_every_door_agrees(seed):
    laws.hold(laws.every_door_agrees, seed, requests=5)


def test_the_quick_way_agrees():
    plain = []

    def agrees(case):
        plain.append(laws.the_quick_way_agrees(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(agrees, seed, requests=5)

    check()
    assert any(plain)
