"""Measure tests from the command line: coverage, mutation, thresholds, suggestions, watching."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policyengine.cache.key import open_cache
from policyengine.cache.tool_entries import TOOLS_VERSION, entry_name
from policyengine.cli import watching
from policyengine.mutation import fate_memory
from tests.cli.conftest import processes_of

WORDS = """\
package p
entity User { age: int, away: bool }
entity Door
action open_ by User on Door
permit adult: open_ when subject.age >= 18 and not subject.away
"""
TEST = """\
test "t" {
    let ann = User "ann" { age: 18, away: false }
    at 2026-01-01
    expect allow open_ by ann on Door "d"
    expect deny open_ by ann { age: 17 } on Door "d"
}
"""
AWAY = 'test "away" { expect deny open_ by User "u" { age: 20, away: true } on Door "d" }\n'
UNFIT = 'test "unfit" { expect deny open_ by User "u" on Door "d" }\n'
WRONG = 'test "wrong" { expect allow open_ by User "u" { age: 3, away: true } on Door "d" }\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy set that is not tested enough, in a place that remembers nothing from elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLICYENGINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(tmp_path / "key"))
    Path("p.policy").write_text(WORDS + TEST)
    return Path("p.policy")


# ---- coverage ---------------------------------------------------------------------------


def test_coverage_is_a_table_and_what_is_lacking(run, file: Path):
    done = run("test", file, "--coverage")
    assert done.code == 0
    assert done.out.splitlines()[1:] == [
        "",
        "                  rules    conditions         MC/DC",
        "p.policy  1/1 (100.0 %)  1/2 (50.0 %)  1/2 (50.0 %)",
        "all       1/1 (100.0 %)  1/2 (50.0 %)  1/2 (50.0 %)",
        "",
        "p.policy:5: `subject.away` was never true",
    ]


def test_every_rule_has_a_row_if_asked(run, file: Path):
    assert "  access.adult  1/1" in run("test", file, "--coverage", "-v").out


def test_coverage_for_programs(run, file: Path):
    coverage = run("test", file, "--coverage", "--format", "json").json["coverage"]
    assert coverage["mcdc"] == {"covered": 1, "of": 2, "percent": 50.0}
    (item,) = coverage["items"]
    assert (item["name"], item["kind"], item["line"]) == ("access.adult", "permit", 5)
    age, away = item["operands"]
    assert (age["text"], age["true_in"], age["decides"]) == ("subject.age >= 18", ["t"], True)
    assert (away["false_in"], away["true_in"], away["decides"]) == (["t"], [], False)


def test_thresholds_fail_the_run_and_ask_for_what_they_are_about(run, file: Path):
    done = run("test", file, "--fail-under", "mcdc=90", "--fail-under", "rules=100")
    assert done.code == 1
    assert done.out.splitlines()[-1] == "MC/DC 50.0 % is less than 90 %"
    assert run("test", file, "--fail-under", "rules=100").code == 0
    short = run("test", file, "--fail-under", "mcdc=90", "--format", "json").json["short"]
    assert short == ["MC/DC 50.0 % is less than 90 %"]


@pytest.mark.parametrize("text", ["lines=3", "rules", "rules=", "rules=x", "rules=101", "90", ""])
def test_thresholds_that_are_none(fails, file: Path, text: str):
    assert fails("test", file, "--fail-under", text) == (
        f"--fail-under: `{text}` is no MEASURE=PERCENT from 0 to 100; measures are rules, "
        "conditions, mcdc, mutation (see `policyengine test --help`)"
    )


def test_a_test_that_is_an_error_covers_nothing(run, file: Path):
    unfit = 'test "u" { expect deny open_ by User "u" { age: 1, away: true } on Door "d"\n'
    file.write_text(WORDS + unfit + '    expect deny open_ by User "v" on Door "d" }\n')
    done = run("test", file, "--coverage", "--format", "json")
    assert done.code == 1
    assert done.json["coverage"]["conditions"]["covered"] == 0
    assert done.json["coverage"]["items"][0]["failed_in"] == []


def test_only_the_tests_that_were_chosen_cover(run, file: Path):
    file.write_text(WORDS + TEST + AWAY)
    whole, part = (
        run("test", file, "--coverage", "--format", "json", *more).json["coverage"]["mcdc"]
        for more in ((), ("-k", "away"))
    )
    assert (whole["covered"], part["covered"]) == (2, 0)


def test_coverage_as_a_page(run, fails, file: Path, monkeypatch):
    assert run("test", file, "--coverage-html", "c.html").code == 0
    assert "<title>Policy coverage</title>" in Path("c.html").read_text()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = run("test", file, "--coverage-html", "d.html")
    assert done.code == 2
    assert "install `policyengine-dsl[report]`" in done.err


# ---- mutation ---------------------------------------------------------------------------


def test_survivors_come_with_tests_to_be_pasted(run, file: Path):
    done = run("test", file, "--mutate")
    assert done.code == 0
    assert (
        "survived p.policy:5  access.adult: `not subject.away` is left out (drop-operand)\n"
        'test "access.adult: noticed if not subject.away is left out" {\n'
    ) in done.out
    assert "mutation 90.0 %: tests notice 9 of 10 changes; of 10 tried" in done.out
    survivors = run("test", file, "--mutate", "--format", "json").json["mutation"]["survivors"]
    file.write_text(WORDS + TEST + "\n".join(one["test"] for one in survivors))
    after = run("test", file, "--fail-under", "mutation=100")
    assert after.code == 0
    assert "mutation 100.0 %" in after.out


def test_survivors_that_one_test_would_notice_are_above_it(run, file: Path):
    shown = """\
