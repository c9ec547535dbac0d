"""Law 5, as far as time goes: until `valid_until` a later `now` changes nothing but wording."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import laws, seeds


@given(seeds.SEEDS)
def test_the_reference_holds_until_it_says(seed):
    laws.hold(laws.reference_holds_until, seed, requests=10)


@given(seeds.SEEDS)
def test_the_compiled_program_holds_until_it_says(seed):
    laws.hold(laws.compiled_holds_until, seed, requests=10)
