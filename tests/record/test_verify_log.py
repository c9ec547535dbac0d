"""Holds of checking a log that each change is found, and that what a crash leaves is told from one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from policyengine.record.decision_log import DecisionLog
from policyengine.record.log_lines import LONGEST_LINE, log_files
from policyengine.record.query_log import Reading, read_records
from policyengine.record.verify_log import verify_log
from tests.test_deciders import ASKED, ENGINE


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> list[bytes]:
    """The files of a log, each as its bytes."""
    path = tmp_path_factory.mktemp("written")
    with DecisionLog(path, size=4_000) as log:
        engine = ENGINE.with_record(log)
        for _ in range(24):
            engine.decide(ASKED["stranger"])
    files = [file.read_bytes() for file in log_files(path)]
    assert len(files) > 2
    return files


def put(path: Path, files: list[bytes], first: int = 1) -> Path:
    path.mkdir(exist_ok=True)
    for file in path.iterdir():
        file.unlink()
    for number, text in enumerate(files, first):
        (path / f"{number:08}.jsonl").write_bytes(text)
    return path


def test_each_byte_counts(tmp_path, written):
    rng = Random(5)
    text = written[1]
    for at in (*range(0, 260, 3), *rng.sample(range(len(text)), 50)):
        changed = bytes([text[at] ^ rng.choice((1, 2, 32, 128))])
        files = [written[0], text[:at] + changed + text[at + 1 :], *written[2:]]
        assert verify_log(put(tmp_path, files)).faults, at


def lines(text: bytes) -> list[bytes]:
    return text.splitlines(keepends=True)


CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "removed": lambda found: found[:2] + found[3:],
    "the first removed": lambda found: found[1:],
    "the last removed": lambda found: found[:-1],
    "twice": lambda found: found[:2] + found[1:],
    "swapped": lambda found: [found[0], found[2], found[1], *found[3:]],
    "added": lambda found: [*found, b'{"hash":"' + b"0" * 64 + b'","record":{}}\n'],
    "empty": lambda found: [*found, b"\n"],
    "not JSON": lambda found: [*found, b"\xff\xfe\n"],
    "deep": lambda found: [*found, b"[" * 900_000 + b"\n"],
    "too long": lambda found: [*found, b"x" * 3_000_000 + b"\n", *found[1:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_of_a_file_before_the_last_is_found(tmp_path, written, change):
    changed = b"".join(CHANGES[change](lines(written[1])))
    found = verify_log(put(tmp_path, [written[0], changed, *written[2:]]))
    assert found.faults
    assert not found.is_as_written
    assert len(found.faults) <= 2


def test_files_that_lack_or_are_moved_are_found(tmp_path, written):
    for files in (
        [written[0], *written[2:]], [written[1], written[0], *written[2:]],
        [written[0], written[0], *written[1:]],
    ):  # fmt: skip
        assert verify_log(put(tmp_path, files)).faults
    later = verify_log(put(tmp_path, written[1:], first=2))
    assert not later.faults  # earlier files were put away
    assert later.first == json.loads(lines(written[0])[-1])["hash"]


@pytest.mark.parametrize("change", ["moved", "removed", "emptied"])
def test_the_only_file_of_a_log_is_missed(tmp_path, change):
    """The log goes on in another file, after lines that are nowhere: no file was before the first one."""
    file = tmp_path / "log" / "00000001.jsonl"
    with DecisionLog(tmp_path / "log") as log:
        engine = ENGINE.with_record(log)
        engine.decide(ASKED["stranger"])
        match change:
            case "moved":
                file.rename(tmp_path / "away")
            case "removed":
                file.unlink()
            case "emptied":
                os.truncate(file, 0)
        engine.decide(ASKED["stranger"])
    [fault] = verify_log(tmp_path / "log").faults
    assert (fault.line, "after lines that are not there" in fault.message) == (1, True)


def test_each_cut_of_the_last_file_is_told_from_a_change(tmp_path, written):
    whole = written[-1]
    ends = [at for at, one in enumerate(whole, 1) if one == 10]
    for at in sorted({*range(0, len(whole), 23), *ends, *(end - 1 for end in ends)}):
        found = verify_log(put(tmp_path, [*written[:-1], whole[:at]]))
        is_whole = whole[:at].endswith(b"\n")
        assert (len(found.cut), found.faults) == (0 if is_whole else 1, []), at


def test_a_file_that_was_emptied_is_cut(tmp_path, written):
    """It has its first line as soon as it is made."""
    for files in ([b""], [written[0], b""]):
        found = verify_log(put(tmp_path, files))
        assert (len(found.cut), found.faults) == (1, [])
    assert verify_log(put(tmp_path, [b"", *written[1:]])).faults


def test_a_whole_line_without_its_end_that_is_changed_is_no_cut(tmp_path, written):
    last = written[-1].removesuffix(b"\n")
    assert b'"decision":false' in lines(last)[-1]
    at = last.rindex(b'"decision":false')
    changed = last[:at] + b'"decision":true' + last[at + len(b'"decision":false') :]
    assert verify_log(put(tmp_path, [*written[:-1], changed])).faults
    assert not verify_log(put(tmp_path, [*written[:-1], last])).faults


def test_what_was_removed_at_the_end_is_found_by_a_hash_that_was_kept(tmp_path, written):
    last = verify_log(put(tmp_path, written)).last
    assert not verify_log(tmp_path, [last]).faults
    shorter = put(tmp_path, [*written[:-1], b"".join(lines(written[-1])[:-1])])
    assert not verify_log(shorter).faults
    assert "no line has the hash" in verify_log(shorter, [last]).faults[0].message


def test_a_log_is_read_in_bounded_memory(tmp_path, written):
    import tracemalloc

    put(tmp_path, [written[0]])
    with (tmp_path / "00000002.jsonl").open("wb") as file:
        for _ in range(100):
            file.write(b"x" * LONGEST_LINE)
    tracemalloc.start()
    found = verify_log(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 8 * LONGEST_LINE
    tracemalloc.stop()
    assert found.cut


NO_FILES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a folder": lambda path: path.symlink_to(path.parent),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_reported_and_all_others_are_checked(tmp_path, written, kind):
    put(tmp_path / "log", written)
    count, other = verify_log(tmp_path / "log").records, tmp_path / "log" / "00000099.jsonl"
    NO_FILES[kind](other)
    found = verify_log(tmp_path / "log")
    assert [(fault.file, fault.line) for fault in found.faults] == [("00000099.jsonl", 0)]
    assert (found.records, found.files) == (count, len(written))
    reading = Reading()
    assert len([*read_records([tmp_path / "log"], reading)]) == count
    assert reading.no_files == (other,)


@pytest.mark.parametrize("ask", [verify_log, lambda path: [*read_records([path], Reading())]])
def test_a_file_that_may_not_be_looked_at_is_an_error(tmp_path, written, ask):
    put(tmp_path / "log", written)
    refused = PermissionError(errno.EACCES, "no")
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path.name == "00000002.jsonl":
            raise refused
        return stat(path, **options)

    with mock.patch.object(Path, "stat", refuse), pytest.raises(PermissionError):
        ask(tmp_path / "log")


def test_a_folder_without_a_log_is_an_error_for_a_query(tmp_path, written):
    put(tmp_path / "log", written)
    with pytest.raises(FileNotFoundError, match="no file of a log"):
        [*read_records([tmp_path / "log", tmp_path], Reading())]


def test_what_is_no_log_has_nothing(tmp_path):
    (tmp_path / "x.jsonl").write_text("?")
    assert verify_log(tmp_path).files == 0
    with pytest.raises(FileNotFoundError):
        verify_log(tmp_path / "none")