package p
entity User
entity Door { a: int, b: int }
action look by User on Door
field gate view "?"
gate view { permit look: look fields a, b }
test "t" { expect allow look by User "u" on Door "d" }
"""
    file.write_text(shown)
    out = run("test", file, "--mutate").out
    head = "survived p.policy:6  view.look: "
    assert f"{head}the field `a` is left out" in out
    assert f"{head}the field `b` is left out" in out
    assert out.count("fields {a, b}") == out.count("\ntest ") == 1


def test_mutation_has_a_threshold(run, file: Path):
    done = run("test", file, "--fail-under", "mutation=95")
    assert done.code == 1
    assert done.out.endswith("mutation 90.0 % is less than 95 %\n")


@pytest.mark.parametrize("more", [WRONG, UNFIT])
def test_only_tests_that_pass_are_put_to_the_proof(run, file: Path, more: str):
    file.write_text(WORDS + TEST + more)
    done = run("test", file, "--mutate")
    assert done.code == 1
    assert done.out.splitlines()[-1] == (
        "no rule was changed to see whether tests notice: they must all pass first, as the rules are"
    )
    document = run("test", file, "--mutate", "--format", "json").json
    assert "mutation" not in document
    assert document["short"]
    assert run("test", file, "--mutate", "-k", "t", "-k", "away").code in (0, 2)


def test_what_is_known_is_remembered_outside_the_policies(run, file: Path, monkeypatch):
    before = file.read_text()
    first = run("test", file, "--mutate").out
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "key", "p.policy"]
    assert file.read_text() == before
    monkeypatch.setattr("policyengine.mutation.trial.Trial.tested", None)  # none is tried again
    again = run("test", file, "--mutate").out
    assert again.partition("survived")[2] == first.partition("survived")[2]
    with pytest.raises(TypeError):
        run("test", file, "--mutate", "--fresh")
    with pytest.raises(TypeError):
        run("test", file, "--mutate", "--no-cache")


def remembered(text: bytes) -> dict[str, object]:
    """Return what is recalled if *text* was remembered with our key."""
    cache = open_cache()
    assert cache
    assert cache.write(entry_name(["p.policy"], "mutants"), text)
    return fate_memory.recall(cache, ["p.policy"])


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[:-1], lambda data: data + b" ",
                                   lambda data: data.replace(b"survived", b"noticed ")])  # fmt: skip
def test_a_memory_that_is_not_ours_is_none(run, file: Path, spoil):
    run("test", file, "--mutate")
    (entry,) = Path("cache").glob("*.mutants")
    damaged = spoil(entry.read_bytes())
    if damaged[:-1] != entry.read_bytes():  # what follows an entry is none of it
        entry.write_bytes(damaged)
        assert fate_memory.recall(open_cache(), [file]) == {}
    assert "mutation 90.0 %" in run("test", file, "--mutate").out


MARK = "a" * 64
GOOD = {"version": TOOLS_VERSION, "mutants": {MARK: {"fate": "noticed", "by": "t"}}}


def test_what_is_remembered_is_validated(file: Path):
    assert remembered(json.dumps(GOOD).encode())[MARK].by == "t"
    for spoilt in (
        b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * 17_000_000 + json.dumps(GOOD).encode(),
        json.dumps({**GOOD, "version": "0"}).encode(),
        json.dumps({**GOOD, "version": f"{TOOLS_VERSION}.post1"}).encode(),
        json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({**GOOD, "mutants": {"../x": {"fate": "noticed"}}}).encode(),
        json.dumps({**GOOD, "mutants": {MARK: {"fate": "forgiven"}}}).encode(),
        json.dumps({**GOOD, "mutants": {MARK: {"fate": "noticed", "by": 3}}}).encode(),
        json.dumps({**GOOD, "mutants": {MARK: {"fate": "noticed", "by": "t" * 100_001}}}).encode(),
    ):  # fmt: skip
        assert remembered(spoilt) == {}


def test_where_nothing_can_be_kept_nothing_is_remembered(run, file: Path, monkeypatch):
    Path("cache").write_text("a file, and no folder")
    assert "mutation 90.0 %" in run("test", file, "--mutate").out
    monkeypatch.setenv("POLICYENGINE_CACHE", "off")
    assert "mutation 90.0 %" in run("test", file, "--mutate").out
    assert fate_memory.recall(open_cache(), [file]) == {}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it counts processes in /proc")
def test_an_interrupted_run_leaves_nothing_behind(file: Path, tmp_path: Path):
    code = """
