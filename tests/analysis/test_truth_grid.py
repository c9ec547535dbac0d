"""Hold which conditions are tried together: those that read something in common, directly or by others."""

from __future__ import annotations

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from policyengine.analysis.truth_grid import _connected


@frozen(eq=False)
class Reading:
    """All that is asked of a condition here."""

    reads: frozenset[int]


def _together(conditions: list[Reading]) -> set[frozenset[Reading]]:
    """What `_connected` gives, by joining any two sets that share a key until there are none."""
    found = [frozenset({condition}) for condition in conditions]
    while True:
        keys = [frozenset().union(*(one.reads for one in some)) for some in found]
        pair = next(
            ((a, b) for a in range(len(found)) for b in range(a) if keys[a] & keys[b]), None
        )
        if pair is None:
            return set(found)
        joined = found[pair[0]] | found[pair[1]]
        found = [some for at, some in enumerate(found) if at not in pair] + [joined]


@given(st.lists(st.frozensets(st.integers(0, 9), max_size=3).map(Reading), max_size=12))
def test_conditions_that_share_what_they_read_are_together(conditions: list[Reading]):
    found = [frozenset(some) for some in _connected(conditions)]
    assert len(found) == len(set(found))
    assert set(found) == _together(conditions)
