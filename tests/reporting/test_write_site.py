"""A report takes the place of a report, as a whole, and of nothing else."""

from __future__ import annotations

import os

import pytest

from policyengine.reporting.write_site import OtherFilesError, check_folder, write_site


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_report_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "deep" / "site"
    assert write_site(out, [("index.html", "old"), ("a/b.html", "é")]) == (2, 5)
    assert files(out) == {"index.html", "a/b.html", "files.txt"}
    write_site(out, [("index.html", b"new")])
    assert files(out) == {"index.html", "files.txt"}
    assert (out / "index.html").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["site"]


@pytest.mark.parametrize("name", ["notes.txt", "files.txt", "a/index.html", ".hidden"])
def test_other_files_are_never_touched(tmp_path, name):
    out = tmp_path / "site"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    with pytest.raises(OtherFilesError, match="holds what is no report"):
        write_site(out, [("index.html", "x")])
    assert files(out) == {name}


@pytest.mark.parametrize("text", ["", "\n", "\0", "files.txt\n"])
def test_a_list_that_is_no_report_s_is_of_others(tmp_path, text):
    out = tmp_path / "site"
    out.mkdir()
    (out / "files.txt").write_text(text)
    with pytest.raises(OtherFilesError, match=r"holds what is no report: `files\.txt`"):
        check_folder(out)


def test_a_list_that_is_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "files.txt")
    with pytest.raises(OSError, match="not a regular file"):
        check_folder(tmp_path)


def test_a_report_with_a_file_beside_is_not_replaced(tmp_path):
    out = tmp_path / "site"
    write_site(out, [("index.html", "old")])
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OtherFilesError, match=r"notes\.txt"):
        write_site(out, [("index.html", "new")])
    assert (out / "index.html").read_text() == "old"
    with pytest.raises(OtherFilesError, match="is no folder"):
        check_folder(out / "notes.txt")


def test_an_interruption_leaves_the_old_one(tmp_path):
    out = tmp_path / "site"
    write_site(out, [("index.html", "old")])

    def interrupted():
        yield "index.html", "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_site(out, interrupted())
    assert (out / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_place_that_cannot_be_taken_leaves_the_old_one(tmp_path, monkeypatch):
    out = tmp_path / "site"
    write_site(out, [("index.html", "old")])
    rename, asked = type(out).rename, []

    def failing(self, target):
        asked.append(self)
        if len(asked) == 2:
            raise OSError("full")
        return rename(self, target)

    monkeypatch.setattr(type(out), "rename", failing)
    with pytest.raises(OSError, match="full"):
        write_site(out, [("index.html", "new")])
    assert (out / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
