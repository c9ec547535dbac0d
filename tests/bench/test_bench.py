"""Hold that the benchmark compares like with like, and notices when it does not."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from bench import __main__ as bench
from bench import by_hand, questions, timing
from bench.world import POLICIES, requests
from bench.worlds import apps, customers
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
    monkeypatch.setattr(questions, "REQUESTS", 60)
    assert bench.main(sizes=(10, 100), batch=100) == 0
    printed = capsys.readouterr().out
    for said in ("decide of a bound subject", "a rule for each customer, 100 rules", "p99", "JSON"):
        assert said in printed
    assert "all answered alike" in printed
    assert printed.count("written by hand") == 2
    assert printed.count("reference interpreter") == 2


@pytest.mark.parametrize("world", [apps, customers.ByHand])
def test_a_world_that_is_answered_otherwise_by_hand_is_not_timed(world, monkeypatch, capsys):
    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    monkeypatch.setattr(questions, "REQUESTS", 60)
    if world is apps:
        monkeypatch.setattr(apps, "decide_by_hand", lambda _: (True, "post"))
    else:
        monkeypatch.setattr(world, "decide", lambda *_: True)
    assert bench.ask((10,), 50) == 1
    assert "they disagree: " in capsys.readouterr().err


def test_the_worlds_are_always_the_same_and_half_is_allowed():
    assert apps.make_requests(50) == apps.make_requests(50)
    allowed = [apps.decide_by_hand(request)[0] for request in apps.make_requests(2_000)]
    assert 800 < sum(allowed) < 1_200
    rows = customers.make_rows(400)
    assert rows == customers.make_rows(400)
    assert len({row[:4] for row in rows}) == 400
    by_hand = customers.ByHand(rows)
    allowed = [by_hand.decide(request) for request in customers.make_requests(rows, 1_000)]
    assert 450 < sum(allowed) < 650
