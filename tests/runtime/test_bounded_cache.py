"""A bounded cache keeps what was asked for last, and never more than it may."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from policyengine.runtime.bounded_cache import BoundedCache


@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from(["get", "set"]), st.integers(0, 8), st.integers(1, 4))),
    st.booleans(),
)
def test_those_go_first_that_were_not_asked_for_the_longest(most, steps, weighed):
    cache = BoundedCache[int, int](most, (lambda value: value) if weighed else None)
    model: OrderedDict[int, int] = OrderedDict()
    for step, key, value in steps:
        if step == "set":
            cache[key] = model[key] = value
            model.move_to_end(key)
        else:
            assert cache.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        while (sum(model.values()) if weighed else len(model)) > most:
            model.popitem(last=False)
        assert cache._kept == model
        assert list(cache._kept) == list(model)
        assert len(cache) == len(model)
