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


def taken_by(law):
    """Hold *law*; return how many requests were taken, of each case."""
    taken = []

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(lambda case: taken.append(law(case)), seed, requests=5)

    check()
    return taken


def test_what_a_fast_path_takes_is_valid():
    taken = taken_by(fast_paths.what_a_fast_path_takes_is_valid)
    assert sum(taken) > len(taken)


def test_what_was_built_is_read_as_it_is():
    assert sum(taken_by(fast_paths.what_was_built_is_read_as_it_is)) > 0


def test_what_parts_bring_along_decides():
    assert sum(taken_by(fast_paths.what_parts_bring_along_decides)) > 0


@settings(max_examples=max(1, settings().max_examples // 6))  # each asks some hundred texts
@given(seeds.SEEDS)
def test_every_text_gets_the_same_answer(seed):
    laws.hold(fast_paths.every_text_gets_the_same_answer, seed, requests=2)
