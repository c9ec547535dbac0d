"""Draw seeds: a policy set with its requests is made from one whole number."""

from __future__ import annotations

from hypothesis import strategies

SEEDS = strategies.integers(min_value=0, max_value=2**48)
