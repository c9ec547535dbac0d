"""The key: made once, and refused if anybody else could know it or bring it along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policyengine.cache import key as keys
from policyengine.cache.key import open_cache


def code_of(cache) -> bytes:
    return cache._key


def test_a_key_is_made_that_only_its_owner_may_read(key, folder, caplog):
    made = open_cache(folder)
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert code_of(made) == key.read_bytes() == code_of(open_cache(folder))
    assert len(key.read_bytes()) == 32
    assert list(key.parent.iterdir()) == [key]
    assert caplog.messages == []


def refused(folder: Path | str, caplog: pytest.LogCaptureFixture) -> str:
    """Return why there is no cache."""
    assert open_cache(folder) is None
    [message] = caplog.messages
    return message


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o400, 0o700])
def test_another_mode_is_refused(key, folder, caplog, mode):
    open_cache(folder)
    key.chmod(mode)
    assert refused(folder, caplog).endswith("must have the mode 0600")


def test_another_owner_is_refused(key, folder, caplog, monkeypatch):
    open_cache(folder)
    monkeypatch.setattr(keys.os, "geteuid", lambda: os.getuid() + 1)
    assert refused(folder, caplog).endswith("belongs to somebody else")


@pytest.mark.parametrize("content", [b"", b"k" * 31, b"k" * 33])
def test_a_key_has_its_size(key, folder, caplog, content):
    open_cache(folder)
    key.write_bytes(content)
    assert refused(folder, caplog).endswith("is not of 32 bytes")


def test_a_key_in_the_folder_of_entries_is_refused(key, caplog):
    assert "is in the folder" in refused(key.parent, caplog)
    assert not key.exists()


def test_a_key_in_the_folder_by_a_link_is_refused(key, folder, caplog, tmp_path):
    folder.mkdir()
    key.parent.symlink_to(folder)
    assert "is in the folder" in refused(folder, caplog)


def test_a_link_is_no_key(key, folder, caplog, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"k" * 32)
    elsewhere.chmod(0o600)
    key.parent.mkdir()
    key.symlink_to(elsewhere)
    assert "there is no key" in refused(folder, caplog)


def test_a_key_that_cannot_be_made_is_no_key(key, folder, caplog):
    key.parent.write_text("a file where a folder should be")
    assert "there is no key" in refused(folder, caplog)


def test_two_processes_that_make_a_key_have_one(key, folder, monkeypatch):
    def be_late(path, parts, *, replacing):
        monkeypatch.undo()
        monkeypatch.setenv(keys.KEY, str(key))
        key.write_bytes(b"f" * 32)
        key.chmod(0o600)
        return keys.write_whole(path, parts, replacing=replacing)

    monkeypatch.setattr(keys, "write_whole", be_late)
    assert code_of(open_cache(folder)) == b"f" * 32
    assert list(key.parent.iterdir()) == [key]


def test_a_system_without_owners_has_no_key(key, folder, caplog, monkeypatch):
    monkeypatch.delattr(keys.os, "geteuid")
    assert "does not say who may read" in refused(folder, caplog)


def test_the_environment_says_where_entries_lie(key, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert open_cache()._folder == str(tmp_path / "xdg" / "policyengine")
    monkeypatch.setenv("POLICYENGINE_CACHE", str(tmp_path / "other"))
    assert open_cache()._folder == str(tmp_path / "other")
    monkeypatch.setenv("POLICYENGINE_CACHE", "off")
    assert open_cache() is None
    assert open_cache(tmp_path / "own")._folder == str(tmp_path / "own")
    assert caplog.messages == []


def test_without_an_environment_it_is_the_home_directory(tmp_path, monkeypatch, caplog):
    for variable in ("POLICYENGINE_CACHE", "POLICYENGINE_CACHE_KEY", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")  # which the specification has us ignore
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_cache()._folder == str(tmp_path / ".cache" / "policyengine")
    assert (tmp_path / ".local" / "state" / "policyengine" / "key").is_file()
    monkeypatch.setattr(keys.os.path, "expanduser", lambda path: path)  # as where nobody lives
    assert open_cache() is None
    assert "no home directory" in caplog.text


def test_what_is_no_name_of_a_folder_is_no_cache(key, caplog):
    assert "is not the name of a folder" in refused("cache/a\0b", caplog)
    assert not key.exists()
