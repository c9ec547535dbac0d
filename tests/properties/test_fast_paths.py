"""Every way to ask gives one answer: JSON, built entities, plain dicts, a store."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import fast_paths, laws, seeds


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


def test_what_is_plain_is_taken_alike():
    taken = []

    def agrees(case):
        taken.append(fast_paths.what_is_plain_is_taken_alike(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(agrees, seed, requests=5)

    check()
    assert sum(taken) > len(taken)


@settings(max_examples=settings().max_examples // 6)  # each asks some hundred texts
@given(seeds.SEEDS)
def test_every_text_is_answered_alike(seed):
    laws.hold(fast_paths.every_text_is_answered_alike, seed, requests=2)
