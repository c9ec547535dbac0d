"""Holds of logs that no answered decision is missing in a durable one, and that a fast one says what it lost."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from unittest import mock

import pytest

from policyengine import Decision, DecisionCache, NotRecorded
from policyengine.record.decision_log import DecisionLog
from policyengine.record.log_lines import log_files
from policyengine.record.verify_log import verify_log
from tests.test_deciders import ANN, ASKED, ENGINE, RECORD

STAFF = ASKED["staff"]


def contents(path: Path) -> Iterator[dict[str, Any]]:
    for file in log_files(path):
        yield from map(json.loads, file.read_text("ascii").splitlines())


def ids(path: Path) -> list[str]:
    return [one["record"]["id"] for one in contents(path) if "record" in one]


def is_right(path: Path, *, cut: int = 0) -> bool:
    found = verify_log(path)
    assert found.faults == []
    return len(found.cut) == cut


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.parametrize("mode", ["durable", "fast"])
def test_each_decision_of_many_threads_is_on_record(path, mode):
    with DecisionLog(path, mode, size=20_000) as log, ThreadPoolExecutor(8) as pool:
        engine = ENGINE.with_record(log)
        given = [*pool.map(lambda _: engine.decide(STAFF).id, range(200))]
    assert sorted(ids(path)) == sorted(given)
    assert len(log_files(path)) > 1
    assert is_right(path)
    assert log.lost == 0


def test_a_log_goes_on_where_it_ended(path):
    for _ in range(3):
        with DecisionLog(path) as log:
            ENGINE.with_record(log).decide(STAFF)
    assert len(ids(path)) == 3
    assert len(log_files(path)) == 1
    assert is_right(path)


@pytest.mark.parametrize(
    "end", [b"x", b'{"hash":"', b"\0" * 5000, b'{"hash":"' + b"0" * 64 + b'","record":{']
)
def test_what_a_crash_cut_stays_and_the_next_file_goes_on(path, end):
    for _ in range(3):
        with DecisionLog(path) as log:
            ENGINE.with_record(log).decide(STAFF)
        with log_files(path)[-1].open("ab") as file:
            file.write(end)
    assert is_right(path, cut=3)
    assert len(log_files(path)) == 3
    for rest in (b"", end):
        log_files(path)[-1].write_bytes(rest)
        DecisionLog(path).close()
        assert verify_log(path).faults == []


def test_durable_means_on_disk_before_it_is_given(path):
    steps: list[str] = []
    write, sync = os.write, os.fsync
    with DecisionLog(path) as log:
        engine = ENGINE.with_record(log)
        with (
            mock.patch("os.write", lambda *a: (steps.append("write"), write(*a))[1]),
            mock.patch("os.fsync", lambda *a: (steps.append("sync"), sync(*a))[1]),
        ):
            engine.decide(STAFF)
            steps.append("given")
    assert steps[:3] == ["write", "sync", "given"]


@pytest.mark.parametrize("mode", ["durable", "fast"])
def test_decisions_that_are_given_together_wait_once(path, mode):
    real, syncs = os.fsync, []
    document = {"subject": ANN, "action": {"name": "read"}, "resource": RECORD}
    batch = {**document, "evaluations": [{}] * 30, "entities": [*STAFF.entities]}
    with DecisionLog(path, mode) as log:
        engine = ENGINE.with_record(log)
        bound = engine.bind(ANN)
        with mock.patch("os.fsync", lambda file: (syncs.append(file), real(file))[1]):
            given = engine.decide_many([STAFF] * 50)
            given += DecisionCache(engine).decide_many([STAFF] * 50)
            given += bound.decide_many([STAFF.parts[1:4]] * 50, entities=STAFF.entities)
            given += engine.bind(ANN, "read").decide_many([STAFF.parts[2:4]] * 50)
            given += engine.evaluations(batch).decisions
            assert engine.decide_many([]) == []
            assert len(syncs) == (5 if mode == "durable" else 0)
            given += engine.decide_many([STAFF] * 2_100)
            assert len(syncs) == (8 if mode == "durable" else 0)
            given += engine.decide_each([STAFF] * 5)
            assert len(syncs) == (13 if mode == "durable" else 0)
    assert ids(path) == [one.id for one in given]
    assert len({*ids(path)}) == len(given)
    assert is_right(path)


# ---- bad days ---------------------------------------------------------------------------


def fails_with(number: int, after: int = 0) -> Callable[..., Any]:
    """Return what writes some bytes and then fails, as a full disk does."""
    write = os.write

    def fail(file: int, *text: Any) -> int:
        if text and after and len(text[0]) > after:
            return write(file, text[0][:after])
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("call", "fails"),
    [("os.write", fails_with(errno.ENOSPC)), ("os.write", fails_with(errno.ENOSPC, 50)),
     ("os.fsync", fails_with(errno.EIO))],
)  # fmt: skip
@pytest.mark.parametrize("truncates", [True, False])
def test_a_write_that_fails_is_no_record_and_the_log_goes_on(path, call, fails, truncates):
    with DecisionLog(path) as log:
        engine = ENGINE.with_record(log)
        given = [engine.decide(STAFF).id]
        truncate = os.ftruncate if truncates else fails_with(errno.EIO)
        with mock.patch(call, fails), mock.patch("os.ftruncate", truncate):
            for _ in range(3):
                with pytest.raises(NotRecorded, match=r"not recorded: .*(space|error)"):
                    engine.decide(STAFF)
            assert isinstance(log.last_error, OSError)
        given += [engine.decide(STAFF).id for _ in range(2)]
        assert log.last_error is None
    recorded = ids(path) if truncates else [*given]
    assert recorded == given
    assert verify_log(path).faults == []
    assert verify_log(path).records >= 3


def test_all_that_wait_for_a_write_that_fails_are_told(path):
    held, writing = Event(), Event()
    real = os.fsync

    def sync(file: int) -> None:
        if not writing.is_set():
            writing.set()
            held.wait(10)
        real(file)

    with DecisionLog(path) as log, ThreadPoolExecutor(6) as pool:
        engine = ENGINE.with_record(log)
        with mock.patch("os.fsync", sync):
            first = pool.submit(engine.decide, STAFF)
            writing.wait(10)
            others = [pool.submit(engine.decide, STAFF) for _ in range(5)]
            while len(log._waiting) < 5:
                pass
            with mock.patch("os.write", fails_with(errno.ENOSPC)):
                held.set()
                assert all(isinstance(one.exception(10), NotRecorded) for one in others)
        assert ids(path) == [first.result().id]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit])
def test_a_write_that_is_interrupted_is_taken_back(path, problem):
    with DecisionLog(path) as log:
        engine = ENGINE.with_record(log)
        for call in ("os.write", "os.fsync"):
            with mock.patch(call, side_effect=problem), pytest.raises(problem):
                engine.decide(STAFF)
        given = engine.decide(STAFF).id
    assert ids(path) == [given]
    assert is_right(path)


def test_an_interruption_after_a_write_lets_others_go_on(path, monkeypatch):
    end, interruptions = DecisionLog._end, iter([KeyboardInterrupt, KeyboardInterrupt])

    def interrupted(*parts):  # as a signal handler may raise in any call
        if (problem := next(interruptions, None)) is not None:
            raise problem
        end(*parts)

    monkeypatch.setattr(DecisionLog, "_end", interrupted)
    with DecisionLog(path) as log:
        engine = ENGINE.with_record(log)
        with pytest.raises(KeyboardInterrupt):
            engine.decide(STAFF)
        with ThreadPoolExecutor(1) as other:
            given = [engine.decide(STAFF).id, other.submit(engine.decide, STAFF).result(20).id]
    assert ids(path)[1:] == given
    assert is_right(path)


def test_a_thread_that_writes_does_not_wait_for_itself(path):
    real = os.fsync
    told: list[str] = []

    def sync(file: int) -> None:  # as a signal handler may be called
        if not told:
            told.append("")
            with pytest.raises(NotRecorded, match="just writing"):
                engine.decide(STAFF)
        real(file)

    with DecisionLog(path) as log:
        engine = ENGINE.with_record(log)
        with mock.patch("os.fsync", sync):
            given = [engine.decide(STAFF).id, engine.decide(STAFF).id]
    assert ids(path) == given


def test_what_is_no_file_of_a_log_is_in_nobody_s_way(path):
    (path / "00000007.jsonl").mkdir(parents=True)
    (path / "notes.jsonl").write_text("?")
    with DecisionLog(path) as log:
        ENGINE.with_record(log).decide(STAFF)
    assert [one.name for one in log_files(path)] == ["00000008.jsonl"]
    assert [fault.file for fault in verify_log(path).faults] == ["00000007.jsonl"]
    (path / "00000007.jsonl").rmdir()
    assert is_right(path)


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        DecisionLog(tmp_path / "file")
    with (
        mock.patch("os.open", fails_with(errno.EROFS)),
        pytest.raises(OSError, match=r"[Rr]ead-only"),
    ):
        DecisionLog(tmp_path / "other")
    with pytest.raises(ValueError, match="durable"):
        DecisionLog(tmp_path / "x", "slow")  # type: ignore[arg-type] - on purpose
    with pytest.raises(ValueError, match="whole number from 1,000 on"):
        DecisionLog(tmp_path / "x", size=0)


def test_no_other_file_if_there_is_no_room_for_one(path):
    with DecisionLog(path, size=1000) as log:
        engine = ENGINE.with_record(log)
        while (path / "00000001.jsonl").stat().st_size < 1000:
            engine.decide(STAFF)
        with mock.patch("os.write", fails_with(errno.ENOSPC, 10)):
            for _ in range(3):
                with pytest.raises(NotRecorded):
                    engine.decide(STAFF)
        engine.decide(STAFF)
    assert [one.name for one in log_files(path)] == ["00000001.jsonl", "00000002.jsonl"]
    assert is_right(path)


def test_a_log_is_written_by_one(path):
    code = f"from policyengine.record.decision_log import DecisionLog\nDecisionLog({str(path)!r})"
    with DecisionLog(path):
        with pytest.raises(BlockingIOError, match="writes here"):
            DecisionLog(path)
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert "BlockingIOError" in run.stderr
    DecisionLog(path).close()


def test_a_log_whose_lock_was_removed_is_still_written_by_one(path):
    """As by what removes old files: the lock is the oldest."""
    first = DecisionLog(path)
    engine = ENGINE.with_record(first)
    for _ in range(2):
        engine.decide(STAFF)
        (path / "lock").unlink()
        with DecisionLog(path) as second:
            ENGINE.with_record(second).decide(STAFF)
            for _ in range(2):
                with pytest.raises(NotRecorded, match="writes here"):
                    engine.decide(STAFF)
            ENGINE.with_record(second).decide(STAFF)
        engine.decide(STAFF)
        with pytest.raises(BlockingIOError, match="writes here"):
            DecisionLog(path)
        (path / "lock").unlink()
    engine.decide(STAFF)
    with pytest.raises(BlockingIOError, match="writes here"):
        DecisionLog(path)
    first.close()
    found = verify_log(path)
    assert (found.records, found.faults, found.files) == (9, [], 1)


def test_a_folder_in_the_place_of_that_of_a_log_is_written_by_one(path, tmp_path):
    log = DecisionLog(path)
    engine = ENGINE.with_record(log)
    engine.decide(STAFF)
    other = tmp_path / "other"
    path.rename(tmp_path / "moved")
    with DecisionLog(other):
        path.symlink_to(other)
        with pytest.raises(NotRecorded, match="writes here"):
            engine.decide(STAFF)
    engine.decide(STAFF)
    for one in (path, other):
        with pytest.raises(BlockingIOError, match="writes here"):
            DecisionLog(one)
    DecisionLog(tmp_path / "moved").close()
    path.unlink()
    with pytest.raises(NotRecorded, match="No such file"):
        engine.decide(STAFF)
    path.symlink_to(other)
    engine.decide(STAFF)
    log.close()
    assert verify_log(other).records == 2
    assert verify_log(other).faults  # what it goes on after is not there


@pytest.mark.parametrize("mode", ["durable", "fast"])
def test_a_forked_process_records_nothing_here(path, mode):
    log = DecisionLog(path, mode)
    engine = ENGINE.with_record(log)
    engine.decide(STAFF)

    def child(answers: Any) -> None:
        try:
            engine.decide(STAFF)
        except NotRecorded as problem:
            answers.put(str(problem))
        log.close()

    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    process = fork.Process(target=child, args=(answers,))
    process.start()
    assert "forked" in answers.get(timeout=20)
    process.join(20)
    engine.decide(STAFF)
    log.close()
    assert len(ids(path)) == 2
    assert is_right(path)


def test_a_file_that_is_moved_or_changed_meanwhile_is_noticed(path):
    def remove(file: Path) -> None:
        file.unlink()

    def cut(file: Path) -> None:
        os.truncate(file, 10)

    def add(file: Path) -> None:
        with file.open("ab") as opened:
            opened.write(b"{}\n")

    def move(file: Path) -> None:
        file.rename(path / "moved")

    for change in (remove, cut, add, move):
        where = path / change.__name__
        with DecisionLog(where) as log:
            engine = ENGINE.with_record(log)
            engine.decide(STAFF)
            change(log_files(where)[-1])
            given = engine.decide(STAFF).id
        assert (
            given in (where / "00000002.jsonl").read_text() if change in (cut, add) else ids(where)
        )
        found = verify_log(where)
        assert found.faults or found.cut or found.first != "0" * 64


def test_a_clock_that_is_set_back_is_said_and_changes_nothing(path):
    with DecisionLog(path) as log:
        engine = ENGINE.with_record(log)
        for moment in (2_000, 1_000, 1_001, 3_000, 2_999):
            clock = mock.Mock(time_ns=lambda moment=moment: moment * 10**9)
            with mock.patch("policyengine.runtime.clock.time", clock):
                engine.decide(ANN, "read", RECORD, entities=STAFF.entities)
    assert verify_log(path).set_back == 1
    assert is_right(path)


# ---- fast -------------------------------------------------------------------------------


def test_a_fast_log_says_what_it_lost(path):
    held = Event()
    real = os.write
    with DecisionLog(path, "fast", queue=5) as log:
        engine = ENGINE.with_record(log)
        with mock.patch("os.write", lambda *a: (held.wait(10), real(*a))[1]):
            given = [engine.decide(STAFF).id]
            while log._waiting:
                pass
            given += [engine.decide(STAFF).id for _ in range(20)]
            held.set()
    assert log.lost == 15
    assert ids(path) == given[:6]
    said = [one["lost"] for one in contents(path) if "lost" in one]
    assert sum(one["count"] for one in said) == 15
    assert verify_log(path).lost == 15
    assert is_right(path)


def test_a_fast_log_counts_what_a_full_disk_took(path, caplog):
    with DecisionLog(path, "fast") as log:
        engine = ENGINE.with_record(log)
        with mock.patch("os.write", fails_with(errno.ENOSPC)):
            for _ in range(3):
                engine.decide(STAFF)
            while log.lost < 3:
                pass
        given = engine.decide(STAFF).id
    assert ids(path) == [given]
    assert verify_log(path).lost == log.lost == 3
    assert [one.levelname for one in caplog.records if one.name == "policyengine.record"] == [
        "WARNING"
    ]


class Raising(logging.Handler):
    """A handler that fails."""

    def emit(self, record):
        raise OSError(record)


def test_a_fast_log_goes_on_if_nobody_can_be_warned(path):
    logger, handler = logging.getLogger("policyengine.record"), Raising()
    logger.addHandler(handler)
    try:
        with DecisionLog(path, "fast") as log:
            engine = ENGINE.with_record(log)
            with mock.patch("os.write", fails_with(errno.ENOSPC)):
                engine.decide(STAFF)
                until = monotonic() + 20
                while not log.lost:
                    assert monotonic() < until
            given = engine.decide(STAFF).id
    finally:
        logger.removeHandler(handler)
    assert ids(path) == [given]
    assert verify_log(path).lost == 1


# ---- ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["durable", "fast"])
def test_a_closed_log_gives_no_decision(path, mode):
    log = DecisionLog(path, mode)
    engine = ENGINE.with_record(log)
    log.close()
    log.close()
    with pytest.raises(NotRecorded, match="closed"):
        engine.decide(STAFF)
    with pytest.raises(TypeError, match="neither copied"):
        pickle.dumps(log)
    assert mode in repr(log)


def test_a_fast_log_writes_what_waits_when_a_program_ends(path):
    code = f"""
from policyengine import Decision
from policyengine.record.decision_log import DecisionLog
log = DecisionLog({str(path)!r}, "fast")
for _ in range(100): log(Decision.example(allowed=True))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(ids(path)) == 100
    assert is_right(path)


def test_records_may_be_made_otherwise(path):
    with DecisionLog(path, to_log=lambda decision: decision.to_log(private=True)) as log:
        log(Decision.example(allowed=True))
    with (
        DecisionLog(path, to_log=lambda _: {"id": "x" * 2_000_000}) as log,
        pytest.raises(NotRecorded, match="at most"),
    ):
        log(Decision.example(allowed=True))
    assert len(ids(path)) == 1
