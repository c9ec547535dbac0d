"""The laws hold for the shipped sets: the requests of their tests, and others that differ in a place or two."""

from __future__ import annotations

import pytest

from tests.strategies import (
    entry_points,
    fast_paths,
    laws,
    privacy,
    real_sets,
    remembering,
    reverse,
)
from tests.whole import share, some

LAWS = {
    laws.reference_is_sound: 20,
    laws.compiled_agrees: 200,
    laws.every_entry_point_agrees: 40,
    laws.leaving_out_opens_nothing: 20,
    laws.failures_agree_and_open_nothing: 20,
    laws.what_is_offered_allows: 10,
    fast_paths.what_a_fast_path_takes_is_valid: 10,
    fast_paths.every_text_gets_the_same_answer: 2,
    fast_paths.what_parts_bring_along_decides: 10,
    entry_points.every_entry_point_reads_the_same: 1,
    real_sets.what_is_explained_is_decided: 20,
    real_sets.every_form_has_a_fast_path: 20,
    privacy.private_values_show_in_no_text: 3,
    reverse.searches_find_what_trying_finds: 8,
}
"""How many cases of each set a law is held for by `make whole`."""


@pytest.mark.parametrize("name", some(real_sets.SETS, 3))
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_it_holds(law, name):
    for case in real_sets.cases(name, share(LAWS[law], 20)):
        law(case)


@pytest.mark.parametrize("name", some(real_sets.SETS, 3))
def test_every_way_says_the_same(name):
    carried = [
        real_sets.every_way_says_the_same(case) for case in real_sets.cases(name, share(60, 6))
    ]
    assert sum(carried) > len(carried) / 2


@pytest.mark.parametrize("name", some(real_sets.SETS[:2], 2))  # x has ten times as many targets
def test_what_was_kept_agrees(name):
    for case in real_sets.cases(name, share(30, 6)):
        laws.what_was_kept_agrees(case)


@pytest.mark.parametrize("name", some(real_sets.SETS, 3))
def test_decisions_hold_until_they_say(name):
    turned = [
        real_sets.it_holds_until_it_says(case) for case in real_sets.cases(name, share(100, 6))
    ]
    assert any(turned)


@pytest.mark.parametrize("name", some(real_sets.SETS, 3))
def test_remembered_is_as_decided(name):
    caches = {}
    for case in real_sets.cases(name, share(30, 3)):
        remembering.remembered_is_as_decided(case, caches)
    assert len(caches[real_sets.loaded(name).engine]) > 5


@pytest.mark.parametrize("name", some(real_sets.SETS, 3))
def test_no_private_value_is_told(name):
    told = [
        real_sets.no_private_value_is_told(case) for case in real_sets.cases(name, share(20, 4))
    ]
    assert any(told)
