"""What is kept of a decision holds from a moment until a moment, wherever the clock goes."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from policyengine import DecisionCache, PolicyEngine
from policyengine.model.limits import Limits
from policyengine.model.values import moment_text
from tests.strategies import clocks, laws, seeds


@given(seeds.SEEDS)
def test_what_is_kept_holds_from_a_moment_until_a_moment(seed):
    laws.hold(clocks.what_is_kept_holds_from_a_moment_until_a_moment, seed, requests=3)


TIMES_OF_SUBJECTS = """package t
entity User { starts: datetime, ends: datetime, n: int }
entity Doc { m: int }
entity Note { m: int }
action read by User on Doc, Note
permit started: any when subject.starts <= now and resource.m > 0
permit counted: any when subject.n > 3 and resource.m > 1
forbid ended: any by User on Doc when subject.ends < now
forbid early: any when now < subject.starts and subject.n < 5
forbid soon: any by User on Note when subject.ends - now < 2h
forbid a_year_later: any by User on Doc when subject.starts + 1mo - 31d <= now and subject.n == 2
permit open: any when now within schedule "00:30-02:30, Tue 16:00-17:00 Europe/Berlin" and subject.n == 1
permit late: any by User on Note when now - 1h within schedule "Mon-Sun 15:30-19:30 UTC" and subject.n < resource.m
"""
HOUR = 3_600 * 10**6
NOW = 1_764_000_000 * 10**6
AROUND = st.integers(-6, 6).flatmap(
    lambda hours: st.sampled_from((-1, 0, 1)).map(lambda one: NOW + hours * HOUR + one)
)


@given(
    starts=AROUND, ends=AROUND, numbers=st.tuples(*[st.integers(0, 6)] * 2),
    moments=st.lists(AROUND, min_size=2, max_size=12),
)  # fmt: skip
def test_a_bound_subject_answers_as_if_it_was_bound_now(starts, ends, numbers, moments):
    engine = PolicyEngine.from_text(TIMES_OF_SUBJECTS)
    n, m = numbers
    times = {"starts": moment_text(starts), "ends": moment_text(ends)}
    user = engine.entity("User", "u", {**times, "n": n})
    resources = [engine.entity(type_, "r", m=m) for type_ in ("Doc", "Note")]
    context = engine.context("read")
    clock = SimpleNamespace(now=0, time_ns=lambda: clock.now * 1000)
    with mock.patch("policyengine.runtime.clock.time", clock):
        clock.now = moments[0]
        bound, cache = engine.bind(user), DecisionCache(engine)
        for moment in moments:
            clock.now = moment
            for resource in resources:
                fresh = PolicyEngine(engine._program, engine._checked, limits=Limits())
                expected = fresh.decide(user, "read", resource)
                asked = user, "read", resource, context
                for decision in (
                    *(bound.decide(*asked[1:]) for _ in range(2)),
                    *bound.decide_many([asked[1:]] * 2),
                    *engine.decide_many([asked]),
                    cache.decide(*asked),
                ):
                    assert decision.outcome == expected.outcome
