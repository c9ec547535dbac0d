"""A request gets the same decision in every form: JSON, built entities, dicts, a store."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import fast_paths, laws, seeds


@given(seeds.SEEDS)
def test_every_entry_point_agrees(seed):
    laws.hold(laws.every_entry_point_agrees, seed, requests=5)


def test_the_fast_path_agrees():
    fast = []

    def agrees(case):
        fast.append(laws.the_fast_path_agrees(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(agrees, seed, requests=5)

    check()
    assert any(fast)


def test_what_a_fast_path_takes_is_valid():
    taken = []

    def agrees(case):
        taken.append(fast_paths.what_a_fast_path_takes_is_valid(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(agrees, seed, requests=5)

    check()
    assert sum(taken) > len(taken)


@settings(max_examples=max(1, settings().max_examples // 6))  # each asks some hundred texts
@given(seeds.SEEDS)
def test_every_text_gets_the_same_answer(seed):
    laws.hold(fast_paths.every_text_gets_the_same_answer, seed, requests=2)
