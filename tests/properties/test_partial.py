"""What is left of a decision, once parts of a request are known, decides the rest as the whole does."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.strategies import laws, partial, real_sets, seeds
from tests.whole import some

pytestmark = pytest.mark.no_cover


def test_what_is_left_decides():
    decided = []

    def agrees(case):
        decided.append(partial.what_is_left_decides(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(agrees, seed, requests=5)

    check()
    assert sum(decided) > len(decided)


def test_the_text_means_the_same():
    written = []

    def agrees(case):
        written.append(partial.the_text_means_the_same(case))

    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(agrees, seed, requests=5)

    check()
    assert any(written)


@pytest.mark.parametrize("name", some(["workspace", "hospital", "x"], 3))
def test_what_is_left_of_shipped_sets_decides(name):
    cases = [*real_sets.cases(name, 5)]
    decided = sum(partial.what_is_left_decides(case) for case in cases)
    assert decided
    assert any(partial.the_text_means_the_same(case) for case in cases)
    assert partial.what_is_kept_serves_others(cases[0])


@pytest.mark.parametrize("seed", [63045064, 110394239])
def test_texts_that_were_refused_mean_the_same(seed):
    laws.hold(partial.the_text_means_the_same, seed, requests=40)