import policyengine.mutation.processes as mutation
from policyengine.cli.main import main
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background have it ignored
mutation.MANY = 2
if __name__ == "__main__":
    main()
else:  # in the processes that share the work
    mutation.Trial.tested = lambda self, number: time.sleep(60)
"""
    script = tmp_path / "run.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), "test", str(file), "--mutate", "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(workers := processes_of(process.pid)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)  # it, two that work, and the one that counts semaphores
    assert len(workers) >= 4
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out.startswith("1 passed, 0 failed")
    assert out.count("\n") == 1
    assert err == "policyengine: interrupted\n"
    while processes_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(process.pid) == []
    assert file.read_text() == WORDS + TEST
    assert list(tmp_path.rglob("*.mutants*")) == []


# ---- suggestions, watching --------------------------------------------------------------


def test_suggestions_are_tests(run, file: Path):
    file.write_text(WORDS)
    suggested = run("test", file, "--suggest")
    assert suggested.code == 0
    assert suggested.out.startswith('test "boundaries of access.adult" {\n')
    assert run("test", file, "--suggest", "--format", "json").json == {
        "suggestions": [{"rule": "access.adult", "test": suggested.out}],
        "nothing": [],
        "not_settled": [],
    }
    file.write_text(WORDS + suggested.out)
    assert run("test", file, "--fail-under", "mutation=100").code == 0
    assert run("test", file, "--suggest").out == (
        "# nothing for access.adult: tests ask at its boundaries already\n"
    )
    spent = ("test", file, "--suggest", "--budget", "0")
    assert run(*spent).out == "# 1 of 1 rule not settled in 0 s: `--budget` gives more time\n"
    assert run(*spent, "--format", "json").json["not_settled"] == ["access.adult"]


MANY = """\
package p
entity User { n: int }
entity Door
action look by User on Door
""" + "".join(f'forbid f{i}: look when subject.n == {i} because "f{i}"\n' for i in range(0, 60, 5)) + """\
permit look: look
test "t" { expect allow look by User "u" { n: 99 } on Door "d" }
"""  # fmt: skip


def test_the_tests_that_notice_most_are_shown_and_how_many_more_there_are(run, file: Path):
    file.write_text(MANY)
    few = run("test", file, "--mutate").out
    assert few.count("\ntest ") == 10
    assert "more tests for" in few
    assert "`--all` shows them" in few
    assert few.count(" of ") >= 10
    everything = run("test", file, "--mutate", "--all").out
    assert everything.count("\ntest ") > 10
    assert "--all" not in everything


def test_what_the_budget_left_open_is_said(run, file: Path):
    late = run("test", file, "--mutate", "--budget", "0")
    assert late.code == 0
    assert "10 of 10 changes not settled in 0 s: `--budget` gives more time" in late.out
    assert (
        run("test", file, "--mutate", "--budget", "0", "--format", "json").json["mutation"][
            "untried"
        ]
        == 10
    )
    assert "mutation 90.0 %" in run("test", file, "--mutate").out


def test_it_runs_again_after_a_change_and_after_a_mistake(run, file: Path, monkeypatch):
    steps = iter([WORDS + TEST + WRONG, WORDS + "entity {", None])

    def sleep(_: float) -> None:
        step = next(steps)
        if step is None:
            raise KeyboardInterrupt
        file.write_text(step)

    monkeypatch.setattr(watching.time, "sleep", sleep)
    done = run("test", file, "--watch")
    assert done.code == 2
    assert "1 passed, 0 failed" in done.out
    assert "1 passed, 1 failed" in done.out
    assert done.out.count("waiting for a change") == 3
    assert "the policy set has 1 error" in done.err


def test_a_file_more_is_a_change(tmp_path: Path):
    (tmp_path / "a.policy").write_text("package p")
    before = watching._state([str(tmp_path)])
    (tmp_path / "b.policy").write_text("package p")
    assert watching._state([str(tmp_path)]) != before
    assert watching._state([str(tmp_path / "none.policy")]) == {}
