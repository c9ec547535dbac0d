"""Logs of decisions are verified, searched and decided again from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policyengine.record.decision_log import DecisionLog
from policyengine.record.log_lines import log_files
from tests.test_deciders import ASKED, ENGINE, POLICY, UNFIT
from tests.whole import some


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with DecisionLog(tmp_path / "log") as log:
        engine = ENGINE.with_record(log)
        for asked in (*ASKED.values(), *UNFIT[:2]):
            engine.decide_many([asked])
    (tmp_path / "p.policy").write_text(POLICY)
    (tmp_path / "q.policy").write_text(POLICY.replace('motto == "open"', 'motto == "shut"'))
    return tmp_path / "log"


def test_without_a_command_it_helps(run):
    assert run("log").out == run("log", "--help").out
    assert run("log").code == 0
    for name in ("verify", "query", "replay"):
        done = run("log", name, "--help")
        assert f"policyengine log {name} decisions" in done.out
        assert "--format" in done.out
    assert run("log", "vrify").code == 2


def test_a_log_is_verified(run, log):
    done = run("log", "verify", log)
    assert done.code == 0
    assert done.out.startswith(
        "9 records in 1 file: as it was written\nthe hash of the last line is "
    )
    last = done.out.split()[-1]
    found = run("log", "verify", log, "--expect", last, "--format", "json").json
    assert (found["as_written"], found["records"], found["last"]) == (True, 9, last)
    assert run("log", "verify", log, "--expect", "0" * 64).code == 1


def test_a_crash_is_told_from_a_change(run, log):
    (file,) = log_files(log)
    text = file.read_bytes()
    file.write_bytes(text[:-5])
    done = run("log", "verify", log)
    assert (done.code, "00000001.jsonl:10: a crash cut the line" in done.out) == (3, True)
    file.write_bytes(text.replace(b'"bob"', b'"eve"', 1))
    done = run("log", "verify", log)
    assert done.code == 1
    assert "00000001.jsonl:3: the line is not as it was written" in done.out
    assert "not as it was written" in done.out.splitlines()[-2]
    done = run("log", "verify", log / "none")
    assert (done.code, done.err) == (
        2,
        f"policyengine: `{log / 'none'}`: no such file or directory\n",
    )


def test_what_is_no_file_of_the_log_is_said(run, log):
    (log / "00000002.jsonl").symlink_to("\x1bnothing")
    done = run("log", "verify", log)
    assert done.code == 1
    assert done.out.splitlines()[0] == (
        "00000002.jsonl: it has the name of a file of the log and is none, so it was not read"
    )
    assert "9 records in 1 file: not as it was written" in done.out
    assert not run("log", "verify", log, "--format", "json").json["as_written"]
    for command in (("query",), ("query", "--format", "json"), ("replay", log.parent / "p.policy")):
        done = run("log", command[0], log, *command[1:])
        assert done.code == 1
        assert "00000002.jsonl` has the name of a file of a log and is none" in done.err
    assert run("log", "query", log.parent).code == 2
    assert run("log", "replay", log.parent, log.parent / "p.policy").code == 2
    (log / "00000001.jsonl").unlink()
    assert run("log", "verify", log).code == 1


def test_a_rule_is_asked_for_with_its_gate(run, log):
    done = run("log", "query", log, "--rule", "late")
    assert (done.code, done.out) == (2, "")
    assert "a rule is written with its gate, `gate.late`" in done.err


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 9), (("--subject", "Person:bob"), 4), (("--subject", "Person"), 8), (("--subject", "Person:"), 0),
        (("--action", "read"), 4), (("--resource", "Record:r"), 9), (("--rule", "access.late"), 2),
        (("--allowed",), 4), (("--denied",), 5), (("--since", "2020-01-01"), 9), (("--until", "2020-01-01"), 0),
        (("--id", "x"), 0),
    ],
)  # fmt: skip
def test_decisions_are_found(run, log, options, count):
    done = run("log", "query", log, *options)
    assert (done.code, done.out.splitlines()[-1]) == (0, f"{count} of 9 records")
    records = [
        *map(json.loads, run("log", "query", log, *options, "--format", "json").out.splitlines())
    ]
    assert len(records) == count
    assert [f"  id {one['id']}" in done.out.splitlines() for one in records] == [True] * count
    for record in records:
        assert run("log", "query", log, "--id", record["id"]).out.endswith("1 of 9 records\n")


def test_conditions_that_cannot_be_are_misuse(run, log):
    assert run("log", "query", log, "--allowed", "--denied").code == 2
    assert run("log", "query", log, "--since", "soon").code == 2
    assert run("log", "query", log / "none").code == 2


def test_logged_requests_are_decided_again(run, log, tmp_path):
    done = run("log", "replay", log, tmp_path / "p.policy")
    assert done.out == (
        "7 decided as before\n2 not decided: the request was refused, or not kept\n"
    )
    assert done.code == 0
    done = run("log", "replay", log, tmp_path / "q.policy")
    assert done.code == 1
    assert 'Person "ann" read Record "r"\n  allow → deny\n' in done.out
    assert "rules: access.staff, shown.every_one → access.owner, access.staff" in done.out
    *found, last = map(
        json.loads,
        run("log", "replay", log, tmp_path / "q.policy", "--format", "json").out.splitlines(),
    )
    assert last["counts"] == {
        "same": 5, "different": 2, "masked": 0, "lacking": 0, "unfit": 0, "not_kept": 2,
    }  # fmt: skip
    assert found[0]["changes"]["decision"] == {"before": True, "after": False} or "now" in str(
        found
    )
    assert run("log", "replay", log, tmp_path / "none").code == 2
    assert run("log", "replay", log, tmp_path / "q.policy", "--action", "edit").code == 0


def line(content: bytes) -> bytes:
    return b'{"hash":"' + b"0" * 64 + b'",' + content + b"}\n"


HOSTILE = [
    b"x" * 3_000_000 + b"\n", b"[" * 900_000 + b"\n", b'{"hash":"\xff","record":{}}\n', b"\n", b"\x1b[2J\n",
    b'{"hash":"' + b"0" * 64 + b'","record":{"request":[],"rules":3,"time":{}}}\n',
    b'{"hash":"' + b"0" * 64 + b'","record":' + b"1" * 50_000 + b"}\n",
    *(line(b'"record":{"id":' + b"[" * n + b"]" * n + b"}") for n in (90, 900, *some(range(960, 1000, 3), 3))),
    line(b'"lost":{"count":' + b"9" * 4_299 + b"}") * 12, line(b'"lost":{"count":-5}'), line(b'"lost":{"count":true}'),
    line(b'"record":{"latency_us":NaN,"id":-Infinity}'), line(b'"record":{"id":"\\ud800","latency_us":1e999}'),
    line(b'"log":{"before":{}}'), line(b'"log":{"before":"\\u001b"}'),
    b'{"hash":"' + b"0" * 64
    + b'","record":{"id":"\\u001b[2J","time":"\\n","decision":1,"request":{"subject":{"type":"\\u001b","id":[]}}}}\n',
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_what_strangers_wrote_is_no_trouble(run, log, tmp_path, line):
    with log_files(log)[0].open("ab") as file:
        file.write(line)
    for more in ((), ("--format", "json")):
        done = run("log", "verify", log, *more)
        assert done.code == 1
        assert "\x1b" not in done.out
    for command in (("query", log), ("replay", log, tmp_path / "p.policy")):
        for more in ((), ("--format", "json"), ("--since", "2020-01-01")):
            done = run("log", *command, *more)
            assert done.code in (0, 1)
            assert "\x1b" not in done.out + done.err
            assert len(done.out) < 100_000


def test_a_type_of_no_record_is_said(run, log):
    done = run("log", "query", log, "--subject", "mia", "--resource", "Document:d")
    assert done.err == (
        "policyengine: no record has a subject of the type `mia`; one subject is written `TYPE:ID`\n"
        "policyengine: no record has a resource of the type `Document`\n"
    )
    assert (done.code, done.out) == (0, "0 of 9 records\n")
    assert run("log", "query", log, "--subject", "Person:nobody").err == ""
    replayed = run("log", "replay", log, log.parent / "p.policy", "--subject", "mia")
    assert "of the type `mia`; one subject" in replayed.err
