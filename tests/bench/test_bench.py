"""Hold that the benchmark compares like with like, and notices when it does not."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
from attrs import evolve
from click.testing import CliRunner

from bench import compare, contestants, growth, results, tables, timing, worker, worlds
from bench.__main__ import README, main
from bench.questions import NAMES, DisagreementError, Scale, find, small
from bench.rules import Check, Rule, in_files, merged
from bench.worlds import apps, customers
from tests.whole import some

TINY = Scale(requests=60, batch=100, sizes=(10, 100), loaded=5, rounds=2)
FEW = evolve(TINY, requests=15)
"""For policies/x, of which each operation is compiled: `test_bench_worlds.py` compares all of them."""
OF_THE_PLATFORM = (*(name for name in NAMES if name.startswith("platform")), "require")


# ---- timing -----------------------------------------------------------------------------


def test_times_are_for_one_call_and_relative_to_the_first():
    now, calls = [0.0], Counter()

    def taking(name: str, seconds: float):
        def run():
            calls[name] += 1
            now[0] += seconds

        return run

    contestants = {"quick": taking("quick", 0.001), "slow": taking("slow", 0.004)}
    found = timing.side_by_side(contestants, calls=10, rounds=3, clock=lambda: now[0])
    assert found["quick"].ratio == 1.0
    assert found["slow"].ratio == pytest.approx(4.0)
    assert found["quick"].microseconds == pytest.approx(100)
    assert calls["quick"] > 3 * calls["slow"] > 9


@pytest.mark.parametrize(
    ("paces", "counting"),
    [
        ([1.0, 1.1, 1.0, 1.2], [0, 1, 2, 3]),
        ([2.0, 1.0, 1.9, 1.1, 1.0, 1.0], [1, 3, 4, 5]),  # others ran in two of them
        ([1.0, 2.0, 1.9, 1.8, 2.1, 2.0], [0, 3]),  # a third, if less were as quick as one
        ([5.0], [0]),
    ],
)
def test_rounds_in_which_the_machine_was_slower_do_not_count(paces, counting):
    assert timing.rounds_that_count(paces) == counting


# ---- worlds -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", some(worlds.NAMES, 3))
def test_a_world_is_always_the_same_and_every_contestant_of_ours_answers_alike(name: str):
    made = worlds.make(name, 40, 120)
    again = worlds.make(name, 40, 120)
    assert (made.policies, made.rules, made.requests) == (
        again.policies,
        again.rules,
        again.requests,
    )
    assert len(made.rules) == (27 if name == "apps" else 40)
    expected = [made.by_hand(request) for request in made.requests]
    assert 0.2 < sum(expected) / len(expected) < 0.97
    ours = (contestants.DECIDE, contestants.BOUND, contestants.LAMBDAS, contestants.REFERENCE)
    for who in ours:
        ready = contestants.CONTESTANTS[who].make_ready(made)
        prepared = [ready.prepare(request) for request in made.requests]
        for _ in range(2):  # the second time by the quick way
            assert [ready.decide(parts) for parts in prepared] == expected, who
        ready.run(prepared)


def test_customers_are_told_apart():
    rows = customers.make_rows(400)
    assert len({row[:4] for row in rows}) == 400


def test_large_sets_are_spread_over_files():
    rule = Rule("r", True, ("read",), (Check("==", "subject.plan", "pro"),))
    first, second = in_files("package p\nentity App", [rule] * 10_001)
    assert first.startswith("package p\nentity App\npermit r: read when")
    assert second == 'package p\npermit r: read when subject.plan == "pro"'


@pytest.mark.parametrize(
    ("test", "text"),
    [
        (Check("in", "subject.a", ("x", "y")), 'subject.a in {"x", "y"}'),
        (Check("lacks", "context.a", "resource.b"), "resource.b not in context.a"),
        (Check("holds", "context.a", "resource.b"), "resource.b in context.a"),
        (Check("true", "resource.b"), "resource.b"),
        (Check("contains", "resource.b", "x"), 'resource.b like "*x*"'),
        (Check("<=", "subject.a", 3), "subject.a <= 3"),
    ],
)
def test_neutral_rules_as_policies(test: Check, text: str):
    (policy,) = in_files("package p", [Rule("r", False, (), (test,))])
    assert policy == f"package p\nforbid r: any when {text}"


def test_ranges_that_meet_are_one():
    assert merged([(5, 9), (1, 3), (3, 4), (6, 7)]) == [1, 4, 5, 9]


# ---- questions --------------------------------------------------------------------------


@pytest.fixture
def _in_no_time(monkeypatch):
    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    monkeypatch.setattr("bench.questions.fastest_peer.race", lambda *_: iter(()))  # raced below
    monkeypatch.setattr("bench.questions.first_load._TIMES", 1)


@pytest.mark.usefixtures("_in_no_time")
@pytest.mark.parametrize("name", some(NAMES, 6))
def test_a_question_gives_figures_beside_their_bar(name: str):
    for answer in find(name)(FEW if name in OF_THE_PLATFORM else TINY):
        assert answer.ratio >= 0  # a difference of times may be none
        told = answer.to_json()
        assert told["is_met"] is (answer.ratio <= answer.bar) or answer.least


@pytest.mark.usefixtures("_in_no_time")
@pytest.mark.parametrize(
    "name",
    ["building", "decide_built", "decide_bound", "decide_dicts", "decide_json", "decide_many"],
)
def test_what_is_answered_otherwise_by_hand_is_not_timed(name: str, monkeypatch):
    monkeypatch.setattr(apps, "decide_by_hand", lambda _: (True, "post"))
    with pytest.raises(DisagreementError):
        list(find(name)(TINY))


@pytest.mark.parametrize("name", ["customers", "mixed"])
def test_a_world_that_is_answered_otherwise_by_hand_is_not_timed(name: str, monkeypatch):
    monkeypatch.setattr(customers.ByHand, "decide", lambda *_: True)
    monkeypatch.setattr("bench.worlds.mixed._ByHand.decide", lambda *_: True)
    with pytest.raises(DisagreementError):
        list(find(name)(TINY))


def test_the_fastest_peer_is_found(monkeypatch):
    from bench.questions import fastest_peer

    rows = [
        growth.Row("apps", 27, contestants.DECIDE, ratio=2.0),
        growth.Row("apps", 27, contestants.BOUND, ratio=2.5),
        growth.Row("apps", 27, "Cedar", ratio=90.0),
        growth.Row("apps", 27, "vakt", ratio=50.0),
        growth.Row("apps", 27, "regorus", skipped="not installed"),
    ]
    monkeypatch.setattr(fastest_peer, "race", lambda *_: iter(rows))
    decide, bound = fastest_peer.ask(TINY)
    assert (decide.question, decide.ratio) == ("the fastest peer (vakt) over decide", 25.0)
    assert (bound.question, bound.ratio) == ("the fastest peer (vakt) over bound.decide", 20.0)
    assert (decide.is_met, bound.is_met) == (True, False)
    rows[2] = growth.Row("apps", 27, "Cedar", skipped=growth.DISAGREES)
    with pytest.raises(DisagreementError):
        list(fastest_peer.ask(TINY))
    del rows[2:4]
    assert list(fastest_peer.ask(TINY)) == []


# ---- growth -----------------------------------------------------------------------------


def test_a_worker_loads_answers_and_tells_times(monkeypatch):
    monkeypatch.setattr(worker, "_SLICE", 0.0001)
    told = io.StringIO()
    assert worker.main(("mixed", "20", "30", contestants.DECIDE), io.StringIO("\n\n"), told) == 0
    loaded, *times = map(json.loads, told.getvalue().splitlines())
    assert len(loaded["answers"]) == 30
    assert set(loaded["answers"]) == {"0", "1"}
    assert loaded["load_seconds"] > 0
    assert [set(heard) for heard in times] == [{"microseconds"}] * 2


def test_contestants_race_in_processes_of_their_own(monkeypatch):
    nobody = contestants.Contestant("nobody", None, "bench.peers.nobody", "nobody_has_this")
    monkeypatch.setitem(contestants.CONTESTANTS, "nobody", nobody)
    who = (contestants.BY_HAND, contestants.LAMBDAS, "nobody")
    rows = list(growth.race("customers", (10, 40), who, requests=20, rounds=2, patience=0.0))
    assert [(row.size, row.contestant) for row in rows] == [(s, w) for s in (10, 40) for w in who]
    first, beside, missing = rows[:3]
    assert (first.ratio, first.checked, beside.checked) == (1.0, 20, 20)
    assert beside.microseconds > 0
    assert missing.skipped == "not installed"
    assert rows[4].skipped.startswith("loading took 0 s at 10 rules")


class _Impostor:
    def __init__(self, world: str, size: int, requests: int, contestant: str) -> None:
        if contestant == contestants.REFERENCE:
            raise growth.WorkerError("it ended")
        answers = "1" if contestant == contestants.BY_HAND else "0"
        self.loaded = {
            "answers": answers, "version": "", "load_seconds": 0.0, "first_seconds": 0.0,
            "megabytes": 1.0,
        }  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None: ...

    def time(self) -> float:
        return 1.0


def test_who_answers_otherwise_or_fails_is_not_timed(monkeypatch):
    monkeypatch.setattr(growth, "Worker", _Impostor)
    who = (contestants.DECIDE, contestants.REFERENCE)
    _, lying, failing = growth.race("customers", (10,), who)
    assert (lying.skipped, lying.microseconds) == (growth.DISAGREES, 0.0)
    assert failing.skipped == "it ended"


def test_a_worker_that_fails_says_why():
    with pytest.raises(growth.WorkerError, match="KeyError: 'nobody'"):
        growth.Worker("customers", 10, 1, "nobody")


# ---- results, tables, comparing ---------------------------------------------------------


def _row(contestant: str, ratio: float, **more: object) -> dict[str, object]:
    return {**growth.Row("mixed", 10, contestant, ratio=ratio).to_json(), **more}


def test_a_run_in_pieces_adds_to_what_is_there(tmp_path):
    file = tmp_path / "deep" / "growth.json"
    run = results.run_facts(["growth", "--world", "mixed"])
    results.add(file, [_row("a", 1.0), _row("b", 2.0)], run)
    results.add(file, [_row("b", 3.0)], run)
    rows = results.read(file)
    assert [(row["contestant"], row["ratio"]) for row in rows] == [("a", 1.0), ("b", 3.0)]
    assert rows[0]["run"]["command"] == "python -m bench growth --world mixed"
    assert {"python", "processor", "cores", "policyengine", "when"} <= set(rows[0]["run"])


@pytest.mark.parametrize(
    ("new", "code", "told"), [(1.1, 0, ""), (1.3, 1, "worse"), (0.7, 0, "better")]
)
def test_two_runs_are_compared_by_their_ratios(tmp_path, new: float, code: int, told: str):
    old_file, new_file = tmp_path / "old.json", tmp_path / "new.json"
    skipped = _row("c", 0.0, skipped="not installed")
    results.add(old_file, [_row("a", 1.0), _row("b", 1.0), skipped], {})
    results.add(new_file, [_row("a", new), skipped, _row("new", 9.0)], {})
    done = CliRunner().invoke(compare.compare, [str(old_file), str(new_file)])
    assert done.exit_code == code
    line = next(line for line in done.output.splitlines() if line.startswith("mixed, 10 rules: a"))
    assert line.endswith(told or "\N{MULTIPLICATION SIGN}")
    assert "1 compared" in done.output


def test_what_must_be_reached_is_worse_when_less(tmp_path):
    old, new = ([{"question": "q", "ratio": ratio, "least": True}] for ratio in (40.0, 20.0))
    (change,) = compare.changes(old, new)
    assert change.factor == 2.0


def test_runs_without_anything_in_common_are_not_compared(tmp_path):
    files = [tmp_path / name for name in ("old.json", "new.json")]
    for file, who in zip(files, "ab", strict=True):
        results.add(file, [_row(who, 1.0)], {})
    done = CliRunner().invoke(compare.compare, [*map(str, files)])
    assert done.exit_code == 1
    assert "no measurement in common" in done.output


def test_noise_is_what_one_says(tmp_path):
    files = [tmp_path / name for name in ("old.json", "new.json")]
    for file, ratio in zip(files, (1.0, 1.3), strict=True):
        results.add(file, [_row("a", ratio)], {})
    done = CliRunner().invoke(compare.compare, [*map(str, files), "--noise", "0.5"])
    assert done.exit_code == 0


def test_results_as_tables():
    rows = [
        _row("Cedar", 2.0, size=10, microseconds=12.0),
        _row("Cedar", 2.0, size=100, skipped="too slow"),
        _row("by hand", 1.0, size=10, microseconds=1.234, load_seconds=0.5, megabytes=3.0),
        _row("by hand", 1.0, size=100, microseconds=1234.5, load_seconds=5.0, megabytes=30.0),
        _row("vakt", 0.0, skipped="not installed"),
    ]
    assert tables.growth_tables(rows).splitlines() == [
        "| mixed: µs of a decision | 10 | 100 | load | memory |",
        "|---|---:|---:|---:|---:|",
        "| by hand | 1.23 | 1,234 | 5.00 s | 30 MB |",
        "| Cedar | 12 | \N{EN DASH} | 0.00 s (10) | 0 MB (10) |",
    ]
    answer = small.small  # the module is reached by its own name, too
    assert answer(5) is answer(5)


def test_the_tables_of_the_readme_are_those_of_the_results():
    printed = CliRunner().invoke(main, ["table"]).output
    page = README.read_text(encoding="utf-8")
    for name in ("questions", "growth"):
        _, rest = page.split(f"<!-- {name} -->\n\n")
        assert rest.split(f"\n\n<!-- /{name} -->")[0] in printed


def test_tables_are_put_where_they_belong():
    page = "a\n<!-- t -->\n\nold\n\n<!-- /t -->\nb"
    assert tables.put_into(page, {"t": "new"}) == page.replace("old", "new")


def test_races_are_drawn_with_a_label_for_each(tmp_path):
    pytest.importorskip("matplotlib")
    results.add(
        tmp_path / "growth.json",
        [
            _row(who, 1.0, size=size, microseconds=size * factor)
            for who, factor in (
                (contestants.BY_HAND, 0.1),
                (contestants.DECIDE, 0.11),
                ("Cedar", 9),
            )
            for size in (10, 100)
        ],
        {},
    )
    done = CliRunner().invoke(main, ["plot", "--into", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(tmp_path / "mixed.svg")
    assert "<!-- policyengine -->" in (tmp_path / "mixed.svg").read_text()


# ---- the command line -------------------------------------------------------------------


@pytest.mark.usefixtures("_in_no_time")
def test_the_questions_are_told_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.questions.Scale", lambda: TINY)
    asked = ["questions", "--only", "decide_built", "--only", "threads", "--into", str(tmp_path)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert "decide, parts built before" in done.output
    rows = results.read(tmp_path / "questions.json")
    assert [row["bar"] for row in rows] == [1.5, 0.9]
    printed = CliRunner().invoke(main, ["table", "--into", str(tmp_path)]).output
    assert "| 4 threads at once, over one |" in printed


@pytest.mark.usefixtures("_in_no_time")
def test_disagreement_is_an_error_of_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(apps, "decide_by_hand", lambda _: (True, "post"))
    asked = ["questions", "--only", "decide_built", "--quick", "--into", str(tmp_path)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 1
    assert "they disagree: " in done.output


def test_growth_is_told_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "Worker", _Impostor)
    asked = [
        "growth", "--world", "mixed", "--sizes", "10,20", "--contestant", contestants.REFERENCE,
        "--into", str(tmp_path),
    ]  # fmt: skip
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert "mixed, 20: by hand" in done.output
    assert len(results.read(tmp_path / "growth.json")) == 4
    done = CliRunner().invoke(main, [*asked[:5], "--into", str(tmp_path)])
    assert done.exit_code == 1
    assert "answered otherwise than by hand" in done.output


def test_what_is_remembered_is_timed(monkeypatch):
    monkeypatch.setattr("bench.cached._ROUNDS", 1)
    monkeypatch.setattr("bench.cached._RULES", 10)
    done = CliRunner().invoke(main, ["cache"])
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) == 6


def test_reading_is_taken_apart(monkeypatch):
    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    monkeypatch.setattr("bench.questions.Scale", lambda: Scale(requests=2))
    told = CliRunner().invoke(main, ["reading", "--rounds", "1"], catch_exceptions=False)
    assert told.exit_code == 0
    assert "the context as a dict" in told.output
    assert "JSON to JSON" in told.output


def test_sizes_are_numbers():
    done = CliRunner().invoke(main, ["growth", "--sizes", "many"])
    assert done.exit_code == 2
    assert "sizes are numbers" in done.output


def test_memory_that_is_not_given_back_is_an_error(monkeypatch):
    done = CliRunner().invoke(main, ["memory", "--reloads", "4", "--rules", "3"])
    assert done.exit_code == 0, done.output
    assert "after load 4" in done.output
    monkeypatch.setattr("bench.memory.reload", lambda *_: iter([50, 60, 70, 90]))
    done = CliRunner().invoke(main, ["memory", "--reloads", "4"])
    assert done.exit_code == 1
    assert "not given back" in done.output
