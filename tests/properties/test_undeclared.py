"""Dropping an undeclared member changes nothing, or denies, at every entry point."""

from __future__ import annotations

from hypothesis import given, settings

from tests.strategies import laws, seeds, undeclared


def test_dropping_changes_nothing_or_denies():
    decided = []

    def ask(case):
        decided.append(undeclared.dropping_changes_nothing_or_denies(case))

    @settings(max_examples=max(1, settings().max_examples // 8))  # each asks some hundred requests
    @given(seeds.SEEDS)
    def check(seed):
        laws.hold(ask, seed, requests=2)

    check()
    assert sum(decided) > len(decided)
