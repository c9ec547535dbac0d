"""Entries: found as they were written, or not found; whatever became of them, nothing is raised."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from policyengine.cache import folder as entries
from policyengine.cache.folder import Cache, DamagedError

KEY = b"k" * 32
PIECES = (b"one" * 1_000, b"", b"three")


@pytest.fixture
def cache(folder: Path) -> Cache:
    made = Cache(str(folder), KEY)
    assert made.write("entry", b"about", PIECES)
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def found(folder: Path, name: str = "entry", key: bytes = KEY) -> tuple[bytes, ...] | None:
    """Return everything in an entry, None if anything in it is not as it was written."""
    entry = Cache(str(folder), key).find(name)
    try:
        return None if entry is None else (entry.about, *map(entry.piece, range(len(PIECES))))
    except (DamagedError, OSError):
        return None


def test_what_was_written_is_found(cache, folder, caplog):
    assert found(folder) == (b"about", *PIECES)
    assert caplog.messages == []
    assert (folder / "entry").stat().st_mode & 0o777 == 0o600
    assert names(folder) == ["entry"]  # nothing is left beside it


def test_what_was_not_written_is_not_there(cache, folder, caplog):
    assert cache.find("other") is None
    assert Cache(str(folder / "nowhere"), KEY).find("entry") is None
    assert caplog.messages == []


def test_a_later_entry_takes_the_place_of_an_earlier_one(cache, folder):
    assert cache.write("entry", b"again", PIECES)
    assert found(folder) == (b"again", *PIECES)


def test_no_bit_can_be_turned(cache, folder):
    path, rng = folder / "entry", Random(1)
    whole = path.read_bytes()
    for _ in range(300):
        spoilt = bytearray(whole)
        at = rng.randrange(len(spoilt) * 8)
        spoilt[at // 8] ^= 1 << at % 8
        path.write_bytes(spoilt)
        assert found(folder) is None, at


def test_no_end_can_be_missing_or_added(cache, folder):
    path, rng = folder / "entry", Random(1)
    whole = path.read_bytes()
    for length in (0, 1, 20, 21, 53, 61, 62, *rng.sample(range(len(whole)), 50), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert found(folder) is None, length
    path.write_bytes(whole + b"more")  # which nothing refers to
    assert found(folder) == (b"about", *PIECES)


def test_another_key_does_not_fit(cache, folder, caplog):
    assert found(folder, key=b"l" * 32) is None
    assert "damaged, or was not written with this key" in caplog.text


def test_an_entry_is_not_taken_under_another_name(cache, folder):
    (folder / "other").write_bytes((folder / "entry").read_bytes())
    assert found(folder, "other") is None


def test_sizes_are_bounded(cache, folder, monkeypatch):
    entry = cache.find("entry")
    monkeypatch.setattr(entries, "_MOST_PIECE", 10)
    with pytest.raises(DamagedError):
        entry.piece(0)
    monkeypatch.setattr(entries, "_MOST_HEADER", 10)
    assert found(folder) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("entry")])
def test_only_files_are_read(cache, folder, caplog, make):
    make(folder / "strange")
    assert cache.find("strange") is None
    assert "cannot be read" in caplog.text


def test_trouble_is_told_once(cache, folder, caplog):
    (folder / "entry").write_bytes(b"nonsense")
    for _ in range(3):
        assert cache.find("entry") is None
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("call", ["fdopen", "replace", "open", "makedirs"])
def test_a_full_or_read_only_disk_leaves_what_was_there(cache, folder, caplog, monkeypatch, call):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(entries.os, call, fail)
    assert not cache.write("entry", b"again", PIECES)
    monkeypatch.undo()
    assert caplog.messages == [
        f"the compile cache is not used: `{folder}/entry` cannot be written: no space left on device"
    ]
    assert found(folder) == (b"about", *PIECES)
    assert names(folder) == ["entry"]


def test_what_nobody_asks_for_is_removed(cache, folder):
    asked, old, half, stray = ("a" * 64 + ".set", "b" * 64 + ".set", "c" * 64 + ".set.1.2f", "mine")
    month = time.time() - 31 * 86_400
    cache.write(asked, b"about", PIECES)
    for name in (old, half, stray):
        (folder / name).write_text("")
    for name in (asked, old, half, stray):
        os.utime(folder / name, (month, month))
    assert found(folder, asked) is not None
    cache.write("d" * 64 + ".set", b"")
    cache.tidy()
    assert names(folder) == [asked, "d" * 64 + ".set", "entry", stray]


def test_what_was_asked_for_last_stays_where_all_is_too_much(cache, folder, monkeypatch):
    size = (folder / "entry").stat().st_size
    monkeypatch.setattr(entries, "_MOST_KEPT", 3 * size)
    written = [letter * 64 + ".set" for letter in "abcd"]
    for age, name in enumerate(written):
        assert cache.write(name, b"about", PIECES)
        os.utime(folder / name, (time.time() - 60 * (9 - age),) * 2)
    assert cache.write("e" * 64 + ".set", b"about", PIECES)
    cache.tidy()
    assert names(folder) == [*written[2:], "e" * 64 + ".set", "entry"]


def test_processes_may_write_at_once(folder):
    code = (
        "import sys; from policyengine.cache.folder import Cache\n"
        f"cache = Cache({str(folder)!r}, {KEY!r})\n"
        "for number in range(200):\n"
        "    assert cache.write('entry', b'about', (b'one' * 1000, b'', b'three'))\n"
        "    entry = cache.find('entry')\n"
        "    assert entry.about == b'about' and entry.piece(0) == b'one' * 1000\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert found(folder) == (b"about", *PIECES)
    assert names(folder) == ["entry"]
