"""Hold that the benchmark compares like with like, and notices when it does not."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from bench import __main__ as bench
from bench import by_hand, timing
from bench.world import POLICIES, requests
from policyengine import PolicyEngine
from policyengine.pipeline import check_paths


@pytest.fixture(scope="module")
def world():
    engine = PolicyEngine.load(POLICIES)
    checked, _ = check_paths([POLICIES])
    assert checked is not None
    asks = requests(engine, 120)
    return engine, checked, asks, [bench.reference_request(checked, ask) for ask in asks]


def test_all_ways_answer_alike_and_every_cause_comes(world):
    causes = bench.agreement(*world)
    assert causes is not None
    assert set(causes) == {"permitted", "not_permitted", "forbidden"}
    assert min(causes.values()) >= 10


@pytest.mark.parametrize(("name", "lie"), [("allows", True), ("why", "because")])
def test_who_answers_otherwise_is_found(world, monkeypatch, capsys, name: str, lie: object):
    monkeypatch.setattr(by_hand, name, lambda *_: lie)
    assert bench.agreement(*world) is None
    assert "they disagree on {" in capsys.readouterr().err


def test_the_requests_are_always_the_same(world):
    engine, _, asks, _ = world
    assert [ask.wire for ask in requests(engine, 120)] == [ask.wire for ask in asks]


def test_times_are_for_one_call_and_relative_to_the_first():
    calls = Counter()

    def quick():
        calls["quick"] += 1
        time.sleep(0.001)

    def slow():
        time.sleep(0.004)

    found = timing.side_by_side({"quick": quick, "slow": slow}, calls=10, rounds=3)
    assert found["quick"].ratio == 1.0
    assert 2 < found["slow"].ratio < 8
    assert 50 < found["quick"].microseconds < 1_000
    assert calls["quick"] >= 3


def test_disagreement_is_an_exit_code_and_nothing_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(bench, "requests", lambda engine: requests(engine, 20))
    monkeypatch.setattr(by_hand, "allows", lambda *_: True)
    assert bench.main() == 1
    assert capsys.readouterr().out == ""


def test_the_table_names_every_way(monkeypatch, capsys):
    monkeypatch.setattr(bench, "requests", lambda engine: requests(engine, 20))
    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    assert bench.main() == 0
    printed = capsys.readouterr().out
    assert "all answered alike" in printed
    assert printed.count("written by hand") == 2
    assert printed.count("reference interpreter") == 2
